/* Loops that only multiply or only read, for bounds to compare measured times
 * with: the rates that the processor reaches in float32 with the instruction
 * set in use. */
#ifndef TORUS_KERNELS_PROBE_H
#define TORUS_KERNELS_PROBE_H

#include <stdint.h>

/* Multiplies and adds on all threads; returns the number of multiply-adds,
 * about a million for each round and thread. */
int64_t torus_probe_multiply_adds(int64_t rounds);

/* Reads n numbers, a multiple of 128, `rounds` times on this thread; returns
 * their sum, so that the compiler cannot drop the reads. */
float torus_probe_read(int64_t rounds, int64_t n, const float *x);

#endif
