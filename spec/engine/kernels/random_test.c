#include "core/threads.h"
#include "kernels/random.h"

#include "check.h"
#include "each_isa.h"

#include <stdint.h>
#include <string.h>

enum { N = 10000 };

/* Around a change of the position's high word, too. */
static const uint64_t STARTS[] = {0, 1000, 0xffffffffu - 5000,
                                  0xffffffffffffffffu - 5000};

TEST(uniform_samples_are_those_of_their_positions) {
  static double wide[N];
  static float narrow[N];
  for (int s = 0; s < 4; s++) {
    torus_rng rng = {42, STARTS[s]}, again = rng;
    torus_random_uniform_f64(&rng, wide, N);
    torus_random_uniform_f32(&again, narrow, N);
    CHECK(rng.position == STARTS[s] + N, "%llu",
          (unsigned long long)rng.position);
    int wrong = 0;
    for (uint64_t i = 0; i < N; i++) {
      double expected = torus_rng_uniform_at(42, STARTS[s] + i);
      float rounded = (float)expected;
      wrong += wide[i] != expected;
      wrong += narrow[i] != (rounded < 1 ? rounded : 0x1.fffffep-1f);
    }
    CHECK(wrong == 0, "from %llu: %d of %d", (unsigned long long)STARTS[s],
          wrong, 2 * N);
  }
}

/* Box and Muller's formula in long double. */
static long double normal_at(uint64_t seed, uint64_t position,
                             long double *radius) {
  uint32_t r[4];
  torus_philox(seed, position, r);
  *radius = sqrtl(-2 * logl(1 - (long double)torus_philox_unit(r[0], r[1])));
  return *radius * cosl(6.283185307179586476925286766559L *
                        torus_philox_unit(r[2], r[3]));
}

TEST(normal_samples_are_those_of_their_positions) {
  static double wide[N];
  static float narrow[N];
  for (int s = 0; s < 4; s++) {
    torus_rng rng = {42, STARTS[s]}, again = rng;
    torus_random_normal_f64(&rng, wide, N);
    torus_random_normal_f32(&again, narrow, N);
    double worst = 0;
    int wrong = 0;
    for (uint64_t i = 0; i < N; i++) {
      long double radius, expected = normal_at(42, STARTS[s] + i, &radius);
      double off = (double)(fabsl(wide[i] - expected) / (radius + 1e-300L));
      if (off > worst) worst = off;
      wrong += narrow[i] != (float)wide[i];
    }
    CHECK(worst < 1e-15, "from %llu: %g", (unsigned long long)STARTS[s], worst);
    CHECK(wrong == 0, "%d of %d", wrong, N);
  }
}

TEST(samples_depend_neither_on_threads_nor_on_their_place) {
  static double one[3 * N], four[3 * N], part[7];
  int before = torus_threads();
  torus_rng a = {7, 0}, b = {7, 0};
  torus_set_threads(1);
  torus_random_normal_f64(&a, one, 3 * N);
  torus_set_threads(4);
  torus_random_normal_f64(&b, four, 3 * N);
  torus_set_threads(before);
  CHECK(memcmp(one, four, sizeof one) == 0, "differ");
  int wrong = 0;
  for (int64_t first = 0; first < 300; first++) {
    torus_rng c = {7, (uint64_t)first};
    torus_random_normal_f64(&c, part, first % 8);
    wrong += memcmp(part, one + first, (size_t)(first % 8) * 8) != 0;
  }
  CHECK(wrong == 0, "%d of 300", wrong);
}

TEST(uniform_samples_stay_below_one) {
  enum { COUNT = 200000 };
  static float x[COUNT];
  torus_rng rng = {3, 0};
  torus_random_uniform_f32(&rng, x, COUNT);
  double sum = 0;
  for (int i = 0; i < COUNT; i++) {
    CHECK(x[i] >= 0 && x[i] < 1, "%g at %d", x[i], i);
    sum += x[i];
  }
  CHECK(fabs(sum / COUNT - 0.5) < 0.003, "mean %g", sum / COUNT);
  /* The first position of this stream at which rounding would give 1. */
  torus_rng close = {3, 4752673};
  CHECK((float)torus_rng_uniform_at(3, close.position) == 1, "not that close");
  torus_random_uniform_f32(&close, x, 1);
  CHECK(x[0] == 0x1.fffffep-1f, "%.9g", x[0]);
}

int main(void) {
  RUN_EACH_ISA(uniform_samples_are_those_of_their_positions);
  RUN_EACH_ISA(normal_samples_are_those_of_their_positions);
  RUN_EACH_ISA(samples_depend_neither_on_threads_nor_on_their_place);
  RUN_EACH_ISA(uniform_samples_stay_below_one);
  return check_report();
}
