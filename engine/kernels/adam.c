#include "kernels/adam.h"

#include "core/threads.h"
#include "kernels/simd/simd.h"

#include <math.h>

#define PIECE 16384

typedef struct job {
  const torus_adam *adam;
  torus_dtype dtype;
  int64_t count;
  void *p, *m, *v;
  const void *g;
} job;

/* The bias corrections are folded into the rate and the square root:
 * p -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps). What is
 * close to 1 is taken from 1 in double. */
#define STEP(suffix, type, root)                                               \
  SIMD_LOOP(void, step_##suffix,                                               \
            (const torus_adam *a, int64_t count, type *restrict p,             \
             const type *restrict g, type *restrict m, type *restrict v),      \
            (a, count, p, g, m, v)) {                                          \
    const type b1 = (type)a->beta1, b2 = (type)a->beta2;                       \
    const type c1 = (type)(1 - a->beta1), c2 = (type)(1 - a->beta2);           \
    const type decay = (type)a->weight_decay, eps = (type)a->eps;              \
    const type rate = (type)(a->lr / (1 - pow(a->beta1, (double)a->step)));    \
    const type scale = (type)(1 / sqrt(1 - pow(a->beta2, (double)a->step)));   \
    for (int64_t i = 0; i < count; i++) {                                      \
      type d = g[i] + decay * p[i];                                            \
      m[i] = b1 * m[i] + c1 * d;                                               \
      v[i] = b2 * v[i] + c2 * d * d;                                           \
      p[i] -= rate * m[i] / (root(v[i]) * scale + eps);                        \
    }                                                                          \
  }
STEP(f32, float, sqrtf)
STEP(f64, double, sqrt)

static void step_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  const job *j = arg;
  int64_t first = piece * PIECE;
  int64_t count = j->count - first < PIECE ? j->count - first : PIECE;
  if (j->dtype == TORUS_FLOAT32) {
    step_f32(j->adam, count, (float *)j->p + first, (const float *)j->g + first,
             (float *)j->m + first, (float *)j->v + first);
  } else {
    step_f64(j->adam, count, (double *)j->p + first,
             (const double *)j->g + first, (double *)j->m + first,
             (double *)j->v + first);
  }
}

void torus_adam_step(const torus_adam *adam, torus_dtype dtype, int64_t count,
                     void *p, const void *g, void *m, void *v) {
  job j = {adam, dtype, count, p, m, v, g};
  torus_parallel((count + PIECE - 1) / PIECE, step_piece, &j);
}
