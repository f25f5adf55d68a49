/* Discrete Fourier transforms of any length, complex and real.
 *
 * Debian 12 has no suitable C library for this: FFTW's licence (GPL) would
 * extend to the whole engine, and kissfft's package has only single precision.
 * Hence this implementation: Stockham's self-sorting transform with radices 2
 * to 5 and small primes, and Bluestein's convolution for lengths with a larger
 * prime. It computes in double precision for either dtype, on blocks of lines
 * side by side, which the compiler vectorises. Each block is one thread's, so
 * results are bit-identical with any number of threads. */
#ifndef TORUS_KERNELS_FFT_H
#define TORUS_KERNELS_FFT_H

#include <stdbool.h>

#include "core/dtype.h"

/* Maximum length of a transform. */
#define TORUS_FFT_MAX ((int64_t)1 << 30)

typedef enum torus_fft_type {
  TORUS_FFT_COMPLEX, /* X_k = sum_j x_j exp(-2 pi i j k / n) */
  TORUS_FFT_INVERSE, /* the same with +2 pi i; nothing is divided by n */
  TORUS_FFT_REAL,    /* COMPLEX of real x: X_0 to X_(n/2), rounded down */
  TORUS_FFT_HALF     /* INVERSE to real x from X_0 to X_(n/2) */
} torus_fft_type;

/* Arrays are contiguous, (outer, length, inner), with the transform along the
 * middle dimension. A shorter input is padded with zeros, and the end of a
 * longer one is not read. */
typedef struct torus_fft_job {
  torus_fft_type type;
  torus_dtype dtype;
  int64_t n;    /* 1 to TORUS_FFT_MAX */
  double scale; /* multiplies the result */
  int64_t outer, inner, in_length;
  const void *re, *im;   /* im: NULL if it is zero */
  void *out_re, *out_im; /* (outer, n or n/2 + 1, inner); out_im: NULL for
                          * HALF */
} torus_fft_job;

/* The length of the result. */
int64_t torus_fft_out_length(torus_fft_type type, int64_t n);

/* Bytes of scratch, 64-byte aligned, for torus_threads() threads. */
size_t torus_fft_scratch(const torus_fft_job *job);
void torus_fft_run(const torus_fft_job *job, void *scratch);

#endif
