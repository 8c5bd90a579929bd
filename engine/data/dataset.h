/*
 * dataset.h - inside data/: what a data set is made of; data.c fills it, batch.c reads it.
 */
#ifndef ENGINE_DATA_DATASET_H
#define ENGINE_DATA_DATASET_H

#include "engine/data/data.h"
#include "engine/data/samples.h"

struct dataset {
	struct dataset_info info;
	bool is_float;
	struct samples images; /* [n][per][h][w][c], float32 or uint8 */
	int per;               /* prepare_per() */
	struct augment_spec augment;
	int32_t *label; /* [n] */
	float *mean;    /* [c] */
	float *std;     /* [c] */
	float *lut;     /* uint8 only: [n_lut][256], what a value becomes */
	int n_lut;      /* 1 if all channels share a table, else c */
};

#endif
