/* Internal to the convolution kernels: filters as the tiles need them. */
#ifndef TORUS_KERNELS_CONV_FILTER_H
#define TORUS_KERNELS_CONV_FILTER_H

#include <stdbool.h>
#include <stdint.h>

/* Taps of a filter from channel i of c to channel o of k, read from w at
 * i * from + o * to. Without `phase` they are the 9 taps there. With it they
 * are the 4 that act on the small image when it is doubled by nearest
 * upsampling and the 3x3 filter's output is taken at the pixels with
 * remainders (row, column) modulo 2. `flip` turns the taps by 180 degrees. */
typedef struct conv_filter {
  const float *w;
  int64_t from, to;
  bool phase, flip;
  int row, column;
} conv_filter;

/* Which of the filter's taps the weight t = 3 r + s takes part in. */
int conv_filter_tap(const conv_filter *f, int t);

/* Most channels that can be packed at a time. */
#define CHUNK 8

/* Packs channels [first, first + count) and columns [begin, end) to
 * (taps, count, end - begin), columns from k on zero. */
void conv_filter_pack(const conv_filter *f, int64_t first, int64_t count,
                      int64_t begin, int64_t end, int64_t k, float *to);

/* The way back for all 9 taps: packed (9, count, end - begin) to those
 * channels and columns of w (k, c, 3, 3). */
void conv_filter_unpack(const float *packed, int64_t first, int64_t count,
                        int64_t c, int64_t begin, int64_t end, int64_t k,
                        float *w);

#endif
