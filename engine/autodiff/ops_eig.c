/* Eigenvalues and eigenvectors of general matrices are complex: both have a
 * real and an imaginary part. All four are views of one packed tensor (batch,
 * all the numbers of a matrix). */
#include "autodiff/linalg.h"

#include <math.h>

#include "core/intmath.h"

static const torus_op ops[1];

/* A complex tensor. */
typedef struct pair {
  torus_tensor *re, *im;
} pair;

static int64_t size_of(const torus_call *call) {
  const torus_shape *a = &call->in[0]->shape;
  return a->size[a->ndim - 1];
}

static torus_tensor *forward(torus_scope *scope, const torus_call *call) {
  torus_linalg l = {.job = {.routine = call->op->code}};
  if (!torus_linalg_square(scope, call, &l)) return NULL;
  int64_t n = size_of(call);
  return torus_linalg_run(scope, call, &l,
                          &(torus_shape){1, {2 * n + 2 * n * n}});
}

/* Result number i of the packed results, or of a gradient of them. */
static torus_tensor *part_of(torus_scope *scope, const torus_call *call,
                             torus_tensor *packed, int i) {
  int64_t n = size_of(call);
  if (i < 2) return torus_linalg_part(scope, packed, i * n, n, -1);
  return torus_linalg_part(scope, packed, 2 * n + (i - 2) * n * n, n, n);
}

static torus_tensor *part(torus_scope *scope, const torus_call *call, int i) {
  return part_of(scope, call, call->out, i);
}

static pair values_of(torus_scope *scope, const torus_call *call,
                      torus_tensor *packed) {
  return (pair){part_of(scope, call, packed, 0),
                part_of(scope, call, packed, 1)};
}

static pair vectors_of(torus_scope *scope, const torus_call *call,
                       torus_tensor *packed) {
  return (pair){part_of(scope, call, packed, 2),
                part_of(scope, call, packed, 3)};
}

/* --- complex arithmetic --------------------------------------------------- */

static torus_tensor *sum_of_products(torus_scope *scope, torus_tensor *a,
                                     torus_tensor *b, torus_tensor *c,
                                     torus_tensor *d) {
  return torus_add(scope, torus_mul(scope, a, b), torus_mul(scope, c, d));
}

static torus_tensor *difference_of_products(torus_scope *scope, torus_tensor *a,
                                            torus_tensor *b, torus_tensor *c,
                                            torus_tensor *d) {
  return torus_sub(scope, torus_mul(scope, a, b), torus_mul(scope, c, d));
}

/* a^H b and a b^H of matrices. */
static pair product_hn(torus_scope *scope, pair a, pair b) {
  return (pair){torus_add(scope, torus_matmul_tn(scope, a.re, b.re),
                          torus_matmul_tn(scope, a.im, b.im)),
                torus_sub(scope, torus_matmul_tn(scope, a.re, b.im),
                          torus_matmul_tn(scope, a.im, b.re))};
}

static pair product_nh(torus_scope *scope, pair a, pair b) {
  return (pair){torus_add(scope, torus_matmul_nt(scope, a.re, b.re),
                          torus_matmul_nt(scope, a.im, b.im)),
                torus_sub(scope, torus_matmul_nt(scope, a.im, b.re),
                          torus_matmul_nt(scope, a.re, b.im))};
}

/* (a, b) side by side along a dimension, counted from the end. */
static torus_tensor *joined(torus_scope *scope, torus_tensor *a,
                            torus_tensor *b, int from_end) {
  if (!a || !b) return NULL;
  int dim = a->shape.ndim - from_end;
  int64_t n = a->shape.size[dim];
  return torus_add(scope, torus_widen(scope, a, dim, 0, 2 * n),
                   torus_widen(scope, b, dim, n, 2 * n));
}

static bool fail_dependent(torus_scope *scope, const char *name) {
  torus_status_clear(&scope->status);
  return torus_status_fail(
      &scope->status, TORUS_EINVAL,
      "eig: no gradient, the eigenvectors of %s are linearly dependent", name);
}

/* If unit vectors are linearly dependent, rounding leaves an inverse with
 * elements of about 1 / epsilon. */
static bool check_independent(torus_scope *scope, torus_tensor *inverse) {
  if (!inverse && scope->status.code == TORUS_EINVAL) {
    return fail_dependent(scope, "a matrix");
  }
  torus_tensor *x = torus_linalg_plain(scope, inverse);
  if (!x) return false;
  char text[TORUS_MATRIX_TEXT];
  torus_shape batch = x->shape;
  batch.ndim -= 2;
  int64_t n = x->shape.size[batch.ndim];
  double most = 0.25 / ((double)n * torus_linalg_epsilon(x->dtype));
  for (int64_t i = 0; i < torus_tensor_count(x); i++) {
    if (fabs(torus_linalg_value(x, i)) < most) continue;
    return fail_dependent(scope, torus_linalg_name(&batch, i / (n * n), text));
  }
  return true;
}

/* The real part of v^-H y, from the real form of v^H z = y:
 *
 *   v.re^T   v.im^T   z.re   y.re
 *  -v.im^T   v.re^T   z.im = y.im  */
static torus_tensor *real_of_solution(torus_scope *scope, pair v, pair y) {
  torus_tensor *minus = torus_neg(scope, v.im);
  torus_tensor *transposed = joined(scope, joined(scope, v.re, minus, 1),
                                    joined(scope, v.im, v.re, 1), 2);
  if (!transposed) return NULL;
  int rows = transposed->shape.ndim - 2;
  int64_t n = transposed->shape.size[rows] / 2;
  torus_tensor *inverse = torus_inverse(scope, transposed);
  if (!check_independent(scope, inverse)) return NULL;
  torus_tensor *upper =
      torus_narrow(scope, torus_swap(scope, inverse), rows, 0, n);
  return torus_matmul(scope, upper, joined(scope, y.re, y.im, 2));
}

/* --- where values coincide ------------------------------------------------ */

/* Values and sizes of the vectors' gradients (batch, n), and the mask (batch,
 * n, n). */
typedef struct gaps {
  torus_tensor *re, *im, *used, *keep;
  int64_t n;
} gaps;

static bool gaps_fail(torus_scope *scope, const gaps *g, int64_t matrix,
                      int64_t i, int64_t j) {
  char text[TORUS_MATRIX_TEXT];
  torus_shape batch = g->keep->shape;
  batch.ndim -= 2;
  return torus_status_fail(
      &scope->status, TORUS_EINVAL,
      "eig: no gradient of the vectors, eigenvalues %d and %d of %s are equal",
      (int)torus_min(i, j) + 1, (int)torus_max(i, j) + 1,
      torus_linalg_name(&batch, matrix, text));
}

/* keep: 1 where two values differ by more than rounding, else 0. Column j has
 * the differences from value j. Returns false if such a column is needed. */
static bool mark_gaps(torus_scope *scope, const gaps *g, int64_t matrix) {
  int64_t n = g->n, first = matrix * n;
  double largest = 0;
  for (int64_t i = first; i < first + n; i++) {
    largest = fmax(largest, hypot(torus_linalg_value(g->re, i),
                                  torus_linalg_value(g->im, i)));
  }
  double zero = 4 * (double)n * torus_linalg_epsilon(g->re->dtype) * largest;
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = 0; j < n; j++) {
      double re = torus_linalg_value(g->re, first + j) -
                  torus_linalg_value(g->re, first + i);
      double im = torus_linalg_value(g->im, first + j) -
                  torus_linalg_value(g->im, first + i);
      bool kept = i != j && hypot(re, im) > zero;
      torus_linalg_put(g->keep, (first + i) * n + j, kept);
      bool used = i != j && torus_linalg_value(g->used, first + j) != 0;
      if (used && !kept) return gaps_fail(scope, g, matrix, i, j);
    }
  }
  return true;
}

static torus_tensor *kept_gaps(torus_scope *scope, pair values,
                               torus_tensor *vectors, torus_tensor *used) {
  gaps g = {
      torus_linalg_plain(scope, values.re),
      torus_linalg_plain(scope, values.im), torus_linalg_plain(scope, used),
      torus_scope_own(scope, torus_new_like(scope, vectors, &vectors->shape)),
      vectors->shape.size[vectors->shape.ndim - 1]};
  if (!g.re || !g.im || !g.used || !g.keep) return NULL;
  for (int64_t i = 0; i < torus_linalg_count(g.keep); i++) {
    if (!mark_gaps(scope, &g, i)) return NULL;
  }
  return g.keep;
}

/* 1 / conj(w_j - w_i) at (i, j), 0 where values coincide. */
static pair reciprocal_gaps(torus_scope *scope, pair w, torus_tensor *keep) {
  torus_tensor *re = torus_linalg_differences(scope, w.re);
  torus_tensor *im = torus_linalg_differences(scope, w.im);
  torus_tensor *factor = torus_linalg_reciprocal(
      scope, sum_of_products(scope, re, re, im, im), keep);
  return (pair){torus_mul(scope, re, factor), torus_mul(scope, im, factor)};
}

/* --- the scale of vectors ------------------------------------------------- */

/* (batch, n, n): 1 at the element of each column that LAPACK has made real,
 * the largest one, else 0. */
static torus_tensor *real_elements(torus_scope *scope, pair v) {
  torus_tensor *re = torus_linalg_plain(scope, v.re),
               *im = torus_linalg_plain(scope, v.im);
  if (!re || !im) return NULL;
  int64_t n = re->shape.size[re->shape.ndim - 1];
  torus_tensor *mask =
      torus_scope_own(scope, torus_new_like(scope, re, &re->shape));
  for (int64_t at = 0; mask && at < torus_linalg_count(re) * n; at++) {
    int64_t column = at / n * n * n + at % n, best = column;
    double most = -1;
    for (int64_t k = column; k < column + n * n; k += n) {
      double size = fabs(torus_linalg_value(re, k));
      torus_linalg_put(mask, k, 0);
      if (torus_linalg_value(im, k) != 0 || size <= most) continue;
      most = size;
      best = k;
    }
    torus_linalg_put(mask, best, 1);
  }
  return mask;
}

/* Sums of each column as a row (..., 1, n). */
static torus_tensor *column_sums(torus_scope *scope, torus_tensor *x) {
  if (!x) return NULL;
  torus_shape rows = {1, {x->shape.ndim - 2}};
  return torus_sum(scope, x, &rows, true);
}

/* The gradient of vectors whose length and phase may change: G minus what the
 * constant length, and the element that stays real, undo. With s_j = v_j^H G_j
 * and that element k:  G_j - Re(s_j) v_j - i Im(s_j) / v_kj e_k. */
static pair free_of_scale(torus_scope *scope, pair v, pair g) {
  torus_tensor *real = real_elements(scope, v);
  torus_tensor *length =
      column_sums(scope, sum_of_products(scope, v.re, g.re, v.im, g.im));
  torus_tensor *phase =
      column_sums(scope, difference_of_products(scope, v.re, g.im, v.im, g.re));
  torus_tensor *pivot = column_sums(scope, torus_mul(scope, v.re, real));
  torus_tensor *turned = torus_mul(scope, real, torus_div(scope, phase, pivot));
  return (pair){
      torus_sub(scope, g.re, torus_mul(scope, v.re, length)),
      torus_sub(scope, torus_sub(scope, g.im, torus_mul(scope, v.im, length)),
                turned)};
}

/* --- the gradient --------------------------------------------------------- */

/* A V = V diag(w). With dM = V^-1 dA V, the values change by its diagonal, and
 * the vectors by V C, C_ij = dM_ij / (w_j - w_i), up to their scale. The
 * adjoint: Re(V^-H (diag(gw) + (V^H gV)_ij / conj(w_j - w_i)) V^H). */
static torus_tensor *gradient(torus_scope *scope, const torus_call *call, int i,
                              torus_tensor *g) {
  (void)i;
  pair w = values_of(scope, call, call->out);
  pair v = vectors_of(scope, call, call->out);
  pair gw = values_of(scope, call, g), gv = vectors_of(scope, call, g);
  if (!v.im || !gv.im) return NULL;
  torus_tensor *sizes =
      column_sums(scope, torus_add(scope, torus_abs(scope, gv.re),
                                   torus_abs(scope, gv.im)));
  pair f = reciprocal_gaps(scope, w, kept_gaps(scope, w, v.re, sizes));
  pair c = product_hn(scope, v, free_of_scale(scope, v, gv));
  pair m = {torus_add(scope,
                      difference_of_products(scope, c.re, f.re, c.im, f.im),
                      torus_linalg_diagonal(scope, gw.re)),
            torus_add(scope, sum_of_products(scope, c.re, f.im, c.im, f.re),
                      torus_linalg_diagonal(scope, gw.im))};
  if (!m.re || !m.im) return NULL;
  return real_of_solution(scope, v, product_nh(scope, m, v));
}

static const torus_op ops[1] = {
    {.name = "eig",
     .inputs = 1,
     .forward = forward,
     .outputs = 4,
     .part = part,
     .gradient = gradient,
     .reads = TORUS_READS_OUT,
     .code = TORUS_LAPACK_EIG,
     .doc = "real and imaginary parts of the eigenvalues (..., n), and of the "
            "eigenvectors (..., n, n), one per column, of square matrices; "
            "vectors have gradients if their values are distinct from the "
            "others"},
};

const torus_op_family torus_eig_ops = {ops, 1};
