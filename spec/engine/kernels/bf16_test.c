/* Products of bfloat16 and the convolutions made of them, against direct loops
 * in double over the same rounded numbers: their products are exact in float32,
 * so that what is left is the error of sums in float32. */
#include "kernels/bf16_product.h"

#include <stdlib.h>
#include <string.h>

#include "core/threads.h"
#include "each_isa.h"
#include "kernels/bf16_maps.h"
#include "kernels/conv.h"

#define TOLERANCE 1e-6

static uint64_t state;

static float uniform(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (float)((double)(int64_t)(state >> 11) / 4503599627370496.0 - 1);
}

static double value_of(torus_bf16 x) {
  uint32_t bits = (uint32_t)x << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return (double)value;
}

/* The nearest number with 8 significant bits, by arithmetic. */
static double rounded(double x) {
  if (x == 0) return 0;
  int exponent;
  frexp(x, &exponent);
  double unit = ldexp(1, exponent - 8);
  return nearbyint(x / unit) * unit;
}

static void *block(size_t bytes) {
  void *b = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
  memset(b, 0xff, bytes);
  return b;
}

static double distance(const float *a, const double *b, int64_t count) {
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < count; i++) {
    difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return difference == 0 ? 0 : sqrt(difference / norm);
}

TEST(a_number_is_rounded_to_the_nearest_and_ties_to_even) {
  int wrong = 0;
  for (uint32_t high = 0x0080; high < 0x7f7f; high++) {
    static const uint32_t low[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    for (int i = 0; i < 6; i++) {
      uint32_t bits = high << 16 | low[i];
      float x;
      memcpy(&x, &bits, sizeof x);
      wrong += value_of(bf16_of(x)) != rounded((double)x);
      wrong += value_of(bf16_of(-x)) != -rounded((double)x);
    }
  }
  CHECK(wrong == 0, "%d wrong", wrong);
  CHECK(bf16_of(INFINITY) == 0x7f80 && bf16_of(-INFINITY) == 0xff80, "inf");
  CHECK(isnan(value_of(bf16_of(NAN))), "NaN became %g", value_of(bf16_of(NAN)));
}

/* Two taps of three steps from overlapping rows of a. */
static void check_product(const bf16_kernels *kernels, int rows, int columns,
                          bool add) {
  enum { STEPS = 3, TAPS = 2, LINE = STEPS * 32 + 10, ALL = 40 };
  static torus_bf16 a[ALL * LINE + 256];
  torus_bf16 *b = block(TAPS * STEPS * 32 * 32 * sizeof *b);
  int64_t offsets[TAPS] = {6, 5 * LINE * 2 + 2};
  int m = rows * 16, n = columns * 16;
  float *c = block(32 * 40 * sizeof *c);
  double *expected = calloc((size_t)(m * n), sizeof(double));
  float *got = calloc((size_t)(m * n), sizeof(float));
  for (int i = 0; i < ALL * LINE; i++) a[i] = bf16_of(uniform());
  for (int i = 0; i < TAPS * STEPS * 32 * n; i++) b[i] = bf16_of(uniform());
  for (int i = 0; i < 32 * 40; i++) c[i] = uniform();
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < n; j++) {
      double sum = add ? (double)c[i * 40 + j] : 0;
      for (int t = 0; t < TAPS; t++) {
        for (int k = 0; k < STEPS * 32; k++) {
          double x = value_of(a[offsets[t] / 2 + i * LINE + k]);
          int row = (t * STEPS * 32 + k) / 2;
          sum += x * value_of(b[row * 2 * n + 2 * j + k % 2]);
        }
      }
      expected[i * n + j] = sum;
    }
  }
  float outside = c[(m - 1) * 40 + n];
  bf16_product p = {TAPS, offsets, STEPS, LINE * 2};
  kernels->begin();
  kernels->product(&p, rows, columns, a, b, c, 40 * 4, add);
  kernels->end();
  for (int i = 0; i < m; i++) {
    memcpy(got + i * n, c + i * 40, (size_t)n * sizeof *c);
  }
  double off = distance(got, expected, m * n);
  CHECK(off <= TOLERANCE, "%d x %d units, add %d: off by %g", rows, columns,
        add, off);
  CHECK(c[(m - 1) * 40 + n] == outside, "wrote beyond the columns");
  free(b);
  free(c);
  free(expected);
  free(got);
}

TEST(products_are_those_of_a_direct_loop) {
  const bf16_kernels *kernels = bf16_kernels_chosen();
  bool should = torus_isa_chosen() >= TORUS_ISA_AVX512BF16;
  CHECK((kernels != NULL) == should, "%s", torus_isa_name(torus_isa_chosen()));
  state = 5;
  for (int i = 0; kernels && i < 8; i++) {
    check_product(kernels, 1 + i / 4, 1 + i / 2 % 2, i % 2);
  }
}

/* --- convolutions ------------------------------------------------------------
 */

/* n h w c k kh kw stride pad */
static const int64_t shapes[][9] = {
    {3, 7, 5, 4, 3, 1, 1, 1, 0},      {3, 7, 5, 4, 3, 1, 1, 2, 0},
    {1, 9, 8, 5, 7, 2, 2, 1, 0},      {17, 9, 7, 5, 3, 3, 3, 2, 1},
    {2, 11, 13, 3, 4, 3, 3, 3, 2},    {2, 10, 10, 2, 3, 4, 4, 2, 3},
    {1, 12, 9, 3, 2, 5, 5, 1, 2},     {3, 12, 9, 3, 2, 5, 3, 2, 2},
    {0, 8, 8, 64, 64, 3, 3, 1, 1},    {1, 1, 1, 2, 3, 3, 3, 1, 1},
    {3, 4, 4, 64, 64, 3, 3, 1, 1},    {17, 4, 4, 16, 33, 3, 3, 1, 1},
    {3, 9, 7, 17, 70, 3, 3, 1, 1},    {9, 8, 8, 31, 16, 3, 3, 1, 1},
    {2, 32, 32, 93, 32, 3, 3, 1, 1},  {2, 16, 16, 64, 3, 3, 3, 1, 1},
    {2, 16, 16, 3, 64, 3, 3, 1, 1},   {2, 16, 16, 32, 64, 3, 3, 2, 1},
    {9, 16, 16, 24, 24, 3, 3, 1, 1},  {2, 10, 6, 9, 2, 5, 3, 1, 3},
    {40, 16, 16, 40, 40, 3, 3, 1, 1}, {2, 33, 31, 8, 8, 3, 3, 2, 1},
};
#define SHAPES ((int)(sizeof shapes / sizeof *shapes))

typedef struct arrays {
  torus_conv v;
  int64_t nx, ny, nw;
  float *x, *w, *bias, *gy, *y, *gx, *gw;
} arrays;

static float *random_floats(int64_t count) {
  float *x = malloc((size_t)count * sizeof *x + 1);
  for (int64_t i = 0; i < count; i++) x[i] = uniform();
  return x;
}

static arrays make(int i, bool bfloat16) {
  const int64_t *s = shapes[i];
  arrays a;
  CHECK(torus_conv_init(&a.v, s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7],
                        s[8]),
        "shape %d", i);
  a.v.bfloat16 = bfloat16;
  a.nx = a.v.n * a.v.h * a.v.w * a.v.c;
  a.ny = a.v.n * a.v.oh * a.v.ow * a.v.k;
  a.nw = a.v.k * a.v.c * a.v.kh * a.v.kw;
  state = 11;
  a.x = random_floats(a.nx), a.w = random_floats(a.nw);
  a.bias = random_floats(a.v.k), a.gy = random_floats(a.ny);
  a.y = random_floats(a.ny), a.gx = random_floats(a.nx);
  a.gw = random_floats(a.nw);
  return a;
}

static void drop(arrays *a) {
  float *all[] = {a->x, a->w, a->bias, a->gy, a->y, a->gx, a->gw};
  for (int i = 0; i < 7; i++) free(all[i]);
}

static void run(arrays *a) {
  int threads = torus_threads();
  void *s =
      block(torus_conv_forward_scratch(&a->v, threads, TORUS_FLOAT32) + 1);
  torus_conv_forward_f32(&a->v, a->x, a->w, a->bias, 0.25f, a->y, s);
  free(s);
  s = block(torus_conv_input_grad_scratch(&a->v, threads, TORUS_FLOAT32) + 1);
  torus_conv_input_grad_f32(&a->v, a->gy, a->w, a->gx, s);
  free(s);
  s = block(torus_conv_weight_grad_scratch(&a->v, threads, TORUS_FLOAT32) + 1);
  torus_conv_weight_grad_f32(&a->v, a->x, a->gy, a->gw, s);
  free(s);
}

/* All three passes at once, of rounded arguments. */
static void direct(const arrays *a, double *y, double *gx, double *gw) {
  const torus_conv *v = &a->v;
  for (int64_t yi = 0; yi < a->ny; yi++) {
    int64_t o = yi % v->k, j = yi / v->k % v->ow, i = yi / v->k / v->ow % v->oh;
    int64_t image = yi / v->k / v->ow / v->oh;
    double g = rounded((double)a->gy[yi]);
    for (int64_t t = 0; t < v->kh * v->kw; t++) {
      int64_t row = i * v->stride + t / v->kw - v->pad;
      int64_t column = j * v->stride + t % v->kw - v->pad;
      if (row < 0 || row >= v->h || column < 0 || column >= v->w) continue;
      for (int64_t c = 0; c < v->c; c++) {
        int64_t xi = ((image * v->h + row) * v->w + column) * v->c + c;
        int64_t wi = (o * v->c + c) * v->kh * v->kw + t;
        double x = rounded((double)a->x[xi]), w = rounded((double)a->w[wi]);
        y[yi] += x * w;
        gx[xi] += g * w;
        gw[wi] += g * x;
      }
    }
    double value = y[yi] + (double)a->bias[o];
    y[yi] = value > 0 ? value : 0.25 * value;
  }
}

/* Whether torus_conv goes by bfloat16 in the set in use. */
static bool has_products(void) { return bf16_kernels_chosen() != NULL; }

TEST(every_pass_is_that_of_a_direct_loop) {
  for (int s = 0; has_products() && s < SHAPES; s++) {
    arrays a = make(s, true);
    double *y = calloc((size_t)a.ny + 1, sizeof *y);
    double *gx = calloc((size_t)a.nx + 1, sizeof *gx);
    double *gw = calloc((size_t)a.nw + 1, sizeof *gw);
    direct(&a, y, gx, gw);
    run(&a);
    double off = distance(a.y, y, a.ny);
    CHECK(off <= TOLERANCE, "shape %d: forward off by %g", s, off);
    off = distance(a.gx, gx, a.nx);
    CHECK(off <= TOLERANCE, "shape %d: input's gradient off by %g", s, off);
    off = distance(a.gw, gw, a.nw);
    CHECK(off <= TOLERANCE, "shape %d: weights' gradient off by %g", s, off);
    free(y);
    free(gx);
    free(gw);
    drop(&a);
  }
}

static bool same_bits(const arrays *a, const arrays *b) {
  return memcmp(a->y, b->y, (size_t)a->ny * sizeof(float)) == 0 &&
         memcmp(a->gx, b->gx, (size_t)a->nx * sizeof(float)) == 0 &&
         memcmp(a->gw, b->gw, (size_t)a->nw * sizeof(float)) == 0;
}

TEST(threads_do_not_matter) {
  int before = torus_threads();
  for (int s = 0; s < SHAPES; s++) {
    arrays one = make(s, true), two = make(s, true);
    torus_set_threads(1);
    run(&one);
    torus_set_threads(3);
    run(&two);
    CHECK(same_bits(&one, &two), "shape %d: bits differ", s);
    drop(&one);
    drop(&two);
  }
  torus_set_threads(before);
}

/* Without products of bfloat16 it is float32. */
TEST(the_precision_is_that_of_the_set) {
  for (int s = 0; s < SHAPES; s++) {
    arrays a = make(s, true), b = make(s, false);
    run(&a);
    run(&b);
    bool rounds = has_products() && a.ny > 0;
    CHECK(same_bits(&a, &b) != rounds, "shape %d with %s", s,
          torus_isa_name(torus_isa_chosen()));
    drop(&a);
    drop(&b);
  }
}

TEST(what_does_not_serve_is_float32) {
  /* One pixel of results from a large window; too many taps. */
  static const int64_t others[][9] = {{2, 8, 8, 4, 4, 8, 8, 1, 0},
                                      {1, 12, 12, 3, 3, 6, 6, 1, 2}};
  for (int i = 0; i < 2; i++) {
    const int64_t *s = others[i];
    torus_conv v;
    torus_conv_init(&v, s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8]);
    size_t bytes = torus_conv_forward_scratch(&v, 1, TORUS_FLOAT32);
    v.bfloat16 = true;
    CHECK(torus_conv_forward_scratch(&v, 1, TORUS_FLOAT32) == bytes, "shape %d",
          i);
  }
}

TEST(scratch_is_enough_for_fewer_images) {
  for (int s = 0; s < SHAPES; s++) {
    arrays a = make(s, true);
    torus_conv v = a.v;
    drop(&a);
    for (v.n = 100; v.n > 0; v.n--) {
      torus_conv less = v;
      less.n--;
      CHECK(torus_conv_forward_scratch(&less, 3, TORUS_FLOAT32) <=
                    torus_conv_forward_scratch(&v, 3, TORUS_FLOAT32) &&
                torus_conv_input_grad_scratch(&less, 3, TORUS_FLOAT32) <=
                    torus_conv_input_grad_scratch(&v, 3, TORUS_FLOAT32) &&
                torus_conv_weight_grad_scratch(&less, 3, TORUS_FLOAT32) <=
                    torus_conv_weight_grad_scratch(&v, 3, TORUS_FLOAT32),
            "shape %d: %d images", s, (int)v.n);
    }
  }
}

int main(void) {
  RUN(a_number_is_rounded_to_the_nearest_and_ties_to_even);
  RUN_EACH_ISA(products_are_those_of_a_direct_loop);
  RUN_EACH_ISA(every_pass_is_that_of_a_direct_loop);
  RUN_EACH_ISA(threads_do_not_matter);
  RUN_EACH_ISA(the_precision_is_that_of_the_set);
  RUN_EACH_ISA(what_does_not_serve_is_float32);
  RUN_EACH_ISA(scratch_is_enough_for_fewer_images);
  return check_report();
}
