#include "autodiff/linalg.h"

#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/interrupt.h"
#include "core/intmath.h"
#include "core/threads.h"
#include "kernels/move.h"

/* --- arguments ------------------------------------------------------------ */

static bool fail_shape(torus_scope *scope, const torus_call *call,
                       const char *expected, const torus_tensor *x) {
  char text[TORUS_TENSOR_TEXT];
  return torus_status_fail(&scope->status, TORUS_EINVAL,
                           "%s: expected %s, got %s", call->op->name, expected,
                           torus_tensor_format(x, text));
}

bool torus_linalg_matrices(torus_scope *scope, const torus_call *call,
                           torus_linalg *l) {
  char text[TORUS_TENSOR_TEXT];
  torus_tensor *a = call->in[0];
  if (a->shape.ndim < 2) return fail_shape(scope, call, "matrices", a);
  l->a = a;
  l->batch = a->shape;
  l->batch.ndim -= 2;
  int64_t m = a->shape.size[l->batch.ndim],
          n = a->shape.size[l->batch.ndim + 1];
  if (torus_min(m, n) > TORUS_LAPACK_MAX || torus_max(m, n) > INT32_MAX) {
    return torus_status_fail(
        &scope->status, TORUS_EINVAL,
        "%s: expected matrices of at most %d rows or columns, got %s",
        call->op->name, TORUS_LAPACK_MAX, torus_tensor_format(a, text));
  }
  l->job.dtype = a->dtype;
  l->job.m = (int)m;
  l->job.n = (int)n;
  l->job.k = 1;
  return true;
}

bool torus_linalg_square(torus_scope *scope, const torus_call *call,
                         torus_linalg *l) {
  if (!torus_linalg_matrices(scope, call, l)) return false;
  if (l->job.m == l->job.n) return true;
  return fail_shape(scope, call, "square matrices", call->in[0]);
}

bool torus_linalg_right_side(torus_scope *scope, const torus_call *call,
                             torus_linalg *l) {
  char s[TORUS_TENSOR_TEXT], t[TORUS_TENSOR_TEXT];
  torus_tensor *b = call->in[1];
  torus_shape vectors = l->batch, lead = b->shape, batch;
  vectors.size[vectors.ndim++] = l->job.m;
  l->b = b;
  l->vector = lead.ndim == 1 || torus_shape_equal(&lead, &vectors);
  int64_t k = l->vector || lead.ndim == 0 ? 1 : lead.size[lead.ndim - 1];
  lead.ndim -= l->vector ? 1 : 2;
  bool fits =
      lead.ndim >= 0 && lead.size[lead.ndim] == l->job.m && k <= INT32_MAX;
  if (!fits || !torus_shape_broadcast(&l->batch, &lead, &batch) ||
      batch.ndim > TORUS_MAX_DIMS - 2) {
    return torus_status_fail(
        &scope->status, TORUS_EINVAL,
        "%s: expected right-hand sides of %d rows for %s, got %s",
        call->op->name, l->job.m, torus_tensor_format(l->a, s),
        torus_tensor_format(b, t));
  }
  l->batch = batch;
  l->job.k = (int)k;
  return true;
}

/* --- a batch -------------------------------------------------------------- */

const char *torus_linalg_name(const torus_shape *batch, int64_t index,
                              char text[TORUS_MATRIX_TEXT]) {
  if (batch->ndim == 0) return "the matrix";
  if (batch->ndim == 1) {
    snprintf(text, TORUS_MATRIX_TEXT, "matrix %" PRId64 " of the batch",
             index + 1);
    return text;
  }
  torus_shape position = *batch;
  char shape[TORUS_SHAPE_TEXT];
  for (int d = batch->ndim - 1; d >= 0; d--) {
    position.size[d] = index % batch->size[d] + 1;
    index /= batch->size[d];
  }
  snprintf(text, TORUS_MATRIX_TEXT, "matrix %s of the batch",
           torus_shape_format(&position, shape));
  return text;
}

/* The offset of each matrix of a job. */
typedef struct matrices {
  const char *data;
  size_t bytes; /* of one */
  torus_layout batch;
} matrices;

static const void *matrix_at(const matrices *m, int64_t i) {
  return m->data
             ? m->data + torus_layout_offset(&m->batch, i) * (int64_t)m->bytes
             : NULL;
}

/* x: contiguous, or NULL */
static matrices matrices_of(const torus_tensor *x, bool vector,
                            const torus_shape *batch) {
  if (!x) return (matrices){0};
  matrices m = {.data = torus_tensor_data(x),
                .bytes = torus_dtype_size(x->dtype)};
  torus_tensor lead = *x;
  int inner = vector ? 1 : 2;
  lead.shape.ndim -= inner;
  for (int d = lead.shape.ndim; d < x->shape.ndim; d++) {
    m.bytes *= (size_t)x->shape.size[d];
  }
  /* Strides in matrices. */
  torus_shape_strides(&lead.shape, lead.strides);
  m.batch = torus_tensor_broadcast_layout(&lead, batch);
  return m;
}

typedef struct work {
  const torus_lapack_job *job;
  matrices a, b;
  char *out;
  size_t out_bytes; /* of one matrix's results */
  int64_t *rank;
  uint8_t *outcome;
  char *space;
  size_t space_bytes; /* for one thread */
  int64_t count, chunk;
} work;

static void run_chunk(void *arg, int64_t piece, int thread) {
  work *w = arg;
  int64_t end = torus_min(w->count, (piece + 1) * w->chunk);
  for (int64_t i = piece * w->chunk; i < end; i++) {
    w->outcome[i] = (uint8_t)torus_lapack_run(
        w->job, matrix_at(&w->a, i), matrix_at(&w->b, i),
        w->out + (size_t)i * w->out_bytes, w->rank ? &w->rank[i] : NULL,
        w->space + (size_t)thread * w->space_bytes);
  }
}

/* The number of matrices in a piece of work worth a thread. */
static int64_t chunk_of(const torus_lapack_job *job) {
  double m = job->m, n = job->n, k = job->k;
  double cost = (m * n + n * k) * (m < n ? m : n) + 100;
  return cost < 65536 ? (int64_t)(65536 / cost) : 1;
}

static bool check_outcomes(torus_scope *scope, const torus_call *call,
                           const torus_linalg *l, const work *w) {
  static const char *const faults[] = {
      [TORUS_LAPACK_SINGULAR] = "is singular",
      [TORUS_LAPACK_INDEFINITE] = "is not positive definite",
      [TORUS_LAPACK_NOT_FINITE] = "has an infinity or NaN",
      [TORUS_LAPACK_DIVERGED] = "defies LAPACK: no convergence"};
  char text[TORUS_MATRIX_TEXT];
  for (int64_t i = 0; i < w->count; i++) {
    if (w->outcome[i] == TORUS_LAPACK_OK) continue;
    const char *fault = faults[w->outcome[i]];
    if (l->b && w->outcome[i] == TORUS_LAPACK_NOT_FINITE) {
      fault = "or its right-hand side has an infinity or NaN";
    }
    return torus_status_fail(&scope->status, TORUS_EINVAL, "%s: %s %s",
                             call->op->name,
                             torus_linalg_name(&l->batch, i, text), fault);
  }
  return true;
}

/* a, b and out are contiguous. */
static bool run_batch(torus_scope *scope, const torus_call *call,
                      const torus_linalg *l, const torus_tensor *a,
                      const torus_tensor *b, const torus_tensor *out,
                      int64_t results) {
  work w = {.job = &l->job,
            .a = matrices_of(a, false, &l->batch),
            .b = matrices_of(b, l->vector, &l->batch),
            .out = torus_tensor_data(out),
            .out_bytes = (size_t)results * torus_dtype_size(out->dtype),
            .rank = l->rank ? torus_tensor_data(l->rank) : NULL,
            .count = torus_shape_count(&l->batch),
            .chunk = chunk_of(&l->job)};
  if (w.count == 0) return true;
  int64_t pieces = torus_ceil_div(w.count, w.chunk);
  size_t threads = (size_t)torus_min(pieces, torus_threads());
  w.space_bytes = torus_lapack_workspace(&l->job);
  w.space = torus_scratch(scope, threads * w.space_bytes + (size_t)w.count);
  if (!w.space) return false;
  w.outcome = (uint8_t *)w.space + threads * w.space_bytes;
  torus_parallel_interruptible(pieces, run_chunk, &w);
  bool ok = torus_interrupt_check(&scope->status) &&
            check_outcomes(scope, call, l, &w);
  torus_free(w.space);
  return ok;
}

torus_tensor *torus_linalg_run(torus_scope *scope, const torus_call *call,
                               const torus_linalg *l, const torus_shape *rest) {
  torus_shape shape = l->batch;
  for (int d = 0; d < rest->ndim; d++) {
    shape.size[shape.ndim++] = rest->size[d];
  }
  torus_scope inner;
  torus_scope_init(&inner, false);
  torus_tensor *a = torus_contiguous(&inner, l->a);
  torus_tensor *b = l->b ? torus_contiguous(&inner, l->b) : NULL;
  bool ready = a && (b || !l->b);
  torus_tensor *out = ready ? torus_new_like(&inner, a, &shape) : NULL;
  int64_t results = torus_shape_count(rest);
  if (out && !run_batch(&inner, call, l, a, b, out, results)) {
    torus_tensor_release(out);
    out = NULL;
  }
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  return out;
}

/* --- for gradient rules --------------------------------------------------- */

torus_tensor *torus_linalg_part(torus_scope *scope, torus_tensor *packed,
                                int64_t start, int64_t rows, int64_t columns) {
  if (!packed) return NULL;
  torus_shape shape = packed->shape;
  int last = shape.ndim - 1;
  int64_t count = columns < 0 ? rows : rows * columns;
  shape.size[last] = rows;
  if (columns >= 0) shape.size[shape.ndim++] = columns;
  return torus_reshape(scope, torus_narrow(scope, packed, last, start, count),
                       &shape);
}

/* Fills a contiguous (n,n) tensor. */
#define FILL(T, x, n, below, diagonal, above)                                  \
  for (int64_t i = 0; i < (n); i++) {                                          \
    for (int64_t j = 0; j < (n); j++) {                                        \
      ((T *)torus_tensor_data(x))[i * (n) + j] = (T)(j < i    ? (below)        \
                                                     : j == i ? (diagonal)     \
                                                              : (above));      \
    }                                                                          \
  }

torus_tensor *torus_linalg_mask(torus_scope *scope, torus_dtype dtype,
                                int64_t n, double below, double diagonal,
                                double above) {
  if (scope->status.code != TORUS_OK) return NULL;
  torus_tensor *x =
      torus_tensor_new(dtype, &(torus_shape){2, {n, n}}, &scope->status);
  if (x && dtype == TORUS_FLOAT64) {
    FILL(double, x, n, below, diagonal, above)
  } else if (x) {
    FILL(float, x, n, below, diagonal, above)
  }
  return torus_scope_own(scope, x);
}

torus_tensor *torus_linalg_row(torus_scope *scope, torus_tensor *x) {
  if (!x) return NULL;
  torus_shape shape = x->shape;
  shape.size[shape.ndim] = shape.size[shape.ndim - 1];
  shape.size[shape.ndim - 1] = 1;
  shape.ndim++;
  return torus_reshape(scope, x, &shape);
}

torus_tensor *torus_linalg_column(torus_scope *scope, torus_tensor *x) {
  if (!x) return NULL;
  torus_shape shape = x->shape;
  shape.size[shape.ndim++] = 1;
  return torus_reshape(scope, x, &shape);
}

torus_tensor *torus_linalg_diagonal(torus_scope *scope, torus_tensor *x) {
  if (!x) return NULL;
  int64_t n = x->shape.size[x->shape.ndim - 1];
  return torus_mul(scope, torus_linalg_row(scope, x),
                   torus_linalg_mask(scope, x->dtype, n, 0, 1, 0));
}

torus_tensor *torus_matmul_tn(torus_scope *scope, torus_tensor *a,
                              torus_tensor *b) {
  return torus_matmul(scope, torus_swap(scope, a), b);
}

torus_tensor *torus_matmul_nt(torus_scope *scope, torus_tensor *a,
                              torus_tensor *b) {
  return torus_matmul(scope, a, torus_swap(scope, b));
}

torus_tensor *torus_symmetric(torus_scope *scope, torus_tensor *a) {
  if (!a) return NULL;
  torus_tensor *sum = torus_add(scope, a, torus_swap(scope, a));
  return torus_mul(scope, sum, torus_scalar(scope, a->dtype, 0.5));
}

torus_tensor *torus_linalg_differences(torus_scope *scope, torus_tensor *x) {
  return torus_sub(scope, torus_linalg_row(scope, x),
                   torus_linalg_column(scope, x));
}

torus_tensor *torus_linalg_reciprocal(torus_scope *scope, torus_tensor *x,
                                      torus_tensor *keep) {
  if (!x || !keep) return NULL;
  torus_tensor *rest = torus_sub(scope, torus_scalar(scope, x->dtype, 1), keep);
  torus_tensor *safe = torus_add(scope, torus_mul(scope, x, keep), rest);
  return torus_div(scope, keep, safe);
}

/* --- reading elements ----------------------------------------------------- */

double torus_linalg_epsilon(torus_dtype dtype) {
  return dtype == TORUS_FLOAT64 ? DBL_EPSILON : (double)FLT_EPSILON;
}

double torus_linalg_value(const torus_tensor *x, int64_t i) {
  const void *data = torus_tensor_data(x);
  return x->dtype == TORUS_FLOAT64 ? ((const double *)data)[i]
                                   : (double)((const float *)data)[i];
}

void torus_linalg_put(torus_tensor *x, int64_t i, double value) {
  void *data = torus_tensor_data(x);
  if (x->dtype == TORUS_FLOAT64) {
    ((double *)data)[i] = value;
  } else {
    ((float *)data)[i] = (float)value;
  }
}

torus_tensor *torus_linalg_plain(torus_scope *scope, torus_tensor *x) {
  bool record = scope->record;
  scope->record = false;
  torus_tensor *y = torus_contiguous(scope, x);
  scope->record = record;
  return y;
}

int64_t torus_linalg_count(const torus_tensor *x) {
  torus_shape batch = x->shape;
  batch.ndim -= 2;
  return torus_tensor_count(x) == 0 ? 0 : torus_shape_count(&batch);
}
