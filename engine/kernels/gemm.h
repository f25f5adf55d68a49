/* Matrix products over raw row-major memory, by OpenBLAS on one thread.
 *
 * OpenBLAS's own threads stay off: its sums change with their number. The
 * parallel form cuts the result into blocks of a fixed size, one product
 * each, and never cuts the inner dimension, so the bits do not depend on
 * the number of threads.
 *
 * Nothing here fails. Sizes and leading dimensions are below 2^31; a zero
 * size is allowed anywhere. With beta = 0, c is not read. */
#ifndef TORUS_KERNELS_GEMM_H
#define TORUS_KERNELS_GEMM_H

#include <stdbool.h>
#include <stdint.h>

/* c = alpha op(a) op(b) + beta c, where op(a) is (m, k), op(b) is (k, n) and
 * c is (m, n); with ta, a is stored as (k, m), with tb, b as (n, k). A
 * leading dimension is the distance between stored rows. */
void torus_gemm_f32(bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                    float alpha, const float *a, int64_t lda, const float *b,
                    int64_t ldb, float beta, float *c, int64_t ldc);
void torus_gemm_f64(bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                    double alpha, const double *a, int64_t lda, const double *b,
                    int64_t ldb, double beta, double *c, int64_t ldc);

/* The same over all threads. */
void torus_gemm_parallel_f32(bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                             float alpha, const float *a, int64_t lda,
                             const float *b, int64_t ldb, float beta, float *c,
                             int64_t ldc);
void torus_gemm_parallel_f64(bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                             double alpha, const double *a, int64_t lda,
                             const double *b, int64_t ldb, double beta,
                             double *c, int64_t ldc);

#endif
