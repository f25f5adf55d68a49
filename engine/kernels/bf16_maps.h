/* Convolutions of bfloat16 images as products of matrices (bf16_product.h),
 * without gathering windows. Nothing here fails or allocates; buffers are
 * 64-byte aligned.
 *
 * A *map* is the images of a batch one after the other in one row of pixels,
 * each a row of channels: behind every line of an image are `margin` zero
 * pixels, behind its last line as many zero lines, which are also the margin
 * before what follows. Pixel (i, j) of image n is at position
 * n image + i pitch + j, and what is (r, t) away from any pixel is
 * r pitch + t away in the row. A convolution is then, for all positions at once
 * and for those in the margin as well, whose results are dropped,
 *
 *   y[p] = sum over taps of x[p + offset] w[tap],
 *
 * a product whose rows begin at any position. Its weights' gradient is
 *
 *   gw[tap] = sum over p of x[p + offset]' gy[p],
 *
 * which needs x with the positions along its rows (`bf16_transpose`) and gy
 * in pairs of positions (`bf16_pair`); the margin of gy is zero. */
#ifndef TORUS_KERNELS_BF16_MAPS_H
#define TORUS_KERNELS_BF16_MAPS_H

#include <stddef.h>

#include "kernels/bf16_product.h"

/* Rows and columns of a block of results. */
#define BF16_BLOCK (2 * BF16_UNIT)

typedef struct bf16_map {
  int64_t images, h, w, pitch, image;
  int64_t lead;      /* positions before the first pixel */
  int64_t positions; /* all, a multiple of BF16_BLOCK */
  int64_t channels;  /* a multiple of BF16_DEPTH */
} bf16_map;

/* Of at least so many channels. */
bf16_map bf16_map_of(int64_t images, int64_t h, int64_t w, int64_t margin,
                     int64_t channels);

size_t bf16_map_bytes(const bf16_map *map);

static inline int64_t bf16_round_up(int64_t count, int64_t unit) {
  return (count + unit - 1) / unit * unit;
}

/* The channels at a position of a map. */
static inline torus_bf16 *bf16_at(const bf16_map *map, torus_bf16 *x,
                                  int64_t position) {
  return x + (map->lead + position) * map->channels;
}

/* Number of positions of an image whose results are computed. */
static inline int64_t bf16_results(const bf16_map *map) {
  return bf16_round_up(map->h * map->pitch, BF16_BLOCK);
}

/* The destinations of an image's results: for each of bf16_results(map)
 * positions, the index of the pixel in an image without margins, or -1 in the
 * margin. */
void bf16_pixels(const bf16_map *map, int32_t *to);

/* Rounds to nearest, ties to even. */
torus_bf16 bf16_of(float x);

/* Matrices that are the second factor of products are cut into panels of
 * BF16_BLOCK columns, the last perhaps half as wide: where that of column o, a
 * multiple of BF16_BLOCK, begins, and its width. */
static inline int64_t bf16_panel(int64_t depth, int64_t o) { return depth * o; }

static inline int64_t bf16_panel_width(int64_t columns, int64_t o) {
  return columns - o < BF16_BLOCK ? columns - o : BF16_BLOCK;
}

/* One tap of the weights of a product, (depth, columns) in pairs of the depth:
 * number (d, o) is the sum over i < terms of
 * w[d * by_depth + o * by_column + term[i]], or 0 beyond the real sizes. */
typedef struct bf16_weights {
  int64_t taps, tap;
  int64_t depth, columns;           /* real */
  int64_t wide_depth, wide_columns; /* with padding */
  int64_t by_depth, by_column;
  int terms;
  int64_t term[4];
} bf16_weights;

void bf16_pack(const bf16_weights *shape, const float *w, torus_bf16 *to);

/* Rows of results [first, first + rows) and 16 or 32 columns from `column` on;
 * a row of c is BF16_BLOCK long. */
typedef void bf16_epilogue(const void *arg, int64_t first, int64_t rows,
                           int64_t column, int64_t columns, const float *c);

/* Results of one image; x: the image's position 0; offsets of the product in
 * bytes; columns a multiple of BF16_UNIT. */
typedef struct bf16_correlation {
  const bf16_kernels *kernels;
  bf16_product product;
  int64_t count, columns;
  const torus_bf16 *x, *weights;
  bf16_epilogue *epilogue;
  const void *arg;
} bf16_correlation;

void bf16_correlate(const bf16_correlation *job);

/* The epilogue of results in float32: y (pixels, channels) = leaky(c + bias).
 * to: the pixel of a position or -1; bias may be NULL. */
typedef struct bf16_values {
  const int32_t *to;
  const float *bias;
  float slope;
  int64_t channels;
  float *y;
} bf16_values;

bf16_epilogue bf16_store_values;

/* Images x (images, h, w, channels) in float32, rounded into the map's pixels
 * (step i + first row, step j + first column of a larger image with step). */
typedef struct bf16_source {
  const float *x;
  int64_t h, w, channels; /* of the source */
  int64_t step, row, column;
} bf16_source;

void bf16_load(const bf16_map *map, int64_t images, const bf16_source *source,
               torus_bf16 *to);

/* Length of a row of the transpose, which has one row for each channel and its
 * position p at lead + p. */
int64_t bf16_line(const bf16_map *map);

/* The transpose of the first `images` images and what surrounds them. */
void bf16_transpose(const bf16_map *map, int64_t images, torus_bf16 *x,
                    torus_bf16 *to);

/* Steps of a sum over the positions of so many images. */
static inline int64_t bf16_steps(const bf16_map *map, int64_t images) {
  return bf16_round_up(images * map->image, BF16_DEPTH) / BF16_DEPTH;
}

/* The first `columns` (a multiple of BF16_UNIT) channels of the images of g in
 * pairs of positions; adds their sums to `sum` (columns), unless that is NULL.
 * Behind the images zeros up to a full step. */
void bf16_pair(const bf16_map *map, int64_t images, torus_bf16 *g,
               int64_t columns, torus_bf16 *to, double *sum);

/* gw (taps, depth, columns) += or = the sums over positions; x transposed,
 * depth a multiple of BF16_DEPTH, offsets in positions. gw is cut into blocks
 * of BF16_BLOCK rows and columns, which bf16_sum_at finds a number in. */
typedef struct bf16_weight_sums {
  const bf16_kernels *kernels;
  int taps;
  const int64_t *offsets;
  int64_t depth, columns, steps;
  const torus_bf16 *x; /* position 0 of the first channel */
  int64_t line;
  const torus_bf16 *pairs;
  float *gw;
  bool add;
} bf16_weight_sums;

static inline int64_t bf16_sum_at(int64_t taps, int64_t columns, int64_t tap,
                                  int64_t d, int64_t o) {
  int64_t row = d % BF16_BLOCK, column = o % BF16_BLOCK;
  d -= row, o -= column;
  int64_t width = bf16_panel_width(columns, o);
  return taps * (d * columns + BF16_BLOCK * o) +
         (tap * BF16_BLOCK + row) * width + column;
}

void bf16_sum_weights(const bf16_weight_sums *job);

#endif
