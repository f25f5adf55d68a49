/* Internal to the convolution kernels: whole passes by patches
 * (conv_patches.h), float32. Scratch, threads and errors as in conv.h. */
#ifndef TORUS_KERNELS_CONV_WINOGRAD_H
#define TORUS_KERNELS_CONV_WINOGRAD_H

#include <stddef.h>

#include "kernels/conv_filter.h"
#include "kernels/conv_patches.h"

#define JOBS_MAX 4

/* y_j = leaky(sum over s of filter_js(x_js) + bias) for jobs j < jobs,
 * s < sources; element j * sources + s of the arrays, at most JOBS_MAX. That
 * is also the number of the filter's phase. All views have the same sizes, and
 * so the same patches. */
typedef struct conv_correlation {
  const conv_kernels *kernels;
  int taps; /* 2 or 3 */
  int jobs, sources;
  int64_t n, c, k; /* images, channels of a source, channels of y */
  conv_patches in[JOBS_MAX], out[JOBS_MAX];
  const float *x[JOBS_MAX];
  conv_filter filter;
  const float *bias;
  float slope;
  float *y[JOBS_MAX];
} conv_correlation;

size_t conv_correlation_scratch(const conv_correlation *job, int threads);
void conv_correlation_run(const conv_correlation *job, void *scratch);

/* The gradient with respect to the filters of single sources: for every job
 * the sum over images, in double, added up to one gw (k, c, 3, 3): the 9 taps
 * of one job, or the 4 taps of 4 phases. */
typedef struct conv_weight_sum {
  const conv_kernels *kernels;
  int taps, jobs;
  int64_t n, c, k;
  conv_patches in[JOBS_MAX], out[JOBS_MAX];
  const float *x[JOBS_MAX], *gy[JOBS_MAX];
  conv_filter filter; /* w unused */
  float *gw;
} conv_weight_sum;

size_t conv_weight_sum_scratch(const conv_weight_sum *job, int threads);
void conv_weight_sum_run(const conv_weight_sum *job, void *scratch);

/* The patches of an image of h x w pixels and their windows' offset. */
conv_patches conv_patches_of(conv_view view, int64_t top, int64_t left);

#endif
