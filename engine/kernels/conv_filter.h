/* Internal to the convolution kernels: filters as the patches need them. */
#ifndef TORUS_KERNELS_CONV_FILTER_H
#define TORUS_KERNELS_CONV_FILTER_H

#include <stdbool.h>
#include <stdint.h>

/* Filters from c channels to k with 3 x 3 weights: those from channel i to
 * channel o are the 9 at w + i * from + o * to. With `phases` they make four
 * filters of 4 taps, which act on a small image that is doubled by nearest
 * upsampling: number 2 r + s gives the pixels of the filtered image that have
 * remainders (r, s) modulo 2. `flip` rotates the taps by 180 degrees. */
typedef struct conv_filter {
  const float *w;
  int64_t from, to;
  bool phases, flip;
} conv_filter;

/* Which tap of filter `phase` (0 without phases) weight t = 3 r + s is in. */
int conv_filter_tap(const conv_filter *f, int phase, int t);

/* The maximum number of channels packed at a time. */
#define CHUNK 8

/* Packs the weights of channels [first, first + count) and columns
 * [begin, end) to (9, count, end - begin), columns from k on zero; flipped
 * unless there are phases. */
void conv_filter_pack(const conv_filter *f, int64_t first, int64_t count,
                      int64_t begin, int64_t end, int64_t k, float *to);

/* The 4 taps of a phase from 9 weights: both (taps, size). */
void conv_filter_phase(const conv_filter *f, int phase, int64_t size,
                       const float *packed, float *to);

/* The inverse for all 9 taps: packed (9, count, end - begin) to those
 * channels and columns of w (k, c, 3, 3). */
void conv_filter_unpack(const float *packed, int64_t first, int64_t count,
                        int64_t c, int64_t begin, int64_t end, int64_t k,
                        float *w);

#endif
