/* The transpose of a 4 x 4 block, in registers. */
#ifndef TORUS_KERNELS_SIMD_TRANSPOSE_H
#define TORUS_KERNELS_SIMD_TRANSPOSE_H

#include "core/dtype.h"
#include "kernels/simd/simd.h"

/* torus_four_f32, torus_four_f64: a row, at any address in memory. */
#define TORUS_TRANSPOSE(name, T, suffix, constant)                             \
  typedef T torus_four_##suffix __attribute__((                                \
      vector_size(4 * sizeof(T)), aligned(sizeof(T)), may_alias));             \
  INLINE void torus_transpose_4x4_##suffix(torus_four_##suffix *v) {           \
    torus_four_##suffix a = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5);   \
    torus_four_##suffix b = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7);   \
    torus_four_##suffix c = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5);   \
    torus_four_##suffix d = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);   \
    v[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);                          \
    v[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);                          \
    v[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);                          \
    v[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);                          \
  }
TORUS_FLOAT_DTYPES(TORUS_TRANSPOSE)
#undef TORUS_TRANSPOSE

#endif
