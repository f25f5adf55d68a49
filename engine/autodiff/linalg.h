/* Shared code of the linear algebra families: running a LAPACK routine over a
 * batch of matrices, and parts of their gradient rules. */
#ifndef TORUS_AUTODIFF_LINALG_H
#define TORUS_AUTODIFF_LINALG_H

#include "autodiff/build.h"
#include "kernels/lapack.h"

typedef struct torus_linalg {
  torus_lapack_job job; /* its sizes are filled by the checks below */
  torus_shape batch;
  torus_tensor *a, *b; /* batches that broadcast; b may be NULL */
  bool vector;         /* b has one right-hand side, without a dimension */
  torus_tensor *rank;  /* int64, (batch), filled by LSTSQ; else NULL */
} torus_linalg;

/* Reads the matrices in[0] of a call; false with the scope's error set. */
bool torus_linalg_matrices(torus_scope *scope, const torus_call *call,
                           torus_linalg *l);
bool torus_linalg_square(torus_scope *scope, const torus_call *call,
                         torus_linalg *l);
/* Likewise right-hand sides in[1], with as many rows. They are vectors if in[1]
 * has one dimension or the shape of in[0] without its last one. */
bool torus_linalg_right_side(torus_scope *scope, const torus_call *call,
                             torus_linalg *l);

/* The results of all matrices, (batch) and then `rest`; owned by the caller.
 * NULL after an error, which names the first matrix at fault. */
torus_tensor *torus_linalg_run(torus_scope *scope, const torus_call *call,
                               const torus_linalg *l, const torus_shape *rest);

/* Writes the name of a matrix of a batch for messages and returns text. */
#define TORUS_MATRIX_TEXT (TORUS_SHAPE_TEXT + 32)
const char *torus_linalg_name(const torus_shape *batch, int64_t index,
                              char text[TORUS_MATRIX_TEXT]);

/* Elements [start, start + count) of the last dimension in another shape:
 * rows and columns, or one dimension if columns is negative. A view. */
torus_tensor *torus_linalg_part(torus_scope *scope, torus_tensor *packed,
                                int64_t start, int64_t rows, int64_t columns);

/* (n,n): `below` under the diagonal, `diagonal` on it and `above` over it. */
torus_tensor *torus_linalg_mask(torus_scope *scope, torus_dtype dtype,
                                int64_t n, double below, double diagonal,
                                double above);
/* (..., n) to (..., n, n), zero off the diagonal. */
torus_tensor *torus_linalg_diagonal(torus_scope *scope, torus_tensor *x);

/* x as (..., 1, n) and (..., n, 1). */
torus_tensor *torus_linalg_row(torus_scope *scope, torus_tensor *x);
torus_tensor *torus_linalg_column(torus_scope *scope, torus_tensor *x);

/* x_j - x_i at (i, j), for x (..., n). */
torus_tensor *torus_linalg_differences(torus_scope *scope, torus_tensor *x);
/* 1 / x where keep is 1, and 0 where it is 0. */
torus_tensor *torus_linalg_reciprocal(torus_scope *scope, torus_tensor *x,
                                      torus_tensor *keep);

/* For rules that look at values: the machine epsilon; element i of contiguous
 * memory; x contiguous and outside of any graph; the number of matrices in x
 * (..., m, n), 0 if they are empty. */
double torus_linalg_epsilon(torus_dtype dtype);
double torus_linalg_value(const torus_tensor *x, int64_t i);
void torus_linalg_put(torus_tensor *x, int64_t i, double value);
torus_tensor *torus_linalg_plain(torus_scope *scope, torus_tensor *x);
int64_t torus_linalg_count(const torus_tensor *x);

/* a^T b, a b^T and (a + a^T)/2. */
torus_tensor *torus_matmul_tn(torus_scope *scope, torus_tensor *a,
                              torus_tensor *b);
torus_tensor *torus_matmul_nt(torus_scope *scope, torus_tensor *a,
                              torus_tensor *b);
torus_tensor *torus_symmetric(torus_scope *scope, torus_tensor *a);

torus_tensor *torus_solve(torus_scope *scope, torus_tensor *a, torus_tensor *b);
torus_tensor *torus_inverse(torus_scope *scope, torus_tensor *a);
/* Reads one triangle of a. */
torus_tensor *torus_solve_triangular(torus_scope *scope, torus_tensor *a,
                                     torus_tensor *b, bool upper);

#endif
