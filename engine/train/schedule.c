/* schedule.c - see schedule.h */
#include "engine/train/schedule.h"

#include <math.h>

#ifndef M_PI
#define M_PI 3.14159265358979323846
#endif

/* Where a schedule stands: at of total, in its unit. */
struct clock {
	int64_t at, total;
};

static struct clock clock_at(const struct hyper *h, int64_t step, int64_t per_epoch)
{
	const int64_t epochs = h->epochs - h->warmup;

	step -= h->warmup * per_epoch;
	if (h->schedule_unit == UNIT_STEP)
		return (struct clock){step, epochs * per_epoch};
	return (struct clock){step / per_epoch, epochs};
}

/* From a to b along half a wave, as t goes from 0 to 1. */
static double half_wave(double a, double b, double t)
{
	return b + (a - b) / 2 * (1 + cos(M_PI * t));
}

static double lowest(const struct hyper *h, double base)
{
	return h->eta_min_ratio > 0 ? h->eta_min_ratio * base : h->eta_min;
}

static int milestones_passed(const struct hyper *h, int64_t at)
{
	int n = 0;

	for (int i = 0; i < FIELD_VALUES && h->milestones[i] != 0; i++)
		n += (double)at >= h->milestones[i];
	return n;
}

static double warm_restarts(const struct hyper *h, double base, int64_t at)
{
	int64_t length = h->T_0;

	for (; at >= length; length *= h->T_mult)
		at -= length;
	return half_wave(base, lowest(h, base), (double)at / (double)length);
}

/* ---- one cycle ---- */

/* The cycle's phases lead through these heights: 0 first, 1 highest, 2 last. */
struct leg {
	double t; /* of the leg, 0 to 1 */
	int from, to;
};

static struct leg cycle_leg(const struct hyper *h, struct clock c)
{
	const double last = (double)(c.total - 1), first = h->pct_start * (double)c.total - 1;
	const double ends[] = {first, h->three_phase ? 2 * first : last, last};
	const int heights[] = {0, 1, h->three_phase ? 0 : 2, 2};
	const int legs = h->three_phase ? 3 : 2;
	double began = 0;

	for (int i = 0;; i++) {
		double length = ends[i] - began;

		if ((double)c.at <= ends[i] || i == legs - 1)
			return (struct leg){length > 0 ? ((double)c.at - began) / length : 1, heights[i],
					    heights[i + 1]};
		began = ends[i];
	}
}

static double on_leg(const struct hyper *h, struct leg leg, const double height[3])
{
	double a = height[leg.from], b = height[leg.to];

	return h->anneal_strategy ? (b - a) * leg.t + a : half_wave(a, b, leg.t);
}

static double one_cycle(const struct hyper *h, double base, struct clock c)
{
	const double first = base / h->div_factor;
	const double height[3] = {first, base, first / h->final_div_factor};

	return on_leg(h, cycle_leg(h, c), height);
}

double schedule_momentum(const struct hyper *h, int64_t step, int64_t per_epoch)
{
	const double height[3] = {h->max_momentum, h->base_momentum, h->max_momentum};

	if (hyper_cycles_momentum(h))
		return on_leg(h, cycle_leg(h, clock_at(h, step, per_epoch)), height);
	return h->optimizer == OPTIM_SGD || h->optimizer == OPTIM_RMSPROP ? h->momentum : h->betas[0];
}

/* ---- all ---- */

static double linear_factor(const struct hyper *h, int64_t at)
{
	double t = at < h->total_iters ? (double)at / h->total_iters : 1;

	return h->start_factor + (h->end_factor - h->start_factor) * t;
}

double schedule_lr(const struct hyper *h, double base, int64_t step, int64_t per_epoch)
{
	const int64_t warm = h->warmup * per_epoch;
	struct clock c;

	if (step < warm)
		return base * (double)(step + 1) / (double)warm;
	c = clock_at(h, step, per_epoch);
	switch (h->schedule) {
	case SCHEDULE_STEP:
		return base * pow(h->gamma, (double)(c.at / h->step_size));
	case SCHEDULE_MULTISTEP:
		return base * pow(h->gamma, milestones_passed(h, c.at));
	case SCHEDULE_EXPONENTIAL:
		return base * pow(h->gamma, (double)c.at);
	case SCHEDULE_COSINE:
		return half_wave(base, lowest(h, base), (double)c.at / (double)(h->T_max ? h->T_max : c.total));
	case SCHEDULE_COSINE_WARM_RESTARTS:
		return warm_restarts(h, base, c.at);
	case SCHEDULE_LINEAR:
		return base * linear_factor(h, c.at);
	case SCHEDULE_POLYNOMIAL:
		return c.at < h->total_iters ? base * pow(1 - (double)c.at / h->total_iters, h->power) : 0;
	case SCHEDULE_ONECYCLE:
		return one_cycle(h, base, c);
	default: /* constant, and plateau, whose base is what it has come to */
		return base;
	}
}

/* ---- plateau ---- */

#define LEAST_CHANGE 1e-8 /* ReduceLROnPlateau's eps */

void plateau_start(struct plateau *p, const double lr[ENGINE_MAX_GROUPS])
{
	*p = (struct plateau){.best = INFINITY};
	for (int g = 0; g < ENGINE_MAX_GROUPS; g++)
		p->lr[g] = lr[g];
}

static bool is_better(const struct plateau *p, const struct hyper *h, double loss)
{
	if (h->plateau_threshold_mode)
		return loss < p->best - h->plateau_threshold;
	return loss < p->best * (1 - h->plateau_threshold);
}

static void reduce(struct plateau *p, const struct hyper *h)
{
	for (int g = 0; g < ENGINE_MAX_GROUPS; g++) {
		double lr = fmax(p->lr[g] * h->plateau_factor, h->plateau_min_lr);

		if (p->lr[g] - lr > LEAST_CHANGE)
			p->lr[g] = lr;
	}
}

void plateau_epoch(struct plateau *p, const struct hyper *h, double val_loss)
{
	p->bad++;
	if (is_better(p, h, val_loss)) {
		p->best = val_loss;
		p->bad = 0;
	}
	if (p->cooldown > 0) {
		p->cooldown--;
		p->bad = 0;
	}
	if (p->bad > h->plateau_patience) {
		reduce(p, h);
		p->cooldown = h->plateau_cooldown;
		p->bad = 0;
	}
}
