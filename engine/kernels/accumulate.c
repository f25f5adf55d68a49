#include "kernels/accumulate.h"

#include "core/dtype.h"
#include "kernels/simd/simd.h"

#define DEFINE(name, T, suffix, constant)                                      \
  SIMD_LOOP(void, accumulate_##suffix,                                         \
            (int64_t rows, int64_t width, const T *restrict x, int64_t apart,  \
             double *restrict sum),                                            \
            (rows, width, x, apart, sum)) {                                    \
    for (; rows > 0; rows--, x += apart) {                                     \
      for (int64_t j = 0; j < width; j++) sum[j] += (double)x[j];              \
    }                                                                          \
  }                                                                            \
  void torus_accumulate_##suffix(int64_t rows, int64_t width, const T *x,      \
                                 int64_t apart, double *sum) {                 \
    accumulate_##suffix(rows, width, x, apart, sum);                           \
  }                                                                            \
  SIMD_LOOP(void, add_to_##suffix,                                             \
            (int64_t count, const T *restrict x, T *restrict y),               \
            (count, x, y)) {                                                   \
    for (int64_t i = 0; i < count; i++) y[i] += x[i];                          \
  }                                                                            \
  void torus_add_to_##suffix(int64_t count, const T *x, T *y) {                \
    add_to_##suffix(count, x, y);                                              \
  }
TORUS_FLOAT_DTYPES(DEFINE)
