#include "kernels/conv.h"

#include "kernels/conv_paths.h"

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

size_t torus_conv_forward_scratch(const torus_conv *conv, int threads,
                                  torus_dtype dtype) {
  return conv_general_forward_scratch(conv, threads, dtype);
}

size_t torus_conv_input_grad_scratch(const torus_conv *conv, int threads,
                                     torus_dtype dtype) {
  return conv_general_input_grad_scratch(conv, threads, dtype);
}

size_t torus_conv_weight_grad_scratch(const torus_conv *conv, int threads,
                                      torus_dtype dtype) {
  return conv_general_weight_grad_scratch(conv, threads, dtype);
}

void torus_conv_forward_f32(const torus_conv *conv, const float *x,
                            const float *w, const float *bias, float slope,
                            float *y, void *scratch) {
  conv_general_forward_f32(conv, x, w, bias, slope, y, scratch);
}

void torus_conv_forward_f64(const torus_conv *conv, const double *x,
                            const double *w, const double *bias, double slope,
                            double *y, void *scratch) {
  conv_general_forward_f64(conv, x, w, bias, slope, y, scratch);
}

void torus_conv_input_grad_f32(const torus_conv *conv, const float *gy,
                               const float *w, float *gx, void *scratch) {
  conv_general_input_grad_f32(conv, gy, w, gx, scratch);
}

void torus_conv_input_grad_f64(const torus_conv *conv, const double *gy,
                               const double *w, double *gx, void *scratch) {
  conv_general_input_grad_f64(conv, gy, w, gx, scratch);
}

void torus_conv_weight_grad_f32(const torus_conv *conv, const float *x,
                                const float *gy, float *gw, void *scratch) {
  conv_general_weight_grad_f32(conv, x, gy, gw, scratch);
}

void torus_conv_weight_grad_f64(const torus_conv *conv, const double *x,
                                const double *gy, double *gw, void *scratch) {
  conv_general_weight_grad_f64(conv, x, gy, gw, scratch);
}
