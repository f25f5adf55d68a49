/* Internal to the convolution kernels: Winograd's minimal filtering (see
 * simd/winograd.inc) by patches of 4 x 4 output pixels, float32.
 *
 * A correlation with t x t taps, t = 3 or 2, of a window d of p x p pixels,
 * p = t + 3, to a patch of 4 x 4 pixels is
 *
 *   y = A' [ (G w G') . (B' d B) ] A
 *
 * with a product for each of the p x p positions: 36 instead of 144 for 3 x 3
 * taps, 25 instead of 64 for 2 x 2. With channels, the products at one
 * position are one matrix product V U over all patches: V (patches, c) from
 * the windows, U (c, k) from the filter, M (patches, k) to the patches of y.
 * The filter's gradient is the transpose,
 *
 *   gw = G' [ sum over patches (B' d B) . (A gy A') ] G.
 *
 * This header is the inner loops' interface; they are compiled for every
 * instruction set. Channels are vectors: c and k are at least `lanes`. */
#ifndef TORUS_KERNELS_CONV_PATCHES_H
#define TORUS_KERNELS_CONV_PATCHES_H

#include <stdbool.h>
#include <stdint.h>

#define PATCH 4
#define PARTS 3

/* Images within a larger array; distances are in elements. */
typedef struct conv_view {
  int64_t h, w;
  int64_t image, row, pixel;
} conv_view;

/* All patches of the images of a view, numbered row by row through the images;
 * the window of patch (i, j) has its first pixel at (4 i - top, 4 j - left).
 * Pixels outside the view are zero. */
typedef struct conv_patches {
  conv_view view;
  int64_t rows, columns; /* of patches, in an image */
  int64_t top, left;
} conv_patches;

/* A run of patches with a matrix (count, channels) for each position: element
 * (position, patch, channel) is at position * slot + patch * line + channel. */
typedef struct conv_run {
  const conv_patches *patches;
  int64_t first, count;
  int64_t slot, line;
} conv_run;

/* The transforms for one number of taps. Positions are numbered row by row of
 * V, U and M; part p of them, p < 3, are rows 2 p and 2 p + 1. */
typedef struct conv_transforms {
  int64_t side; /* p: taps + 3 */
  /* Parts [begin, end) of V = B' d B, of c channels of x; v: where their
   * first position goes. zeros: 6 view.pixel zeros. */
  void (*input)(const conv_run *run, int begin, int end, int64_t c,
                const float *x, const float *zeros, float *v);
  /* y = leaky(A' M A + bias) for the channels [begin, end) of y and of M. */
  void (*output)(const conv_run *run, int64_t begin, int64_t end,
                 const float *m, const float *bias, float slope, float *y);
  /* One part of A gy A' for the channels [begin, end); m as v above. zeros:
   * 4 view.pixel zeros. */
  void (*output_grad)(const conv_run *run, int part, int64_t begin, int64_t end,
                      const float *gy, const float *zeros, float *m);
  /* U = G w G' elementwise over count numbers (a multiple of the lanes):
   * tap t of w begins at w + t * tap, position p of u at u + p * slot. */
  void (*filter)(int64_t count, const float *w, int64_t tap, float *u,
                 int64_t slot);
  /* gw += G' gu G, in the same layouts. */
  void (*filter_grad)(int64_t count, const float *gu, int64_t slot, double *gw,
                      int64_t tap);
} conv_transforms;

typedef struct conv_kernels {
  int64_t lanes;
  /* c (m, n) = a b, or += with add; element (i, p) of a at a + i * row
   * + p * step; b is (depth, n), rows ldb apart; n a multiple of the lanes. */
  void (*product)(int64_t m, int64_t n, int64_t depth, const float *a,
                  int64_t row, int64_t step, const float *b, int64_t ldb,
                  float *c, int64_t ldc, bool add);
  conv_transforms taps2, taps3;
} conv_kernels;

/* The inner loops for the instruction set in use. */
const conv_kernels *conv_kernels_chosen(void);

#endif
