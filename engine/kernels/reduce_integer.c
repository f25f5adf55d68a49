#include "kernels/reduce_integer.h"

#include "core/threads.h"
#include "kernels/move.h"

/* Elements gathered at a time, and about how many a piece of work reduces. */
#define BLOCK 512
#define PIECE 32768

typedef struct job {
  torus_reduction op;
  const int64_t *in;
  torus_layout kept, reduced; /* merged */
  int64_t kept_count, reduced_count, kept_piece;
  int64_t *out;
} job;

static int64_t count_of(const torus_layout *layout) {
  int64_t count = 1;
  for (int i = 0; i < layout->ndim; i++) count *= layout->size[i];
  return count;
}

static int64_t fold(torus_reduction op, int64_t acc, const int64_t *x,
                    int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    if (op == TORUS_REDUCE_SUM) {
      acc = (int64_t)((uint64_t)acc + (uint64_t)x[i]);
    } else if (op == TORUS_REDUCE_MAX ? x[i] > acc : x[i] < acc) {
      acc = x[i];
    }
  }
  return acc;
}

static int64_t reduce_one(const job *j, int64_t k) {
  int64_t block[BLOCK];
  const int64_t *base = j->in + torus_layout_offset(&j->kept, k);
  int64_t acc = j->op == TORUS_REDUCE_SUM ? 0 : *base;
  for (int64_t r = 0; r < j->reduced_count; r += BLOCK) {
    int64_t left = j->reduced_count - r, count = left < BLOCK ? left : BLOCK;
    torus_move_gather(sizeof *block, base, &j->reduced, r, count, block);
    acc = fold(j->op, acc, block, count);
  }
  return acc;
}

static void run_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  const job *j = arg;
  int64_t first = piece * j->kept_piece, last = first + j->kept_piece;
  if (last > j->kept_count) last = j->kept_count;
  for (int64_t k = first; k < last; k++) j->out[k] = reduce_one(j, k);
}

void torus_reduce_integers(torus_reduction op, const int64_t *in,
                           const torus_layout *kept,
                           const torus_layout *reduced, int64_t *out) {
  job j = {.op = op,
           .in = in,
           .kept = *kept,
           .reduced = *reduced,
           .kept_count = count_of(kept),
           .reduced_count = count_of(reduced),
           .out = out};
  if (j.kept_count == 0) return;
  torus_layout_merge(&j.kept);
  torus_layout_merge(&j.reduced);
  j.kept_piece = PIECE / (j.reduced_count + 1) + 1;
  torus_parallel((j.kept_count + j.kept_piece - 1) / j.kept_piece, run_piece,
                 &j);
}

void torus_reduce_integers_argmax(bool smallest, const int64_t *in,
                                  const torus_layout *kept, int64_t count,
                                  int64_t stride, int64_t *out) {
  int64_t kept_count = count_of(kept);
  for (int64_t k = 0; k < kept_count; k++) {
    const int64_t *x = in + torus_layout_offset(kept, k);
    out[k] = 0;
    for (int64_t i = 1; i < count; i++) {
      int64_t a = x[i * stride], b = x[out[k] * stride];
      if (smallest ? a < b : a > b) out[k] = i;
    }
  }
}
