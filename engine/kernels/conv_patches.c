#include "kernels/conv_patches.h"

#include <stddef.h>

#include "core/intmath.h"
#include "kernels/simd/simd.h"

#define SIMD_FLOAT_ONLY
#define SIMD_TEMPLATE "kernels/conv_patches.inc"
#include "kernels/simd/variants.inc"

const conv_kernels *conv_kernels_chosen(void) {
  static const conv_kernels *const variants[] = SIMD_VARIANTS(kernels_f32);
  return variants[torus_isa_chosen()];
}
