/*
 * ref.h - plain kernels in double, the yardstick of the fast ones, and what the tests of the kernels share.
 *
 * Shapes and names are those of engine/kernels/kernels.h. Nothing here is fast.
 */
#ifndef TESTS_UNIT_REF_H
#define TESTS_UNIT_REF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "engine/kernels/kernels.h"

/* Runs test once with each instruction set of this machine chosen; says which. */
void ref_each_isa(void (*test)(void));

/* 64-byte aligned, and not a byte longer than asked, so that a sanitizer sees the first float beyond. Freed by free. */
float *ref_alloc(size_t n);
float *ref_random(size_t n); /* uniform in -1 .. 1, the next numbers of one sequence */
double ref_uniform(void);    /* 0 .. 1 */
double *ref_widen(const float *x, size_t n);
float *ref_copy(const float *x, size_t n);

/* Fails unless got is want within tol, relative to the largest |want| (or 1, if that is larger). */
void ref_near(const char *what, const float *got, const double *want, size_t n, double tol);
void ref_same(const char *what, const float *got, const float *want, size_t n); /* bit for bit */

/* d f / d *at by central difference; f must read *at again. */
double ref_slope(double (*f)(void *ctx), void *ctx, double *at, double step);
/* sum of x[i] * coef[i] */
double ref_dot(const double *x, const float *coef, size_t n);

void ref_conv_forward(double *y, const double *x, const double *w, const struct conv_shape *cs, int n);
void ref_conv_backward_data(double *dx, const double *dy, const double *w, const struct conv_shape *cs, int n);
void ref_conv_backward_weights(double *dw, const double *dy, const double *x, const struct conv_shape *cs, int n);
/* mean, var: in, or out where batch (biased) */
void ref_bn(double *z, double *mean, double *var, const double *y, const double *gamma, const double *beta,
	    const double *add, bool relu, bool batch, int64_t m, int c, double eps);
void ref_linear(double *y, const double *x, const double *w, const double *b, int n, int d, int o);
void ref_linear_backward(double *dx, double *dw, double *db, const double *dy, const double *x, const double *w, int n,
			 int d, int o);
void ref_pool(double *y, const double *x, const struct pool_shape *ps, int n, bool max);
double ref_cross_entropy(const double *logits, int label, int classes, double smooth);

#endif
