/* Uniform and normal samples of a stream (core/rng.h) as vector code. Sample n
 * depends only on the seed, n and, of normal samples in their last bits, the
 * instruction set. */
#ifndef TORUS_KERNELS_RANDOM_H
#define TORUS_KERNELS_RANDOM_H

#include "core/rng.h"

/* Fill count samples and advance the generator: the uniform ones of
 * torus_rng_uniform_at, in float32 the nearest below 1; torus_philox_normal of
 * each position's words, up to an error of 1e-15 relative to the radius. */
void torus_random_uniform_f32(torus_rng *rng, float *out, int64_t count);
void torus_random_uniform_f64(torus_rng *rng, double *out, int64_t count);
void torus_random_normal_f32(torus_rng *rng, float *out, int64_t count);
void torus_random_normal_f64(torus_rng *rng, double *out, int64_t count);

#endif
