/* Internal to the fused Hamiltonian code: the inner loops, compiled for each
 * dtype and instruction set; the set is the one of kernels/vecmath.h.
 *
 * Matrices have rows padded to FUSED_PAD bytes, so that a row is whole
 * vectors of any set; `width` below is such a padded length. */
#ifndef TORUS_HAMILTONIAN_FUSED_KERNELS_H
#define TORUS_HAMILTONIAN_FUSED_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#define FUSED_PAD 64

/* A map of h x w pixels is cut into tiles of 4 x 4; the products of Winograd's
 * F(4,3) stand at 36 positions. Element (position, tile, channel) is at
 * position * slot + tile * width + channel, tiles numbered row by row through
 * the images. Images are (h, w, width). */
#define FUSED_TILE 4
#define FUSED_POSITIONS 36

typedef struct fused_map {
  int64_t height, width;
  int64_t rows, columns; /* of tiles */
} fused_map;

#define FUSED_KERNELS(T, suffix)                                               \
  typedef struct fused_kernels_##suffix {                                      \
    /* c (m, n) = a b + start, where start is c itself (add), a row (bias) or  \
     * zero. Element (i, k) of a is a[i * row + k * step]. b is (depth, n)     \
     * with rows ldb apart; packed, where ldb is 0, it is cut into panels of   \
     * `panel` columns, each a (depth, panel) matrix, and what follows it in   \
     * memory is expected to be wanted next. Where c is added to, what is      \
     * added to after it is expected `next` behind it. */                      \
    void (*product)(int64_t m, int64_t n, int64_t depth, const T *a,           \
                    int64_t row, int64_t step, const T *b, int64_t ldb, T *c,  \
                    int64_t ldc, const T *bias, bool add, int64_t next);       \
    int64_t panel;                                                             \
    /* out[i, k] = x_i . w_k for few k; rows of x and w of `width` */          \
    void (*dots)(int64_t m, int64_t n, int64_t width, const T *x, const T *w,  \
                 T *out);                                                      \
    /* out = x s; out may be x */                                              \
    void (*scale)(int64_t count, const T *s, const T *x, T *out);              \
    /* out_i = w s_i */                                                        \
    void (*spread)(int64_t rows, int64_t width, const T *w, const T *s,        \
                   T *out);                                                    \
    /* x holds a layer's linear output's tangent: c = delta s'' / s' x and     \
     * x *= s'. For softplus s''/s' = 1 - s', for tanh -2 a. */                \
    void (*bend_softplus)(int64_t count, const T *slope, const T *a,           \
                          const T *delta, T *x, T *c);                         \
    void (*bend_tanh)(int64_t count, const T *slope, const T *a,               \
                      const T *delta, T *x, T *c);                             \
    /* c += s x */                                                             \
    void (*join)(int64_t count, const T *s, const T *x, T *c);                 \
    /* c_i = s_i w e_i, plus c_i with add */                                   \
    void (*join_top)(int64_t rows, int64_t width, const T *e, const T *w,      \
                     const T *s, T *c, bool add);                              \
    /* sum += the sum of rows x_i, times e_i where e is given */               \
    void (*sum_rows)(int64_t rows, int64_t width, const T *x, const T *e,      \
                     T *sum);                                                  \
    /* y += f x */                                                             \
    void (*add)(int64_t count, T f, const T *x, T *y);                         \
    /* Winograd's transforms of n images; see tiles.inc. */                    \
    void (*tiles_in)(const fused_map *map, int64_t n, int64_t width,           \
                     const T *x, T *v, int64_t slot);                          \
    void (*tiles_out)(const fused_map *map, int64_t n, int64_t width,          \
                      const T *m, int64_t slot, const T *bias, T *y);          \
    void (*tiles_spread)(const fused_map *map, int64_t n, int64_t width,       \
                         const T *y, T *m, int64_t slot);                      \
    void (*tiles_gather)(const fused_map *map, int64_t n, int64_t width,       \
                         const T *v, int64_t slot, T *x);                      \
    /* U = G w G' of `width` filters: tap t at w + t * width, position f of    \
     * the result at u + f * slot; and w = G' U G. */                          \
    void (*taps_in)(int64_t width, const T *w, T *u, int64_t slot);            \
    void (*taps_out)(int64_t width, const T *u, int64_t slot, T *w);           \
  } fused_kernels_##suffix;                                                    \
  const fused_kernels_##suffix *fused_kernels_chosen_##suffix(void);

FUSED_KERNELS(float, f32)
FUSED_KERNELS(double, f64)

#endif
