#include "kernels/select.h"

#include "kernels/move.h"

#include <string.h>

int64_t torus_select_count(const uint8_t *mask, int64_t count) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; i++) found += mask[i];
  return found;
}

void torus_select_coordinates(const uint8_t *mask, const torus_shape *shape,
                              int64_t *out) {
  int64_t count = torus_shape_count(shape);
  int n = shape->ndim;
  for (int64_t i = 0; i < count; i++) {
    if (!mask[i]) continue;
    int64_t left = i;
    for (int d = n - 1; d >= 0; d--) {
      out[d] = left % shape->size[d] + 1;
      left /= shape->size[d];
    }
    out += n;
  }
}

void torus_select_put(size_t element, const int64_t *index, int64_t rows,
                      const void *src, const torus_layout *layout, void *dst) {
  torus_layout to = {.ndim = layout->ndim - 1};
  int64_t count = 1;
  for (int d = 0; d < to.ndim; d++) {
    to.size[d] = layout->size[d + 1];
    to.stride[d] = layout->stride[d + 1];
    count *= to.size[d];
  }
  torus_layout from = to;
  int64_t step = 1;
  for (int d = to.ndim - 1; d >= 0; d--) {
    from.stride[d] = step;
    step *= to.size[d];
  }
  size_t width = (size_t)count * element;
  bool run =
      memcmp(from.stride, to.stride, (size_t)to.ndim * sizeof *to.stride) == 0;
  for (int64_t r = 0; r < rows && count > 0; r++) {
    const char *s = (const char *)src + (size_t)r * width;
    int64_t offset = (index[r] - 1) * layout->stride[0];
    char *d = (char *)dst + offset * (int64_t)element;
    if (run) {
      memcpy(d, s, width);
    } else {
      torus_move_copy(element, s, &from, d, &to);
    }
  }
}
