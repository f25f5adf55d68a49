/* Two-dimensional convolution and its two gradients over raw memory.
 *
 * Images are NHWC, weights (k, c, kh, kw); all contiguous. Each pass is
 * linear in each of its two array arguments, and the three are each other's
 * derivatives:
 *
 *   forward      y[i,j,k]  = sum x[i s + r - p, j s + t - p, c] w[k,c,r,t]
 *   input_grad   gx        = the x that y's gradient gy pulls back to
 *   weight_grad  gw[k,c,r,t] = sum gy[i,j,k] x[i s + r - p, j s + t - p, c]
 *
 * Outputs are overwritten and must not overlap inputs. Nothing here fails or
 * allocates: scratch comes from the caller, at least as long as the pass's
 * scratch function says for the number of threads that will run and as many
 * images or more, 64-byte aligned, any contents. That number is
 * torus_threads(), or 1 inside a piece of torus_parallel. The work is divided
 * and summed independently of the number of threads, so the bits are the same.
 *
 * float32 3x3 convolutions of stride 1 use Winograd's F(4,3) if it is faster,
 * with vector instructions chosen at run time; the environment variable
 * TORUS_ISA=avx512|avx2|portable selects a smaller set. Error against float64,
 * relative l2: at most 1.5e-6 (general path 1e-6). It works on patches of 4x4
 * pixels and their surroundings: an infinity or NaN spoils an entire patch,
 * beyond the pixels whose window contains it, and a value far larger than its
 * neighbours reduces their precision in the same way.
 *
 * With `bfloat16`, which torus_conv_init leaves false, arguments are rounded to
 * it if the machine can multiply such numbers (kernels/conv_bf16.h). */
#ifndef TORUS_KERNELS_CONV_H
#define TORUS_KERNELS_CONV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/dtype.h"

typedef struct torus_conv {
  int64_t n, h, w, c;          /* input (n, h, w, c) */
  int64_t k;                   /* output channels */
  int64_t kh, kw, stride, pad; /* weights (k, c, kh, kw) */
  int64_t oh, ow;              /* output (n, oh, ow, k) */
  bool bfloat16; /* products in bfloat16, of float32 where they serve */
} torus_conv;

/* Fills in the struct. False, with nothing written, when a size is not
 * positive (n alone may be 0; pad >= 0) or the kernel does not fit into the
 * padded image. */
bool torus_conv_init(torus_conv *conv, int64_t n, int64_t h, int64_t w,
                     int64_t c, int64_t k, int64_t kh, int64_t kw,
                     int64_t stride, int64_t pad);

size_t torus_conv_forward_scratch(const torus_conv *conv, int threads,
                                  torus_dtype dtype);
size_t torus_conv_input_grad_scratch(const torus_conv *conv, int threads,
                                     torus_dtype dtype);
size_t torus_conv_weight_grad_scratch(const torus_conv *conv, int threads,
                                      torus_dtype dtype);

/* y = leaky(conv(x, w) + bias), where leaky(v) = v > 0 ? v : slope v.
 * bias: (k), or NULL for none; slope 1 is the identity.
 * x: (n, h, w, c), w: (k, c, kh, kw), y: (n, oh, ow, k) */
void torus_conv_forward_f32(const torus_conv *conv, const float *x,
                            const float *w, const float *bias, float slope,
                            float *y, void *scratch);
void torus_conv_forward_f64(const torus_conv *conv, const double *x,
                            const double *w, const double *bias, double slope,
                            double *y, void *scratch);

/* gy: (n, oh, ow, k), w: (k, c, kh, kw), gx: (n, h, w, c) */
void torus_conv_input_grad_f32(const torus_conv *conv, const float *gy,
                               const float *w, float *gx, void *scratch);
void torus_conv_input_grad_f64(const torus_conv *conv, const double *gy,
                               const double *w, double *gx, void *scratch);

/* x: (n, h, w, c), gy: (n, oh, ow, k), gw: (k, c, kh, kw) */
void torus_conv_weight_grad_f32(const torus_conv *conv, const float *x,
                                const float *gy, float *gw, void *scratch);
void torus_conv_weight_grad_f64(const torus_conv *conv, const double *x,
                                const double *gy, double *gw, void *scratch);

#endif
