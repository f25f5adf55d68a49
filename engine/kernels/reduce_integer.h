/* Reductions of integers and bools, see reduce.h for the layouts. */
#ifndef TORUS_KERNELS_REDUCE_INTEGER_H
#define TORUS_KERNELS_REDUCE_INTEGER_H

#include "kernels/reduce.h"

/* out: contiguous, one int64 for each kept index, of int64 elements. Sums wrap
 * around. MAX and MIN need at least one reduced element. */
void torus_reduce_integers(torus_reduction op, const int64_t *in,
                           const torus_layout *kept,
                           const torus_layout *reduced, int64_t *out);

/* As torus_reduce_argmax. */
void torus_reduce_integers_argmax(bool smallest, const int64_t *in,
                                  const torus_layout *kept, int64_t count,
                                  int64_t stride, int64_t *out);

#endif
