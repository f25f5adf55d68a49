#include "kernels/decoder_bf16_epilogues.h"

#include "core/intmath.h"
#include "kernels/simd/simd.h"

#ifdef SIMD_X86

#include <immintrin.h>

INLINE SIMD_BF16 __m512 widen(const torus_bf16 *x) {
  __m256i half = _mm256_loadu_si256((const void *)x);
  return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
}

INLINE SIMD_BF16 void store(torus_bf16 *to, __m512 low, __m512 high) {
  _mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

SIMD_BF16 static void activate_avx512bf16(const decoder_bf16_activate *a,
                                          int64_t first, int64_t rows,
                                          int64_t column, const float *c) {
  const __m512 zero = _mm512_setzero_ps(), slope = _mm512_set1_ps(a->slope);
  const __m512 bias[2] = {_mm512_loadu_ps(a->bias + column),
                          _mm512_loadu_ps(a->bias + column + 16)};
  for (int64_t r = 0; r < rows; r++, c += BF16_BLOCK) {
    int64_t to = a->to[first + r];
    if (to < 0) continue;
    __m512 y[2];
    uint32_t signs = 0;
    UNROLL for (int i = 0; i < 2; i++) {
      y[i] = _mm512_loadu_ps(c + 16 * i) + bias[i];
      __mmask16 positive = _mm512_cmp_ps_mask(y[i], zero, _CMP_GT_OQ);
      signs |= (uint32_t)positive << 16 * i;
      y[i] = _mm512_mask_blend_ps(positive, y[i] * slope, y[i]);
    }
    if (a->added) {
      const torus_bf16 *x = a->added + a->from[first + r] * a->channels;
      UNROLL for (int i = 0; i < 2; i++) y[i] += widen(x + column + 16 * i);
    }
    if (a->signs) a->signs[(to * a->channels + column) / 32] = signs;
    store(a->y + to * a->channels + column, y[0], y[1]);
  }
}

void decoder_bf16_activations(const void *arg, int64_t first, int64_t rows,
                              int64_t column, int64_t columns, const float *c) {
  (void)columns;
  activate_avx512bf16(arg, first, rows, column, c);
}

/* The sum of 16 channels of a box. */
INLINE SIMD_BF16 __m512 box(const decoder_bf16_boxes *b, int64_t at,
                            int64_t column) {
  __m512 sum = _mm512_setzero_ps();
  UNROLL for (int i = 0; i < 4; i++) {
    sum += widen(b->high + b->to[i][at] * b->channels + column);
  }
  return sum;
}

INLINE SIMD_BF16 void gradients(const decoder_bf16_gradient *e, int64_t first,
                                int64_t rows, int64_t column, const float *c,
                                const decoder_bf16_boxes *boxes,
                                torus_bf16 *plain) {
  const __m512 slope = _mm512_set1_ps(e->slope);
  for (int64_t r = 0; r < rows; r++, c += BF16_BLOCK) {
    int64_t to = e->to[first + r];
    if (to < 0) continue;
    to = to * e->channels + column;
    uint32_t signs = e->signs[((first + r) * e->channels + column) / 32];
    __m512 g[2];
    UNROLL for (int i = 0; i < 2; i++) {
      g[i] = _mm512_loadu_ps(c + 16 * i);
      if (boxes) g[i] += box(boxes, first + r, column + 16 * i);
    }
    if (plain) store(plain + to, g[0], g[1]);
    UNROLL for (int i = 0; i < 2; i++) {
      __mmask16 positive = (__mmask16)(signs >> 16 * i);
      g[i] = _mm512_mask_blend_ps(positive, g[i] * slope, g[i]);
    }
    store(e->masked + to, g[0], g[1]);
  }
}

SIMD_BF16 static void gradients_avx512bf16(const decoder_bf16_gradient *e,
                                           int64_t first, int64_t rows,
                                           int64_t column, const float *c) {
  gradients(e, first, rows, column, c, e->boxes, e->plain);
}

void decoder_bf16_gradients(const void *arg, int64_t first, int64_t rows,
                            int64_t column, int64_t columns, const float *c) {
  (void)columns;
  gradients_avx512bf16(arg, first, rows, column, c);
}

SIMD_BF16 static void sum_boxes_avx512bf16(const decoder_bf16_boxes *b,
                                           int64_t count, torus_bf16 *to) {
  for (int64_t p = 0; p < count; p++) {
    if (b->to[0][p] < 0) continue;
    for (int64_t c = 0; c < b->channels; c += 32) {
      store(to + p * b->channels + c, box(b, p, c), box(b, p, c + 16));
    }
  }
}

void decoder_bf16_sum_boxes(const decoder_bf16_boxes *boxes, int64_t count,
                            torus_bf16 *to) {
  sum_boxes_avx512bf16(boxes, count, to);
}

SIMD_BF16 static void add_boxes_avx512bf16(const decoder_bf16_boxes *b,
                                           int64_t count,
                                           const bf16_values *v) {
  for (int64_t p = 0; p < count; p++) {
    if (v->to[p] < 0) continue;
    for (int64_t c = 0; c < v->channels; c += 16) {
      int64_t left = torus_min(16, v->channels - c);
      __mmask16 inside = (__mmask16)((1u << left) - 1);
      float *at = v->y + v->to[p] * v->channels + c;
      __m512 sum = _mm512_maskz_loadu_ps(inside, at) + box(b, p, c);
      _mm512_mask_storeu_ps(at, inside, sum);
    }
  }
}

void decoder_bf16_add_boxes(const decoder_bf16_boxes *boxes, int64_t count,
                            const bf16_values *values) {
  add_boxes_avx512bf16(boxes, count, values);
}

SIMD_BF16 static void windows_avx512bf16(const bf16_map *map, int64_t channels,
                                         const float *x, torus_bf16 *to) {
  int64_t line = (map->w + 2) * channels;
  for (int64_t i = 0; i < map->h; i++, x += line) {
    torus_bf16 *row = to + i * map->pitch * map->channels;
    for (int64_t j = 0; j < map->w; j++, row += map->channels) {
      for (int r = 0; r < 3; r++) {
        const float *from = x + r * line + j * channels;
        torus_bf16 *at = row + r * 3 * channels;
        for (int64_t c = 0; c < 3 * channels; c += 16) {
          int64_t left = torus_min(16, 3 * channels - c);
          __mmask16 inside = (__mmask16)((1u << left) - 1);
          __m512 window = _mm512_maskz_loadu_ps(inside, from + c);
          _mm256_mask_storeu_epi16(at + c, inside,
                                   (__m256i)_mm512_cvtneps_pbh(window));
        }
      }
    }
  }
}

void decoder_bf16_windows(const bf16_map *map, int64_t channels, const float *x,
                          torus_bf16 *to) {
  windows_avx512bf16(map, channels, x, to);
}

#else

void decoder_bf16_windows(const bf16_map *map, int64_t channels, const float *x,
                          torus_bf16 *to) {
  (void)map, (void)channels, (void)x, (void)to;
}

void decoder_bf16_activations(const void *arg, int64_t first, int64_t rows,
                              int64_t column, int64_t columns, const float *c) {
  (void)arg, (void)first, (void)rows, (void)column, (void)columns, (void)c;
}

void decoder_bf16_gradients(const void *arg, int64_t first, int64_t rows,
                            int64_t column, int64_t columns, const float *c) {
  (void)arg, (void)first, (void)rows, (void)column, (void)columns, (void)c;
}

void decoder_bf16_sum_boxes(const decoder_bf16_boxes *boxes, int64_t count,
                            torus_bf16 *to) {
  (void)boxes, (void)count, (void)to;
}

void decoder_bf16_add_boxes(const decoder_bf16_boxes *boxes, int64_t count,
                            const bf16_values *values) {
  (void)boxes, (void)count, (void)values;
}

#endif
