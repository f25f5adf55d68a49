/* Internal to the convolution kernels: the passes of float32 images with
 * products of bfloat16. Images, weights and gradients are rounded to it; sums
 * and results are float32. Arguments, scratch and threads as in conv.h. */
#ifndef TORUS_KERNELS_CONV_BF16_H
#define TORUS_KERNELS_CONV_BF16_H

#include "kernels/conv.h"

/* True if the machine has such products and they are worthwhile: kernels of up
 * to 25 taps, with at least a quarter of the positions of a map (bf16_maps.h)
 * being pixels of the result. */
bool conv_bf16_serves(const torus_conv *conv);

size_t conv_bf16_forward_scratch(const torus_conv *conv, int threads);
size_t conv_bf16_input_grad_scratch(const torus_conv *conv, int threads);
size_t conv_bf16_weight_grad_scratch(const torus_conv *conv, int threads);

void conv_bf16_forward(const torus_conv *conv, const float *x, const float *w,
                       const float *bias, float slope, float *y, void *scratch);
void conv_bf16_input_grad(const torus_conv *conv, const float *gy,
                          const float *w, float *gx, void *scratch);
void conv_bf16_weight_grad(const torus_conv *conv, const float *x,
                           const float *gy, float *gw, void *scratch);

#endif
