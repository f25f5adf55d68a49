#include "kernels/conv_filter.h"

#include <string.h>

#include "kernels/accumulate.h"
#include "kernels/simd/transpose.h"

int conv_filter_tap(const conv_filter *f, int phase, int t) {
  int last = f->phases ? 3 : 8, to = t;
  /* Upsampled pixels with remainder 0 see rows -1, 0, 0 of the small image
   * under the rows of the 3 x 3 kernel, those with remainder 1 rows 0, 0, 1. */
  if (f->phases) to = (t / 3 > phase / 2) * 2 + (t % 3 > phase % 2);
  return f->flip ? last - to : to;
}

/* to[q][o] = from[o * line + q] for q < count, o < columns. */
static void transpose_run(const float *from, int64_t line, int64_t count,
                          int64_t columns, float **to) {
  int64_t o = 0;
  for (; o + 4 <= columns; o += 4, from += 4 * line) {
    int64_t q = 0;
    for (; q + 4 <= count; q += 4) {
      torus_four_f32 v[4];
      for (int r = 0; r < 4; r++)
        v[r] = *(const torus_four_f32 *)(from + r * line + q);
      torus_transpose_4x4_f32(v);
      for (int r = 0; r < 4; r++) *(torus_four_f32 *)(to[q + r] + o) = v[r];
    }
    for (; q < count; q++) {
      for (int64_t r = 0; r < 4; r++) to[q][o + r] = from[r * line + q];
    }
  }
  for (; o < columns; o++, from += line) {
    for (int64_t q = 0; q < count; q++) to[q][o] = from[q];
  }
}

void conv_filter_pack(const conv_filter *f, int64_t first, int64_t count,
                      int64_t begin, int64_t end, int64_t k, float *to) {
  int64_t width = end - begin, used = (end < k ? end : k) - begin;
  if (used < width) memset(to, 0, (size_t)(9 * count * width) * sizeof(float));
  float *row[9 * CHUNK] = {NULL};
  for (int64_t q = 0; q < 9 * count; q++) {
    int64_t tap = f->flip && !f->phases ? 8 - q % 9 : q % 9;
    row[q] = to + (tap * count + q / 9) * width;
  }
  const float *from = f->w + first * f->from + begin * f->to;
  if (f->from == 9) {
    transpose_run(from, f->to, 9 * count, used, row);
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    transpose_run(from + i * f->from, f->to, 9, used, row + 9 * i);
  }
}

void conv_filter_phase(const conv_filter *f, int phase, int64_t size,
                       const float *packed, float *to) {
  memset(to, 0, (size_t)(4 * size) * sizeof(float));
  for (int t = 0; t < 9; t++) {
    torus_add_to_f32(size, packed + t * size,
                     to + conv_filter_tap(f, phase, t) * size);
  }
}

void conv_filter_unpack(const float *packed, int64_t first, int64_t count,
                        int64_t c, int64_t begin, int64_t end, int64_t k,
                        float *w) {
  int64_t width = end - begin, used = (end < k ? end : k) - begin;
  const float *row[9 * CHUNK] = {NULL};
  for (int64_t q = 0; q < 9 * count; q++) {
    row[q] = packed + (q % 9 * count + q / 9) * width;
  }
  float *to = w + (begin * c + first) * 9;
  int64_t o = 0;
  for (; o + 4 <= used; o += 4, to += 4 * c * 9) {
    int64_t q = 0;
    for (; q + 4 <= 9 * count; q += 4) {
      torus_four_f32 v[4];
      for (int r = 0; r < 4; r++)
        v[r] = *(const torus_four_f32 *)(row[q + r] + o);
      torus_transpose_4x4_f32(v);
      for (int r = 0; r < 4; r++)
        *(torus_four_f32 *)(to + r * c * 9 + q) = v[r];
    }
    for (; q < 9 * count; q++) {
      for (int r = 0; r < 4; r++) to[r * c * 9 + q] = row[q][o + r];
    }
  }
  for (; o < used; o++, to += c * 9) {
    for (int64_t q = 0; q < 9 * count; q++) to[q] = row[q][o];
  }
}
