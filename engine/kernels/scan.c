#include "kernels/scan.h"

#include "core/intmath.h"
#include "core/threads.h"

/* Number of columns processed side by side, and approximate number of elements
 * in a thread's piece. */
#define BLOCK 256
#define PIECE 32768

typedef struct products {
  torus_dtype dtype;
  int64_t rows, count, rows_per_piece;
  const void *x;
  void *out;
} products;

#define T float
#define ACC double
#define FN(name) name##_f32
#include "kernels/scan.inc"
#undef T
#undef ACC
#undef FN
#define T double
#define ACC double
#define FN(name) name##_f64
#include "kernels/scan.inc"
#undef T
#undef ACC
#undef FN
/* Unsigned, for which overflow is defined. */
#define T uint64_t
#define ACC uint64_t
#define FN(name) name##_i64
#include "kernels/scan.inc"
#undef T
#undef ACC
#undef FN

typedef struct cut {
  const torus_scan_job *job;
  int64_t blocks; /* of the inner dimension */
  int64_t columns_per_piece, columns;
} cut;

static void run_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  const cut *c = arg;
  const torus_scan_job *j = c->job;
  int64_t first = piece * c->columns_per_piece;
  int64_t last = torus_min(first + c->columns_per_piece, c->columns);
  for (int64_t k = first; k < last; k++) {
    int64_t from = k % c->blocks * BLOCK;
    int64_t width = torus_min(j->inner - from, BLOCK);
    if (j->dtype == TORUS_FLOAT32) {
      column_f32(j, k / c->blocks, from, width);
    } else if (j->dtype == TORUS_FLOAT64) {
      column_f64(j, k / c->blocks, from, width);
    } else {
      column_i64(j, k / c->blocks, from, width);
    }
  }
}

void torus_scan_run(const torus_scan_job *job) {
  if (job->outer == 0 || job->count == 0 || job->inner == 0) return;
  int64_t blocks = torus_ceil_div(job->inner, BLOCK);
  int64_t elements = job->count * torus_min(job->inner, BLOCK);
  cut c = {job, blocks, torus_max(PIECE / elements, 1), job->outer * blocks};
  torus_parallel(torus_ceil_div(c.columns, c.columns_per_piece), run_piece, &c);
}

static void product_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  const products *p = arg;
  int64_t first = piece * p->rows_per_piece;
  int64_t last = torus_min(first + p->rows_per_piece, p->rows);
  for (int64_t row = first; row < last; row++) {
    if (p->dtype == TORUS_FLOAT32) {
      row_product_f32(p, row);
    } else if (p->dtype == TORUS_FLOAT64) {
      row_product_f64(p, row);
    } else {
      row_product_i64(p, row);
    }
  }
}

void torus_scan_row_products(torus_dtype dtype, int64_t rows, int64_t count,
                             const void *x, void *out) {
  if (rows == 0) return;
  products p = {dtype, rows, count, 1, x, out};
  p.rows_per_piece = torus_max(PIECE / torus_max(count, 1), 1);
  torus_parallel(torus_ceil_div(rows, p.rows_per_piece), product_piece, &p);
}
