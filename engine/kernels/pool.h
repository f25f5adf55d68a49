/* Pooling of NHWC images over square windows.
 *
 * Nothing here fails, allocates or needs scratch. Sizes may be zero; every
 * window has at least one pixel of the image: 2 padding <= kernel. */
#ifndef TORUS_KERNELS_POOL_H
#define TORUS_KERNELS_POOL_H

#include <stdint.h>

typedef struct torus_pool {
  int64_t n, h, w, c, oh, ow; /* of the images, and of the pooled ones */
  int64_t kernel, stride, padding;
} torus_pool;

/* The mean over each window; pixels of the padding count as zeros.
 * x: (n, h, w, c), y: (n, oh, ow, c) */
void torus_pool_average_f32(const torus_pool *p, const float *x, float *y);
void torus_pool_average_f64(const torus_pool *p, const double *x, double *y);

/* Its adjoint, overwriting gx. */
void torus_pool_average_grad_f32(const torus_pool *p, const float *gy,
                                 float *gx);
void torus_pool_average_grad_f64(const torus_pool *p, const double *gy,
                                 double *gx);

/* The position of the largest pixel of each window, from 0: row w + column. The
 * first of equal ones; NaN counts as the largest. x: (n, h, w, c), index: (n,
 * oh, ow, c) */
void torus_pool_argmax_f32(const torus_pool *p, const float *x, int64_t *index);
void torus_pool_argmax_f64(const torus_pool *p, const double *x,
                           int64_t *index);

#endif
