/* Nearest upsampling of NHWC images by an integer factor, and its adjoint.
 *
 * Nothing here fails, allocates or needs scratch. Sizes may be zero. */
#ifndef TORUS_KERNELS_UPSAMPLE_H
#define TORUS_KERNELS_UPSAMPLE_H

#include <stdint.h>

/* y[i, j] = x[i / factor, j / factor].
 * x: (n, h, w, c), y: (n, factor h, factor w, c) */
void torus_upsample_f32(int64_t n, int64_t h, int64_t w, int64_t c,
                        int64_t factor, const float *x, float *y);
void torus_upsample_f64(int64_t n, int64_t h, int64_t w, int64_t c,
                        int64_t factor, const double *x, double *y);

/* Sums over boxes of factor x factor, overwriting gx.
 * gy: (n, factor h, factor w, c), gx: (n, h, w, c) */
void torus_upsample_grad_f32(int64_t n, int64_t h, int64_t w, int64_t c,
                             int64_t factor, const float *gy, float *gx);
void torus_upsample_grad_f64(int64_t n, int64_t h, int64_t w, int64_t c,
                             int64_t factor, const double *gy, double *gx);

#endif
