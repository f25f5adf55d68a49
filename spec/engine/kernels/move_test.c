#include "kernels/move.h"

#include "core/threads.h"

#include "check.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const size_t widths[] = {1, 4, 8};

/* Every byte of an element at an offset of its own. */
static void number(unsigned char *data, int64_t count, size_t width) {
  for (int64_t i = 0; i < count * (int64_t)width; i++) {
    data[i] = (unsigned char)(i * 31 + i / 251);
  }
}

TEST(gathers_any_part_of_any_layout) {
  const torus_layout layouts[] = {
      {1, {60}, {1}},       {2, {6, 10}, {10, 1}},
      {2, {6, 10}, {1, 6}}, {3, {3, 4, 5}, {40, 10, 2}},
      {2, {6, 10}, {0, 1}}, {2, {6, 10}, {1, 0}}};
  unsigned char data[200 * 8], out[60 * 8 + 1];
  for (int w = 0; w < 3; w++) {
    size_t width = widths[w];
    number(data, 200, width);
    for (int l = 0; l < 6; l++) {
      for (int64_t first = 0; first < 60; first += 7) {
        int64_t count = 60 - first > 25 ? 25 : 60 - first;
        out[(size_t)count * width] = 77;
        torus_move_gather(width, data, &layouts[l], first, count, out);
        for (int64_t i = 0; i < count; i++) {
          int64_t at = torus_layout_offset(&layouts[l], first + i);
          CHECK(memcmp(out + (size_t)i * width, data + (size_t)at * width,
                       width) == 0,
                "width %zu, layout %d, element %d", width, l, (int)(first + i));
        }
        CHECK(out[(size_t)count * width] == 77, "wrote beyond");
      }
    }
  }
}

TEST(copies_between_any_two_layouts) {
  enum { N = 3 * 130 * 90 }; /* more than a piece */
  const torus_layout layouts[] = {{3, {3, 130, 90}, {11700, 90, 1}},
                                  {3, {3, 130, 90}, {1, 3, 390}},
                                  {3, {3, 130, 90}, {90, 270, 1}},
                                  {3, {3, 130, 90}, {23400, 180, 2}}};
  uint64_t *from = malloc(2 * N * sizeof *from);
  uint64_t *to = malloc(2 * N * sizeof *to);
  for (int i = 0; i < 2 * N; i++) from[i] = (uint64_t)i * 2654435761u;
  for (int a = 0; a < 4; a++) {
    for (int b = 0; b < 4; b++) {
      memset(to, 0, 2 * N * sizeof *to);
      torus_move_copy(sizeof *to, from, &layouts[a], to, &layouts[b]);
      int64_t wrong = 0, written = 0;
      for (int64_t i = 0; i < N; i++) {
        wrong += to[torus_layout_offset(&layouts[b], i)] !=
                 from[torus_layout_offset(&layouts[a], i)];
      }
      for (int64_t i = 0; i < 2 * N; i++) written += to[i] != 0;
      CHECK(wrong == 0, "%d to %d: %d wrong", a, b, (int)wrong);
      CHECK(written <= N, "%d to %d: wrote %d", a, b, (int)written);
    }
  }
  free(from);
  free(to);
}

TEST(copies_scalars_and_nothing) {
  const torus_layout scalar = {0}, none = {2, {3, 0}, {0, 1}};
  float from = 3, to = 0;
  torus_move_copy(sizeof from, &from, &none, &to, &none);
  CHECK(to == 0, "copied nothing to %g", to);
  torus_move_copy(sizeof from, &from, &scalar, &to, &scalar);
  CHECK(to == 3, "%g", to);
}

TEST(converts_to_the_nearest_that_fits) {
  const double x[] = {0.9,      -0.9,   255.9, 256,  -1,    NAN,
                      INFINITY, -1e300, 1e300, 3e38, 1e-50, 9007199254740992.0};
  const int64_t integers[] = {
      0,         0,         255,       256,       -1, 0,
      INT64_MAX, INT64_MIN, INT64_MAX, INT64_MAX, 0,  9007199254740992};
  const uint8_t small[] = {0, 0, 255, 255, 0, 0, 255, 0, 255, 255, 0, 255};
  enum { N = sizeof x / sizeof *x };
  int64_t i64[N];
  uint8_t u8[N];
  float f32[N];
  double f64[N];
  torus_move_convert(TORUS_FLOAT64, x, TORUS_INT64, i64, N);
  torus_move_convert(TORUS_FLOAT64, x, TORUS_UINT8, u8, N);
  torus_move_convert(TORUS_FLOAT64, x, TORUS_FLOAT32, f32, N);
  torus_move_convert(TORUS_FLOAT64, x, TORUS_FLOAT64, f64, N);
  for (int i = 0; i < N; i++) {
    CHECK(i64[i] == integers[i], "%g to %lld", x[i], (long long)i64[i]);
    CHECK(u8[i] == small[i], "%g to %d", x[i], u8[i]);
    float expected = (float)x[i];
    CHECK(memcmp(&f32[i], &expected, sizeof expected) == 0 || isnan(x[i]),
          "%g to %g", x[i], (double)f32[i]);
  }
  CHECK(memcmp(f64, x, sizeof x) == 0, "a copy differs");
  const int64_t back[] = {INT64_MAX, -5, 300};
  torus_move_convert(TORUS_INT64, back, TORUS_UINT8, u8, 3);
  CHECK(u8[0] == 255 && u8[1] == 0 && u8[2] == 255, "%d %d %d", u8[0], u8[1],
        u8[2]);
}

TEST(converts_long_arrays) {
  enum { N = 50001 };
  static uint8_t from[N];
  static float to[N];
  for (int i = 0; i < N; i++) from[i] = (uint8_t)(i * 7);
  torus_move_convert(TORUS_UINT8, from, TORUS_FLOAT32, to, N);
  int wrong = 0;
  for (int i = 0; i < N; i++) wrong += to[i] != (float)from[i];
  CHECK(wrong == 0, "%d wrong", wrong);
}

TEST(fills_in_each_dtype) {
  const torus_layout every_other = {1, {2}, {2}};
  float f32[3] = {0};
  double f64[3] = {0};
  int64_t i64[3] = {0};
  uint8_t u8[3] = {0};
  torus_move_fill(TORUS_FLOAT32, f32, &every_other, 1.5);
  torus_move_fill(TORUS_FLOAT64, f64, &every_other, 1.5);
  torus_move_fill(TORUS_INT64, i64, &every_other, -7);
  torus_move_fill(TORUS_UINT8, u8, &every_other, 200);
  CHECK(f32[0] == 1.5f && f32[1] == 0 && f32[2] == 1.5f, "float32");
  CHECK(f64[0] == 1.5 && f64[1] == 0 && f64[2] == 1.5, "float64");
  CHECK(i64[0] == -7 && i64[1] == 0 && i64[2] == -7, "int64");
  CHECK(u8[0] == 200 && u8[1] == 0 && u8[2] == 200, "uint8");
}

TEST(reads_and_adds_by_index) {
  /* src: (2, 3, 2); rows of the middle dimension by one shared list. */
  const double src[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const int64_t rows[4] = {2, 0, 2, 1};
  torus_index_job shared = {2, 3, 4, 2, true, rows};
  double out[16], back[12] = {0};
  torus_move_index(sizeof *out, &shared, src, out);
  for (int o = 0; o < 2; o++) {
    for (int r = 0; r < 4; r++) {
      for (int i = 0; i < 2; i++) {
        double expected = src[(o * 3 + rows[r]) * 2 + i];
        CHECK(out[(o * 4 + r) * 2 + i] == expected, "%d %d %d", o, r, i);
      }
    }
  }
  torus_move_index_add(TORUS_FLOAT64, &shared, out, back);
  for (int k = 0; k < 12; k++) {
    double times = k / 2 % 3 == 2 ? 2 : 1;
    CHECK(back[k] == times * src[k], "%g at %d", back[k], k);
  }
  /* An index for every element: (2, 2, 2). */
  const int64_t places[8] = {2, 0, 1, 1, 0, 0, 2, 2};
  torus_index_job single = {2, 3, 2, 2, false, places};
  double part[8];
  torus_move_index(sizeof *part, &single, src, part);
  for (int k = 0; k < 8; k++) {
    double expected = src[(k / 4 * 3 + places[k]) * 2 + k % 2];
    CHECK(part[k] == expected, "%g, not %g at %d", part[k], expected, k);
  }
  float narrow[8] = {1, 2, 3, 4, 5, 6, 7, 8}, sums[12] = {0};
  torus_move_index_add(TORUS_FLOAT32, &single, narrow, sums);
  float total = 0;
  for (int k = 0; k < 12; k++) total += sums[k];
  CHECK(total == 36 && sums[4] == 1 && sums[1] == 2, "sums");
}

int main(void) {
  RUN(gathers_any_part_of_any_layout);
  RUN(copies_between_any_two_layouts);
  RUN(copies_scalars_and_nothing);
  RUN(converts_to_the_nearest_that_fits);
  RUN(converts_long_arrays);
  RUN(fills_in_each_dtype);
  RUN(reads_and_adds_by_index);
  return check_report();
}
