#include "kernels/vecmath.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define LOG2_E 1.4426950408889634

typedef struct table_f32 {
#define ENTRY(name) void (*name)(int64_t, const float *, float *);
  TORUS_VECMATH(ENTRY)
#undef ENTRY
  void (*softplus_slope)(int64_t, const float *, float *, float *);
  void (*tanh_slope)(int64_t, const float *, float *, float *);
} table_f32;

typedef struct table_f64 {
#define ENTRY(name) void (*name)(int64_t, const double *, double *);
  TORUS_VECMATH(ENTRY)
#undef ENTRY
  void (*softplus_slope)(int64_t, const double *, double *, double *);
  void (*tanh_slope)(int64_t, const double *, double *, double *);
} table_f64;

/* --- float32 --- */

#define T float
#define I int32_t
#define U uint32_t
#define NAMED(x) x##_f32
#define MANTISSA 23
#define BIAS 127
#define MIN_NORMAL 0x1p-126
#define UP 0x1p24
#define UP_EXPONENT 24
#define HALF_ROOT_BITS 0x3f3504f3 /* sqrt(1/2) */
#define ROUND 0x1.8p23
/* HIGH ends in enough zeros for its products with any exponent. */
#define LN2_HIGH 0x1.62e4p-1
#define LN2_LOW 0x1.7f7d1cf79abcap-20
#define EXP_LOW -105.0
#define EXP_HIGH 89.0
#define EXPM1_LOW -20.0
/* (exp(r) - 1 - r) / r^2; the first term left out is below 6e-9. */
#define EXP_FIRST (1.0 / 5040)
#define EXP_TERMS(X) X(1.0 / 720) X(1.0 / 120) X(1.0 / 24) X(1.0 / 6) X(0.5)
/* log(1 + t) / t on [0, 1]: the polynomial with the least relative error,
 * 5e-9. */
#define LOG1P_FIRST -0.0032440246083
#define LOG1P_TERMS(X)                                                         \
  X(0.0198514598155)                                                           \
  X(-0.0569595295249)                                                          \
  X(0.106036544123)                                                            \
  X(-0.153055923012)                                                           \
  X(0.196759391696)                                                            \
  X(-0.249541336413) X(0.333299624158) X(-0.499999024228) X(0.999999995287)
/* (atanh(s) - s) / s^3 in s^2; the first term left out is below 2e-9. */
#define LOG_FIRST (1.0 / 9)
#define LOG_TERMS(X) X(1.0 / 7) X(1.0 / 5) X(1.0 / 3)

#if defined(__x86_64__)
#define ISA __attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma")))
#define LANES 16
#define NAME(x) x##_f32_avx512
#define MAX(a, b) (VEC) _mm512_max_ps((__m512)(a), (__m512)(b))
#define SCALE(x, k) (VEC) _mm512_scalef_ps((__m512)(x), (__m512)(k))
#include "kernels/vecmath.inc"
#undef MAX
#undef SCALE
#undef LANES
#undef NAME
#undef ISA
#define ISA __attribute__((target("avx2,fma")))
#define LANES 8
#define NAME(x) x##_f32_avx2
#include "kernels/vecmath.inc"
#undef LANES
#undef NAME
#undef ISA
#endif
#define ISA
#define LANES 4
#define NAME(x) x##_f32_portable
#include "kernels/vecmath.inc"
#undef LANES
#undef NAME
#undef ISA

#undef T
#undef I
#undef U
#undef NAMED
#undef MANTISSA
#undef BIAS
#undef MIN_NORMAL
#undef UP
#undef UP_EXPONENT
#undef HALF_ROOT_BITS
#undef ROUND
#undef LN2_HIGH
#undef LN2_LOW
#undef EXP_LOW
#undef EXP_HIGH
#undef EXPM1_LOW
#undef EXP_FIRST
#undef EXP_TERMS
#undef LOG_FIRST
#undef LOG_TERMS
#undef LOG1P_FIRST
#undef LOG1P_TERMS

/* --- float64 --- */

#define T double
#define I int64_t
#define U uint64_t
#define NAMED(x) x##_f64
#define MANTISSA 52
#define BIAS 1023
#define MIN_NORMAL 0x1p-1022
#define UP 0x1p54
#define UP_EXPONENT 54
#define HALF_ROOT_BITS 0x3fe6a09e667f3bcd
#define ROUND 0x1.8p52
#define LN2_HIGH 0x1.62e42feep-1
#define LN2_LOW 0x1.a39ef35793c76p-33
#define EXP_LOW -746.0
#define EXP_HIGH 710.0
#define EXPM1_LOW -40.0
/* The first term left out is below 5e-18. */
#define EXP_FIRST (1.0 / 6227020800)
#define EXP_TERMS(X)                                                           \
  X(1.0 / 479001600)                                                           \
  X(1.0 / 39916800)                                                            \
  X(1.0 / 3628800)                                                             \
  X(1.0 / 362880)                                                              \
  X(1.0 / 40320)                                                               \
  X(1.0 / 5040) X(1.0 / 720) X(1.0 / 120) X(1.0 / 24) X(1.0 / 6) X(0.5)
/* The first term left out is below 1e-18. */
#define LOG_FIRST (1.0 / 21)
#define LOG_TERMS(X)                                                           \
  X(1.0 / 19)                                                                  \
  X(1.0 / 17)                                                                  \
  X(1.0 / 15)                                                                  \
  X(1.0 / 13) X(1.0 / 11) X(1.0 / 9) X(1.0 / 7) X(1.0 / 5) X(1.0 / 3)

#if defined(__x86_64__)
#define ISA __attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma")))
#define LANES 8
#define NAME(x) x##_f64_avx512
#define MAX(a, b) (VEC) _mm512_max_pd((__m512d)(a), (__m512d)(b))
#define SCALE(x, k) (VEC) _mm512_scalef_pd((__m512d)(x), (__m512d)(k))
#include "kernels/vecmath.inc"
#undef MAX
#undef SCALE
#undef LANES
#undef NAME
#undef ISA
#define ISA __attribute__((target("avx2,fma")))
#define LANES 4
#define NAME(x) x##_f64_avx2
#include "kernels/vecmath.inc"
#undef LANES
#undef NAME
#undef ISA
#endif
#define ISA
#define LANES 2
#define NAME(x) x##_f64_portable
#include "kernels/vecmath.inc"
#undef LANES

/* --- choice --- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static torus_isa chosen;
static const table_f32 *f32 = &table_f32_portable;
static const table_f64 *f64 = &table_f64_portable;

static bool machine_has(torus_isa isa) {
  if (isa == TORUS_ISA_PORTABLE) return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa == TORUS_ISA_AVX2) return avx2;
  if (isa == TORUS_ISA_AVX512) {
    return avx2 && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  }
#endif
  return false;
}

static bool use(torus_isa isa) {
  if (!machine_has(isa)) return false;
  chosen = isa;
#if defined(__x86_64__)
  static const table_f32 *const f32_of[] = {&table_f32_portable,
                                            &table_f32_avx2, &table_f32_avx512};
  static const table_f64 *const f64_of[] = {&table_f64_portable,
                                            &table_f64_avx2, &table_f64_avx512};
  f32 = f32_of[isa];
  f64 = f64_of[isa];
#endif
  return true;
}

static void choose(void) {
  static const char *const names[] = {"portable", "avx2", "avx512"};
  const char *wish = getenv("TORUS_ISA");
  torus_isa most = TORUS_ISA_AVX512;
  for (int i = 0; wish && i < TORUS_ISA_COUNT; i++) {
    if (strcmp(wish, names[i]) == 0) most = (torus_isa)i;
  }
  while (!use(most)) most--;
}

torus_isa torus_isa_chosen(void) {
  pthread_once(&once, choose);
  return chosen;
}

bool torus_isa_choose(torus_isa isa) {
  pthread_once(&once, choose);
  return use(isa);
}

#define DEFINE(name)                                                           \
  void torus_vec_##name##_f32(int64_t n, const float *x, float *y) {           \
    pthread_once(&once, choose);                                               \
    f32->name(n, x, y);                                                        \
  }                                                                            \
  void torus_vec_##name##_f64(int64_t n, const double *x, double *y) {         \
    pthread_once(&once, choose);                                               \
    f64->name(n, x, y);                                                        \
  }
TORUS_VECMATH(DEFINE)

#define DEFINE_SLOPE(name)                                                     \
  void torus_vec_##name##_slope_f32(int64_t n, const float *x, float *y,       \
                                    float *slope) {                            \
    pthread_once(&once, choose);                                               \
    f32->name##_slope(n, x, y, slope);                                         \
  }                                                                            \
  void torus_vec_##name##_slope_f64(int64_t n, const double *x, double *y,     \
                                    double *slope) {                           \
    pthread_once(&once, choose);                                               \
    f64->name##_slope(n, x, y, slope);                                         \
  }
DEFINE_SLOPE(softplus)
DEFINE_SLOPE(tanh)
