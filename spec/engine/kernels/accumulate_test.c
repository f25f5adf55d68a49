#include "kernels/accumulate.h"

#include "each_isa.h"

enum { ROWS = 5, WIDTH = 37, APART = 40 };

TEST(rows_are_summed_in_double) {
  float x[ROWS * APART];
  double y[ROWS * APART], sum32[WIDTH + 1] = {0}, sum64[WIDTH + 1] = {0};
  for (int i = 0; i < ROWS * APART; i++) y[i] = x[i] = (float)(i * i % 97) / 7;
  torus_accumulate_f32(ROWS, WIDTH, x, APART, sum32);
  torus_accumulate_f64(ROWS, WIDTH, y, APART, sum64);
  for (int j = 0; j < WIDTH; j++) {
    double want = 0;
    for (int i = 0; i < ROWS; i++) want += (double)x[i * APART + j];
    CHECK(sum32[j] == want, "column %d: %g, expected %g", j, sum32[j], want);
    CHECK(sum64[j] == want, "column %d: %g, expected %g", j, sum64[j], want);
  }
  CHECK(sum32[WIDTH] == 0 && sum64[WIDTH] == 0, "writes past the end");
}

TEST(arrays_are_added) {
  float x[WIDTH], y[WIDTH + 1];
  double a[WIDTH], b[WIDTH + 1];
  for (int i = 0; i <= WIDTH; i++) b[i] = y[i] = (float)i;
  for (int i = 0; i < WIDTH; i++) a[i] = x[i] = (float)i / 8;
  torus_add_to_f32(WIDTH, x, y);
  torus_add_to_f64(WIDTH, a, b);
  for (int i = 0; i <= WIDTH; i++) {
    double want = i < WIDTH ? i * 1.125 : i;
    CHECK(y[i] == want && b[i] == want, "%d: %g, %g", i, y[i], b[i]);
  }
}

int main(void) {
  RUN_EACH_ISA(rows_are_summed_in_double);
  RUN_EACH_ISA(arrays_are_added);
  return check_report();
}
