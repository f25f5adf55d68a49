#include "kernels/upsample_conv.h"

#include "kernels/conv_paths.h"
#include "kernels/conv_winograd.h"
#include "kernels/upsample.h"

/* Bytes of images enlarged at a time, unless a single one is larger. */
#define HELD_BYTES (16 << 20)

bool torus_upsample_conv_init(torus_conv *conv, int64_t n, int64_t h, int64_t w,
                              int64_t c, int64_t k) {
  if (!torus_conv_init(conv, n, h, w, c, k, 3, 3, 1, 1)) return false;
  conv->oh = 2 * h;
  conv->ow = 2 * w;
  return true;
}

/* Four phases with 25 products for each patch of the small image, against 36
 * for each patch of the large one. */
static bool by_phases(const torus_conv *v, torus_dtype dtype) {
  int64_t lanes = conv_kernels_chosen()->lanes;
  if (dtype != TORUS_FLOAT32 || v->c < lanes || v->k < lanes) return false;
  int64_t small = (v->h + 3) / 4 * ((v->w + 3) / 4);
  int64_t large = (v->oh + 3) / 4 * ((v->ow + 3) / 4);
  return 100 * small < 36 * large;
}

static conv_view small_view(const torus_conv *v, int64_t channels) {
  return (conv_view){v->h, v->w, v->h * v->w * channels, v->w * channels,
                     channels};
}

/* Every second pixel of every second row of the large image. */
static conv_view phase_view(const torus_conv *v, int64_t channels) {
  return (conv_view){v->h, v->w, 4 * v->h * v->w * channels,
                     4 * v->w * channels, 2 * channels};
}

static int64_t phase_start(const torus_conv *v, int phase, int64_t channels) {
  return (phase / 2 * v->ow + phase % 2) * channels;
}

/* Pixel i of a phase with remainder r sees the small pixels i - 1 + r and
 * i + r. */
static conv_correlation forward_job(const torus_conv *v) {
  conv_correlation job = {.kernels = conv_kernels_chosen(), .taps = 2};
  job.jobs = 4;
  job.sources = 1;
  job.n = v->n;
  job.c = v->c;
  job.k = v->k;
  for (int i = 0; i < 4; i++) {
    int row = i / 2, column = i % 2;
    job.in[i] = conv_patches_of(small_view(v, v->c), 1 - row, 1 - column);
    job.out[i] = conv_patches_of(phase_view(v, v->k), 0, 0);
  }
  job.filter = (conv_filter){.from = 9, .to = 9 * v->c, .phases = true};
  job.slope = 1;
  return job;
}

/* Small pixel i is seen by the pixels i - r and i + 1 - r of that phase. */
static conv_correlation input_grad_job(const torus_conv *v) {
  conv_correlation job = {.kernels = conv_kernels_chosen(), .taps = 2};
  job.jobs = 1;
  job.sources = 4;
  job.n = v->n;
  job.c = v->k;
  job.k = v->c;
  job.out[0] = conv_patches_of(small_view(v, v->c), 0, 0);
  for (int i = 0; i < 4; i++) {
    int row = i / 2, column = i % 2;
    job.in[i] = conv_patches_of(phase_view(v, v->k), row, column);
  }
  job.filter = (conv_filter){.from = 9 * v->c, .to = 9, .phases = true};
  job.filter.flip = true;
  job.slope = 1;
  return job;
}

static conv_weight_sum weight_grad_job(const torus_conv *v) {
  conv_correlation f = forward_job(v);
  conv_weight_sum job = {.kernels = f.kernels, .taps = 2, .jobs = 4};
  job.n = v->n;
  job.c = v->c;
  job.k = v->k;
  job.filter = f.filter;
  for (int i = 0; i < 4; i++) {
    job.in[i] = f.in[i];
    job.out[i] = f.out[i];
  }
  return job;
}

/* The general path: the convolution of `count` enlarged images. */
static torus_conv enlarged(const torus_conv *v, torus_dtype dtype) {
  int64_t bytes = v->oh * v->ow * v->c * (int64_t)torus_dtype_size(dtype);
  int64_t count = HELD_BYTES / bytes < 1 ? 1 : HELD_BYTES / bytes;
  torus_conv large = *v;
  large.n = count < v->n ? count : v->n;
  large.h = v->oh;
  large.w = v->ow;
  return large;
}

static size_t held_bytes(const torus_conv *large, torus_dtype dtype) {
  return conv_align((size_t)(large->n * large->h * large->w * large->c) *
                    torus_dtype_size(dtype));
}

size_t torus_upsample_conv_forward_scratch(const torus_conv *conv, int threads,
                                           torus_dtype dtype) {
  if (by_phases(conv, dtype)) {
    conv_correlation job = forward_job(conv);
    return conv_correlation_scratch(&job, threads);
  }
  torus_conv large = enlarged(conv, dtype);
  return held_bytes(&large, dtype) +
         torus_conv_forward_scratch(&large, threads, dtype);
}

size_t torus_upsample_conv_input_grad_scratch(const torus_conv *conv,
                                              int threads, torus_dtype dtype) {
  if (by_phases(conv, dtype)) {
    conv_correlation job = input_grad_job(conv);
    return conv_correlation_scratch(&job, threads);
  }
  torus_conv large = enlarged(conv, dtype);
  return held_bytes(&large, dtype) +
         torus_conv_input_grad_scratch(&large, threads, dtype);
}

size_t torus_upsample_conv_weight_grad_scratch(const torus_conv *conv,
                                               int threads, torus_dtype dtype) {
  if (by_phases(conv, dtype)) {
    conv_weight_sum job = weight_grad_job(conv);
    return conv_weight_sum_scratch(&job, threads);
  }
  torus_conv large = enlarged(conv, dtype);
  return held_bytes(&large, dtype) +
         conv_align((size_t)(9 * conv->c * conv->k) * torus_dtype_size(dtype)) +
         torus_conv_weight_grad_scratch(&large, threads, dtype);
}

#define T float
#define NAME(x) x##_f32
#define DTYPE TORUS_FLOAT32
#include "kernels/upsample_conv.inc"
#undef T
#undef NAME
#undef DTYPE

#define T double
#define NAME(x) x##_f64
#define DTYPE TORUS_FLOAT64
#include "kernels/upsample_conv.inc"

void torus_upsample_conv_forward_f32(const torus_conv *conv, const float *x,
                                     const float *w, const float *bias,
                                     float slope, float *y, void *scratch) {
  if (!by_phases(conv, TORUS_FLOAT32)) {
    forward_f32(conv, x, w, bias, slope, y, scratch);
    return;
  }
  conv_correlation job = forward_job(conv);
  for (int i = 0; i < 4; i++) {
    job.x[i] = x;
    job.y[i] = y + phase_start(conv, i, conv->k);
  }
  job.filter.w = w;
  job.bias = bias;
  job.slope = slope;
  conv_correlation_run(&job, scratch);
}

void torus_upsample_conv_forward_f64(const torus_conv *conv, const double *x,
                                     const double *w, const double *bias,
                                     double slope, double *y, void *scratch) {
  forward_f64(conv, x, w, bias, slope, y, scratch);
}

void torus_upsample_conv_input_grad_f32(const torus_conv *conv, const float *gy,
                                        const float *w, float *gx,
                                        void *scratch) {
  if (!by_phases(conv, TORUS_FLOAT32)) {
    input_grad_f32(conv, gy, w, gx, scratch);
    return;
  }
  conv_correlation job = input_grad_job(conv);
  for (int i = 0; i < 4; i++) {
    job.x[i] = gy + phase_start(conv, i, conv->k);
  }
  job.filter.w = w;
  job.y[0] = gx;
  conv_correlation_run(&job, scratch);
}

void torus_upsample_conv_input_grad_f64(const torus_conv *conv,
                                        const double *gy, const double *w,
                                        double *gx, void *scratch) {
  input_grad_f64(conv, gy, w, gx, scratch);
}

void torus_upsample_conv_weight_grad_f32(const torus_conv *conv, const float *x,
                                         const float *gy, float *gw,
                                         void *scratch) {
  if (!by_phases(conv, TORUS_FLOAT32)) {
    weight_grad_f32(conv, x, gy, gw, scratch);
    return;
  }
  conv_weight_sum job = weight_grad_job(conv);
  for (int i = 0; i < 4; i++) {
    job.x[i] = x;
    job.gy[i] = gy + phase_start(conv, i, conv->k);
  }
  job.gw = gw;
  conv_weight_sum_run(&job, scratch);
}

void torus_upsample_conv_weight_grad_f64(const torus_conv *conv,
                                         const double *x, const double *gy,
                                         double *gw, void *scratch) {
  weight_grad_f64(conv, x, gy, gw, scratch);
}
