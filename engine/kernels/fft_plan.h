/* Complex transforms of lines side by side, for fft.c. */
#ifndef TORUS_KERNELS_FFT_PLAN_H
#define TORUS_KERNELS_FFT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lines in a block, at most. Arrays are (length, lines): neighbouring elements
 * belong to neighbouring lines. */
#define TORUS_FFT_LINES 8

#define TORUS_FFT_STAGES 32

typedef struct torus_fft_plan {
  int64_t n;
  int64_t length; /* of the staged transform: n, or more for Bluestein's */
  int stages;
  int radix[TORUS_FFT_STAGES];
  double *root_re, *root_im; /* (length): exp(-2 pi i j / length) */
  /* Bluestein's only: exp(-pi i j^2 / n), (n), and the transform of its
   * inverse, (length), over length. */
  double *chirp_re, *chirp_im, *filter_re, *filter_im;
} torus_fft_plan;

/* exp(2 pi i j / n), 0 <= j < n, correct but for rounding. */
void torus_fft_root(int64_t j, int64_t n, double *re, double *im);

/* Doubles of memory that a plan of length n keeps, and that a thread works
 * with. */
size_t torus_fft_plan_size(int64_t n);
size_t torus_fft_work_size(int64_t n);

/* memory and work: of these sizes. */
void torus_fft_plan_init(torus_fft_plan *plan, int64_t n, double *memory,
                         double *work);

/* X_k = sum_j x_j exp(-2 pi i j k / n) in place, for (n, lines). Exchanging re
 * and im makes it the inverse, unscaled. */
void torus_fft_plan_run(const torus_fft_plan *plan, int lines, double *re,
                        double *im, double *work);

#endif
