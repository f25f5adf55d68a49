#include "kernels/bf16_product.h"

#include "kernels/simd/simd.h"

#ifdef SIMD_X86

#include <immintrin.h>

/* --- AMX: eight tiles, four of which are sums ------------------------------
 */

/* Tiles of 16 rows of 64 bytes. */
static const struct tile_configuration {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} configuration = {.palette = 1,
                   .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                   .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

SIMD_AMX static void begin_amx(void) { _tile_loadconfig(&configuration); }

SIMD_AMX static void end_amx(void) { _tile_release(); }

/* Sums in tiles 0 and 1 of the first rows, 2 and 3 of the others. */
INLINE SIMD_AMX void product_of_amx(const bf16_product *p, const int rows,
                                    const int columns, const char *a,
                                    const char *b, char *c, int64_t c_row,
                                    bool add) {
  char *low = c + 16 * c_row;
  if (add) {
    _tile_loadd(0, c, c_row);
    if (columns > 1) _tile_loadd(1, c + 64, c_row);
    if (rows > 1) _tile_loadd(2, low, c_row);
    if (rows > 1 && columns > 1) _tile_loadd(3, low + 64, c_row);
  } else {
    _tile_zero(0);
    if (columns > 1) _tile_zero(1);
    if (rows > 1) _tile_zero(2);
    if (rows > 1 && columns > 1) _tile_zero(3);
  }
  int64_t a_row = p->a_row, b_row = 64 * columns;
  for (int t = 0; t < p->taps; t++) {
    const char *from = a + p->offsets[t];
    for (int64_t s = 0; s < p->steps; s++, from += 64, b += 16 * b_row) {
      _tile_loadd(4, from, a_row);
      _tile_loadd(6, b, b_row);
      _tile_dpbf16ps(0, 4, 6);
      if (columns > 1) {
        _tile_loadd(7, b + 64, b_row);
        _tile_dpbf16ps(1, 4, 7);
      }
      if (rows > 1) {
        _tile_loadd(5, from + 16 * a_row, a_row);
        _tile_dpbf16ps(2, 5, 6);
        if (columns > 1) _tile_dpbf16ps(3, 5, 7);
      }
    }
  }
  _tile_stored(0, c, c_row);
  if (columns > 1) _tile_stored(1, c + 64, c_row);
  if (rows > 1) _tile_stored(2, low, c_row);
  if (rows > 1 && columns > 1) _tile_stored(3, low + 64, c_row);
}

/* The intrinsics are not declared to read memory. Calls go through a pointer,
 * so the compiler completes the caller's writes first. */
SIMD_AMX static void product_amx(const bf16_product *p, int rows, int columns,
                                 const void *a, const void *b, float *c,
                                 int64_t c_row, bool add) {
  char *to = (char *)c;
  if (rows > 1 && columns > 1) {
    product_of_amx(p, 2, 2, a, b, to, c_row, add);
  } else if (rows > 1) {
    product_of_amx(p, 2, 1, a, b, to, c_row, add);
  } else if (columns > 1) {
    product_of_amx(p, 1, 2, a, b, to, c_row, add);
  } else {
    product_of_amx(p, 1, 1, a, b, to, c_row, add);
  }
}

static const bf16_kernels amx = {begin_amx, end_amx, product_amx};

/* --- AVX512-BF16: pairs of a row of a, repeated, times rows of b -----------
 */

static void nothing(void) {}

#define ROWS                                                                   \
  8 /* so that the sums of two units of columns fit the registers              \
     */

INLINE SIMD_BF16 void rows_avx512bf16(const bf16_product *p, const int columns,
                                      const char *a, const char *b, char *c,
                                      int64_t c_row, bool add) {
  __m512 sum[ROWS][2];
  UNROLL for (int i = 0; i < ROWS; i++) {
    UNROLL for (int j = 0; j < columns; j++) {
      sum[i][j] =
          add ? _mm512_loadu_ps(c + i * c_row + 64 * j) : _mm512_setzero_ps();
    }
  }
  int64_t a_row = p->a_row, b_row = 64 * columns;
  for (int t = 0; t < p->taps; t++) {
    const char *from = a + p->offsets[t];
    for (int64_t s = 0; s < 16 * p->steps; s++, from += 4, b += b_row) {
      __m512bh line[2];
      UNROLL for (int j = 0; j < columns; j++) {
        line[j] = (__m512bh)_mm512_loadu_si512(b + 64 * j);
      }
      UNROLL for (int i = 0; i < ROWS; i++) {
        int pair;
        __builtin_memcpy(&pair, from + i * a_row, sizeof pair);
        __m512bh both = (__m512bh)_mm512_set1_epi32(pair);
        UNROLL for (int j = 0; j < columns; j++) {
          sum[i][j] = _mm512_dpbf16_ps(sum[i][j], both, line[j]);
        }
      }
    }
  }
  UNROLL for (int i = 0; i < ROWS; i++) {
    UNROLL for (int j = 0; j < columns; j++) {
      _mm512_storeu_ps(c + i * c_row + 64 * j, sum[i][j]);
    }
  }
}

SIMD_BF16 static void product_avx512bf16(const bf16_product *p, int rows,
                                         int columns, const void *a,
                                         const void *b, float *c, int64_t c_row,
                                         bool add) {
  const char *from = a;
  char *to = (char *)c;
  for (int i = 0; i < rows * BF16_UNIT; i += ROWS) {
    if (columns > 1) {
      rows_avx512bf16(p, 2, from, b, to, c_row, add);
    } else {
      rows_avx512bf16(p, 1, from, b, to, c_row, add);
    }
    from += ROWS * p->a_row;
    to += ROWS * c_row;
  }
}

static const bf16_kernels dots = {nothing, nothing, product_avx512bf16};

const bf16_kernels *bf16_kernels_chosen(void) {
  torus_isa isa = torus_isa_chosen();
  if (isa == TORUS_ISA_AMX) return &amx;
  return isa == TORUS_ISA_AVX512BF16 ? &dots : NULL;
}

#else

const bf16_kernels *bf16_kernels_chosen(void) { return NULL; }

#endif
