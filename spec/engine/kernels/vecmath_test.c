/* Witness: libm in long double, rounded by nobody but the comparison. Errors
 * are in units of the last place of the exact result. */
#include "each_isa.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/vecmath.h"

#define COUNT 20011

static long double exact_exp(long double x) { return expl(x); }
static long double exact_expm1(long double x) { return expm1l(x); }
static long double exact_log(long double x) { return logl(x); }
static long double exact_log1p(long double x) { return log1pl(x); }
static long double exact_tanh(long double x) { return tanhl(x); }
static long double exact_sigmoid(long double x) { return 1 / (1 + expl(-x)); }
static long double exact_softplus(long double x) {
  return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x)));
}
static long double exact_tanh_slope(long double x) {
  long double c = coshl(x);
  return 1 / (c * c);
}

/* Error of y in units of the last place of a format with `digits` bits and
 * smallest exponent `low`. */
static double ulps(double y, long double exact, int digits, int low) {
  if (isnan(y) || isinf(y) || fabsl(exact) < 0x1p-1100L) {
    long double size = fabsl(exact);
    bool same = (isnan(y) && isnan(exact)) ||
                (isinf(y) && size > (digits == 24 ? 0x1.fffffp127L : 1e308L)) ||
                (fabs(y) < 1e-300 && size < 1e-300L);
    return same ? 0 : 1e30;
  }
  int e;
  frexpl(exact, &e);
  if (e - digits < low) e = low + digits;
  return (double)(fabsl((long double)y - exact) / ldexpl(1, e - digits));
}

typedef struct row {
  const char *name;
  void (*f32)(int64_t, const float *, float *);
  void (*f64)(int64_t, const double *, double *);
  long double (*exact)(long double);
  double low, high; /* arguments */
  double limit;     /* units in the last place */
} row;

static const row rows[] = {
    {"exp", torus_vec_exp_f32, torus_vec_exp_f64, exact_exp, -760, 720, 2},
    {"exp", torus_vec_exp_f32, torus_vec_exp_f64, exact_exp, -110, 90, 2},
    {"expm1", torus_vec_expm1_f32, torus_vec_expm1_f64, exact_expm1, -50, 90,
     4},
    {"expm1", torus_vec_expm1_f32, torus_vec_expm1_f64, exact_expm1, -1e-3,
     1e-3, 4},
    {"log", torus_vec_log_f32, torus_vec_log_f64, exact_log, 0, 3, 2},
    {"log", torus_vec_log_f32, torus_vec_log_f64, exact_log, 0, 1e30, 2},
    {"log", torus_vec_log_f32, torus_vec_log_f64, exact_log, 0, 1e-37, 2},
    {"log1p", torus_vec_log1p_f32, torus_vec_log1p_f64, exact_log1p, -1, 1, 4},
    {"log1p", torus_vec_log1p_f32, torus_vec_log1p_f64, exact_log1p, -1e-4,
     1e-4, 4},
    {"log1p", torus_vec_log1p_f32, torus_vec_log1p_f64, exact_log1p, 0, 1e20,
     4},
    {"tanh", torus_vec_tanh_f32, torus_vec_tanh_f64, exact_tanh, -25, 25, 4},
    {"tanh", torus_vec_tanh_f32, torus_vec_tanh_f64, exact_tanh, -0.01, 0.01,
     4},
    {"sigmoid", torus_vec_sigmoid_f32, torus_vec_sigmoid_f64, exact_sigmoid,
     -110, 110, 4},
    {"softplus", torus_vec_softplus_f32, torus_vec_softplus_f64, exact_softplus,
     -110, 110, 4},
    {"softplus", torus_vec_softplus_f32, torus_vec_softplus_f64, exact_softplus,
     -3, 3, 4},
};

static float x32[COUNT], y32[COUNT], s32[COUNT];
static double x64[COUNT], y64[COUNT], s64[COUNT];

static void spread(double low, double high) {
  for (int i = 0; i < COUNT; i++) {
    double at = (double)i / (COUNT - 1);
    x64[i] = low + (high - low) * at;
    x32[i] = (float)x64[i];
  }
}

TEST(functions_are_accurate_over_their_range) {
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    const row *row = &rows[r];
    spread(row->low, row->high);
    row->f32(COUNT, x32, y32);
    row->f64(COUNT, x64, y64);
    double worst32 = 0, worst64 = 0;
    for (int i = 0; i < COUNT; i++) {
      double e32 =
          ulps((double)y32[i], row->exact((long double)x32[i]), 24, -149);
      double e64 = ulps(y64[i], row->exact((long double)x64[i]), 53, -1074);
      if (e32 > worst32) worst32 = e32;
      if (e64 > worst64) worst64 = e64;
    }
    CHECK(worst32 <= row->limit, "%s f32 [%g, %g]: %g units", row->name,
          row->low, row->high, worst32);
    CHECK(worst64 <= row->limit, "%s f64 [%g, %g]: %g units", row->name,
          row->low, row->high, worst64);
  }
}

/* The slope of tanh loses relative accuracy where it vanishes: compared with
 * the largest slope, 1. */
TEST(slopes_are_accurate) {
  spread(-30, 30);
  torus_vec_softplus_slope_f32(COUNT, x32, y32, s32);
  torus_vec_softplus_slope_f64(COUNT, x64, y64, s64);
  double worst32 = 0, worst64 = 0;
  for (int i = 0; i < COUNT; i++) {
    long double a = (long double)x32[i], b = (long double)x64[i];
    worst32 = fmax(worst32, ulps((double)y32[i], exact_softplus(a), 24, -149));
    worst32 = fmax(worst32, ulps((double)s32[i], exact_sigmoid(a), 24, -149));
    worst64 = fmax(worst64, ulps(y64[i], exact_softplus(b), 53, -1074));
    worst64 = fmax(worst64, ulps(s64[i], exact_sigmoid(b), 53, -1074));
  }
  CHECK(worst32 <= 4 && worst64 <= 4, "softplus: %g, %g units", worst32,
        worst64);
  torus_vec_tanh_slope_f32(COUNT, x32, y32, s32);
  torus_vec_tanh_slope_f64(COUNT, x64, y64, s64);
  worst32 = worst64 = 0;
  for (int i = 0; i < COUNT; i++) {
    long double a = (long double)x32[i], b = (long double)x64[i];
    worst32 =
        fmax(worst32, (double)fabsl((long double)s32[i] - exact_tanh_slope(a)));
    worst64 =
        fmax(worst64, (double)fabsl((long double)s64[i] - exact_tanh_slope(b)));
  }
  CHECK(worst32 <= 4e-7 && worst64 <= 8e-16, "tanh: %g, %g", worst32, worst64);
}

/* Slope and curvature have zeros: compared with their size of about 1, values
 * with x. */
TEST(swish_has_its_first_two_derivatives) {
  static float c32[COUNT];
  static double c64[COUNT];
  spread(-30, 30);
  torus_vec_swish_slope_f32(COUNT, x32, y32, s32, c32);
  torus_vec_swish_slope_f64(COUNT, x64, y64, s64, c64);
  double worst32 = 0, worst64 = 0;
  for (int i = 0; i < 2 * COUNT; i++) {
    bool single = i < COUNT;
    int k = i % COUNT;
    long double x = single ? (long double)x32[k] : (long double)x64[k];
    long double s = exact_sigmoid(x), size = fmaxl(1, fabsl(x));
    long double y = single ? (long double)y32[k] : (long double)y64[k];
    long double slope = single ? (long double)s32[k] : (long double)s64[k];
    long double bend = single ? (long double)c32[k] : (long double)c64[k];
    long double error = fabsl(y - x * s) / size;
    error = fmaxl(error, fabsl(slope - s - x * s * (1 - s)));
    error = fmaxl(error, fabsl(bend - s * (1 - s) * (2 + x * (1 - 2 * s))));
    double *worst = single ? &worst32 : &worst64;
    *worst = fmax(*worst, (double)error);
  }
  CHECK(worst32 <= 4e-7 && worst64 <= 8e-16, "%g, %g", worst32, worst64);
}

static bool same_double(double a, double b) {
  return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

TEST(special_values_are_libm_s) {
  const double inf = HUGE_VAL, none = (double)NAN;
  const double specials[] = {0.0, -0.0, inf, -inf, none, -1.0};
  typedef struct witness {
    const char *name;
    void (*f32)(int64_t, const float *, float *);
    void (*f64)(int64_t, const double *, double *);
    double want[6];
  } witness;
  const witness witnesses[] = {
      {"exp",
       torus_vec_exp_f32,
       torus_vec_exp_f64,
       {1, 1, inf, 0, none, exp(-1)}},
      {"expm1",
       torus_vec_expm1_f32,
       torus_vec_expm1_f64,
       {0, -0.0, inf, -1, none, expm1(-1)}},
      {"log",
       torus_vec_log_f32,
       torus_vec_log_f64,
       {-inf, -inf, inf, none, none, none}},
      {"log1p",
       torus_vec_log1p_f32,
       torus_vec_log1p_f64,
       {0, -0.0, inf, none, none, -inf}},
      {"tanh",
       torus_vec_tanh_f32,
       torus_vec_tanh_f64,
       {0, -0.0, 1, -1, none, tanh(-1)}},
      {"sigmoid",
       torus_vec_sigmoid_f32,
       torus_vec_sigmoid_f64,
       {0.5, 0.5, 1, 0, none, 1 / (1 + exp(1))}},
      {"softplus",
       torus_vec_softplus_f32,
       torus_vec_softplus_f64,
       {log(2), log(2), inf, 0, none, log1p(exp(-1))}},
  };
  for (size_t r = 0; r < sizeof witnesses / sizeof *witnesses; r++) {
    const witness *w = &witnesses[r];
    for (int i = 0; i < 6; i++) {
      float x = (float)specials[i], y;
      double xd = specials[i], yd;
      w->f32(1, &x, &y);
      w->f64(1, &xd, &yd);
      bool ordinary = isfinite(w->want[i]) && w->want[i] != 0;
      bool ok32 = ordinary ? fabs((double)y / w->want[i] - 1) < 3e-7
                           : same_double((double)y, w->want[i]);
      bool ok64 = ordinary ? fabs(yd / w->want[i] - 1) < 6e-16
                           : same_double(yd, w->want[i]);
      CHECK(ok32, "%s(%g) = %g", w->name, specials[i], (double)y);
      CHECK(ok64, "%s(%g) = %.17g", w->name, specials[i], yd);
    }
  }
}

TEST(results_do_not_depend_on_the_position_in_an_array) {
  spread(-4, 4);
  torus_vec_softplus_slope_f32(COUNT, x32, y32, s32);
  torus_vec_tanh_f64(COUNT, x64, y64);
  for (int n = 0; n <= 40; n++) {
    float y[41], s[41];
    double t[41];
    for (int i = 0; i <= 40; i++) y[i] = s[i] = 7, t[i] = 7;
    int at = 3 * n + 1; /* unaligned */
    torus_vec_softplus_slope_f32(n, x32 + at, y, s);
    memcpy(t, x64 + at, (size_t)n * sizeof *t);
    torus_vec_tanh_f64(n, t, t);
    size_t count = (size_t)n;
    CHECK(memcmp(y, y32 + at, count * sizeof *y) == 0, "n %d", n);
    CHECK(memcmp(s, s32 + at, count * sizeof *s) == 0, "n %d", n);
    CHECK(memcmp(t, y64 + at, count * sizeof *t) == 0, "n %d", n);
    if (n < 41) {
      CHECK(y[n] == 7 && s[n] == 7, "writes past the end, n %d", n);
      CHECK(n == 40 || t[n] == 7, "writes past the end, n %d", n);
    }
  }
}

int main(void) {
  RUN_EACH_ISA(functions_are_accurate_over_their_range);
  RUN_EACH_ISA(slopes_are_accurate);
  RUN_EACH_ISA(swish_has_its_first_two_derivatives);
  RUN_EACH_ISA(special_values_are_libm_s);
  RUN_EACH_ISA(results_do_not_depend_on_the_position_in_an_array);
  return check_report();
}
