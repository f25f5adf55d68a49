#include "kernels/reduce.h"

#include "core/threads.h"

#include "each_isa.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int64_t count_of(const torus_layout *l) {
  int64_t count = 1;
  for (int d = 0; d < l->ndim; d++) count *= l->size[d];
  return count;
}

/* The sum, maximum and minimum of one kept element by a plain loop. */
static void plain(const double *in, int64_t base, const torus_layout *reduced,
                  double out[3]) {
  out[0] = 0, out[1] = -INFINITY, out[2] = INFINITY;
  for (int64_t r = 0; r < count_of(reduced); r++) {
    double v = in[base + torus_layout_offset(reduced, r)];
    out[0] += v;
    if (v > out[1]) out[1] = v;
    if (v < out[2]) out[2] = v;
  }
}

static double noise(int64_t i) {
  uint64_t bits = (uint64_t)i * 0x9E3779B97F4A7C15u;
  return (double)(bits >> 11) * 0x1p-53 - 0.5;
}

static void run(torus_reduction op, torus_dtype dtype, const void *in,
                const torus_layout *kept, const torus_layout *reduced,
                void *out) {
  void *scratch = malloc(torus_reduce_scratch(kept, reduced) + 1);
  torus_reduce_run(op, dtype, in, kept, reduced, out, scratch);
  free(scratch);
}

static void check_layout(const torus_layout *kept, const torus_layout *reduced,
                         int64_t capacity) {
  double *x = malloc((size_t)capacity * sizeof *x);
  float *narrow = malloc((size_t)capacity * sizeof *narrow);
  for (int64_t i = 0; i < capacity; i++) {
    x[i] = noise(i);
    narrow[i] = (float)x[i];
  }
  int64_t n = count_of(kept);
  double *got = malloc((size_t)(n + 1) * sizeof *got);
  float *got_narrow = malloc((size_t)(n + 1) * sizeof *got_narrow);
  for (int op = 0; op < 3; op++) {
    if (op > 0 && count_of(reduced) == 0) break;
    got[n] = got_narrow[n] = 77;
    run((torus_reduction)op, TORUS_FLOAT64, x, kept, reduced, got);
    run((torus_reduction)op, TORUS_FLOAT32, narrow, kept, reduced, got_narrow);
    for (int64_t k = 0; k < n; k++) {
      double expected[3];
      plain(x, torus_layout_offset(kept, k), reduced, expected);
      double scale = 1 + fabs(expected[op]);
      CHECK(fabs(got[k] - expected[op]) <= 1e-11 * scale, "op %d: %g, not %g",
            op, got[k], expected[op]);
      /* Half a unit in the last place of the result, and of each input. */
      CHECK(fabs((double)got_narrow[k] - expected[op]) <=
                6e-8 * (scale + (double)count_of(reduced) * 0.1),
            "op %d in float32: %g, not %g", op, (double)got_narrow[k],
            expected[op]);
    }
    CHECK(got[n] == 77 && got_narrow[n] == 77, "wrote beyond the result");
  }
  free(x);
  free(narrow);
  free(got);
  free(got_narrow);
}

TEST(agrees_with_plain_loops) {
  /* Runs along memory, longer than a block and than a piece. */
  check_layout(&(torus_layout){1, {3}, {700}}, &(torus_layout){1, {700}, {1}},
               2100);
  check_layout(&(torus_layout){0}, &(torus_layout){1, {70000}, {1}}, 70000);
  /* Across memory, the kept elements a run. */
  check_layout(&(torus_layout){1, {700}, {1}}, &(torus_layout){1, {9}, {700}},
               6300);
  check_layout(&(torus_layout){1, {3}, {1}}, &(torus_layout){1, {30000}, {3}},
               90000);
  /* Kept and reduced dimensions mixed, with steps. */
  check_layout(&(torus_layout){2, {3, 5}, {70, 2}},
               &(torus_layout){2, {7, 2}, {10, 1}}, 300);
  check_layout(&(torus_layout){2, {4, 600}, {1200, 2}},
               &(torus_layout){1, {3}, {4800}}, 14400);
  /* Repeated elements. */
  check_layout(&(torus_layout){2, {5, 4}, {0, 1}}, &(torus_layout){1, {6}, {0}},
               8);
  check_layout(&(torus_layout){1, {6}, {0}}, &(torus_layout){1, {6}, {1}}, 8);
  /* One element and none. */
  check_layout(&(torus_layout){0}, &(torus_layout){0}, 1);
  check_layout(&(torus_layout){1, {3}, {1}}, &(torus_layout){1, {0}, {3}}, 8);
  check_layout(&(torus_layout){1, {0}, {1}}, &(torus_layout){1, {3}, {3}}, 8);
}

TEST(nan_wins) {
  const double x[3] = {1, NAN, 3};
  torus_layout none = {0}, three = {1, {3}, {1}};
  for (int op = TORUS_REDUCE_MAX; op <= TORUS_REDUCE_MIN; op++) {
    double out;
    run((torus_reduction)op, TORUS_FLOAT64, x, &none, &three, &out);
    CHECK(isnan(out), "op %d returns %g", op, out);
    run((torus_reduction)op, TORUS_FLOAT64, x, &three, &none, (double[3]){0});
  }
  for (int first = 0; first < 3; first++) {
    int64_t index;
    torus_reduce_argmax(false, TORUS_FLOAT64, x + first, &none, 3 - first, 1,
                        &index);
    CHECK(index == (first < 2 ? 1 - first : 0), "%d from %d", (int)index,
          first);
  }
}

TEST(finds_the_first_extreme) {
  const float x[6] = {1, 5, 5, -2, 7, -2};
  int64_t index[2];
  torus_layout rows = {1, {2}, {3}}, columns = {1, {2}, {1}};
  torus_reduce_argmax(false, TORUS_FLOAT32, x, &rows, 3, 1, index);
  CHECK(index[0] == 1 && index[1] == 1, "%d %d", (int)index[0], (int)index[1]);
  torus_reduce_argmax(true, TORUS_FLOAT32, x, &rows, 3, 1, index);
  CHECK(index[0] == 0 && index[1] == 0, "%d %d", (int)index[0], (int)index[1]);
  torus_reduce_argmax(false, TORUS_FLOAT32, x, &columns, 2, 3, index);
  CHECK(index[0] == 0 && index[1] == 1, "%d %d", (int)index[0], (int)index[1]);
}

TEST(threads_change_no_bit) {
  enum { N = 200003 };
  static float x[N];
  for (int i = 0; i < N; i++) x[i] = (float)noise(i);
  int before = torus_threads();
  torus_layout none = {0}, all = {1, {N}, {1}};
  torus_layout rows = {1, {401}, {1}}, columns = {1, {498}, {401}};
  float one[402], more[402];
  torus_set_threads(1);
  run(TORUS_REDUCE_SUM, TORUS_FLOAT32, x, &none, &all, one);
  run(TORUS_REDUCE_SUM, TORUS_FLOAT32, x, &rows, &columns, one + 1);
  for (int threads = 2; threads <= 5; threads++) {
    torus_set_threads(threads);
    run(TORUS_REDUCE_SUM, TORUS_FLOAT32, x, &none, &all, more);
    run(TORUS_REDUCE_SUM, TORUS_FLOAT32, x, &rows, &columns, more + 1);
    CHECK(memcmp(one, more, sizeof one) == 0, "%d threads", threads);
  }
  torus_set_threads(before);
}

int main(void) {
  RUN_EACH_ISA(agrees_with_plain_loops);
  RUN_EACH_ISA(nan_wins);
  RUN_EACH_ISA(finds_the_first_extreme);
  RUN_EACH_ISA(threads_change_no_bit);
  return check_report();
}
