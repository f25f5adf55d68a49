/* Running sums of arrays. Nothing here fails or allocates; outputs must not
 * overlap inputs. */
#ifndef TORUS_KERNELS_ACCUMULATE_H
#define TORUS_KERNELS_ACCUMULATE_H

#include <stdint.h>

/* sum[j] += x[i * apart + j] for j < width, row by row. */
void torus_accumulate_f32(int64_t rows, int64_t width, const float *x,
                          int64_t apart, double *sum);
void torus_accumulate_f64(int64_t rows, int64_t width, const double *x,
                          int64_t apart, double *sum);

/* y += x over count elements. */
void torus_add_to_f32(int64_t count, const float *x, float *y);
void torus_add_to_f64(int64_t count, const double *x, double *y);

#endif
