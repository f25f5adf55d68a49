#include "hamiltonian/fused/kernels.h"

#include <string.h>

#include "kernels/simd/isa.h"

#define INLINE static inline __attribute__((always_inline))
/* Every loop of a fixed short length, so that arrays become registers. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

#if defined(__x86_64__)

#define ISA __attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma")))
#define ROWS 8

#define T float
#define TYPE fused_kernels_f32
#define LANES 16
#define NAME(x) x##_f32_avx512
#include "hamiltonian/fused/kernels.inc"
#undef T
#undef TYPE
#undef LANES
#undef NAME

#define T double
#define TYPE fused_kernels_f64
#define LANES 8
#define NAME(x) x##_f64_avx512
#include "hamiltonian/fused/kernels.inc"
#undef T
#undef TYPE
#undef LANES
#undef NAME

#undef ISA
#undef ROWS
#define ISA __attribute__((target("avx2,fma")))
#define ROWS 6

#define T float
#define TYPE fused_kernels_f32
#define LANES 8
#define NAME(x) x##_f32_avx2
#include "hamiltonian/fused/kernels.inc"
#undef T
#undef TYPE
#undef LANES
#undef NAME

#define T double
#define TYPE fused_kernels_f64
#define LANES 4
#define NAME(x) x##_f64_avx2
#include "hamiltonian/fused/kernels.inc"
#undef T
#undef TYPE
#undef LANES
#undef NAME

#undef ISA
#undef ROWS

#endif

#define ISA
#define ROWS 6

#define T float
#define TYPE fused_kernels_f32
#define LANES 4
#define NAME(x) x##_f32_portable
#include "hamiltonian/fused/kernels.inc"
#undef T
#undef TYPE
#undef LANES
#undef NAME

#define T double
#define TYPE fused_kernels_f64
#define LANES 2
#define NAME(x) x##_f64_portable
#include "hamiltonian/fused/kernels.inc"

const fused_kernels_f32 *fused_kernels_chosen_f32(void) {
  switch (torus_isa_chosen()) {
#if defined(__x86_64__)
  case TORUS_ISA_AVX512:
    return &kernels_f32_avx512;
  case TORUS_ISA_AVX2:
    return &kernels_f32_avx2;
#endif
  default:
    return &kernels_f32_portable;
  }
}

const fused_kernels_f64 *fused_kernels_chosen_f64(void) {
  switch (torus_isa_chosen()) {
#if defined(__x86_64__)
  case TORUS_ISA_AVX512:
    return &kernels_f64_avx512;
  case TORUS_ISA_AVX2:
    return &kernels_f64_avx2;
#endif
  default:
    return &kernels_f64_portable;
  }
}
