/* Code for several instruction sets: what every kernel that has variants
 * includes. Two forms:
 *
 * - a plain C loop, left to the compiler to vectorize: SIMD_LOOP below;
 * - a template of explicit vectors: see variants.inc. */
#ifndef TORUS_KERNELS_SIMD_SIMD_H
#define TORUS_KERNELS_SIMD_SIMD_H

#include "kernels/simd/isa.h"

#define INLINE static inline __attribute__((always_inline))

/* Every loop of a fixed short length, so that arrays become registers; and
 * before a loop whose iterations are independent, though its arrays may be
 * the same: the result may be written over an input. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

#if defined(__x86_64__)

#define SIMD_X86
#define SIMD_AVX2 __attribute__((target("arch=x86-64-v3")))
#define SIMD_AVX512 __attribute__((target("arch=x86-64-v4")))
#define SIMD_BF16 __attribute__((target("arch=x86-64-v4,avx512bf16")))
#define SIMD_AMX __attribute__((target("amx-tile,amx-bf16")))

#define SIMD_POINTERS(name)                                                    \
  {                                                                            \
    &name##_portable, &name##_avx2, &name##_avx512, &name##_avx512,            \
        &name##_avx512                                                         \
  }

#define SIMD_DEFINE(type, name, parameters, arguments)                         \
  INLINE type name##_loop parameters;                                          \
  SIMD_AVX512 static type name##_avx512 parameters {                           \
    return name##_loop arguments;                                              \
  }                                                                            \
  SIMD_AVX2 static type name##_avx2 parameters {                               \
    return name##_loop arguments;                                              \
  }                                                                            \
  static type name##_portable parameters { return name##_loop arguments; }     \
  INLINE type name parameters {                                                \
    switch (torus_isa_chosen()) {                                              \
    case TORUS_ISA_AVX512:                                                     \
    case TORUS_ISA_AVX512BF16:                                                 \
    case TORUS_ISA_AMX:                                                        \
      return name##_avx512 arguments;                                          \
    case TORUS_ISA_AVX2:                                                       \
      return name##_avx2 arguments;                                            \
    default:                                                                   \
      return name##_portable arguments;                                        \
    }                                                                          \
  }                                                                            \
  INLINE type name##_loop parameters

#else

#define SIMD_POINTERS(name)                                                    \
  { &name##_portable }

#define SIMD_DEFINE(type, name, parameters, arguments)                         \
  INLINE type name##_loop parameters;                                          \
  static type name##_portable parameters { return name##_loop arguments; }     \
  INLINE type name parameters { return name##_portable arguments; }            \
  INLINE type name##_loop parameters

#endif

/* Pointers to the variants of a table or function, in the order of torus_isa.
 */
#define SIMD_VARIANTS(name) SIMD_POINTERS(name)

/* The head of a static function whose body, which follows, is compiled for
 * every instruction set; a call runs the one in use:
 *
 *   SIMD_LOOP(void, add, (int64_t n, const float *x, float *y), (n, x, y)) {
 *     for (int64_t i = 0; i < n; i++) y[i] += x[i];
 *   }
 */
#define SIMD_LOOP(type, name, parameters, arguments)                           \
  SIMD_DEFINE(type, name, parameters, arguments)

#endif
