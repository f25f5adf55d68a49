#include "each_isa.h"

#include "core/alloc.h"
#include "core/threads.h"
#include "kernels/probe.h"

TEST(everything_is_read_so_many_times) {
  const int64_t n = 1280;
  float *x = torus_alloc((size_t)n * sizeof *x);
  for (int64_t i = 0; i < n; i++) x[i] = (float)(i % 7);
  float want = 0;
  for (int64_t i = 0; i < n; i++) want += 3 * x[i];
  float got = torus_probe_read(3, n, x); /* integers: exact in any order */
  CHECK(got == want, "expected %g, got %g", (double)want, (double)got);
  torus_free(x);
}

TEST(multiply_adds_are_counted_for_every_thread) {
  int before = torus_threads();
  torus_set_threads(1);
  int64_t one = torus_probe_multiply_adds(2);
  torus_set_threads(3);
  int64_t three = torus_probe_multiply_adds(2);
  torus_set_threads(before);
  CHECK(one > 2000000 && three == 3 * one, "%lld and %lld", (long long)one,
        (long long)three);
}

int main(void) {
  RUN_EACH_ISA(everything_is_read_so_many_times);
  RUN_EACH_ISA(multiply_adds_are_counted_for_every_thread);
  return check_report();
}
