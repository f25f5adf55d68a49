/* Finding nonzero elements, and writing rows by index. The functions own
 * nothing and can't fail; indices are checked by the caller. */
#ifndef TORUS_KERNELS_SELECT_H
#define TORUS_KERNELS_SELECT_H

#include "core/dtype.h"
#include "core/shape.h"

/* The number of true values among count bools. */
int64_t torus_select_count(const uint8_t *mask, int64_t count);

/* out: (true elements, dimensions), the coordinates, from 1, of the true
 * elements of a contiguous mask in row-major order. */
void torus_select_coordinates(const uint8_t *mask, const torus_shape *shape,
                              int64_t *out);

/* dst[index[r], ...] = src[r, ...] for r in order, indices from 1; the layout
 * is dst's, src is contiguous. */
void torus_select_put(size_t element, const int64_t *index, int64_t rows,
                      const void *src, const torus_layout *layout, void *dst);

#endif
