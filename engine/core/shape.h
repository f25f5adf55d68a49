/* Sizes and strides of dense arrays of up to TORUS_MAX_DIMS dimensions. */
#ifndef TORUS_CORE_SHAPE_H
#define TORUS_CORE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TORUS_MAX_DIMS 8
/* Enough for any shape's text. */
#define TORUS_SHAPE_TEXT 192

typedef struct torus_shape {
  int ndim;
  int64_t size[TORUS_MAX_DIMS];
} torus_shape;

/* No tensor has more elements: sizes in bytes stay far from overflow. */
#define TORUS_MAX_COUNT ((int64_t)1 << 56)

/* True if a tensor can have this shape: no negative size, and neither the
 * number of elements nor a stride overflows, even if another size is 0. */
bool torus_shape_is_valid(const torus_shape *shape);
/* The number of elements; 1 for a scalar (no dimensions). */
int64_t torus_shape_count(const torus_shape *shape);
static inline bool torus_shape_equal(const torus_shape *a,
                                     const torus_shape *b) {
  if (a->ndim != b->ndim) return false;
  for (int i = 0; i < a->ndim; i++) {
    if (a->size[i] != b->size[i]) return false;
  }
  return true;
}

/* Row-major strides in elements. */
void torus_shape_strides(const torus_shape *shape, int64_t *strides);

/* The broadcast of two shapes, aligned at the last dimension; false if they are
 * incompatible. */
bool torus_shape_broadcast(const torus_shape *a, const torus_shape *b,
                           torus_shape *out);

/* Writes "(3,4)" and returns text, for use inside a call. */
char *torus_shape_format(const torus_shape *shape, char text[TORUS_SHAPE_TEXT]);

/* An array walked by a kernel: sizes with strides in elements. */
typedef struct torus_layout {
  int ndim;
  int64_t size[TORUS_MAX_DIMS];
  int64_t stride[TORUS_MAX_DIMS];
} torus_layout;

/* Merges neighbouring dimensions that are one run in memory and drops those
 * of size one; a scalar becomes one dimension of size one. */
void torus_layout_merge(torus_layout *layout);

/* The position in elements of the index-th element in row-major order. */
int64_t torus_layout_offset(const torus_layout *layout, int64_t index);

#endif
