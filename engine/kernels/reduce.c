#include "kernels/reduce.h"

#include "core/intmath.h"
#include "core/threads.h"
#include "kernels/accumulate.h"
#include "kernels/move.h"
#include "kernels/simd/simd.h"

/* Elements gathered at a time. */
#define BLOCK 512
/* Approximate number of elements reduced by a piece of work. */
#define PIECE 32768

typedef struct job {
  torus_reduction op;
  const void *in;
  torus_layout kept, reduced; /* merged */
  bool kept_run, reduced_run; /* contiguous */
  bool across;                /* vectorize over the kept elements */
  int64_t kept_count, reduced_count;
  int64_t kept_piece, reduced_piece;   /* sizes */
  int64_t kept_pieces, reduced_pieces; /* numbers */
  double *partial;                     /* (reduced_pieces, kept_count) */
  void (*work)(const struct job *, int64_t first, int64_t kept, int64_t from,
               int64_t to, double *acc);
} job;

static double join(torus_reduction op, double a, double b) {
  if (op == TORUS_REDUCE_SUM) return a + b;
  if (b != b) return b;
  if (op == TORUS_REDUCE_MAX) return b > a ? b : a;
  return b < a ? b : a;
}

#define T float
#define FN(name) name##_f32
#include "kernels/reduce.inc"
#undef T
#undef FN
#define T double
#define FN(name) name##_f64
#include "kernels/reduce.inc"
#undef T
#undef FN

static int64_t count_of(const torus_layout *layout) {
  int64_t count = 1;
  for (int i = 0; i < layout->ndim; i++) count *= layout->size[i];
  return count;
}

static bool is_run(const torus_layout *layout) {
  return layout->ndim == 1 && (layout->stride[0] == 1 || layout->size[0] == 1);
}

static int64_t limit(int64_t x, int64_t low, int64_t high) {
  return x < low ? low : (x > high ? high : x);
}

/* Divides the work, depending only on the layouts. */
static void plan(job *j, const torus_layout *kept,
                 const torus_layout *reduced) {
  j->kept = *kept;
  j->reduced = *reduced;
  j->kept_count = count_of(kept);
  j->reduced_count = count_of(reduced);
  torus_layout_merge(&j->kept);
  torus_layout_merge(&j->reduced);
  j->kept_run = is_run(&j->kept);
  j->reduced_run = is_run(&j->reduced);
  int64_t inner_kept = j->kept.stride[j->kept.ndim - 1];
  int64_t inner_reduced = j->reduced.stride[j->reduced.ndim - 1];
  j->across = j->kept_count > 1 &&
              (j->reduced_count == 1 || inner_kept < inner_reduced);
  if (j->across) {
    j->kept_piece = limit(j->kept_count, 1, BLOCK);
    j->reduced_piece = limit(PIECE / j->kept_piece, 1, INT64_MAX);
  } else {
    j->reduced_piece = PIECE;
    int64_t length = limit(j->reduced_count, 1, PIECE);
    j->kept_piece = limit(PIECE / length, 1, INT64_MAX);
  }
  j->kept_pieces = torus_ceil_div(j->kept_count, j->kept_piece);
  j->reduced_pieces = torus_ceil_div(j->reduced_count, j->reduced_piece);
}

size_t torus_reduce_scratch(const torus_layout *kept,
                            const torus_layout *reduced) {
  job j;
  plan(&j, kept, reduced);
  return (size_t)(j.kept_count * j.reduced_pieces) * sizeof(double);
}

static void run_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  const job *j = arg;
  int64_t p = piece / j->kept_pieces;
  int64_t first = piece % j->kept_pieces * j->kept_piece;
  int64_t from = p * j->reduced_piece;
  int64_t kept = limit(j->kept_count - first, 0, j->kept_piece);
  int64_t to = limit(from + j->reduced_piece, 0, j->reduced_count);
  j->work(j, first, kept, from, to, j->partial + p * j->kept_count + first);
}

void torus_reduce_run(torus_reduction op, torus_dtype dtype, const void *in,
                      const torus_layout *kept, const torus_layout *reduced,
                      void *out, void *scratch) {
  bool f32 = dtype == TORUS_FLOAT32;
  job j = {.op = op, .in = in, .partial = scratch};
  plan(&j, kept, reduced);
  if (j.kept_count == 0) return;
  if (j.across) {
    j.work = f32 ? across_f32 : across_f64;
  } else {
    j.work = f32 ? along_f32 : along_f64;
  }
  torus_parallel(j.kept_pieces * j.reduced_pieces, run_piece, &j);
  (f32 ? combine_f32 : combine_f64)(&j, out);
}

void torus_reduce_argmax(bool smallest, torus_dtype dtype, const void *in,
                         const torus_layout *kept, int64_t count,
                         int64_t stride, int64_t *out) {
  int64_t kept_count = count_of(kept);
  for (int64_t k = 0; k < kept_count; k++) {
    int64_t offset = torus_layout_offset(kept, k);
    out[k] =
        dtype == TORUS_FLOAT32
            ? arg_f32(smallest, (const float *)in + offset, count, stride)
            : arg_f64(smallest, (const double *)in + offset, count, stride);
  }
}
