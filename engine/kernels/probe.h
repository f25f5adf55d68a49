/* Loops that do nothing but multiply or read, for bounds next to measured
 * times: what the processor reaches in float32 with the instructions in use. */
#ifndef TORUS_KERNELS_PROBE_H
#define TORUS_KERNELS_PROBE_H

#include <stdint.h>

/* Multiplies and adds on all threads; returns the number of multiply-adds,
 * about a million for each round and thread. */
int64_t torus_probe_multiply_adds(int64_t rounds);

/* Reads n numbers, a multiple of 128, so many times on this thread; returns
 * their sum, so that no compiler leaves the reading out. */
float torus_probe_read(int64_t rounds, int64_t n, const float *x);

#endif
