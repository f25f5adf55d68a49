/* Linear algebra on one matrix at a time, by OpenBLAS's LAPACK.
 *
 * Matrices are contiguous and row-major. One call is one matrix on one thread
 * with workspace from the caller, so results are bit-identical with any
 * number of threads. */
#ifndef TORUS_KERNELS_LAPACK_H
#define TORUS_KERNELS_LAPACK_H

#include <stdbool.h>

#include "core/dtype.h"

/* What is computed from a (m,n) and b (m,k); r = min(m,n). The parts of a
 * result are stored one after the other. */
typedef enum torus_lapack_routine {
  TORUS_LAPACK_SOLVE,      /* a square: a^-1 b (m,k) */
  TORUS_LAPACK_INVERSE,    /* a square: a^-1 (m,m) */
  TORUS_LAPACK_DET,        /* a square: its determinant (1) */
  TORUS_LAPACK_SLOGDET,    /* a square: sign (1), log |det a| (1) */
  TORUS_LAPACK_COFACTOR,   /* a square: the gradient of det a (m,m) */
  TORUS_LAPACK_TRIANGULAR, /* a^-1 b (m,k), reading one triangle of a */
  TORUS_LAPACK_CHOLESKY,   /* (a + a^T)/2 = l l^T: l (m,m) */
  TORUS_LAPACK_EIGH,       /* of (a + a^T)/2: values (m), vectors (m,m) */
  TORUS_LAPACK_EIG,  /* a square: values, real (m) and imaginary parts (m),
                      * and vectors likewise (m,m) */
  TORUS_LAPACK_SVD,  /* a = u diag(s) v: u (m,r), s (r), v (r,n) */
  TORUS_LAPACK_QR,   /* a = q r: q (m,r), r (r,n) */
  TORUS_LAPACK_LSTSQ /* the least-squares x (n,k) of minimum norm */
} torus_lapack_routine;

typedef enum torus_lapack_outcome {
  TORUS_LAPACK_OK,
  TORUS_LAPACK_SINGULAR,
  TORUS_LAPACK_INDEFINITE, /* not positive definite */
  TORUS_LAPACK_NOT_FINITE, /* an infinity or NaN in the input */
  TORUS_LAPACK_DIVERGED    /* an iteration did not converge */
} torus_lapack_outcome;

/* LAPACK counts its workspace, about 2 r^2 elements or more, in 32 bits. */
#define TORUS_LAPACK_MAX 16000

typedef struct torus_lapack_job {
  torus_lapack_routine routine;
  torus_dtype dtype;
  int m, n, k; /* k: 1 without b; all below 2^31, the smaller of m and n at most
                  TORUS_LAPACK_MAX */
  bool upper;  /* TRIANGULAR: the triangle that is read */
  double rcond; /* LSTSQ: singular values below rcond times the largest one
                 * count as zero */
} torus_lapack_job;

/* Bytes of workspace, a multiple of 64. */
size_t torus_lapack_workspace(const torus_lapack_job *job);

/* b: NULL if there is none. rank: of a, from LSTSQ only. */
torus_lapack_outcome torus_lapack_run(const torus_lapack_job *job,
                                      const void *a, const void *b, void *out,
                                      int64_t *rank, void *workspace);

#endif
