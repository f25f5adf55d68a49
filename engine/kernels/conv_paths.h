/* Internal to the convolution kernels: the algorithms for a pass, each
 * with the arguments of its public form in conv.h. */
#ifndef TORUS_KERNELS_CONV_PATHS_H
#define TORUS_KERNELS_CONV_PATHS_H

#include "kernels/conv.h"

/* General path: any shape, by gathered windows and matrix products. */
size_t conv_general_forward_scratch(const torus_conv *conv, int threads,
                                    torus_dtype dtype);
size_t conv_general_input_grad_scratch(const torus_conv *conv, int threads,
                                       torus_dtype dtype);
size_t conv_general_weight_grad_scratch(const torus_conv *conv, int threads,
                                        torus_dtype dtype);
#define CONV_DECLARE(name, T, suffix, constant)                                \
  void conv_general_forward_##suffix(const torus_conv *conv, const T *x,       \
                                     const T *w, const T *bias, T slope, T *y, \
                                     void *scratch);                           \
  void conv_general_input_grad_##suffix(const torus_conv *conv, const T *gy,   \
                                        const T *w, T *gx, void *scratch);     \
  void conv_general_weight_grad_##suffix(const torus_conv *conv, const T *x,   \
                                         const T *gy, T *gw, void *scratch);
TORUS_FLOAT_DTYPES(CONV_DECLARE)
#undef CONV_DECLARE

/* Pieces of scratch, in the order in which they are taken. */
static inline size_t conv_align(size_t bytes) { return (bytes + 63) / 64 * 64; }

static inline void *conv_take(char **scratch, size_t bytes) {
  void *at = *scratch;
  *scratch += conv_align(bytes);
  return at;
}

#endif
