#include "kernels/elementwise.h"

#include "core/threads.h"
#include "kernels/move.h"
#include "kernels/simd/simd.h"
#include "kernels/special.h"
#include "kernels/vecmath.h"

#include <math.h>

/* glibc's vector math library has these functions for whole vectors; its own
 * declarations appear under -ffast-math only, which also changes arithmetic.
 * They stay within 4 units in the last place. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
#define VECTOR __attribute__((simd("notinbranch")))
VECTOR double sin(double);
VECTOR double cos(double);
VECTOR double pow(double, double);
VECTOR float sinf(float);
VECTOR float cosf(float);
VECTOR float powf(float, float);
#if __GLIBC_PREREQ(2, 35)
VECTOR double tan(double);
VECTOR float tanf(float);
VECTOR double asin(double);
VECTOR float asinf(float);
VECTOR double acos(double);
VECTOR float acosf(float);
VECTOR double atan(double);
VECTOR float atanf(float);
VECTOR double sinh(double);
VECTOR float sinhf(float);
VECTOR double cosh(double);
VECTOR float coshf(float);
VECTOR double asinh(double);
VECTOR float asinhf(float);
VECTOR double acosh(double);
VECTOR float acoshf(float);
VECTOR double atanh(double);
VECTOR float atanhf(float);
VECTOR double log2(double);
VECTOR float log2f(float);
VECTOR double log10(double);
VECTOR float log10f(float);
VECTOR double exp(double);
VECTOR float expf(float);
VECTOR double exp2(double);
VECTOR float exp2f(float);
VECTOR double expm1(double);
VECTOR float expm1f(float);
VECTOR double erf(double);
VECTOR float erff(float);
VECTOR double erfc(double);
VECTOR float erfcf(float);
VECTOR double atan2(double, double);
VECTOR float atan2f(float, float);
VECTOR double hypot(double, double);
VECTOR float hypotf(float, float);
#endif
#endif

/* Elements gathered at a time, and a thread's share of a large array. */
#define BLOCK 1024
#define PIECE (16 * BLOCK)

typedef struct job {
  torus_elementwise op;
  torus_isa isa;
  int inputs;
  const void *const *in;
  const torus_layout *layouts;
  bool contiguous[TORUS_ELEMENTWISE_INPUTS];
  void *out;
  int64_t count;
  const double *numbers;
  void (*block)(const struct job *, int64_t first, int64_t count);
} job;

#define T float
#define FN(name) name##_f32
#define M(fn) fn##f
#include "kernels/elementwise.inc"
#undef T
#undef FN
#undef M
#define T double
#define FN(name) name##_f64
#define M(fn) fn
#include "kernels/elementwise.inc"
#undef T
#undef FN
#undef M

static void run_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  const job *j = arg;
  int64_t first = piece * PIECE;
  int64_t last = first + PIECE < j->count ? first + PIECE : j->count;
  for (int64_t i = first; i < last; i += BLOCK) {
    j->block(j, i, last - i < BLOCK ? last - i : BLOCK);
  }
}

static bool is_contiguous(const torus_layout *layout) {
  return layout->ndim == 1 && (layout->stride[0] == 1 || layout->size[0] == 1);
}

void torus_elementwise_run(torus_elementwise op, torus_dtype dtype, int inputs,
                           const void *const *in, const torus_layout *layouts,
                           void *out, int64_t count, const double numbers[2]) {
  torus_layout merged[TORUS_ELEMENTWISE_INPUTS];
  job j = {.op = op,
           .isa = torus_isa_chosen(),
           .inputs = inputs,
           .in = in,
           .layouts = merged,
           .out = out,
           .count = count,
           .numbers = numbers,
           .block = dtype == TORUS_FLOAT32 ? block_f32 : block_f64};
  if (count == 0) return;
  for (int i = 0; i < inputs; i++) {
    merged[i] = layouts[i];
    torus_layout_merge(&merged[i]);
    j.contiguous[i] = is_contiguous(&merged[i]);
  }
  torus_parallel((count + PIECE - 1) / PIECE, run_piece, &j);
}
