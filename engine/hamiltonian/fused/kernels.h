/* Internal to the fused Hamiltonian code: the inner loops, compiled for each
 * dtype and instruction set.
 *
 * Matrices have rows padded to FUSED_PAD bytes, so that a row is a number of
 * full vectors of any set; `width` below is such a padded length. */
#ifndef TORUS_HAMILTONIAN_FUSED_KERNELS_H
#define TORUS_HAMILTONIAN_FUSED_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#define FUSED_PAD 64

/* A map of h x w pixels is cut into patches of 4 x 4; Winograd's F(4,3) makes a
 * product for each of 36 positions. Element (position, patch, channel) is at
 * position * slot + patch * width + channel, patches numbered row by row
 * through the images. Images are (h, w, width). */
#define FUSED_PATCH 4
#define FUSED_POSITIONS 36

typedef struct fused_map {
  int64_t height, width;
  int64_t rows, columns; /* of patches */
} fused_map;

/* Memory that will be used soon: a product fetches some of it to the
 * second-level cache with every block of its rows. */
typedef struct fused_stream {
  const char *at, *end;
} fused_stream;

#define FUSED_KERNELS(T, suffix)                                               \
  typedef struct fused_kernels_##suffix {                                      \
    /* c (m, n) = a b + start, where start is c itself (add), a row (bias) or  \
     * zero. Element (i, k) of a is a[i * row + k * step]. b is (depth, n)     \
     * with rows ldb apart; packed, where ldb is 0, it is cut into panels of   \
     * `panel` columns, each a (depth, panel) matrix, and what follows it in   \
     * memory is prefetched. Where c is added to, so is what lies `next`       \
     * behind it. soon: NULL, or what else is to be fetched. */                \
    void (*product)(int64_t m, int64_t n, int64_t depth, const T *a,           \
                    int64_t row, int64_t step, const T *b, int64_t ldb, T *c,  \
                    int64_t ldc, const T *bias, bool add, int64_t next,        \
                    fused_stream *soon);                                       \
    int64_t panel;                                                             \
    /* out[i, k] = x_i . w_k for few k; rows of x and w of `width` */          \
    void (*dots)(int64_t m, int64_t n, int64_t width, const T *x, const T *w,  \
                 T *out);                                                      \
    /* A dense map and its transpose, of few samples, from W (n, width) as it  \
     * is: out (m, n) = x w' + bias (or NULL), and out (m, width) = d w, plus  \
     * out with add. n is a length as `width`; rows of out are ldo apart in    \
     * the first, rows of d ldd in the second, all others `width`. */          \
    void (*row_dots)(int64_t m, int64_t n, int64_t width, const T *x,          \
                     const T *w, const T *bias, T *out, int64_t ldo);          \
    void (*row_sums)(int64_t m, int64_t n, int64_t width, const T *d,          \
                     int64_t ldd, const T *w, T *out, bool add);               \
    /* out = s . x, elementwise; out may be x */                               \
    void (*multiply)(int64_t count, const T *s, const T *x, T *out);           \
    /* c += s . x */                                                           \
    void (*multiply_add)(int64_t count, const T *s, const T *x, T *c);         \
    /* out_i = s_i . w for each row i */                                       \
    void (*multiply_row)(int64_t rows, int64_t width, const T *w, const T *s,  \
                         T *out);                                              \
    /* c_i = e_i s_i . w, plus c_i with add */                                 \
    void (*energy_delta)(int64_t rows, int64_t width, const T *e, const T *w,  \
                         const T *s, T *c, bool add);                          \
    /* Tangents through an activation: of r in x, the tangent of its input, x  \
     * becomes s' . r and k = delta . (s'' / s') . r. slope: s'; s'' / s' is   \
     * 1 - s' for softplus and -2 a for tanh. */                               \
    void (*tangent_softplus)(int64_t count, const T *slope, const T *a,        \
                             const T *delta, T *x, T *k);                      \
    void (*tangent_tanh)(int64_t count, const T *slope, const T *a,            \
                         const T *delta, T *x, T *k);                          \
    /* sum += the sum of rows x_i, times e_i where e is given */               \
    void (*sum_rows)(int64_t rows, int64_t width, const T *x, const T *e,      \
                     T *sum);                                                  \
    /* y += f x */                                                             \
    void (*axpy)(int64_t count, T f, const T *x, T *y);                        \
    /* Winograd's transforms of n images (kernels/simd/winograd.inc):          \
     * v = B' d B and its transpose, y = A' m A + bias and the transpose of    \
     * its linear part. */                                                     \
    void (*winograd_input)(const fused_map *map, int64_t n, int64_t width,     \
                           const T *x, T *v, int64_t slot);                    \
    void (*winograd_input_grad)(const fused_map *map, int64_t n,               \
                                int64_t width, const T *v, int64_t slot,       \
                                T *x);                                         \
    void (*winograd_output)(const fused_map *map, int64_t n, int64_t width,    \
                            const T *m, int64_t slot, const T *bias, T *y);    \
    void (*winograd_output_grad)(const fused_map *map, int64_t n,              \
                                 int64_t width, const T *y, T *m,              \
                                 int64_t slot);                                \
    /* u = G w G' of `width` filters: tap t at w + t * width, position f of    \
     * the result at u + f * slot; and w = G' u G. */                          \
    void (*winograd_filter)(int64_t width, const T *w, T *u, int64_t slot);    \
    void (*winograd_filter_grad)(int64_t width, const T *u, int64_t slot,      \
                                 T *w);                                        \
  } fused_kernels_##suffix;                                                    \
  const fused_kernels_##suffix *fused_kernels_chosen_##suffix(void);

FUSED_KERNELS(float, f32)
FUSED_KERNELS(double, f64)

#endif
