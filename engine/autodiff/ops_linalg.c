/* Linear algebra by LAPACK: solving, inverses, determinants, Cholesky factors
 * and least squares. Operations with several results are in
 * ops_spectral.c. */
#include "autodiff/linalg.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/intmath.h"

enum { SOLVE, TRIANGULAR, INVERSE, DET, COFACTOR, CHOLESKY, LSTSQ, COUNT };
static const torus_op ops[COUNT];

/* --- A X = B -------------------------------------------------------------- */

/* The shape of one solution with this many rows. */
static torus_shape solution(const torus_linalg *l, int64_t rows) {
  return (torus_shape){l->vector ? 1 : 2, {rows, l->job.k}};
}

static torus_tensor *solve_forward(torus_scope *scope, const torus_call *call) {
  bool triangular = call->op == &ops[TRIANGULAR];
  torus_linalg l = {.job = {.upper = call->attrs->i[0]}};
  l.job.routine = triangular ? TORUS_LAPACK_TRIANGULAR : TORUS_LAPACK_SOLVE;
  if (!torus_linalg_square(scope, call, &l) ||
      !torus_linalg_right_side(scope, call, &l)) {
    return NULL;
  }
  torus_shape rest = solution(&l, l.job.m);
  return torus_linalg_run(scope, call, &l, &rest);
}

/* A system as its gradient rules see it: B, X and the incoming gradient are
 * matrices. */
typedef struct system {
  torus_tensor *a, *b, *x, *g;
  bool vector; /* B and X have one column less than here */
} system;

static system system_of(torus_scope *scope, const torus_call *call,
                        torus_tensor *g) {
  torus_linalg l = {.vector = false};
  system s = {call->in[0], call->in[1], call->out, g, false};
  if (!torus_linalg_matrices(scope, call, &l) ||
      !torus_linalg_right_side(scope, call, &l)) {
    return s;
  }
  s.vector = l.vector;
  if (l.vector) {
    s.b = torus_linalg_column(scope, s.b);
    s.x = torus_linalg_column(scope, s.x);
    s.g = torus_linalg_column(scope, s.g);
  }
  return s;
}

/* The gradient of B, whose last dimension is dropped again for vectors. */
static torus_tensor *right_side(torus_scope *scope, const system *s,
                                torus_tensor *h) {
  if (!h || !s->vector) return h;
  torus_shape shape = h->shape;
  shape.ndim--;
  return torus_reshape(scope, h, &shape);
}

static torus_tensor *negated(torus_scope *scope, torus_tensor *a,
                             torus_tensor *b) {
  return torus_neg(scope, torus_matmul_nt(scope, a, b));
}

/* B: h = A^-T g; A: -h X^T */
static torus_tensor *solve_gradient(torus_scope *scope, const torus_call *call,
                                    int i, torus_tensor *g) {
  system s = system_of(scope, call, g);
  torus_tensor *h = torus_solve(scope, torus_swap(scope, s.a), s.g);
  return i == 1 ? right_side(scope, &s, h) : negated(scope, h, s.x);
}

/* The same, restricted to the triangle. */
static torus_tensor *triangular_gradient(torus_scope *scope,
                                         const torus_call *call, int i,
                                         torus_tensor *g) {
  bool upper = call->attrs->i[0];
  system s = system_of(scope, call, g);
  torus_tensor *h =
      torus_solve_triangular(scope, torus_swap(scope, s.a), s.g, !upper);
  if (i == 1) return right_side(scope, &s, h);
  int64_t n = s.a->shape.size[s.a->shape.ndim - 1];
  torus_tensor *triangle =
      torus_linalg_mask(scope, s.a->dtype, n, !upper, 1, upper);
  return torus_mul(scope, negated(scope, h, s.x), triangle);
}

/* --- inverse and determinant ---------------------------------------------- */

/* Operations from square matrices to square matrices or numbers. */
static torus_tensor *square_forward(torus_scope *scope,
                                    const torus_call *call) {
  torus_linalg l = {.job = {.routine = call->op->code}};
  if (!torus_linalg_square(scope, call, &l)) return NULL;
  int64_t n = l.job.m;
  torus_shape rest = {call->op == &ops[DET] ? 0 : 2, {n, n}};
  return torus_linalg_run(scope, call, &l, &rest);
}

/* -Y^T g Y^T, where Y is the inverse */
static torus_tensor *inverse_gradient(torus_scope *scope,
                                      const torus_call *call, int i,
                                      torus_tensor *g) {
  (void)i;
  torus_tensor *y = call->out;
  return negated(scope, torus_matmul_tn(scope, y, g), y);
}

/* x as (..., 1, 1) */
static torus_tensor *as_scale(torus_scope *scope, torus_tensor *x) {
  return torus_linalg_column(scope, torus_linalg_column(scope, x));
}

static torus_tensor *det_gradient(torus_scope *scope, const torus_call *call,
                                  int i, torus_tensor *g) {
  return torus_mul(scope, as_scale(scope, g),
                   torus_apply(scope, &ops[COFACTOR], &call->in[i], 1, NULL));
}

/* C = det(A) A^-T: <g,C> A^-T - A^-T g^T C */
static torus_tensor *cofactor_gradient(torus_scope *scope,
                                       const torus_call *call, int i,
                                       torus_tensor *g) {
  torus_tensor *c = call->out;
  torus_tensor *y = torus_swap(scope, torus_inverse(scope, call->in[i]));
  int n = c->shape.ndim;
  torus_shape last = {2, {n - 2, n - 1}};
  torus_tensor *inner = torus_sum(scope, torus_mul(scope, g, c), &last, true);
  torus_tensor *product = torus_matmul(scope, y, torus_matmul_tn(scope, g, c));
  return torus_sub(scope, torus_mul(scope, inner, y), product);
}

/* --- cholesky --------------------------------------------------------------
 */

/* The symmetric part of L^-T P L^-1, where P is the lower triangle of L^T g
 * with half its diagonal (Murray, Differentiation of the Cholesky
 * decomposition, 2016, eq. 10). */
static torus_tensor *cholesky_gradient(torus_scope *scope,
                                       const torus_call *call, int i,
                                       torus_tensor *g) {
  (void)i;
  torus_tensor *l = call->out, *lt = torus_swap(scope, l);
  int64_t n = l->shape.size[l->shape.ndim - 1];
  torus_tensor *half = torus_linalg_mask(scope, l->dtype, n, 1, 0.5, 0);
  torus_tensor *p = torus_mul(scope, torus_matmul(scope, lt, g), half);
  p = torus_solve_triangular(scope, lt, p, true);
  p = torus_solve_triangular(scope, lt, torus_swap(scope, p), true);
  return torus_symmetric(scope, p);
}

/* --- lstsq ---------------------------------------------------------------- */

static double default_rcond(const torus_linalg *l) {
  double epsilon =
      l->job.dtype == TORUS_FLOAT64 ? DBL_EPSILON : (double)FLT_EPSILON;
  return epsilon * (double)torus_max(l->job.m, l->job.n);
}

static torus_tensor *lstsq_forward(torus_scope *scope, const torus_call *call) {
  torus_linalg l = {.job = {.routine = TORUS_LAPACK_LSTSQ}};
  if (!torus_linalg_matrices(scope, call, &l) ||
      !torus_linalg_right_side(scope, call, &l)) {
    return NULL;
  }
  double rcond = call->attrs->f[0];
  l.job.rcond = isnan(rcond) ? default_rcond(&l) : rcond;
  torus_tensor *rank = torus_tensor_new(TORUS_INT64, &l.batch, &scope->status);
  if (!rank) return NULL;
  l.rank = rank;
  torus_shape rest = solution(&l, l.job.n);
  torus_tensor *out = torus_linalg_run(scope, call, &l, &rest);
  if (out && call->record) {
    *call->saved = rank;
  } else {
    torus_tensor_release(rank);
  }
  return out;
}

static torus_tensor *lstsq(torus_scope *scope, const torus_call *call,
                           torus_tensor *a, torus_tensor *b) {
  return torus_apply(scope, &ops[LSTSQ], (torus_tensor *[]){a, b}, 2,
                     call->attrs);
}

/* If the rank can change with the matrix, the solution jumps. */
static bool check_rank(torus_scope *scope, const torus_call *call) {
  char text[TORUS_MATRIX_TEXT];
  const torus_shape *a = &call->in[0]->shape;
  int64_t m = a->size[a->ndim - 2], n = a->size[a->ndim - 1];
  const torus_tensor *saved = *call->saved;
  const int64_t *rank = torus_tensor_data(saved);
  for (int64_t i = 0; i < torus_tensor_count(saved); i++) {
    if (rank[i] == torus_min(m, n)) continue;
    return torus_status_fail(
        &scope->status, TORUS_EINVAL,
        "lstsq: no gradient, %s has rank %d, less than its %d rows and %d "
        "columns",
        torus_linalg_name(&saved->shape, i, text), (int)rank[i], (int)m,
        (int)n);
  }
  return true;
}

/* X = P B with the pseudoinverse P of a matrix of full rank (Golub & Pereyra,
 * 1973, eq. 4.12). B: h = P^T g. A: -h X^T and, where there are more rows than
 * columns, (B - A X) (P h)^T, else P^T X (g - P A g)^T. */
static torus_tensor *lstsq_gradient(torus_scope *scope, const torus_call *call,
                                    int i, torus_tensor *g) {
  if (!check_rank(scope, call)) return NULL;
  system s = system_of(scope, call, g);
  torus_tensor *at = torus_swap(scope, s.a);
  torus_tensor *h = lstsq(scope, call, at, s.g);
  if (!h || i == 1) return right_side(scope, &s, h);
  torus_tensor *fixed = negated(scope, h, s.x), *more;
  const torus_shape *a = &s.a->shape;
  if (a->size[a->ndim - 2] >= a->size[a->ndim - 1]) {
    torus_tensor *residual =
        torus_sub(scope, s.b, torus_matmul(scope, s.a, s.x));
    more = torus_matmul_nt(scope, residual, lstsq(scope, call, s.a, h));
  } else {
    torus_tensor *image =
        lstsq(scope, call, s.a, torus_matmul(scope, s.a, s.g));
    more = torus_matmul_nt(scope, lstsq(scope, call, at, s.x),
                           torus_sub(scope, s.g, image));
  }
  return torus_add(scope, fixed, more);
}

/* --- descriptors ---------------------------------------------------------- */

static const torus_op ops[COUNT] = {
    [SOLVE] = {.name = "solve",
               .inputs = 2,
               .forward = solve_forward,
               .gradient = solve_gradient,
               .reads = TORUS_READS_X | TORUS_READS_OUT,
               .doc = "the solution X of A X = B for square matrices A (..., "
                      "n, n) and B (..., n, k); B contains vectors if it has "
                      "one dimension or the shape of A without its last one; "
                      "leading dimensions are a batch and broadcast"},
    [TRIANGULAR] = {.name = "solve_triangular",
                    .inputs = 2,
                    .forward = solve_forward,
                    .gradient = triangular_gradient,
                    .reads = TORUS_READS_X | TORUS_READS_OUT,
                    .params = {{"upper", TORUS_PARAM_BOOL, true, 0}},
                    .doc = "like solve, reading only the lower triangle of A, "
                           "or the upper one with upper = true"},
    [INVERSE] = {.name = "inverse",
                 .inputs = 1,
                 .forward = square_forward,
                 .gradient = inverse_gradient,
                 .reads = TORUS_READS_OUT,
                 .code = TORUS_LAPACK_INVERSE,
                 .doc = "inverse of square matrices (..., n, n); for products "
                        "with an inverse, solve is faster and more accurate"},
    [DET] = {.name = "det",
             .inputs = 1,
             .forward = square_forward,
             .gradient = det_gradient,
             .reads = TORUS_READS_X,
             .code = TORUS_LAPACK_DET,
             .doc = "determinant of square matrices (..., n, n); second "
                    "derivatives exist for nonsingular ones"},
    /*** Returns the matrices of cofactors, det(A) A^-T, also of singular
     * matrices: the gradient of det.
     * @function torus.cofactor
     * @tparam tensor A (..., n, n)
     * @treturn tensor (..., n, n)
     * @raise when A is not square
     * @usage y = torus.cofactor(torus.tensor{{1, 2}, {3, 4}})   -- 4 -3, -2 1
     */
    [COFACTOR] = {.name = "cofactor",
                  .inputs = 1,
                  .forward = square_forward,
                  .gradient = cofactor_gradient,
                  .reads = TORUS_READS_X | TORUS_READS_OUT,
                  .code = TORUS_LAPACK_COFACTOR,
                  .doc = "matrices of cofactors, det(A) A^-T, of square "
                         "matrices, also of singular ones: the gradient of "
                         "det"},
    [CHOLESKY] = {.name = "cholesky",
                  .inputs = 1,
                  .forward = square_forward,
                  .gradient = cholesky_gradient,
                  .reads = TORUS_READS_OUT,
                  .code = TORUS_LAPACK_CHOLESKY,
                  .doc = "lower triangular L with L L^T = (A + A^T)/2, "
                         "symmetric and positive definite (..., n, n)"},
    [LSTSQ] =
        {.name = "lstsq",
         .inputs = 2,
         .forward = lstsq_forward,
         .gradient = lstsq_gradient,
         .reads = TORUS_READS_X | TORUS_READS_Y | TORUS_READS_OUT,
         .params = {{"rcond", TORUS_PARAM_FLOAT, true, (double)NAN}},
         .doc =
             "the X of minimum norm among those that minimise |A X - B|, for A "
             "(..., m, n) and B as in solve; singular values "
             "below rcond (default: epsilon max(m, n)) times the "
             "largest one count as zero; gradients exist if A has full rank"},
};

const torus_op_family torus_linalg_ops = {ops, COUNT};

torus_tensor *torus_solve(torus_scope *scope, torus_tensor *a,
                          torus_tensor *b) {
  return torus_apply(scope, &ops[SOLVE], (torus_tensor *[]){a, b}, 2, NULL);
}

torus_tensor *torus_inverse(torus_scope *scope, torus_tensor *a) {
  return torus_apply(scope, &ops[INVERSE], &a, 1, NULL);
}

torus_tensor *torus_solve_triangular(torus_scope *scope, torus_tensor *a,
                                     torus_tensor *b, bool upper) {
  torus_attrs attrs = {.i = {upper}};
  return torus_apply(scope, &ops[TRIANGULAR], (torus_tensor *[]){a, b}, 2,
                     &attrs);
}
