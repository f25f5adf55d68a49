/* Products against loops in double; bits against the number of threads. */
#include "kernels/gemm.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "core/threads.h"

static uint64_t state;

static double uniform(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(int64_t)(state >> 11) / 4503599627370496.0 - 1;
}

#define T float
#define NAME(x) x##_f32
#define TOLERANCE 1e-6 /* a few roundings of 6e-8 */
#include "gemm_test.inc"
#undef T
#undef NAME
#undef TOLERANCE

#define T double
#define NAME(x) x##_f64
#define TOLERANCE 1e-14
#include "gemm_test.inc"

int main(void) {
  RUN(products_f32);
  RUN(products_f64);
  RUN(beta_zero_ignores_c_f32);
  RUN(beta_zero_ignores_c_f64);
  RUN(threads_do_not_matter_f32);
  RUN(threads_do_not_matter_f64);
  return check_report();
}
