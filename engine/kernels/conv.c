#include "kernels/conv.h"

#include "kernels/conv_bf16.h"
#include "kernels/conv_paths.h"
#include "kernels/conv_winograd.h"

bool torus_conv_init(torus_conv *conv, int64_t n, int64_t h, int64_t w,
                     int64_t c, int64_t k, int64_t kh, int64_t kw,
                     int64_t stride, int64_t pad) {
  bool sizes = n >= 0 && h > 0 && w > 0 && c > 0 && k > 0;
  if (!sizes || kh < 1 || kw < 1 || stride < 1 || pad < 0) return false;
  if (h + 2 * pad < kh || w + 2 * pad < kw) return false;
  *conv = (torus_conv){.n = n, .h = h, .w = w, .c = c, .k = k};
  conv->kh = kh;
  conv->kw = kw;
  conv->stride = stride;
  conv->pad = pad;
  conv->oh = (h + 2 * pad - kh) / stride + 1;
  conv->ow = (w + 2 * pad - kw) / stride + 1;
  return true;
}

/* Returns true if patches of 4 x 4 pixels, with 36 products each, need enough
 * fewer products than 9 per pixel to pay for the transforms. */
static bool patches_pay(const torus_conv *v, const conv_kernels *kernels) {
  if (v->kh != 3 || v->kw != 3 || v->stride != 1 || v->pad != 1) return false;
  if (v->c < kernels->lanes || v->k < kernels->lanes) return false;
  int64_t patches = (v->h + 3) / 4 * ((v->w + 3) / 4);
  return v->h * v->w >= 4 * patches;
}

static conv_patches image_patches(const torus_conv *v, int64_t channels,
                                  int64_t border) {
  conv_view view = {v->h, v->w, v->h * v->w * channels, v->w * channels,
                    channels};
  return conv_patches_of(view, border, border);
}

static conv_correlation forward_job(const torus_conv *v) {
  conv_correlation job = {.kernels = conv_kernels_chosen(), .taps = 3};
  job.jobs = job.sources = 1;
  job.n = v->n;
  job.c = v->c;
  job.k = v->k;
  job.in[0] = image_patches(v, v->c, 1);
  job.out[0] = image_patches(v, v->k, 0);
  job.filter = (conv_filter){.from = 9, .to = 9 * v->c};
  job.slope = 1;
  return job;
}

/* The same with the roles of the channels exchanged and the taps rotated by 180
 * degrees. */
static conv_correlation input_grad_job(const torus_conv *v) {
  torus_conv back = *v;
  back.c = v->k;
  back.k = v->c;
  conv_correlation job = forward_job(&back);
  job.filter = (conv_filter){.from = 9 * v->c, .to = 9, .flip = true};
  return job;
}

static conv_weight_sum weight_grad_job(const torus_conv *v) {
  conv_correlation f = forward_job(v);
  conv_weight_sum job = {.kernels = f.kernels, .taps = 3, .jobs = 1};
  job.n = v->n;
  job.c = v->c;
  job.k = v->k;
  job.in[0] = f.in[0];
  job.out[0] = f.out[0];
  return job;
}

static bool by_patches(const torus_conv *conv, torus_dtype dtype) {
  return dtype == TORUS_FLOAT32 && patches_pay(conv, conv_kernels_chosen());
}

static bool by_bf16(const torus_conv *conv, torus_dtype dtype) {
  return conv->bfloat16 && dtype == TORUS_FLOAT32 && conv_bf16_serves(conv);
}

size_t torus_conv_forward_scratch(const torus_conv *conv, int threads,
                                  torus_dtype dtype) {
  if (by_bf16(conv, dtype)) {
    return conv_bf16_forward_scratch(conv, threads);
  }
  if (by_patches(conv, dtype)) {
    conv_correlation job = forward_job(conv);
    return conv_correlation_scratch(&job, threads);
  }
  return conv_general_forward_scratch(conv, threads, dtype);
}

size_t torus_conv_input_grad_scratch(const torus_conv *conv, int threads,
                                     torus_dtype dtype) {
  if (by_bf16(conv, dtype)) {
    return conv_bf16_input_grad_scratch(conv, threads);
  }
  if (by_patches(conv, dtype)) {
    conv_correlation job = input_grad_job(conv);
    return conv_correlation_scratch(&job, threads);
  }
  return conv_general_input_grad_scratch(conv, threads, dtype);
}

size_t torus_conv_weight_grad_scratch(const torus_conv *conv, int threads,
                                      torus_dtype dtype) {
  if (by_bf16(conv, dtype)) {
    return conv_bf16_weight_grad_scratch(conv, threads);
  }
  if (by_patches(conv, dtype)) {
    conv_weight_sum job = weight_grad_job(conv);
    return conv_weight_sum_scratch(&job, threads);
  }
  return conv_general_weight_grad_scratch(conv, threads, dtype);
}

void torus_conv_forward_f32(const torus_conv *conv, const float *x,
                            const float *w, const float *bias, float slope,
                            float *y, void *scratch) {
  if (by_bf16(conv, TORUS_FLOAT32)) {
    conv_bf16_forward(conv, x, w, bias, slope, y, scratch);
    return;
  }
  if (!by_patches(conv, TORUS_FLOAT32)) {
    conv_general_forward_f32(conv, x, w, bias, slope, y, scratch);
    return;
  }
  conv_correlation job = forward_job(conv);
  job.x[0] = x;
  job.filter.w = w;
  job.bias = bias;
  job.slope = slope;
  job.y[0] = y;
  conv_correlation_run(&job, scratch);
}

void torus_conv_forward_f64(const torus_conv *conv, const double *x,
                            const double *w, const double *bias, double slope,
                            double *y, void *scratch) {
  conv_general_forward_f64(conv, x, w, bias, slope, y, scratch);
}

void torus_conv_input_grad_f32(const torus_conv *conv, const float *gy,
                               const float *w, float *gx, void *scratch) {
  if (by_bf16(conv, TORUS_FLOAT32)) {
    conv_bf16_input_grad(conv, gy, w, gx, scratch);
    return;
  }
  if (!by_patches(conv, TORUS_FLOAT32)) {
    conv_general_input_grad_f32(conv, gy, w, gx, scratch);
    return;
  }
  conv_correlation job = input_grad_job(conv);
  job.x[0] = gy;
  job.filter.w = w;
  job.y[0] = gx;
  conv_correlation_run(&job, scratch);
}

void torus_conv_input_grad_f64(const torus_conv *conv, const double *gy,
                               const double *w, double *gx, void *scratch) {
  conv_general_input_grad_f64(conv, gy, w, gx, scratch);
}

void torus_conv_weight_grad_f32(const torus_conv *conv, const float *x,
                                const float *gy, float *gw, void *scratch) {
  if (by_bf16(conv, TORUS_FLOAT32)) {
    conv_bf16_weight_grad(conv, x, gy, gw, scratch);
    return;
  }
  if (!by_patches(conv, TORUS_FLOAT32)) {
    conv_general_weight_grad_f32(conv, x, gy, gw, scratch);
    return;
  }
  conv_weight_sum job = weight_grad_job(conv);
  job.x[0] = x;
  job.gy[0] = gy;
  job.gw = gw;
  conv_weight_sum_run(&job, scratch);
}

void torus_conv_weight_grad_f64(const torus_conv *conv, const double *x,
                                const double *gy, double *gw, void *scratch) {
  conv_general_weight_grad_f64(conv, x, gy, gw, scratch);
}
