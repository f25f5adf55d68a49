/* Samples of distributions. Sample n of a stream depends only on the seed and
 * n, even if it takes several attempts, each of which has its own random bits
 * (torus_philox_again). */
#ifndef TORUS_KERNELS_SAMPLE_H
#define TORUS_KERNELS_SAMPLE_H

#include "core/rng.h"

#include <stdbool.h>

/* Fill count samples and advance the generator. */

/* Uniform in low + 0 .. low + range - 1. range >= 1. */
void torus_sample_integers(torus_rng *rng, int64_t *out, int64_t count,
                           int64_t low, uint64_t range);
/* With mean 1. */
void torus_sample_exponential(torus_rng *rng, double *out, int64_t count);
/* With the scale 1; out holds the concentrations, above 0, and receives the
 * samples (Marsaglia and Tsang 2000, "A simple method for generating gamma
 * variables"). */
void torus_sample_gamma(torus_rng *rng, double *out, int64_t count);

/* Indices from 0 of rows of n weights, which are finite, at least 0 and not all
 * 0. out: (rows, count). */

/* cumulative: scratch of n. */
void torus_sample_picks(torus_rng *rng, const double *weights, int64_t rows,
                        int64_t n, int64_t *out, int64_t count,
                        double *cumulative);

typedef struct torus_sample_race {
  double time;
  int64_t index;
} torus_sample_race;

/* Without replacement, in the order drawn: count is at most the number
 * of weights above 0. race: scratch of n. */
void torus_sample_distinct(torus_rng *rng, const double *weights, int64_t rows,
                           int64_t n, int64_t *out, int64_t count,
                           torus_sample_race *race);

#endif
