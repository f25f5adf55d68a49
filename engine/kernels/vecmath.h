/* Transcendental functions over arrays, as vector code.
 *
 * Custom polynomials, compiled for every instruction set (see simd/isa.h).
 * Every function is accurate to a few units in the last place (exp and log 2,
 * the others 4) over the whole range, subnormal results included; infinities
 * and NaN are treated as in libm. Results do not depend on an element's
 * position in the array.
 *
 * Owns nothing, can't fail. An output may be the input itself, but must not
 * overlap it otherwise. */
#ifndef TORUS_KERNELS_VECMATH_H
#define TORUS_KERNELS_VECMATH_H

#include <stdint.h>

#include "core/dtype.h"

/* X(name): y = name(x). softplus(x) = log(1 + exp(x)), the derivative of
 * which is sigmoid(x) = 1 / (1 + exp(-x)). */
#define TORUS_VECMATH(X)                                                       \
  X(exp) X(expm1) X(log) X(log1p) X(tanh) X(sigmoid) X(softplus)

#define TORUS_VECMATH_DECLARE(name)                                            \
  void torus_vec_##name##_f32(int64_t n, const float *x, float *y);            \
  void torus_vec_##name##_f64(int64_t n, const double *x, double *y);
TORUS_VECMATH(TORUS_VECMATH_DECLARE)
#undef TORUS_VECMATH_DECLARE

/* A function and its slope from one exponential: y = softplus(x) and
 * slope = sigmoid(x); y = tanh(x) and slope = 1 - y^2; with s = sigmoid(x),
 * y = x s, slope = s + y (1 - s) and the second derivative
 * curvature = s (1 - s) (2 + x (1 - 2 s)) of swish. */
void torus_vec_softplus_slope_f32(int64_t n, const float *x, float *y,
                                  float *slope);
void torus_vec_softplus_slope_f64(int64_t n, const double *x, double *y,
                                  double *slope);
void torus_vec_tanh_slope_f32(int64_t n, const float *x, float *y,
                              float *slope);
void torus_vec_tanh_slope_f64(int64_t n, const double *x, double *y,
                              double *slope);
void torus_vec_swish_slope_f32(int64_t n, const float *x, float *y,
                               float *slope, float *curvature);
void torus_vec_swish_slope_f64(int64_t n, const double *x, double *y,
                               double *slope, double *curvature);

#endif
