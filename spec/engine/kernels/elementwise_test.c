/* Values are checked from Lua (spec/autodiff/values_spec.lua); here layouts,
 * sizes and threads. */
#include "kernels/elementwise.h"

#include "core/threads.h"

#include "each_isa.h"

#include <stdlib.h>
#include <string.h>

static const double none[2] = {0, 0};

static torus_layout row(int64_t count, int64_t stride) {
  return (torus_layout){1, {count}, {stride}};
}

TEST(writes_exactly_its_elements) {
  const int64_t sizes[] = {0,    1,    7,     8,     9,    1023,
                           1024, 1025, 16384, 16385, 40000};
  for (int s = 0; s < 11; s++) {
    int64_t n = sizes[s];
    double *x = malloc((size_t)(n + 1) * sizeof *x);
    double *out = malloc((size_t)(n + 2) * sizeof *out);
    for (int64_t i = 0; i < n; i++) x[i] = (double)i;
    out[0] = out[n + 1] = -1;
    torus_layout layout = row(n, 1);
    const void *in[] = {x};
    torus_elementwise_run(TORUS_EW_square, TORUS_FLOAT64, 1, in, &layout,
                          out + 1, n, none);
    int64_t wrong = 0;
    for (int64_t i = 0; i < n; i++) wrong += out[i + 1] != x[i] * x[i];
    CHECK(wrong == 0, "%d of %d", (int)wrong, (int)n);
    CHECK(out[0] == -1 && out[n + 1] == -1, "wrote beyond %d", (int)n);
    free(x);
    free(out);
  }
}

/* out = x + y for layouts of x and y over (a, b, c), against a plain loop. */
static void check_layouts(const torus_layout *lx, const torus_layout *ly) {
  enum { ROOM = 4096 };
  static float x[ROOM], y[ROOM], out[ROOM];
  for (int i = 0; i < ROOM; i++) x[i] = (float)i, y[i] = (float)(7 * i);
  int64_t count = lx->size[0] * lx->size[1] * lx->size[2], at = 0;
  const void *in[] = {x, y};
  torus_layout layouts[] = {*lx, *ly};
  torus_elementwise_run(TORUS_EW_add, TORUS_FLOAT32, 2, in, layouts, out, count,
                        none);
  for (int64_t a = 0; a < lx->size[0]; a++) {
    for (int64_t b = 0; b < lx->size[1]; b++) {
      for (int64_t c = 0; c < lx->size[2]; c++, at++) {
        const int64_t *s = lx->stride, *t = ly->stride;
        float expected = x[a * s[0] + b * s[1] + c * s[2]] +
                         y[a * t[0] + b * t[1] + c * t[2]];
        CHECK(out[at] == expected, "%g, not %g at %d", out[at], expected,
              (int)at);
      }
    }
  }
}

TEST(walks_any_layout) {
  const torus_layout plain = {3, {3, 5, 7}, {35, 7, 1}};
  const torus_layout turned = {3, {3, 5, 7}, {1, 3, 15}};
  const torus_layout steps = {3, {3, 5, 7}, {140, 28, 2}};
  const torus_layout rows = {3, {3, 5, 7}, {0, 7, 1}};
  const torus_layout columns = {3, {3, 5, 7}, {5, 1, 0}};
  const torus_layout one = {3, {3, 5, 7}, {0, 0, 0}};
  const torus_layout *all[] = {&plain, &turned, &steps, &rows, &columns, &one};
  for (int i = 0; i < 6; i++) {
    for (int k = 0; k < 6; k++) check_layouts(all[i], all[k]);
  }
}

TEST(may_write_over_an_input) {
  enum { N = 5000 };
  static double x[N], y[N];
  for (int i = 0; i < N; i++) x[i] = i, y[i] = 1;
  torus_layout layouts[] = {row(N, 1), row(N, 1)};
  const void *in[] = {x, y};
  torus_elementwise_run(TORUS_EW_add, TORUS_FLOAT64, 2, in, layouts, x, N,
                        none);
  for (int i = 0; i < N; i++) CHECK(x[i] == i + 1, "%g at %d", x[i], i);
}

TEST(threads_change_no_bit) {
  enum { N = 70001 };
  static float x[N], y[N], one[N], four[N];
  for (int i = 0; i < N; i++)
    x[i] = (float)i / 1000, y[i] = (float)(i % 97) / 9;
  int before = torus_threads();
  for (int op = 0; op < TORUS_EW_COUNT; op++) {
    torus_layout layouts[] = {row(N, 1), row(N, 1), row(N, 0)};
    const void *in[] = {x, y, x};
    const double numbers[2] = {0.25, 0.75};
    torus_set_threads(1);
    torus_elementwise_run((torus_elementwise)op, TORUS_FLOAT32, 3, in, layouts,
                          one, N, numbers);
    torus_set_threads(4);
    torus_elementwise_run((torus_elementwise)op, TORUS_FLOAT32, 3, in, layouts,
                          four, N, numbers);
    CHECK(memcmp(one, four, sizeof one) == 0, "operation %d", op);
  }
  torus_set_threads(before);
}

int main(void) {
  RUN_EACH_ISA(writes_exactly_its_elements);
  RUN_EACH_ISA(walks_any_layout);
  RUN_EACH_ISA(may_write_over_an_input);
  RUN_EACH_ISA(threads_change_no_bit);
  return check_report();
}
