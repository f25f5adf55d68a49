#include "hamiltonian/fused/kernels.h"

#include <string.h>

#include "kernels/simd/simd.h"

/* A loop over accumulators, one for each element of a vector. */
#ifdef __clang__
#define UNROLL_LANES UNROLL
#else
#define UNROLL_LANES _Pragma("GCC unroll 16")
#endif

#define SIMD_TEMPLATE "hamiltonian/fused/kernels.inc"
#include "kernels/simd/variants.inc"

const fused_kernels_f32 *fused_kernels_chosen_f32(void) {
  static const fused_kernels_f32 *const variants[] = SIMD_VARIANTS(kernels_f32);
  return variants[torus_isa_chosen()];
}

const fused_kernels_f64 *fused_kernels_chosen_f64(void) {
  static const fused_kernels_f64 *const variants[] = SIMD_VARIANTS(kernels_f64);
  return variants[torus_isa_chosen()];
}
