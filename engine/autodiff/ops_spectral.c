/* Decompositions with several results: eigenvalues, singular values, QR, and
 * the determinant with its logarithm. Each packs its results into one tensor
 * (batch, all the numbers of a matrix), of which they are views. */
#include "autodiff/linalg.h"

#include <math.h>

#include "core/intmath.h"

enum { EIGH, SVD, QR, SLOGDET, COUNT };
static const torus_op ops[COUNT];

/* Sizes of the matrices of a call. */
typedef struct sizes {
  int64_t m, n, r; /* r = min(m, n) */
} sizes;

static sizes sizes_of(const torus_call *call) {
  const torus_shape *a = &call->in[0]->shape;
  int64_t m = a->size[a->ndim - 2], n = a->size[a->ndim - 1];
  return (sizes){m, n, torus_min(m, n)};
}

static torus_tensor *forward(torus_scope *scope, const torus_call *call) {
  torus_linalg l = {.job = {.routine = call->op->code}};
  bool square = call->op == &ops[EIGH] || call->op == &ops[SLOGDET];
  bool ok = square ? torus_linalg_square(scope, call, &l)
                   : torus_linalg_matrices(scope, call, &l);
  if (!ok) return NULL;
  sizes z = sizes_of(call);
  torus_shape rest = {1, {2}};
  if (call->op == &ops[EIGH]) rest.size[0] = z.n + z.n * z.n;
  if (call->op == &ops[SVD]) rest.size[0] = (z.m + 1 + z.n) * z.r;
  if (call->op == &ops[QR]) rest.size[0] = (z.m + z.n) * z.r;
  return torus_linalg_run(scope, call, &l, &rest);
}

/* Result number i of a packed tensor, or of a gradient of one. */
static torus_tensor *part_of(torus_scope *scope, const torus_call *call,
                             torus_tensor *packed, int i) {
  sizes z = sizes_of(call);
  if (call->op == &ops[EIGH]) {
    return i == 0 ? torus_linalg_part(scope, packed, 0, z.n, -1)
                  : torus_linalg_part(scope, packed, z.n, z.n, z.n);
  }
  if (call->op == &ops[QR]) {
    return i == 0 ? torus_linalg_part(scope, packed, 0, z.m, z.r)
                  : torus_linalg_part(scope, packed, z.m * z.r, z.r, z.n);
  }
  int64_t u = z.m * z.r;
  if (i == 0) return torus_linalg_part(scope, packed, 0, z.m, z.r);
  if (i == 1) return torus_linalg_part(scope, packed, u, z.r, -1);
  return torus_linalg_part(scope, packed, u + z.r, z.r, z.n);
}

static torus_tensor *part(torus_scope *scope, const torus_call *call, int i) {
  return part_of(scope, call, call->out, i);
}

/* --- where values coincide ------------------------------------------------ */

/* Derivatives of vectors have differences of values in their denominators. If
 * one is zero up to rounding, the term is left out if neither of its vectors
 * has a gradient; otherwise the derivative does not exist: even a function that
 * does not depend on the choice of vectors has a term 0/0 there. */

static double largest(const torus_tensor *x, int64_t from, int64_t count) {
  double most = 0;
  for (int64_t i = 0; i < count; i++) {
    most = fmax(most, fabs(torus_linalg_value(x, from + i)));
  }
  return most;
}

/* denominator: (batch, rows, r), made of the values (batch, r). used: (batch,
 * r), zero where a vector has no gradient. pairs: rows is r, denominators are
 * made of two values each, and the diagonal is left out. */
typedef struct guard {
  const torus_call *call;
  torus_tensor *denominator, *values, *used;
  bool pairs;
} guard;

static bool guard_fails(torus_scope *scope, const guard *g, int64_t matrix,
                        int64_t row, int64_t column) {
  char text[TORUS_MATRIX_TEXT];
  const char *operation = g->call->op->name;
  const char *values = g->call->op == &ops[EIGH] ? "eigen" : "singular ";
  torus_shape batch = g->call->in[0]->shape;
  batch.ndim -= 2;
  const char *name = torus_linalg_name(&batch, matrix, text);
  if (g->pairs) {
    return torus_status_fail(
        &scope->status, TORUS_EINVAL,
        "%s: no gradient of the vectors, %svalues %d and %d of %s are equal",
        operation, values, (int)torus_min(row, column) + 1,
        (int)torus_max(row, column) + 1, name);
  }
  return torus_status_fail(
      &scope->status, TORUS_EINVAL,
      "%s: no gradient of the vectors, %svalue %d of %s is zero", operation,
      values, (int)column + 1, name);
}

/* g: with contiguous tensors outside of any graph. keep: 1 where a term is
 * kept, else 0. */
static bool guard_matrix(torus_scope *scope, const guard *g, torus_tensor *keep,
                         int64_t matrix) {
  const torus_tensor *x = g->denominator;
  int64_t rows = x->shape.size[x->shape.ndim - 2];
  int64_t columns = x->shape.size[x->shape.ndim - 1], first = matrix * columns;
  double rounding =
      torus_linalg_epsilon(x->dtype) * (double)torus_max(rows, columns);
  double zero = 4 * rounding * largest(g->values, first, columns);
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < columns; j++) {
      int64_t at = (matrix * rows + i) * columns + j;
      bool skipped = g->pairs && i == j;
      bool kept = !skipped && !(fabs(torus_linalg_value(x, at)) <= zero);
      bool used = torus_linalg_value(g->used, first + j) != 0 ||
                  (g->pairs && torus_linalg_value(g->used, first + i) != 0);
      if (!kept && !skipped && used) {
        return guard_fails(scope, g, matrix, i, j);
      }
      torus_linalg_put(keep, at, kept);
    }
  }
  return true;
}

/* 1 / denominator, or 0 if a term is left out. */
static torus_tensor *guarded_reciprocal(torus_scope *scope, const guard *g) {
  guard read = *g;
  read.denominator = torus_linalg_plain(scope, g->denominator);
  read.values = torus_linalg_plain(scope, g->values);
  read.used = torus_linalg_plain(scope, g->used);
  if (!read.denominator || !read.values || !read.used) return NULL;
  const torus_tensor *x = read.denominator;
  torus_tensor *keep =
      torus_scope_own(scope, torus_new_like(scope, x, &x->shape));
  for (int64_t i = 0; keep && i < torus_linalg_count(x); i++) {
    if (!guard_matrix(scope, &read, keep, i)) return NULL;
  }
  return torus_linalg_reciprocal(scope, g->denominator, keep);
}

/* Sums of the sizes in each column of x (..., rows, columns). */
static torus_tensor *column_sizes(torus_scope *scope, torus_tensor *x) {
  if (!x) return NULL;
  torus_shape rows = {1, {x->shape.ndim - 2}};
  return torus_sum(scope, torus_abs(scope, x), &rows, false);
}

static torus_tensor *antisymmetric(torus_scope *scope, torus_tensor *x) {
  return torus_sub(scope, x, torus_swap(scope, x));
}

/* --- eigh ------------------------------------------------------------------
 */

/* A = V diag(w) V^T: the symmetric part of V (diag(gw) + (V^T gV - gV^T V) / 2
 * (w_j - w_i)) V^T (Giles, Collected matrix derivative results, 2008, 3.1). */
static torus_tensor *eigh_gradient(torus_scope *scope, const torus_call *call,
                                   int i, torus_tensor *g) {
  (void)i;
  torus_tensor *w = part_of(scope, call, call->out, 0);
  torus_tensor *v = part_of(scope, call, call->out, 1);
  torus_tensor *gw = part_of(scope, call, g, 0);
  torus_tensor *gv = part_of(scope, call, g, 1);
  torus_tensor *turn = antisymmetric(scope, torus_matmul_tn(scope, v, gv));
  guard gaps = {call, torus_linalg_differences(scope, w), w,
                column_sizes(scope, gv), true};
  torus_tensor *inner =
      torus_mul(scope, turn, guarded_reciprocal(scope, &gaps));
  if (!inner) return NULL;
  inner = torus_mul(scope, inner, torus_scalar(scope, inner->dtype, 0.5));
  inner = torus_add(scope, inner, torus_linalg_diagonal(scope, gw));
  return torus_symmetric(
      scope, torus_matmul_nt(scope, torus_matmul(scope, v, inner), v));
}

/* --- svd ------------------------------------------------------------------ */

/* (g - x x^T g) / s, where the columns of x (rows, r) span less than all. */
static torus_tensor *outside(torus_scope *scope, const torus_call *call,
                             torus_tensor *x, torus_tensor *g,
                             torus_tensor *s) {
  torus_tensor *within = torus_matmul(scope, x, torus_matmul_tn(scope, x, g));
  torus_tensor *rest = torus_sub(scope, g, within);
  if (!rest) return NULL;
  torus_tensor *divisor =
      torus_expand(scope, torus_linalg_row(scope, s), &rest->shape);
  guard zeros = {call, divisor, s, column_sizes(scope, g), false};
  return torus_mul(scope, rest, guarded_reciprocal(scope, &zeros));
}

/* A = U diag(s) V^T. With the antisymmetric a of U^T gU and b of V^T gV:
 *
 *   U (diag(gs) + (a + b) / 2 (s_j - s_i) + (a - b) / 2 (s_i + s_j)) V^T
 *   + (I - U U^T) gU diag(1/s) V^T + U diag(1/s) gV^T (I - V V^T)
 *
 * (Townsend, Differentiating the singular value decomposition, 2016; its
 * (a_ij s_j + s_i b_ij) / (s_j^2 - s_i^2) is split so that close values lose
 * less: a + b alone has the small denominator, and of functions such as U V^T
 * it is zero.) */
static torus_tensor *svd_gradient(torus_scope *scope, const torus_call *call,
                                  int i, torus_tensor *g) {
  (void)i;
  sizes z = sizes_of(call);
  torus_tensor *u = part_of(scope, call, call->out, 0);
  torus_tensor *s = part_of(scope, call, call->out, 1);
  torus_tensor *vt = part_of(scope, call, call->out, 2);
  torus_tensor *gu = part_of(scope, call, g, 0);
  torus_tensor *gs = part_of(scope, call, g, 1);
  torus_tensor *gvt = part_of(scope, call, g, 2);
  torus_tensor *a = antisymmetric(scope, torus_matmul_tn(scope, u, gu));
  torus_tensor *b = antisymmetric(scope, torus_matmul_nt(scope, vt, gvt));
  torus_tensor *sum = torus_add(scope, a, b),
               *difference = torus_sub(scope, a, b);
  torus_tensor *sums = torus_add(scope, torus_linalg_row(scope, s),
                                 torus_linalg_column(scope, s));
  torus_tensor *used = torus_add(scope, column_sizes(scope, gu),
                                 column_sizes(scope, torus_swap(scope, gvt)));
  guard gaps = {call, torus_linalg_differences(scope, s), s, used, true};
  guard pairs = {call, sums, s, used, true};
  torus_tensor *inner = torus_add(
      scope, torus_mul(scope, sum, guarded_reciprocal(scope, &gaps)),
      torus_mul(scope, difference, guarded_reciprocal(scope, &pairs)));
  if (!inner) return NULL;
  inner = torus_mul(scope, inner, torus_scalar(scope, inner->dtype, 0.5));
  inner = torus_add(scope, inner, torus_linalg_diagonal(scope, gs));
  torus_tensor *left = torus_matmul(scope, u, inner), *right = NULL;
  if (z.m > z.r) {
    left = torus_add(scope, left, outside(scope, call, u, gu, s));
  }
  if (z.n > z.r) {
    torus_tensor *v = torus_swap(scope, vt), *gv = torus_swap(scope, gvt);
    right = torus_matmul_nt(scope, u, outside(scope, call, v, gv, s));
  }
  torus_tensor *out = torus_matmul(scope, left, vt);
  return z.n > z.r ? torus_add(scope, out, right) : out;
}

/* --- qr ------------------------------------------------------------------- */

/* The diagonal of r is above rounding: its columns are independent. */
static bool check_independent(torus_scope *scope, torus_tensor *r) {
  char text[TORUS_MATRIX_TEXT];
  torus_tensor *x = torus_linalg_plain(scope, r);
  if (!x) return false;
  int64_t n = x->shape.size[x->shape.ndim - 1];
  for (int64_t matrix = 0; matrix < torus_linalg_count(x); matrix++) {
    for (int64_t j = 0; j < n; j++) {
      double norm = 0, diagonal = 0;
      for (int64_t i = 0; i <= j; i++) {
        diagonal = fabs(torus_linalg_value(x, (matrix * n + i) * n + j));
        norm = hypot(norm, diagonal);
      }
      if (diagonal > torus_linalg_epsilon(x->dtype) * (double)n * norm ||
          norm != norm) {
        continue;
      }
      torus_shape batch = x->shape;
      batch.ndim -= 2;
      return torus_status_fail(
          &scope->status, TORUS_EINVAL,
          "qr: no gradient, column %d of %s depends on the ones before it",
          (int)j + 1, torus_linalg_name(&batch, matrix, text));
    }
  }
  return true;
}

/* For as many columns as independent ones: (gQ + Q C) R^-T, where C is R gR^T
 * - gQ^T Q with its upper triangle replaced by its lower one. */
static torus_tensor *qr_square(torus_scope *scope, torus_tensor *q,
                               torus_tensor *r, torus_tensor *gq,
                               torus_tensor *gr) {
  if (!r || !gq || !gr) return NULL;
  int64_t n = r->shape.size[r->shape.ndim - 1];
  torus_tensor *m = torus_sub(scope, torus_matmul_nt(scope, r, gr),
                              torus_matmul_tn(scope, gq, q));
  torus_tensor *lower =
      torus_mul(scope, m, torus_linalg_mask(scope, r->dtype, n, 1, 0, 0));
  torus_tensor *diagonal =
      torus_mul(scope, m, torus_linalg_mask(scope, r->dtype, n, 0, 1, 0));
  torus_tensor *c = torus_add(
      scope, diagonal, torus_add(scope, lower, torus_swap(scope, lower)));
  torus_tensor *y = torus_add(scope, gq, torus_matmul(scope, q, c));
  return torus_swap(
      scope, torus_solve_triangular(scope, r, torus_swap(scope, y), true));
}

/* Columns [start, start + count) of x. */
static torus_tensor *columns(torus_scope *scope, torus_tensor *x, int64_t start,
                             int64_t count) {
  return x ? torus_narrow(scope, x, x->shape.ndim - 1, start, count) : NULL;
}

/* n columns: those of x, beginning at start, and zeros elsewhere. */
static torus_tensor *among_columns(torus_scope *scope, torus_tensor *x,
                                   int64_t start, int64_t n) {
  return x ? torus_widen(scope, x, x->shape.ndim - 1, start, n) : NULL;
}

/* Roberts & Roberts, QR and LQ decomposition matrix backpropagation
 * algorithms, 2020. A wide matrix is (X, Y) with R = (R1, Q^T Y). */
static torus_tensor *qr_gradient(torus_scope *scope, const torus_call *call,
                                 int i, torus_tensor *g) {
  sizes z = sizes_of(call);
  torus_tensor *q = part_of(scope, call, call->out, 0);
  torus_tensor *r = part_of(scope, call, call->out, 1);
  torus_tensor *gq = part_of(scope, call, g, 0);
  torus_tensor *gr = part_of(scope, call, g, 1);
  torus_tensor *square = columns(scope, r, 0, z.r);
  if (!check_independent(scope, square)) return NULL;
  if (z.n == z.r) return qr_square(scope, q, r, gq, gr);
  torus_tensor *more = columns(scope, gr, z.r, z.n - z.r);
  torus_tensor *y = columns(scope, call->in[i], z.r, z.n - z.r);
  gq = torus_add(scope, gq, torus_matmul_nt(scope, y, more));
  gr = columns(scope, gr, 0, z.r);
  torus_tensor *gx = qr_square(scope, q, square, gq, gr);
  torus_tensor *gy = torus_matmul(scope, q, more);
  return torus_add(scope, among_columns(scope, gx, 0, z.n),
                   among_columns(scope, gy, z.r, z.n));
}

/* --- slogdet ---------------------------------------------------------------
 */

static torus_tensor *slogdet_part(torus_scope *scope, const torus_call *call,
                                  int i) {
  torus_tensor *part = torus_linalg_part(scope, call->out, i, 1, -1);
  torus_shape batch = call->out->shape;
  batch.ndim--;
  return torus_reshape(scope, part, &batch);
}

static bool check_regular(torus_scope *scope, const torus_call *call) {
  char text[TORUS_MATRIX_TEXT];
  torus_tensor *x = torus_linalg_plain(scope, call->out);
  if (!x) return false;
  torus_shape batch = x->shape;
  batch.ndim--;
  for (int64_t i = 0; i < torus_shape_count(&batch); i++) {
    if (torus_linalg_value(x, 2 * i) != 0) continue;
    return torus_status_fail(&scope->status, TORUS_EINVAL,
                             "slogdet: no gradient, %s is singular",
                             torus_linalg_name(&batch, i, text));
  }
  return true;
}

/* The sign is constant; of the logarithm: g A^-T. */
static torus_tensor *slogdet_gradient(torus_scope *scope,
                                      const torus_call *call, int i,
                                      torus_tensor *g) {
  if (!check_regular(scope, call)) return NULL;
  torus_tensor *logarithm = torus_linalg_part(scope, g, 1, 1, 1);
  torus_tensor *y = torus_inverse(scope, call->in[i]);
  return torus_mul(scope, logarithm, torus_swap(scope, y));
}

/* --- descriptors ---------------------------------------------------------- */

static const torus_op ops[COUNT] = {
    [EIGH] = {.name = "eigh",
              .inputs = 1,
              .forward = forward,
              .outputs = 2,
              .part = part,
              .gradient = eigh_gradient,
              .reads = TORUS_READS_OUT,
              .code = TORUS_LAPACK_EIGH,
              .doc = "eigenvalues w (..., n), ascending, and eigenvectors V "
                     "(..., n, n), one per column, of (A + A^T)/2 = V diag(w) "
                     "V^T; columns of V have gradients if their eigenvalues "
                     "are distinct from the others"},
    [SVD] = {.name = "svd",
             .inputs = 1,
             .forward = forward,
             .outputs = 3,
             .part = part,
             .gradient = svd_gradient,
             .reads = TORUS_READS_OUT,
             .code = TORUS_LAPACK_SVD,
             .doc =
                 "U (..., m, r), singular values s (..., r), descending, "
                 "and V^T (..., r, n) with A = U diag(s) V^T and r = "
                 "min(m, n); vectors have gradients if their values are "
                 "distinct from the others and, if m and n differ, not zero"},
    [QR] =
        {.name = "qr",
         .inputs = 1,
         .forward = forward,
         .outputs = 2,
         .part = part,
         .gradient = qr_gradient,
         .reads = TORUS_READS_X | TORUS_READS_OUT,
         .code = TORUS_LAPACK_QR,
         .doc =
             "Q (..., m, r) with orthonormal columns and upper "
             "triangular R (..., r, n) with A = Q R and r = min(m, n); "
             "gradients exist if the first r columns are linearly independent"},
    [SLOGDET] = {.name = "slogdet",
                 .inputs = 1,
                 .forward = forward,
                 .outputs = 2,
                 .part = slogdet_part,
                 .gradient = slogdet_gradient,
                 .reads = TORUS_READS_X | TORUS_READS_OUT,
                 .code = TORUS_LAPACK_SLOGDET,
                 .doc = "sign and logarithm of the absolute value of the "
                        "determinant, which itself might overflow; 0 and "
                        "-infinity for a singular matrix"},
};

const torus_op_family torus_spectral_ops = {ops, COUNT};
