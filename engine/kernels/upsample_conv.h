/* Nearest upsampling by 2 followed by a 3x3 convolution of stride 1 and
 * padding 1, and the two gradients, without the larger image in between.
 *
 * In float32 each of the four phases of the output (rows and columns with
 * remainders modulo 2) is a 2x2 convolution of the small image, done by
 * Winograd's F(4,2): 5.8 times fewer products than direct. Otherwise, and where
 * that is not worthwhile, the images are enlarged, a few at a time.
 *
 * The torus_conv is made by torus_upsample_conv_init; arguments, scratch,
 * threads and errors as in conv.h. Error against float64, relative l2: at
 * most 1.5e-6 in float32. */
#ifndef TORUS_KERNELS_UPSAMPLE_CONV_H
#define TORUS_KERNELS_UPSAMPLE_CONV_H

#include "kernels/conv.h"

/* x: (n, h, w, c), y: (n, 2 h, 2 w, k), weights (k, c, 3, 3). False, with
 * nothing written, when a size is not positive (n alone may be 0). */
bool torus_upsample_conv_init(torus_conv *conv, int64_t n, int64_t h, int64_t w,
                              int64_t c, int64_t k);

size_t torus_upsample_conv_forward_scratch(const torus_conv *conv, int threads,
                                           torus_dtype dtype);
size_t torus_upsample_conv_input_grad_scratch(const torus_conv *conv,
                                              int threads, torus_dtype dtype);
size_t torus_upsample_conv_weight_grad_scratch(const torus_conv *conv,
                                               int threads, torus_dtype dtype);

/* y = leaky(conv(upsample(x), w) + bias) */
void torus_upsample_conv_forward_f32(const torus_conv *conv, const float *x,
                                     const float *w, const float *bias,
                                     float slope, float *y, void *scratch);
void torus_upsample_conv_forward_f64(const torus_conv *conv, const double *x,
                                     const double *w, const double *bias,
                                     double slope, double *y, void *scratch);

void torus_upsample_conv_input_grad_f32(const torus_conv *conv, const float *gy,
                                        const float *w, float *gx,
                                        void *scratch);
void torus_upsample_conv_input_grad_f64(const torus_conv *conv,
                                        const double *gy, const double *w,
                                        double *gx, void *scratch);

void torus_upsample_conv_weight_grad_f32(const torus_conv *conv, const float *x,
                                         const float *gy, float *gw,
                                         void *scratch);
void torus_upsample_conv_weight_grad_f64(const torus_conv *conv,
                                         const double *x, const double *gy,
                                         double *gw, void *scratch);

#endif
