/* Data movement over strided arrays: copies, conversions, fills, gathers.
 * Elements are moved by their size; the functions own nothing and can't
 * fail. Indices are checked by the caller. */
#ifndef TORUS_KERNELS_MOVE_H
#define TORUS_KERNELS_MOVE_H

#include "core/dtype.h"
#include "core/shape.h"

/* out: `count` times one element. */
void torus_move_repeat(size_t element, const void *src, int64_t count,
                       void *out);

/* Copies elements [first, first + count) of src, counted in row-major order,
 * to out, contiguous. */
void torus_move_gather(size_t element, const void *src,
                       const torus_layout *layout, int64_t first, int64_t count,
                       void *out);

/* dst[...] = src[...]; both layouts have the same sizes. Source elements may
 * repeat, target elements may not. */
void torus_move_copy(size_t element, const void *src,
                     const torus_layout *src_layout, void *dst,
                     const torus_layout *dst_layout);

/* out, contiguous, = src converted, both contiguous. Floating values are
 * rounded toward zero and clamped to the range of an integer type; NaN becomes
 * 0. A bool is true if the value differs from 0. */
void torus_move_convert(torus_dtype from, const void *src, torus_dtype to,
                        void *out, int64_t count);

/* A strided fill. */
void torus_move_fill(torus_dtype dtype, void *dst, const torus_layout *layout,
                     double value);

/* Arrays seen as (outer, axis, inner), contiguous. index: (outer, rows, inner)
 * for gather and scatter_add, or shared (rows) when shared is true; indices
 * count from zero and are valid.
 *   gather:      out(o, r, i) = src(o, index, i)
 *   scatter_add: dst(o, index, i) += src(o, r, i), any dtype but bool */
typedef struct torus_index_job {
  int64_t outer, axis, rows, inner;
  bool shared;
  const int64_t *index;
} torus_index_job;

void torus_move_index(size_t element, const torus_index_job *job,
                      const void *src, void *out);
void torus_move_index_add(torus_dtype dtype, const torus_index_job *job,
                          const void *src, void *dst);

#endif
