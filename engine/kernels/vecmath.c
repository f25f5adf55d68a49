#include "kernels/vecmath.h"

#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/simd/simd.h"

typedef void map_f32(int64_t, const float *, float *);
typedef void map_f64(int64_t, const double *, double *);
typedef void map2_f32(int64_t, const float *, float *, float *);
typedef void map2_f64(int64_t, const double *, double *, double *);
typedef void map3_f32(int64_t, const float *, float *, float *, float *);
typedef void map3_f64(int64_t, const double *, double *, double *, double *);

typedef struct table_f32 {
#define ENTRY(name) map_f32 *name;
  TORUS_VECMATH(ENTRY)
#undef ENTRY
  map2_f32 *softplus_slope, *tanh_slope;
  map3_f32 *swish_slope;
} table_f32;

typedef struct table_f64 {
#define ENTRY(name) map_f64 *name;
  TORUS_VECMATH(ENTRY)
#undef ENTRY
  map2_f64 *softplus_slope, *tanh_slope;
  map3_f64 *swish_slope;
} table_f64;

#define SIMD_TEMPLATE "kernels/vecmath.inc"
#include "kernels/simd/variants.inc"

static const table_f32 *const tables_f32[] = SIMD_VARIANTS(table_f32);
static const table_f64 *const tables_f64[] = SIMD_VARIANTS(table_f64);

#define DEFINE(name)                                                           \
  void torus_vec_##name##_f32(int64_t n, const float *x, float *y) {           \
    tables_f32[torus_isa_chosen()]->name(n, x, y);                             \
  }                                                                            \
  void torus_vec_##name##_f64(int64_t n, const double *x, double *y) {         \
    tables_f64[torus_isa_chosen()]->name(n, x, y);                             \
  }
TORUS_VECMATH(DEFINE)

#define DEFINE_SLOPE(name)                                                     \
  void torus_vec_##name##_slope_f32(int64_t n, const float *x, float *y,       \
                                    float *slope) {                            \
    tables_f32[torus_isa_chosen()]->name##_slope(n, x, y, slope);              \
  }                                                                            \
  void torus_vec_##name##_slope_f64(int64_t n, const double *x, double *y,     \
                                    double *slope) {                           \
    tables_f64[torus_isa_chosen()]->name##_slope(n, x, y, slope);              \
  }
DEFINE_SLOPE(softplus)
DEFINE_SLOPE(tanh)

void torus_vec_swish_slope_f32(int64_t n, const float *x, float *y,
                               float *slope, float *curvature) {
  tables_f32[torus_isa_chosen()]->swish_slope(n, x, y, slope, curvature);
}

void torus_vec_swish_slope_f64(int64_t n, const double *x, double *y,
                               double *slope, double *curvature) {
  tables_f64[torus_isa_chosen()]->swish_slope(n, x, y, slope, curvature);
}
