#include "kernels/fft_plan.h"

#include <math.h>
#include <string.h>

#include "kernels/simd/simd.h"

/* Primes up to this one are radices; a larger factor costs more than
 * Bluestein's two longer transforms. */
#define MAX_RADIX 47

void torus_fft_root(int64_t j, int64_t n, double *re, double *im) {
  /* The angle within an eighth of the circle, where sin and cos are best. */
  int64_t octant = 8 * j / n, rest = 8 * j - octant * n;
  bool mirrored = octant & 1;
  double x = M_PI / 4 * ((double)(mirrored ? n - rest : rest) / (double)n);
  double c = mirrored ? sin(x) : cos(x), s = mirrored ? cos(x) : sin(x);
  switch (octant >> 1) {
  case 0:
    *re = c, *im = s;
    return;
  case 1:
    *re = -s, *im = c;
    return;
  case 2:
    *re = -c, *im = -s;
    return;
  default:
    *re = s, *im = -c;
    return;
  }
}

/* --- stages ----------------------------------------------------------------
 */

/* One stage of Stockham's transform: with `before` the product of the radices
 * done, p this one and m those to come, element (k + m r) of x, a run of
 * before * lines numbers, goes to elements (p k + t) of y:
 *
 *   y[p k + t] = w^(k t) sum_r x[k + m r] exp(-2 pi i r t / p),
 *   w = exp(-2 pi i before / length) */
typedef struct stage {
  int p;
  int64_t m, before, run, length;
  const double *root_re, *root_im;
  const double *x_re, *x_im;
  double *y_re, *y_im;
} stage;

/* The run of x for r, and that of y for t with its factor. */
#define INPUT(r)                                                               \
  const double *restrict x##r##_re = s->x_re + (k + s->m * r) * s->run;        \
  const double *restrict x##r##_im = s->x_im + (k + s->m * r) * s->run
#define OUTPUT(t)                                                              \
  double *restrict y##t##_re = s->y_re + (s->p * k + t) * s->run;              \
  double *restrict y##t##_im = s->y_im + (s->p * k + t) * s->run;              \
  const double w##t##_re = s->root_re[k * t * s->before];                      \
  const double w##t##_im = s->root_im[k * t * s->before]
#define STORE(t, re, im)                                                       \
  do {                                                                         \
    double store_re = re, store_im = im;                                       \
    y##t##_re[q] = store_re * w##t##_re - store_im * w##t##_im;                \
    y##t##_im[q] = store_re * w##t##_im + store_im * w##t##_re;                \
  } while (0)

SIMD_LOOP(void, stage2, (const stage *s), (s)) {
  for (int64_t k = 0; k < s->m; k++) {
    INPUT(0);
    INPUT(1);
    OUTPUT(0);
    OUTPUT(1);
    for (int64_t q = 0; q < s->run; q++) {
      STORE(0, x0_re[q] + x1_re[q], x0_im[q] + x1_im[q]);
      STORE(1, x0_re[q] - x1_re[q], x0_im[q] - x1_im[q]);
    }
  }
}

SIMD_LOOP(void, stage3, (const stage *s), (s)) {
  const double h = 0.86602540378443864676; /* sqrt(3)/2 */
  for (int64_t k = 0; k < s->m; k++) {
    INPUT(0);
    INPUT(1);
    INPUT(2);
    OUTPUT(0);
    OUTPUT(1);
    OUTPUT(2);
    for (int64_t q = 0; q < s->run; q++) {
      double sum_re = x1_re[q] + x2_re[q], sum_im = x1_im[q] + x2_im[q];
      double turn_re = h * (x1_im[q] - x2_im[q]);
      double turn_im = -h * (x1_re[q] - x2_re[q]);
      double mid_re = x0_re[q] - 0.5 * sum_re, mid_im = x0_im[q] - 0.5 * sum_im;
      STORE(0, x0_re[q] + sum_re, x0_im[q] + sum_im);
      STORE(1, mid_re + turn_re, mid_im + turn_im);
      STORE(2, mid_re - turn_re, mid_im - turn_im);
    }
  }
}

SIMD_LOOP(void, stage4, (const stage *s), (s)) {
  for (int64_t k = 0; k < s->m; k++) {
    INPUT(0);
    INPUT(1);
    INPUT(2);
    INPUT(3);
    OUTPUT(0);
    OUTPUT(1);
    OUTPUT(2);
    OUTPUT(3);
    for (int64_t q = 0; q < s->run; q++) {
      double even_re = x0_re[q] + x2_re[q], even_im = x0_im[q] + x2_im[q];
      double odd_re = x1_re[q] + x3_re[q], odd_im = x1_im[q] + x3_im[q];
      double far_re = x0_re[q] - x2_re[q], far_im = x0_im[q] - x2_im[q];
      double turn_re = x1_im[q] - x3_im[q], turn_im = x3_re[q] - x1_re[q];
      STORE(0, even_re + odd_re, even_im + odd_im);
      STORE(1, far_re + turn_re, far_im + turn_im);
      STORE(2, even_re - odd_re, even_im - odd_im);
      STORE(3, far_re - turn_re, far_im - turn_im);
    }
  }
}

SIMD_LOOP(void, stage5, (const stage *s), (s)) {
  const double c1 = 0.30901699437494742410, c2 = -0.80901699437494742410;
  const double s1 = 0.95105651629515357212, s2 = 0.58778525229247312917;
  for (int64_t k = 0; k < s->m; k++) {
    INPUT(0);
    INPUT(1);
    INPUT(2);
    INPUT(3);
    INPUT(4);
    OUTPUT(0);
    OUTPUT(1);
    OUTPUT(2);
    OUTPUT(3);
    OUTPUT(4);
    for (int64_t q = 0; q < s->run; q++) {
      double a_re = x1_re[q] + x4_re[q], a_im = x1_im[q] + x4_im[q];
      double b_re = x2_re[q] + x3_re[q], b_im = x2_im[q] + x3_im[q];
      double c_re = x1_im[q] - x4_im[q], c_im = x4_re[q] - x1_re[q];
      double d_re = x2_im[q] - x3_im[q], d_im = x3_re[q] - x2_re[q];
      double m1_re = x0_re[q] + c1 * a_re + c2 * b_re;
      double m1_im = x0_im[q] + c1 * a_im + c2 * b_im;
      double m2_re = x0_re[q] + c2 * a_re + c1 * b_re;
      double m2_im = x0_im[q] + c2 * a_im + c1 * b_im;
      double t1_re = s1 * c_re + s2 * d_re, t1_im = s1 * c_im + s2 * d_im;
      double t2_re = s2 * c_re - s1 * d_re, t2_im = s2 * c_im - s1 * d_im;
      STORE(0, x0_re[q] + a_re + b_re, x0_im[q] + a_im + b_im);
      STORE(1, m1_re + t1_re, m1_im + t1_im);
      STORE(2, m2_re + t2_re, m2_im + t2_im);
      STORE(3, m2_re - t2_re, m2_im - t2_im);
      STORE(4, m1_re - t1_re, m1_im - t1_im);
    }
  }
}

/* y = sum_r c_r x_r for one k and t. */
SIMD_LOOP(void, combine, (const stage *s, int64_t k, int64_t t), (s, k, t)) {
  double *restrict y_re = s->y_re + (s->p * k + t) * s->run;
  double *restrict y_im = s->y_im + (s->p * k + t) * s->run;
  for (int64_t r = 0; r < s->p; r++) {
    const double *restrict x_re = s->x_re + (k + s->m * r) * s->run;
    const double *restrict x_im = s->x_im + (k + s->m * r) * s->run;
    int64_t j =
        (r * t % s->p * (s->length / s->p) + k * t * s->before) % s->length;
    double c = s->root_re[j], d = s->root_im[j], old = r > 0;
    for (int64_t q = 0; q < s->run; q++) {
      y_re[q] = (old ? y_re[q] : 0) + (c * x_re[q] - d * x_im[q]);
      y_im[q] = (old ? y_im[q] : 0) + (c * x_im[q] + d * x_re[q]);
    }
  }
}

static void stage_any(const stage *s) {
  for (int64_t k = 0; k < s->m; k++) {
    for (int64_t t = 0; t < s->p; t++) combine(s, k, t);
  }
}

static void run_stage(const stage *s) {
  switch (s->p) {
  case 2:
    stage2(s);
    return;
  case 3:
    stage3(s);
    return;
  case 4:
    stage4(s);
    return;
  case 5:
    stage5(s);
    return;
  default:
    stage_any(s);
  }
}

/* --- a transform ------------------------------------------------------------
 */

/* In place; work: 2 length lines. */
static void run_stages(const torus_fft_plan *plan, int lines, double *re,
                       double *im, double *work) {
  int64_t size = plan->length * lines, before = 1;
  double *from_re = re, *from_im = im, *to_re = work, *to_im = work + size;
  for (int i = 0; i < plan->stages; i++) {
    int p = plan->radix[i];
    stage s = {.p = p,
               .m = plan->length / (before * p),
               .before = before,
               .run = before * lines,
               .length = plan->length,
               .root_re = plan->root_re,
               .root_im = plan->root_im,
               .x_re = from_re,
               .x_im = from_im,
               .y_re = to_re,
               .y_im = to_im};
    run_stage(&s);
    double *swap_re = from_re, *swap_im = from_im;
    from_re = to_re, from_im = to_im, to_re = swap_re, to_im = swap_im;
    before *= p;
  }
  if (from_re == re) return;
  memcpy(re, from_re, (size_t)size * sizeof *re);
  memcpy(im, from_im, (size_t)size * sizeof *im);
}

/* (a + ib)(c + id) for each line of each of n elements. */
SIMD_LOOP(void, multiply,
          (int64_t n, int lines, const double *a, const double *b,
           const double *c, const double *d, double *out_re, double *out_im),
          (n, lines, a, b, c, d, out_re, out_im)) {
  for (int64_t j = 0; j < n; j++) {
    for (int64_t q = j * lines; q < (j + 1) * lines; q++) {
      double re = a[q] * c[j] - b[q] * d[j], im = a[q] * d[j] + b[q] * c[j];
      out_re[q] = re;
      out_im[q] = im;
    }
  }
}

/* With j k = (j^2 + k^2 - (k - j)^2) / 2 the sum is a convolution with the
 * inverse chirp (Bluestein, 1970). */
static void run_chirp(const torus_fft_plan *plan, int lines, double *re,
                      double *im, double *work) {
  int64_t n = plan->n, size = plan->length * lines;
  double *a = work, *b = work + size, *more = work + 2 * size;
  multiply(n, lines, re, im, plan->chirp_re, plan->chirp_im, a, b);
  size_t rest = (size_t)(size - n * lines) * sizeof *a;
  memset(a + n * lines, 0, rest);
  memset(b + n * lines, 0, rest);
  run_stages(plan, lines, a, b, more);
  multiply(plan->length, lines, a, b, plan->filter_re, plan->filter_im, a, b);
  run_stages(plan, lines, b, a, more);
  multiply(n, lines, a, b, plan->chirp_re, plan->chirp_im, re, im);
}

void torus_fft_plan_run(const torus_fft_plan *plan, int lines, double *re,
                        double *im, double *work) {
  (plan->chirp_re ? run_chirp : run_stages)(plan, lines, re, im, work);
}

/* --- plans ------------------------------------------------------------------
 */

/* Fills in the radices of n; false if a prime is too large. */
static bool factorise(int64_t n, int *radix, int *stages) {
  *stages = 0;
  for (int p = 4; n > 1 && p <= MAX_RADIX;) {
    if (n % p == 0) {
      radix[(*stages)++] = p;
      n /= p;
    } else {
      p = p == 4 ? 2 : p == 2 ? 3 : p + 2;
    }
  }
  return n == 1;
}

static int64_t staged_length(int64_t n) {
  int radix[TORUS_FFT_STAGES], stages;
  if (factorise(n, radix, &stages)) return n;
  int64_t length = 1;
  while (length < 2 * n - 1) length *= 2;
  return length;
}

size_t torus_fft_plan_size(int64_t n) {
  int64_t length = staged_length(n);
  return (size_t)(length == n ? 2 * n : 4 * length + 2 * n);
}

size_t torus_fft_work_size(int64_t n) {
  int64_t length = staged_length(n);
  return (size_t)((length == n ? 2 : 4) * length * TORUS_FFT_LINES);
}

static void init_chirp(torus_fft_plan *plan, double *memory, double *work) {
  int64_t n = plan->n, length = plan->length;
  plan->chirp_re = memory;
  plan->chirp_im = memory + n;
  plan->filter_re = memory + 2 * n;
  plan->filter_im = memory + 2 * n + length;
  double *re = plan->filter_re, *im = plan->filter_im;
  memset(re, 0, (size_t)(2 * length) * sizeof *re);
  for (int64_t j = 0; j < n; j++) {
    double c, s, scale = 1 / (double)length;
    torus_fft_root(j * j % (2 * n), 2 * n, &c, &s);
    plan->chirp_re[j] = c;
    plan->chirp_im[j] = -s;
    int64_t mirror = (length - j) % length;
    re[j] = re[mirror] = c * scale;
    im[j] = im[mirror] = s * scale;
  }
  run_stages(plan, 1, re, im, work);
}

void torus_fft_plan_init(torus_fft_plan *plan, int64_t n, double *memory,
                         double *work) {
  int64_t length = staged_length(n);
  *plan = (torus_fft_plan){.n = n, .length = length};
  factorise(length, plan->radix, &plan->stages);
  plan->root_re = memory;
  plan->root_im = memory + length;
  for (int64_t j = 0; j < length; j++) {
    double c, s;
    torus_fft_root(j, length, &c, &s);
    plan->root_re[j] = c;
    plan->root_im[j] = -s;
  }
  if (length != n) init_chirp(plan, memory + 2 * length, work);
}
