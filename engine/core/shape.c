#include "core/shape.h"

#include <inttypes.h>
#include <stdio.h>

bool torus_shape_is_valid(const torus_shape *shape) {
  int64_t count = 1;
  for (int i = 0; i < shape->ndim; i++) {
    int64_t size = shape->size[i];
    if (size < 0 || size > TORUS_MAX_COUNT / count) return false;
    if (size > 0) count *= size;
  }
  return true;
}

int64_t torus_shape_count(const torus_shape *shape) {
  int64_t count = 1;
  for (int i = 0; i < shape->ndim; i++) count *= shape->size[i];
  return count;
}

void torus_shape_strides(const torus_shape *shape, int64_t *strides) {
  int64_t step = 1;
  for (int i = shape->ndim - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape->size[i];
  }
}

bool torus_shape_broadcast(const torus_shape *a, const torus_shape *b,
                           torus_shape *out) {
  int ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
  out->ndim = ndim;
  for (int i = 1; i <= ndim; i++) {
    int64_t x = i <= a->ndim ? a->size[a->ndim - i] : 1;
    int64_t y = i <= b->ndim ? b->size[b->ndim - i] : 1;
    if (x != y && x != 1 && y != 1) return false;
    out->size[ndim - i] = x == 1 ? y : x;
  }
  return true;
}

char *torus_shape_format(const torus_shape *shape,
                         char text[TORUS_SHAPE_TEXT]) {
  int n = snprintf(text, TORUS_SHAPE_TEXT, "(");
  for (int i = 0; i < shape->ndim; i++) {
    n += snprintf(text + n, (size_t)(TORUS_SHAPE_TEXT - n), "%s%" PRId64,
                  i ? "," : "", shape->size[i]);
  }
  snprintf(text + n, (size_t)(TORUS_SHAPE_TEXT - n), ")");
  return text;
}

void torus_layout_merge(torus_layout *layout) {
  int n = 0;
  for (int i = 0; i < layout->ndim; i++) {
    int64_t size = layout->size[i], stride = layout->stride[i];
    if (size == 1) continue;
    if (n > 0 && layout->stride[n - 1] == stride * size) {
      layout->size[n - 1] *= size;
      layout->stride[n - 1] = stride;
    } else {
      layout->size[n] = size;
      layout->stride[n++] = stride;
    }
  }
  if (n == 0) {
    layout->size[0] = 1;
    layout->stride[n++] = 1;
  }
  layout->ndim = n;
}

int64_t torus_layout_offset(const torus_layout *layout, int64_t index) {
  int64_t offset = 0;
  for (int i = layout->ndim - 1; i >= 0; i--) {
    int64_t size = layout->size[i];
    offset += index % size * layout->stride[i];
    index /= size;
  }
  return offset;
}
