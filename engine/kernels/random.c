#include "kernels/random.h"

#include "core/threads.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/simd/simd.h"

/* Samples of a task for a thread, and of a run of vectors in the cache. Both
 * are multiples of every vector's length. */
#define PIECE 4096
#define RUN 256

/* Added and subtracted again, it rounds to a whole number. */
#define TO_WHOLE 0x1.8p52

#define LOW_WORD 0xffffffffu

/* Fills out with count samples from position `first` on, rounded up to a
 * multiple of the vector's length. */
typedef void filler(uint64_t seed, uint64_t first, double *out, int64_t count);

typedef struct table_f64 {
  filler *uniform, *normal;
} table_f64;

#define SIMD_TEMPLATE "kernels/random.inc"
#include "kernels/simd/variants.inc"

static const table_f64 *const tables[] = SIMD_VARIANTS(table_f64);

typedef struct fill {
  torus_rng rng;
  filler *filler;
  float *narrow, most; /* for float32: samples are at most `most` */
  double *wide;        /* for float64 */
  int64_t count;
} fill;

static void narrow(const double *x, float *out, int64_t count, float most) {
  for (int64_t i = 0; i < count; i++) {
    float y = (float)x[i];
    out[i] = y < most ? y : most;
  }
}

static void run_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  const fill *f = arg;
  int64_t last = (piece + 1) * PIECE;
  if (last > f->count) last = f->count;
  double samples[RUN];
  for (int64_t i = piece * PIECE; i < last; i += RUN) {
    int64_t count = last - i < RUN ? last - i : RUN;
    bool direct = f->wide && count == RUN;
    f->filler(f->rng.seed, f->rng.position + (uint64_t)i,
              direct ? f->wide + i : samples, count);
    if (f->narrow) {
      narrow(samples, f->narrow + i, count, f->most);
    } else if (!direct) {
      memcpy(f->wide + i, samples, (size_t)count * sizeof(double));
    }
  }
}

static void run(torus_rng *rng, fill f) {
  f.rng = *rng;
  torus_parallel_interruptible((f.count + PIECE - 1) / PIECE, run_piece, &f);
  rng->position += (uint64_t)f.count;
}

void torus_random_uniform_f32(torus_rng *rng, float *out, int64_t count) {
  /* Rounding may reach 1, which a uniform sample must not. */
  run(rng, (fill){.filler = tables[torus_isa_chosen()]->uniform,
                  .narrow = out,
                  .most = 0x1.fffffep-1f,
                  .count = count});
}

void torus_random_uniform_f64(torus_rng *rng, double *out, int64_t count) {
  run(rng, (fill){.filler = tables[torus_isa_chosen()]->uniform,
                  .wide = out,
                  .count = count});
}

void torus_random_normal_f32(torus_rng *rng, float *out, int64_t count) {
  run(rng, (fill){.filler = tables[torus_isa_chosen()]->normal,
                  .narrow = out,
                  .most = INFINITY,
                  .count = count});
}

void torus_random_normal_f64(torus_rng *rng, double *out, int64_t count) {
  run(rng, (fill){.filler = tables[torus_isa_chosen()]->normal,
                  .wide = out,
                  .count = count});
}
