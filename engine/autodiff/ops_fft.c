/* Fourier transforms along a dimension. Complex numbers are two real tensors,
 * of which one result is packed: (2, ...), real parts first. */
#include <inttypes.h>
#include <math.h>

#include "autodiff/build.h"
#include "core/alloc.h"
#include "kernels/fft.h"

/* params: i[0] the length of the transform, by default that of the input, i[1]
 * the dimension; f[0] the factor of the result, by default 1, and 1/n of
 * inverses */

static const torus_op ops[];

static torus_fft_type type_of(const torus_call *call) {
  return (torus_fft_type)call->op->code;
}

static bool is_inverse(torus_fft_type type) {
  return type == TORUS_FFT_INVERSE || type == TORUS_FFT_HALF;
}

/* The length of the transform that a call asks for; 0 and below are not. */
static int64_t length_of(const torus_call *call) {
  if (call->attrs->i[0] != TORUS_ABSENT) return call->attrs->i[0];
  int64_t size = call->in[0]->shape.size[call->attrs->i[1]];
  return type_of(call) == TORUS_FFT_HALF ? 2 * (size - 1) : size;
}

static double scale_of(const torus_call *call) {
  double scale = call->attrs->f[0];
  if (scale == scale) return scale;
  return is_inverse(type_of(call)) ? 1 / (double)length_of(call) : 1;
}

static bool check(torus_scope *scope, const torus_call *call) {
  char s[TORUS_TENSOR_TEXT], t[TORUS_TENSOR_TEXT];
  const torus_tensor *x = call->in[0];
  int64_t n = length_of(call);
  if (call->inputs > 1 && !torus_shape_equal(&x->shape, &call->in[1]->shape)) {
    return torus_status_fail(
        &scope->status, TORUS_EINVAL,
        "%s: expected imaginary parts like the real ones, %s, got %s",
        call->op->name, torus_tensor_format(x, s),
        torus_tensor_format(call->in[1], t));
  }
  if (x->shape.ndim == TORUS_MAX_DIMS) { /* complex ones have one more */
    return torus_status_fail(&scope->status, TORUS_EINVAL,
                             "%s: expected at most %d dimensions, got %s",
                             call->op->name, TORUS_MAX_DIMS - 1,
                             torus_tensor_format(x, s));
  }
  if (n >= 1 && n <= TORUS_FFT_MAX) return true;
  return torus_status_fail(
      &scope->status, TORUS_EINVAL,
      "%s: expected a length n from 1 to 2^30, got %" PRId64
      " for dimension %d of %s",
      call->op->name, n, (int)call->attrs->i[1] + 1, torus_tensor_format(x, s));
}

/* The shape of the result, or of each of its two parts. */
static torus_shape result_shape(const torus_call *call) {
  torus_shape shape = call->in[0]->shape;
  shape.size[call->attrs->i[1]] =
      torus_fft_out_length(type_of(call), length_of(call));
  return shape;
}

static bool transform(torus_scope *scope, const torus_call *call,
                      torus_tensor *const *in, torus_tensor *out) {
  torus_shape shape = result_shape(call), size = in[0]->shape;
  int dim = (int)call->attrs->i[1];
  torus_fft_job job = {.type = type_of(call),
                       .dtype = out->dtype,
                       .n = length_of(call),
                       .scale = scale_of(call),
                       .outer = 1,
                       .inner = 1,
                       .in_length = size.size[dim],
                       .re = torus_tensor_data(in[0]),
                       .im = in[1] ? torus_tensor_data(in[1]) : NULL,
                       .out_re = torus_tensor_data(out)};
  for (int d = 0; d < dim; d++) job.outer *= size.size[d];
  for (int d = dim + 1; d < size.ndim; d++) job.inner *= size.size[d];
  if (job.outer == 0 || job.inner == 0) return true;
  if (job.type != TORUS_FFT_HALF) {
    job.out_im = (char *)job.out_re + (size_t)torus_shape_count(&shape) *
                                          torus_dtype_size(out->dtype);
  }
  void *scratch = torus_scratch(scope, torus_fft_scratch(&job));
  if (!scratch) return false;
  torus_fft_run(&job, scratch);
  torus_free(scratch);
  return true;
}

static torus_tensor *fft_forward(torus_scope *scope, const torus_call *call) {
  if (!check(scope, call)) return NULL;
  torus_shape shape = result_shape(call);
  if (type_of(call) != TORUS_FFT_HALF) {
    for (int d = shape.ndim; d > 0; d--) shape.size[d] = shape.size[d - 1];
    shape.size[0] = 2;
    shape.ndim++;
  }
  torus_scope inner;
  torus_scope_init(&inner, false);
  torus_tensor *in[2] = {NULL, NULL};
  bool ok = true;
  for (int i = 0; i < call->inputs; i++) {
    in[i] = torus_contiguous(&inner, call->in[i]);
    ok &= in[i] != NULL;
  }
  torus_tensor *out = ok ? torus_new_like(&inner, in[0], &shape) : NULL;
  if (out && !transform(&inner, call, in, out)) {
    torus_tensor_release(out);
    out = NULL;
  }
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  return out;
}

/* Part i of a packed tensor. */
static torus_tensor *half_of(torus_scope *scope, torus_tensor *packed, int i) {
  if (!packed) return NULL;
  torus_shape shape = {.ndim = packed->shape.ndim - 1};
  for (int d = 0; d < shape.ndim; d++) {
    shape.size[d] = packed->shape.size[d + 1];
  }
  return torus_reshape(scope, torus_narrow(scope, packed, 0, i, 1), &shape);
}

static torus_tensor *fft_part(torus_scope *scope, const torus_call *call,
                              int i) {
  return half_of(scope, call->out, i);
}

/* --- gradients: the adjoint transforms --------------------------------------
 */

/* x with another size of the dimension: cut off at the end, or zeros there. */
static torus_tensor *resized(torus_scope *scope, torus_tensor *x, int dim,
                             int64_t length) {
  if (!x || x->shape.size[dim] == length) return x;
  return length < x->shape.size[dim] ? torus_narrow(scope, x, dim, 0, length)
                                     : torus_widen(scope, x, dim, 0, length);
}

/* How often each element of a half spectrum stands for one of the whole: once
 * at the ends, twice between, as a tensor that broadcasts over x; or its
 * reciprocals. */
static torus_tensor *multiplicity(torus_scope *scope, const torus_tensor *x,
                                  int dim, int64_t n, bool reciprocal) {
  torus_shape shape = {.ndim = x->shape.ndim};
  for (int d = 0; d < shape.ndim; d++) shape.size[d] = 1;
  shape.size[dim] = n / 2 + 1;
  double middle = reciprocal ? 0.5 : 2;
  torus_tensor *out = torus_filled(scope, x->dtype, &shape, middle);
  if (!out) return NULL;
  int64_t ends[2] = {0, n % 2 == 0 ? n / 2 : 0};
  for (int i = 0; i < 2; i++) {
    if (out->dtype == TORUS_FLOAT64) {
      ((double *)torus_tensor_data(out))[ends[i]] = 1;
    } else {
      ((float *)torus_tensor_data(out))[ends[i]] = 1;
    }
  }
  return out;
}

static torus_attrs adjoint_attrs(const torus_call *call) {
  return (torus_attrs){.i = {length_of(call), call->attrs->i[1]},
                       .f = {scale_of(call)}};
}

enum { FFT, IFFT, RFFT, IRFFT, COUNT };

static bool complex_gradients(torus_scope *scope, const torus_call *call,
                              torus_tensor *g, const bool *wanted,
                              torus_tensor **out) {
  torus_attrs attrs = adjoint_attrs(call);
  int dim = (int)call->attrs->i[1];
  const torus_op *adjoint =
      call->op->code == TORUS_FFT_COMPLEX ? &ops[IFFT] : &ops[FFT];
  torus_tensor *halves[2] = {half_of(scope, g, 0), half_of(scope, g, 1)};
  torus_tensor *packed = torus_apply(scope, adjoint, halves, 2, &attrs);
  for (int i = 0; i < call->inputs; i++) {
    if (!wanted[i]) continue;
    out[i] = resized(scope, half_of(scope, packed, i), dim,
                     call->in[0]->shape.size[dim]);
    if (!out[i]) return false;
  }
  return true;
}

static torus_tensor *real_gradient(torus_scope *scope, const torus_call *call,
                                   int i, torus_tensor *g) {
  torus_attrs attrs = adjoint_attrs(call);
  int dim = (int)call->attrs->i[1];
  torus_tensor *weight =
      multiplicity(scope, call->in[i], dim, length_of(call), true);
  torus_tensor *halves[2] = {torus_mul(scope, half_of(scope, g, 0), weight),
                             torus_mul(scope, half_of(scope, g, 1), weight)};
  torus_tensor *x = torus_apply(scope, &ops[IRFFT], halves, 2, &attrs);
  return resized(scope, x, dim, call->in[i]->shape.size[dim]);
}

static bool half_gradients(torus_scope *scope, const torus_call *call,
                           torus_tensor *g, const bool *wanted,
                           torus_tensor **out) {
  torus_attrs attrs = adjoint_attrs(call);
  int dim = (int)call->attrs->i[1];
  torus_tensor *packed = torus_apply(scope, &ops[RFFT], &g, 1, &attrs);
  torus_tensor *weight =
      multiplicity(scope, call->in[0], dim, length_of(call), false);
  for (int i = 0; i < call->inputs; i++) {
    if (!wanted[i]) continue;
    out[i] = torus_mul(scope, half_of(scope, packed, i), weight);
    out[i] = resized(scope, out[i], dim, call->in[0]->shape.size[dim]);
    if (!out[i]) return false;
  }
  return true;
}

/* --- descriptors ------------------------------------------------------------
 */

#define PARAMS                                                                 \
  .params = {{"n", TORUS_PARAM_INT, true, (double)NAN},                        \
             {"dim", TORUS_PARAM_DIM, true, -1},                               \
             {"scale", TORUS_PARAM_FLOAT, true, (double)NAN}},                 \
  .reads = TORUS_READS_NOTHING

static const torus_op ops[COUNT] = {
    /*** X_k = scale sum_j x_j exp(-2 pi i j k / n) along a dimension. The
     * function of this name in torus.fft has named options.
     * @function tensor:fft
     * @tparam[opt] tensor im imaginary parts, like the tensor
     * @tparam[opt] integer n length; a longer dimension is truncated, a shorter
     * one padded with zeros
     * @tparam[opt=-1] integer dim from 1, or negative from the end
     * @tparam[opt=1] number scale
     * @treturn tensor real parts
     * @treturn tensor imaginary parts
     * @raise when n is below 1
     * @usage re, im = torus.ones(4):fft()   -- 4 0 0 0
     */
    [FFT] = {.name = "fft",
             .inputs = 1,
             .optional_inputs = 1,
             .forward = fft_forward,
             .outputs = 2,
             .part = fft_part,
             .gradients = complex_gradients,
             .code = TORUS_FFT_COMPLEX,
             PARAMS,
             .doc = "real and imaginary parts of X_k = scale sum_j x_j "
                    "exp(-2 pi i j k / n) along a dimension, from real and, "
                    "optionally, imaginary parts, truncated or padded with "
                    "zeros to length n; scale: 1 by default"},
    /*** The inverse of fft: x_j = scale sum_k X_k exp(2 pi i j k / n). The
     * function of this name in torus.fft has named options.
     * @function torus.ifft
     * @tparam tensor re
     * @tparam[opt] tensor im imaginary parts, like re
     * @tparam[opt] integer n length; a longer dimension is truncated, a shorter
     * one padded with zeros
     * @tparam[opt=-1] integer dim from 1, or negative from the end
     * @tparam[opt=1/n] number scale
     * @treturn tensor real parts
     * @treturn tensor imaginary parts
     * @raise when n is below 1
     * @usage re, im = torus.ifft(torus.tensor{4, 0, 0, 0})   -- ones
     */
    [IFFT] = {.name = "ifft",
              .inputs = 1,
              .optional_inputs = 1,
              .forward = fft_forward,
              .outputs = 2,
              .part = fft_part,
              .gradients = complex_gradients,
              .code = TORUS_FFT_INVERSE,
              PARAMS,
              .doc = "the inverse of fft, with exp(2 pi i j k / n); scale: "
                     "1/n by default"},
    /*** fft of real numbers: returns the first n/2 + 1 elements (rounded down),
     * which determine the others. The function of this name in torus.fft has
     * named options.
     * @function torus.rfft
     * @tparam tensor x
     * @tparam[opt] integer n length; a longer dimension is truncated, a shorter
     * one padded with zeros
     * @tparam[opt=-1] integer dim from 1, or negative from the end
     * @tparam[opt=1] number scale
     * @treturn tensor real parts
     * @treturn tensor imaginary parts
     * @raise when n is below 1
     * @usage re, im = torus.rfft(torus.ones(4))   -- 4 0 0
     */
    [RFFT] = {.name = "rfft",
              .inputs = 1,
              .forward = fft_forward,
              .outputs = 2,
              .part = fft_part,
              .gradient = real_gradient,
              .code = TORUS_FFT_REAL,
              PARAMS,
              .doc = "fft of real numbers: the first n/2 + 1 elements "
                     "(rounded down), which determine the others"},
    /*** The inverse of rfft. The function of this name in torus.fft has named
     * options.
     * @function torus.irfft
     * @tparam tensor re n/2 + 1 real parts
     * @tparam[opt] tensor im imaginary parts, like re
     * @tparam[opt] integer n length of the result; default: the even length 2
     * (size - 1)
     * @tparam[opt=-1] integer dim from 1, or negative from the end
     * @tparam[opt=1/n] number scale
     * @treturn tensor n real numbers
     * @raise when n is below 1
     * @usage x = torus.irfft(torus.tensor{4, 0, 0})   -- ones
     */
    [IRFFT] = {.name = "irfft",
               .inputs = 1,
               .optional_inputs = 1,
               .forward = fft_forward,
               .gradients = half_gradients,
               .code = TORUS_FFT_HALF,
               PARAMS,
               .doc = "the inverse of rfft: n real numbers from n/2 + 1 "
                      "complex ones; n: by default the even length 2 (size - "
                      "1); scale: 1/n by default"},
};

const torus_op_family torus_fft_ops = {ops, COUNT};
