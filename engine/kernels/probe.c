#include "kernels/probe.h"

#include "core/threads.h"
#include "kernels/simd/simd.h"

/* Independent sums: as many as a processor adds to while one waits for its
 * result, on two units with a latency of five. */
enum { CHAINS = 10, PROBE_ROUND = 10 << 17 };

#ifdef __clang__
#define UNROLL_CHAINS UNROLL
#else
#define UNROLL_CHAINS _Pragma("GCC unroll 16")
#endif

#define SIMD_FLOAT_ONLY
#define SIMD_TEMPLATE "kernels/probe.inc"
#include "kernels/simd/variants.inc"

typedef float multiply_fn(int64_t rounds);
typedef float read_fn(int64_t rounds, int64_t n, const float *x);

static multiply_fn *const multiply[] = SIMD_VARIANTS(multiply_f32);
static read_fn *const read_all[] = SIMD_VARIANTS(read_f32);

/* sums: one for each thread, so that no compiler leaves the work out. */
static void piece(void *arg, int64_t number, int thread) {
  (void)number;
  float *sums = arg;
  sums[thread] += multiply[torus_isa_chosen()](1);
}

int64_t torus_probe_multiply_adds(int64_t rounds) {
  float sums[TORUS_MAX_THREADS] = {0};
  int64_t pieces = rounds * torus_threads();
  torus_parallel(pieces, piece, sums);
  return pieces * PROBE_ROUND;
}

float torus_probe_read(int64_t rounds, int64_t n, const float *x) {
  return read_all[torus_isa_chosen()](rounds, n, x);
}
