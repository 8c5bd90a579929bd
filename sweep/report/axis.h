/*
 * axis.h - places learning rates on a logarithmic axis; a rate of 0 stands apart at its low end.
 */
#ifndef SWEEP_REPORT_AXIS_H
#define SWEEP_REPORT_AXIS_H

#include <stdbool.h>

struct axis {
	int n;
	double *value;        /* ascending, each once */
	double *at, *lo, *hi; /* centre and edges of each in axis units: log10, or places if `even` */
	double low, high;     /* ends of the axis */
	bool even;            /* evenly spaced, because a true log axis would make some cells too narrow */
};

/*
 * values: n rates, in any order, with repetitions. Edges are midpoints between neighbours in log10. If the narrowest
 * would be less than `least` of the whole axis, all are made equally wide. Returns false without memory.
 */
bool axis_init(struct axis *a, const double *values, int n, double least);
void axis_release(struct axis *a);
int axis_find(const struct axis *a, double value); /* index, or -1 */
/* The narrowest cell's share of the axis. */
double axis_narrowest(const struct axis *a);

#endif
