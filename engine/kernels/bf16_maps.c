#include "kernels/bf16_maps.h"

#include <string.h>

#include "core/intmath.h"
#include "kernels/simd/simd.h"

bf16_map bf16_map_of(int64_t images, int64_t h, int64_t w, int64_t margin,
                     int64_t channels) {
  bf16_map m = {.images = images, .h = h, .w = w, .pitch = w + margin};
  m.image = (h + margin) * m.pitch;
  m.lead = margin * m.pitch + margin;
  /* Blocks of results and steps of sums may extend up to a block beyond the
   * images. */
  m.positions =
      bf16_round_up(2 * m.lead + images * m.image + 2 * BF16_BLOCK, BF16_BLOCK);
  m.channels = bf16_round_up(channels, BF16_DEPTH);
  return m;
}

size_t bf16_map_bytes(const bf16_map *map) {
  return (size_t)(map->positions * map->channels) * sizeof(torus_bf16);
}

void bf16_pixels(const bf16_map *map, int32_t *to) {
  for (int64_t p = 0; p < bf16_results(map); p++) {
    int64_t i = p / map->pitch, j = p % map->pitch;
    bool inside = i < map->h && j < map->w;
    to[p] = inside ? (int32_t)(i * map->w + j) : -1;
  }
}

torus_bf16 bf16_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (x != x) return (torus_bf16)(bits >> 16 | 0x40);
  return (torus_bf16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void bf16_pack(const bf16_weights *s, const float *w, torus_bf16 *to) {
  int64_t depth = s->taps * s->wide_depth, first = s->tap * s->wide_depth;
  for (int64_t o = 0; o < s->wide_columns; o++) {
    int64_t column = o % BF16_BLOCK;
    int64_t width = bf16_panel_width(s->wide_columns, o - column);
    torus_bf16 *panel = to + bf16_panel(depth, o - column) + 2 * column;
    for (int64_t d = 0; d < s->wide_depth; d++) {
      float sum = 0;
      if (d < s->depth && o < s->columns) {
        const float *at = w + d * s->by_depth + o * s->by_column;
        for (int i = 0; i < s->terms; i++) sum += at[s->term[i]];
      }
      panel[(first + d) / 2 * 2 * width + d % 2] = bf16_of(sum);
    }
  }
}

void bf16_correlate(const bf16_correlation *j) {
  float c[BF16_BLOCK * BF16_BLOCK] __attribute__((aligned(64)));
  int64_t depth = j->product.taps * j->product.steps * BF16_DEPTH;
  for (int64_t first = 0; first < j->count; first += BF16_BLOCK) {
    int64_t rows = torus_min(BF16_BLOCK, j->count - first);
    for (int64_t o = 0; o < j->columns; o += BF16_BLOCK) {
      int64_t columns = bf16_panel_width(j->columns, o);
      j->kernels->product(
          &j->product, rows > BF16_UNIT ? 2 : 1, columns > BF16_UNIT ? 2 : 1,
          (const char *)j->x + first * j->product.a_row,
          j->weights + bf16_panel(depth, o), c, BF16_BLOCK * 4, false);
      j->epilogue(j->arg, first, rows, o, columns, c);
    }
  }
}

int64_t bf16_line(const bf16_map *map) {
  /* An odd number of cache lines, so that channels fall into different cache
   * sets. */
  return (map->positions / 32 | 1) * 32;
}

/* Number of steps over which x and the pairs of a block of results stay in the
 * first-level cache while all taps are processed. */
#define SUM_STEPS 8

void bf16_sum_weights(const bf16_weight_sums *j) {
  int64_t zero = 0, depth = j->steps * BF16_DEPTH;
  bf16_product p = {.taps = 1, .offsets = &zero, .a_row = j->line * 2};
  for (int64_t d = 0; d < j->depth; d += BF16_BLOCK) {
    for (int64_t o = 0; o < j->columns; o += BF16_BLOCK) {
      int64_t width = bf16_panel_width(j->columns, o);
      float *gw = j->gw + bf16_sum_at(j->taps, j->columns, 0, d, o);
      for (int64_t s = 0; s < j->steps; s += SUM_STEPS) {
        p.steps = torus_min(SUM_STEPS, j->steps - s);
        const torus_bf16 *x = j->x + d * j->line + s * BF16_DEPTH;
        const torus_bf16 *pairs =
            j->pairs + bf16_panel(depth, o) + s * BF16_DEPTH * width;
        for (int t = 0; t < j->taps; t++) {
          j->kernels->product(
              &p, 2, width > BF16_UNIT ? 2 : 1, x + j->offsets[t], pairs,
              gw + t * BF16_BLOCK * width, width * 4, j->add || s > 0);
        }
      }
    }
  }
}

#ifdef SIMD_X86

#include <immintrin.h>

typedef __m512i lines[16];

SIMD_BF16 static void store_values_avx512bf16(const bf16_values *v,
                                              int64_t first, int64_t rows,
                                              int64_t column, int64_t columns,
                                              const float *c) {
  for (; columns > 0; columns -= 16, column += 16, c += 16) {
    int64_t count = torus_min(16, v->channels - column);
    if (count <= 0) return;
    __mmask16 inside = (__mmask16)((1u << count) - 1);
    __m512 bias = _mm512_setzero_ps();
    if (v->bias) bias = _mm512_maskz_loadu_ps(inside, v->bias + column);
    __m512 slope = _mm512_set1_ps(v->slope);
    for (int64_t r = 0; r < rows; r++) {
      int64_t to = v->to[first + r];
      if (to < 0) continue;
      __m512 y = _mm512_loadu_ps(c + r * BF16_BLOCK) + bias;
      __mmask16 low = _mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_LE_OQ);
      y = _mm512_mask_mul_ps(y, low, y, slope);
      _mm512_mask_storeu_ps(v->y + to * v->channels + column, inside, y);
    }
  }
}

void bf16_store_values(const void *arg, int64_t first, int64_t rows,
                       int64_t column, int64_t columns, const float *c) {
  store_values_avx512bf16(arg, first, rows, column, columns, c);
}

SIMD_BF16 static void load_avx512bf16(const bf16_map *map, int64_t images,
                                      const bf16_source *s, torus_bf16 *to) {
  for (int64_t n = 0; n < images; n++) {
    for (int64_t i = 0; i < map->h; i++) {
      for (int64_t j = 0; j < map->w; j++) {
        int64_t row = s->step * i + s->row, column = s->step * j + s->column;
        if (row >= s->h || column >= s->w) continue;
        const float *from =
            s->x + ((n * s->h + row) * s->w + column) * s->channels;
        torus_bf16 *pixel =
            bf16_at(map, to, n * map->image + i * map->pitch + j);
        for (int64_t c = 0; c < s->channels; c += 16) {
          int64_t count = torus_min(16, s->channels - c);
          __mmask16 inside = (__mmask16)((1u << count) - 1);
          __m512 x = _mm512_maskz_loadu_ps(inside, from + c);
          _mm256_storeu_si256((__m256i *)(void *)(pixel + c),
                              (__m256i)_mm512_cvtneps_pbh(x));
        }
      }
    }
  }
}

void bf16_load(const bf16_map *map, int64_t images, const bf16_source *source,
               torus_bf16 *to) {
  load_avx512bf16(map, images, source, to);
}

/* 16 channels of two positions: number 2 c + i is channel c of position i. */
INLINE SIMD_BF16 __m512i pair_of(const torus_bf16 *x, int64_t apart) {
  const __m256i *low = (const void *)x, *high = (const void *)(x + apart);
  return _mm512_or_si512(
      _mm512_cvtepu16_epi32(_mm256_loadu_si256(low)),
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(high)), 16));
}

/* The transpose of 16 x 16 pairs. */
INLINE SIMD_BF16 void transpose_pairs(lines x) {
  lines y;
  UNROLL for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  UNROLL for (int i = 0; i < 16; i += 4) {
    UNROLL for (int k = 0; k < 2; k++) {
      x[i + 2 * k] = _mm512_unpacklo_epi64(y[i + k], y[i + k + 2]);
      x[i + 2 * k + 1] = _mm512_unpackhi_epi64(y[i + k], y[i + k + 2]);
    }
  }
  UNROLL for (int h = 0; h < 2; h++) {
    UNROLL for (int k = 0; k < 4; k++) {
      __m512i a = x[8 * h + k], b = x[8 * h + 4 + k];
      y[8 * h + k] = _mm512_shuffle_i32x4(a, b, 0x88);
      y[8 * h + 4 + k] = _mm512_shuffle_i32x4(a, b, 0xdd);
    }
  }
  UNROLL for (int k = 0; k < 8; k++) {
    x[k] = _mm512_shuffle_i32x4(y[k], y[8 + k], 0x88);
    x[8 + k] = _mm512_shuffle_i32x4(y[k], y[8 + k], 0xdd);
  }
}

SIMD_BF16 static void transpose_avx512bf16(int64_t positions, int64_t channels,
                                           const torus_bf16 *x, int64_t line,
                                           torus_bf16 *to) {
  for (int64_t c = 0; c < channels; c += 16) {
    for (int64_t p = 0; p < positions; p += 32) {
      lines v;
      UNROLL for (int i = 0; i < 16; i++) {
        v[i] = pair_of(x + (p + 2 * i) * channels + c, channels);
      }
      transpose_pairs(v);
      UNROLL for (int i = 0; i < 16; i++) {
        _mm512_storeu_si512(to + (c + i) * line + p, v[i]);
      }
    }
  }
}

void bf16_transpose(const bf16_map *map, int64_t images, torus_bf16 *x,
                    torus_bf16 *to) {
  int64_t count = 2 * map->lead + images * map->image + BF16_BLOCK;
  transpose_avx512bf16(bf16_round_up(count, 32), map->channels, x,
                       bf16_line(map), to);
}

SIMD_BF16 static void pair_avx512bf16(int64_t count, int64_t channels,
                                      const torus_bf16 *g, int64_t columns,
                                      torus_bf16 *to, double *sum) {
  const __m512i high = _mm512_set1_epi32((int)0xffff0000);
  int64_t end = bf16_round_up(count, BF16_DEPTH);
  for (int64_t c = 0; c < columns; c += 16) {
    int64_t panel = c / BF16_BLOCK * BF16_BLOCK;
    int64_t width = bf16_panel_width(columns, panel);
    torus_bf16 *at = to + bf16_panel(end, panel) + 2 * (c - panel);
    __m512 even = _mm512_setzero_ps(), odd = even;
    for (int64_t p = 0; p < end; p += 2, at += 2 * width) {
      __m512i v = _mm512_setzero_si512();
      if (p < count) v = pair_of(g + p * channels + c, channels);
      if (p + 1 == count) v = _mm512_andnot_si512(high, v);
      even += (__m512)_mm512_slli_epi32(v, 16);
      odd += (__m512)_mm512_and_si512(v, high);
      _mm512_storeu_si512(at, v);
    }
    if (!sum) continue;
    float total[16];
    _mm512_storeu_ps(total, even + odd);
    for (int i = 0; i < 16; i++) sum[c + i] += (double)total[i];
  }
}

void bf16_pair(const bf16_map *map, int64_t images, torus_bf16 *g,
               int64_t columns, torus_bf16 *to, double *sum) {
  pair_avx512bf16(images * map->image, map->channels, bf16_at(map, g, 0),
                  columns, to, sum);
}

#else

void bf16_store_values(const void *arg, int64_t first, int64_t rows,
                       int64_t column, int64_t columns, const float *c) {
  (void)arg, (void)first, (void)rows, (void)column, (void)columns, (void)c;
}

void bf16_load(const bf16_map *map, int64_t images, const bf16_source *source,
               torus_bf16 *to) {
  (void)map, (void)images, (void)source, (void)to;
}

void bf16_transpose(const bf16_map *map, int64_t images, torus_bf16 *x,
                    torus_bf16 *to) {
  (void)map, (void)images, (void)x, (void)to;
}

void bf16_pair(const bf16_map *map, int64_t images, torus_bf16 *g,
               int64_t columns, torus_bf16 *to, double *sum) {
  (void)map, (void)images, (void)g, (void)columns, (void)to, (void)sum;
}

#endif
