/* Reductions over any set of dimensions.
 *
 * The caller splits an array's dimensions into those kept and those reduced.
 * Sums run in double precision over pieces of a fixed size that are added in
 * order: the result's bits don't depend on the number of threads. */
#ifndef TORUS_KERNELS_REDUCE_H
#define TORUS_KERNELS_REDUCE_H

#include "core/dtype.h"
#include "core/shape.h"

typedef enum torus_reduction {
  TORUS_REDUCE_SUM,
  TORUS_REDUCE_MAX, /* NaN wins */
  TORUS_REDUCE_MIN
} torus_reduction;

/* Bytes of scratch that a run needs. */
size_t torus_reduce_scratch(const torus_layout *kept,
                            const torus_layout *reduced);

/* out: contiguous, one element for each kept index. Floating dtypes. MAX and
 * MIN need at least one reduced element. */
void torus_reduce_run(torus_reduction op, torus_dtype dtype, const void *in,
                      const torus_layout *kept, const torus_layout *reduced,
                      void *out, void *scratch);

/* out: int64, the first index (from zero) of the largest element along one
 * dimension, or of the smallest if `smallest`; NaN wins. */
void torus_reduce_argmax(bool smallest, torus_dtype dtype, const void *in,
                         const torus_layout *kept, int64_t count,
                         int64_t stride, int64_t *out);

#endif
