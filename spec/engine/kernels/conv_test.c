/* Every pass against direct loops in double, over odd shapes, for every
 * instruction set that this machine has; bits against the thread count. */
#include "kernels/conv.h"

#include <stdlib.h>
#include <string.h>

#include "core/threads.h"
#include "each_isa.h"
#include "kernels/upsample.h"
#include "kernels/upsample_conv.h"

static uint64_t state;

static double uniform(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(int64_t)(state >> 11) / 4503599627370496.0 - 1;
}

/* n h w c k kh kw stride pad */
static const int64_t shapes[][9] = {
    {1, 5, 5, 1, 1, 1, 1, 1, 0},         {3, 7, 5, 4, 3, 1, 1, 1, 0},
    {3, 7, 5, 4, 3, 1, 1, 2, 0},         {2, 6, 6, 3, 5, 1, 1, 1, 1},
    {1, 9, 8, 5, 7, 2, 2, 1, 0},         {3, 9, 8, 5, 7, 2, 3, 2, 1},
    {3, 8, 8, 3, 2, 3, 3, 1, 3},         {17, 9, 7, 5, 3, 3, 3, 2, 1},
    {2, 11, 13, 3, 4, 3, 3, 3, 2},       {2, 10, 10, 2, 3, 4, 4, 2, 3},
    {1, 12, 9, 3, 2, 5, 5, 1, 2},        {3, 12, 9, 3, 2, 5, 3, 2, 4},
    {17, 4, 4, 6, 5, 4, 4, 1, 0},        {17, 4, 4, 6, 5, 4, 4, 3, 0},
    {3, 4, 3, 6, 5, 4, 3, 1, 1},         {0, 8, 8, 3, 4, 3, 3, 1, 1},
    {0, 8, 8, 64, 64, 3, 3, 1, 1},       {1, 1, 1, 2, 3, 3, 3, 1, 1},
    {1, 3, 4, 20, 17, 3, 3, 1, 1},       {3, 4, 4, 64, 64, 3, 3, 1, 1},
    {17, 4, 4, 16, 33, 3, 3, 1, 1},      {1, 8, 8, 64, 64, 3, 3, 1, 1},
    {3, 9, 7, 17, 70, 3, 3, 1, 1},       {17, 8, 8, 31, 16, 3, 3, 1, 1},
    {2, 17, 19, 93, 32, 3, 3, 1, 1},     {2, 8, 8, 64, 130, 3, 3, 1, 1},
    {2, 16, 16, 64, 3, 3, 3, 1, 1},      {2, 16, 16, 3, 64, 3, 3, 1, 1},
    {2, 16, 16, 32, 64, 3, 3, 2, 1},     {17, 16, 16, 24, 24, 3, 3, 1, 1},
    {40, 8, 12, 16, 16, 3, 3, 1, 1},     {2, 21, 6, 9, 2, 5, 3, 1, 3},
    {1, 40, 3, 2, 8, 4, 2, 1, 0},        {3, 18, 5, 8, 2, 2, 2, 1, 4},
    {2, 4, 6, 3, 2, 3, 2, 5, 1},         {2, 4, 6, 3, 2, 2, 3, 5000, 2},
    {2, 4, 5, 3, 2, 1, 1, 1LL << 32, 0}, {1, 3, 2, 3, 2, 3, 3, 1LL << 40, 7},
};

/* n h w c k of small images that are doubled first */
static const int doubled[][5] = {
    {1, 1, 1, 3, 2},     {0, 4, 4, 16, 16},  {3, 4, 4, 64, 64},
    {1, 8, 8, 40, 24},   {17, 4, 4, 16, 33}, {2, 9, 7, 20, 17},
    {5, 16, 12, 16, 16}, {3, 5, 2, 33, 5},
};
#define PLAIN ((int)(sizeof shapes / sizeof *shapes))
#define SHAPES (PLAIN + (int)(sizeof doubled / sizeof *doubled))

static bool is_doubled(int i) { return i >= PLAIN; }

static torus_conv shape(int i) {
  torus_conv v;
  bool fits;
  if (is_doubled(i)) {
    const int *s = doubled[i - PLAIN];
    fits = torus_upsample_conv_init(&v, s[0], s[1], s[2], s[3], s[4]);
  } else {
    const int64_t *s = shapes[i];
    fits = torus_conv_init(&v, s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7],
                           s[8]);
  }
  CHECK(fits, "shape %d", i);
  return v;
}

/* Calls body with the flat indices of every product y += x w; `up` is 1 where
 * the convolution is of the doubled image, else 0. */
#define EACH_PRODUCT(v, up, body)                                              \
  for (int64_t b = 0; b < (v).n; b++)                                          \
    for (int64_t i = 0; i < (v).oh; i++)                                       \
      for (int64_t j = 0; j < (v).ow; j++)                                     \
        for (int64_t r = 0; r < (v).kh; r++)                                   \
          for (int64_t t = 0; t < (v).kw; t++) {                               \
            int64_t row = i * (v).stride + r - (v).pad;                        \
            int64_t column = j * (v).stride + t - (v).pad;                     \
            if (row < 0 || row >= (v).h << (up) || column < 0 ||               \
                column >= (v).w << (up))                                       \
              continue;                                                        \
            int64_t x0 =                                                       \
                ((b * (v).h + (row >> (up))) * (v).w + (column >> (up))) *     \
                (v).c;                                                         \
            int64_t y0 = ((b * (v).oh + i) * (v).ow + j) * (v).k;              \
            for (int64_t o = 0; o < (v).k; o++)                                \
              for (int64_t c = 0; c < (v).c; c++) {                            \
                int64_t xi = x0 + c, yi = y0 + o;                              \
                int64_t wi = ((o * (v).c + c) * (v).kh + r) * (v).kw + t;      \
                body;                                                          \
              }                                                                \
          }

#define T float
#define NAME(x) x##_f32
#define DTYPE TORUS_FLOAT32
#define TOLERANCE 1.5e-6 /* Winograd's transforms; 1e-6 without them */
#include "conv_test.inc"
#undef T
#undef NAME
#undef DTYPE
#undef TOLERANCE

#define T double
#define NAME(x) x##_f64
#define DTYPE TORUS_FLOAT64
#define TOLERANCE 1e-14
#include "conv_test.inc"

TEST(misfits_are_refused) {
  torus_conv v;
  CHECK(!torus_conv_init(&v, 1, 4, 4, 1, 1, 5, 5, 1, 0), "kernel too large");
  CHECK(torus_conv_init(&v, 1, 4, 4, 1, 1, 5, 5, 1, 1), "fits when padded");
  CHECK(v.oh == 2 && v.ow == 2, "%d x %d", (int)v.oh, (int)v.ow);
  CHECK(!torus_conv_init(&v, 1, 4, 4, 1, 1, 3, 3, 0, 1), "stride 0");
  CHECK(!torus_conv_init(&v, 1, 4, 4, 0, 1, 3, 3, 1, 1), "no channels");
  CHECK(!torus_conv_init(&v, 1, 4, 4, 1, 1, 3, 3, 1, -1), "padding -1");
  CHECK(!torus_conv_init(&v, -1, 4, 4, 1, 1, 3, 3, 1, 1), "-1 images");
}

#define LESS(pass)                                                             \
  (pass##_scratch(&less, 3, TORUS_FLOAT32) <=                                  \
       pass##_scratch(&v, 3, TORUS_FLOAT32) &&                                 \
   pass##_scratch(&less, 3, TORUS_FLOAT64) <=                                  \
       pass##_scratch(&v, 3, TORUS_FLOAT64))

TEST(scratch_is_enough_for_fewer_images) {
  for (int s = 0; s < SHAPES; s++) {
    torus_conv v = shape(s);
    for (v.n = 100; v.n > 0; v.n--) {
      torus_conv less = v;
      less.n--;
      bool enough;
      if (is_doubled(s)) {
        enough = LESS(torus_upsample_conv_forward) &&
                 LESS(torus_upsample_conv_input_grad) &&
                 LESS(torus_upsample_conv_weight_grad);
      } else {
        enough = LESS(torus_conv_forward) && LESS(torus_conv_input_grad) &&
                 LESS(torus_conv_weight_grad);
      }
      CHECK(enough, "shape %d: %d images", s, (int)v.n);
    }
  }
}

int main(void) {
  RUN(misfits_are_refused);
  RUN(forward_f64);
  RUN(input_grad_f64);
  RUN(weight_grad_f64);
  RUN(threads_do_not_matter_f64);
  RUN(upsampling_f64);
  RUN_EACH_ISA(scratch_is_enough_for_fewer_images);
  RUN_EACH_ISA(forward_f32);
  RUN_EACH_ISA(input_grad_f32);
  RUN_EACH_ISA(weight_grad_f32);
  RUN_EACH_ISA(threads_do_not_matter_f32);
  RUN_EACH_ISA(upsampling_f32);
  return check_report();
}
