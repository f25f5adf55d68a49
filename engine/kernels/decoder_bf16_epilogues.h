/* Internal to the decoder in bfloat16: the processing of the results of its
 * products, 32 channels at a time. `to` contains destinations by position of
 * the result, -1 for results that are dropped; rows of maps are `channels`
 * long, and signs have a bit for each channel. */
#ifndef TORUS_KERNELS_DECODER_BF16_EPILOGUES_H
#define TORUS_KERNELS_DECODER_BF16_EPILOGUES_H

#include "kernels/bf16_maps.h"

/* y = leaky(c + bias) + added, and where the argument of leaky is positive. */
typedef struct decoder_bf16_activate {
  const float *bias;
  float slope;
  int64_t channels;
  const int32_t *to;
  torus_bf16 *y;
  uint32_t *signs;         /* like y; may be NULL */
  const torus_bf16 *added; /* may be NULL; by `from` */
  const int32_t *from;
} decoder_bf16_activate;

bf16_epilogue decoder_bf16_activations;

/* The four pixels of `high` over each position, the first channels of which are
 * added up. */
typedef struct decoder_bf16_boxes {
  int64_t channels;
  const torus_bf16 *high;
  const int32_t *to[4];
} decoder_bf16_boxes;

/* plain = c + boxes; masked = that times leaky's derivative, by the signs at
 * the result's position. */
typedef struct decoder_bf16_gradient {
  float slope;
  int64_t channels;
  const int32_t *to;
  const uint32_t *signs;
  const decoder_bf16_boxes *boxes; /* may be NULL */
  torus_bf16 *plain;               /* may be NULL */
  torus_bf16 *masked;
} decoder_bf16_gradient;

bf16_epilogue decoder_bf16_gradients;

/* The sums of all boxes to a map, or added to values. */
void decoder_bf16_sum_boxes(const decoder_bf16_boxes *boxes, int64_t count,
                            torus_bf16 *to);
void decoder_bf16_add_boxes(const decoder_bf16_boxes *boxes, int64_t count,
                            const bf16_values *values);

/* Rows of a map for the pixels of an image: the 3 x 3 windows of x, which has
 * `channels` channels and a margin of one pixel, line by line. */
void decoder_bf16_windows(const bf16_map *map, int64_t channels, const float *x,
                          torus_bf16 *to);

#endif
