/* Convolutions over NHWC images, their two gradients, nearest upsampling.
 *
 * conv2d is linear in each of its arguments; so are its gradients with
 * respect to them, and the three are each other's derivatives: a closed set
 * that gives derivatives of any order. */
#include "autodiff/build.h"
#include "core/alloc.h"
#include "core/threads.h"
#include "kernels/conv.h"
#include "kernels/upsample.h"

#include <inttypes.h>

/* i[0] stride, i[1] padding; the gradients also need the sizes of their
 * results: i[2] and i[3], height and width of the image or the kernel. Last
 * the precision of the products, 1 for bfloat16. */
enum { STRIDE, PADDING, HEIGHT, WIDTH };

#define MAX_SIZE ((int64_t)1 << 40)

enum { CONV2D, INPUT_GRAD, WEIGHT_GRAD, UPSAMPLE, UPSAMPLE_GRAD };

static int precision_index(int code) { return code == CONV2D ? 2 : 4; }

static torus_tensor *apply(torus_scope *scope, int code, torus_tensor *a,
                           torus_tensor *b, const torus_call *like,
                           const torus_tensor *sizes);

/* Shared by the three: dense inputs, the geometry, scratch and the result. */
typedef struct work {
  torus_scope inner;
  torus_conv conv;
  torus_tensor *a, *b, *bias, *out;
  void *scratch;
} work;

static bool fail_shapes(torus_scope *scope, const torus_call *call) {
  char s[TORUS_SHAPE_TEXT], t[TORUS_SHAPE_TEXT];
  static const char *const expected[] = {
      [CONV2D] = "images (n,h,w,in) and weights (out,in,kh,kw)",
      [INPUT_GRAD] = "gradients (n,oh,ow,out) and weights (out,in,kh,kw)",
      [WEIGHT_GRAD] = "images (n,h,w,in) and gradients (n,oh,ow,out)"};
  return torus_status_fail(&scope->status, TORUS_EINVAL,
                           "%s: expected %s that fit with stride %" PRId64
                           " and padding %" PRId64 ", got %s and %s",
                           call->op->name, expected[call->op->code],
                           call->attrs->i[STRIDE], call->attrs->i[PADDING],
                           torus_shape_format(&call->in[0]->shape, s),
                           torus_shape_format(&call->in[1]->shape, t));
}

/* Determines the geometry from the two inputs; false if they don't fit. */
static bool geometry(const torus_call *call, torus_conv *conv) {
  const torus_shape *a = &call->in[0]->shape, *b = &call->in[1]->shape;
  const int64_t *i = call->attrs->i;
  if (a->ndim != 4 || b->ndim != 4) return false;
  for (int k = 0; k <= WIDTH; k++) { /* far from overflow */
    if (i[k] < 0 || i[k] > MAX_SIZE) return false;
  }
  const int64_t *s = a->size, *t = b->size;
  switch (call->op->code) {
  case CONV2D:
    return s[3] == t[1] && torus_conv_init(conv, s[0], s[1], s[2], s[3], t[0],
                                           t[2], t[3], i[STRIDE], i[PADDING]);
  case INPUT_GRAD:
    return s[3] == t[0] &&
           torus_conv_init(conv, s[0], i[HEIGHT], i[WIDTH], t[1], t[0], t[2],
                           t[3], i[STRIDE], i[PADDING]) &&
           conv->oh == s[1] && conv->ow == s[2];
  default:
    return s[0] == t[0] &&
           torus_conv_init(conv, s[0], s[1], s[2], s[3], t[3], i[HEIGHT],
                           i[WIDTH], i[STRIDE], i[PADDING]) &&
           conv->oh == t[1] && conv->ow == t[2];
  }
}

static torus_shape result_shape(int code, const torus_conv *c) {
  switch (code) {
  case CONV2D:
    return (torus_shape){4, {c->n, c->oh, c->ow, c->k}};
  case INPUT_GRAD:
    return (torus_shape){4, {c->n, c->h, c->w, c->c}};
  default:
    return (torus_shape){4, {c->k, c->c, c->kh, c->kw}};
  }
}

static size_t scratch_bytes(int code, const torus_conv *c, torus_dtype dtype) {
  int threads = torus_threads();
  switch (code) {
  case CONV2D:
    return torus_conv_forward_scratch(c, threads, dtype);
  case INPUT_GRAD:
    return torus_conv_input_grad_scratch(c, threads, dtype);
  default:
    return torus_conv_weight_grad_scratch(c, threads, dtype);
  }
}

static bool check_bias(torus_scope *scope, const torus_call *call,
                       const torus_conv *conv) {
  char s[TORUS_SHAPE_TEXT];
  if (call->inputs < 3) return true;
  const torus_shape *bias = &call->in[2]->shape;
  if (bias->ndim == 1 && bias->size[0] == conv->k) return true;
  return torus_status_fail(&scope->status, TORUS_EINVAL,
                           "conv2d: expected a bias of shape (%d), got %s",
                           (int)conv->k, torus_shape_format(bias, s));
}

#define RUN(suffix, type)                                                      \
  static void run_##suffix(const work *w, int code) {                          \
    const type *a = torus_tensor_data(w->a), *b = torus_tensor_data(w->b);     \
    const type *bias = w->bias ? torus_tensor_data(w->bias) : NULL;            \
    type *out = torus_tensor_data(w->out);                                     \
    if (code == CONV2D) {                                                      \
      torus_conv_forward_##suffix(&w->conv, a, b, bias, 1, out, w->scratch);   \
    } else if (code == INPUT_GRAD) {                                           \
      torus_conv_input_grad_##suffix(&w->conv, a, b, out, w->scratch);         \
    } else {                                                                   \
      torus_conv_weight_grad_##suffix(&w->conv, a, b, out, w->scratch);        \
    }                                                                          \
  }
RUN(f32, float)
RUN(f64, double)

static torus_tensor *conv_forward(torus_scope *scope, const torus_call *call) {
  int code = call->op->code;
  torus_tensor *x = call->in[0];
  work w = {.bias = NULL};
  if (!geometry(call, &w.conv)) {
    fail_shapes(scope, call);
    return NULL;
  }
  if (!check_bias(scope, call, &w.conv)) return NULL;
  w.conv.bfloat16 = call->attrs->i[precision_index(code)] == 1;
  torus_shape shape = result_shape(code, &w.conv);
  torus_scope_init(&w.inner, false);
  w.a = torus_contiguous(&w.inner, x);
  w.b = torus_contiguous(&w.inner, call->in[1]);
  if (call->inputs > 2) w.bias = torus_contiguous(&w.inner, call->in[2]);
  /* The result comes first: if it is too large, this fails before the size of
   * the scratch overflows. */
  w.out = torus_tensor_new(x->dtype, &shape, &w.inner.status);
  if (w.out) {
    w.scratch = torus_scratch(&w.inner, scratch_bytes(code, &w.conv, x->dtype));
  }
  if (w.inner.status.code == TORUS_OK) {
    (x->dtype == TORUS_FLOAT32 ? run_f32 : run_f64)(&w, code);
  } else {
    torus_tensor_release(w.out);
    w.out = NULL;
  }
  torus_free(w.scratch);
  torus_scope_clear(&w.inner);
  torus_scope_pass_error(scope, &w.inner);
  return w.out;
}

static torus_tensor *conv2d_gradient(torus_scope *scope, const torus_call *call,
                                     int i, torus_tensor *g) {
  torus_tensor *x = call->in[0], *w = call->in[1];
  if (i == 0) return apply(scope, INPUT_GRAD, g, w, call, x);
  if (i == 1) return apply(scope, WEIGHT_GRAD, x, g, call, w);
  torus_shape over = {3, {0, 1, 2}};
  return torus_sum(scope, g, &over, false);
}

static torus_tensor *input_grad_gradient(torus_scope *scope,
                                         const torus_call *call, int i,
                                         torus_tensor *h) {
  torus_tensor *g = call->in[0], *w = call->in[1];
  if (i == 0) return apply(scope, CONV2D, h, w, call, NULL);
  return apply(scope, WEIGHT_GRAD, h, g, call, w);
}

static torus_tensor *weight_grad_gradient(torus_scope *scope,
                                          const torus_call *call, int i,
                                          torus_tensor *h) {
  torus_tensor *x = call->in[0], *g = call->in[1];
  if (i == 0) return apply(scope, INPUT_GRAD, g, h, call, x);
  return apply(scope, CONV2D, x, h, call, NULL);
}

/* --- upsampling: i[0] is the factor -----------------------------------------
 */

static torus_tensor *upsample_forward(torus_scope *scope,
                                      const torus_call *call) {
  char s[TORUS_SHAPE_TEXT];
  bool down = call->op->code == UPSAMPLE_GRAD;
  int64_t factor = call->attrs->i[0];
  torus_shape shape = call->in[0]->shape;
  bool fits = shape.ndim == 4 && factor > 0 && factor < MAX_SIZE;
  if (fits && down) {
    fits = shape.size[1] % factor == 0 && shape.size[2] % factor == 0;
  }
  if (!fits) {
    return torus_scope_fail(
        scope, TORUS_EINVAL,
        "%s: expected images (n,h,w,c) and a factor that fits, got shape %s "
        "and factor %" PRId64,
        call->op->name, torus_shape_format(&shape, s), factor);
  }
  for (int d = 1; d < 3; d++) {
    if (down) {
      shape.size[d] /= factor;
    } else if (__builtin_mul_overflow(shape.size[d], factor, &shape.size[d])) {
      shape.size[d] = INT64_MAX; /* refused below */
    }
  }
  torus_scope inner;
  torus_scope_init(&inner, false);
  torus_tensor *x = torus_contiguous(&inner, call->in[0]);
  torus_tensor *out = x ? torus_new_like(&inner, x, &shape) : NULL;
  if (out && torus_tensor_count(x) > 0) { /* then no product overflows */
    const int64_t *low = (down ? out : x)->shape.size;
    const void *from = torus_tensor_data(x);
    void *to = torus_tensor_data(out);
    if (x->dtype == TORUS_FLOAT32) {
      (down ? torus_upsample_grad_f32 : torus_upsample_f32)(
          low[0], low[1], low[2], low[3], factor, from, to);
    } else {
      (down ? torus_upsample_grad_f64 : torus_upsample_f64)(
          low[0], low[1], low[2], low[3], factor, from, to);
    }
  }
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  return out;
}

static torus_tensor *upsample_gradient(torus_scope *scope,
                                       const torus_call *call, int i,
                                       torus_tensor *g);

static const char *precision_name(int index) {
  static const char *const names[] = {"float32", "bfloat16"};
  return index < 2 ? names[index] : NULL;
}

#define PRECISION                                                              \
  { "precision", TORUS_PARAM_CHOICE, true, 0 }
#define GEOMETRY                                                               \
  {"stride", TORUS_PARAM_INT, true, 1}, { "padding", TORUS_PARAM_INT, true, 0 }
#define SIZES                                                                  \
  {"height", TORUS_PARAM_INT, false, 0}, { "width", TORUS_PARAM_INT, false, 0 }
#define FACTOR                                                                 \
  { "factor", TORUS_PARAM_INT, true, 2 }

static const torus_op ops[] = {
    /*** Cross-correlation of images with a kernel, channels last. In float32 an
     * infinity or NaN may also affect results within 4 pixels of it, even if it
     * is outside their window.
     * @function torus.conv2d
     * @tparam tensor x (n, height, width, inputs)
     * @tparam tensor weight (outputs, inputs, kernel height, kernel width)
     * @tparam[opt] tensor bias (outputs)
     * @tparam[opt=1] integer stride
     * @tparam[opt=0] integer padding on all four sides
     * @tparam[opt="float32"] string precision of the products: "bfloat16"
     * rounds both factors if the processor has bfloat16 multiplication
     * @treturn tensor (n, height', width', outputs), each size' = (size + 2
     * padding - kernel) // stride + 1
     * @raise when the channels differ, or the kernel is larger than the padded
     * image
     * @usage
     * x, w = torus.rand(2, 8, 8, 3), torus.randn(4, 3, 3, 3)
     * y = torus.conv2d(x, w, { padding = 1 })   -- (2, 8, 8, 4)
     */
    [CONV2D] = {.name = "conv2d",
                .inputs = 2,
                .optional_inputs = 1,
                .forward = conv_forward,
                .gradient = conv2d_gradient,
                .reads = TORUS_READS_X | TORUS_READS_Y,
                .params = {GEOMETRY, PRECISION},
                .choice = precision_name,
                .code = CONV2D,
                .doc =
                    "cross-correlation of images (n,h,w,in) with weights "
                    "(out,in,kh,kw), plus an optional bias (out); in float32 "
                    "an infinity or NaN may also affect results within 4 "
                    "pixels of it, even if it is outside their window"},
    /*** The gradient of conv2d with respect to its images: its adjoint in x.
     * @function torus.conv2d_input_grad
     * @tparam tensor g of the result, (n, height', width', outputs)
     * @tparam tensor weight (outputs, inputs, kernel height, kernel width)
     * @tparam[opt=1] integer stride
     * @tparam[opt=0] integer padding on all four sides
     * @tparam integer height of the images
     * @tparam integer width of the images
     * @tparam[opt="float32"] string precision as in conv2d
     * @treturn tensor (n, height, width, inputs)
     * @raise when the sizes are inconsistent
     * @usage
     * g, w = torus.ones(2, 8, 8, 4), torus.randn(4, 3, 3, 3)
     * x = torus.conv2d_input_grad(g, w, 1, 1, 8, 8)   -- (2, 8, 8, 3)
     */
    [INPUT_GRAD] = {.name = "conv2d_input_grad",
                    .inputs = 2,
                    .forward = conv_forward,
                    .gradient = input_grad_gradient,
                    .reads = TORUS_READS_X | TORUS_READS_Y,
                    .params = {GEOMETRY, SIZES, PRECISION},
                    .choice = precision_name,
                    .code = INPUT_GRAD,
                    .doc = "conv2d's gradient with respect to the images, "
                           "which are height x width"},
    /*** The gradient of conv2d with respect to its weights: its adjoint in the
     * weights.
     * @function torus.conv2d_weight_grad
     * @tparam tensor x (n, height, width, inputs)
     * @tparam tensor g of the result, (n, height', width', outputs)
     * @tparam[opt=1] integer stride
     * @tparam[opt=0] integer padding on all four sides
     * @tparam integer height of the kernel
     * @tparam integer width of the kernel
     * @tparam[opt="float32"] string precision as in conv2d
     * @treturn tensor (outputs, inputs, height, width)
     * @raise when the sizes are inconsistent
     * @usage
     * x, g = torus.rand(2, 8, 8, 3), torus.ones(2, 8, 8, 4)
     * w = torus.conv2d_weight_grad(x, g, 1, 1, 3, 3)   -- (4, 3, 3, 3)
     */
    [WEIGHT_GRAD] = {.name = "conv2d_weight_grad",
                     .inputs = 2,
                     .forward = conv_forward,
                     .gradient = weight_grad_gradient,
                     .reads = TORUS_READS_X | TORUS_READS_Y,
                     .params = {GEOMETRY, SIZES, PRECISION},
                     .choice = precision_name,
                     .code = WEIGHT_GRAD,
                     .doc = "conv2d's gradient with respect to the weights, "
                            "whose kernel is height x width"},
    /*** Nearest-neighbour upsampling of images: every pixel becomes a square.
     * @function torus.upsample
     * @tparam tensor x (n, height, width, channels)
     * @tparam[opt=2] integer factor
     * @treturn tensor (n, factor height, factor width, channels)
     * @raise when x does not have four dimensions
     * @usage y = torus.upsample(torus.rand(1, 4, 4, 3))   -- (1, 8, 8, 3)
     */
    [UPSAMPLE] = {.name = "upsample",
                  .inputs = 1,
                  .forward = upsample_forward,
                  .gradient = upsample_gradient,
                  .reads = TORUS_READS_NOTHING,
                  .params = {FACTOR},
                  .code = UPSAMPLE,
                  .doc = "nearest upsampling of images (n,h,w,c) by a factor "
                         "(default 2)"},
    /*** Sums over boxes of factor x factor pixels: the adjoint of upsample.
     * @function torus.upsample_grad
     * @tparam tensor x (n, factor height, factor width, channels)
     * @tparam[opt=2] integer factor
     * @treturn tensor (n, height, width, channels)
     * @raise when a size is not a multiple of the factor
     * @usage y = torus.upsample_grad(torus.ones(1, 8, 8, 3))   -- (1, 4, 4, 3)
     */
    [UPSAMPLE_GRAD] = {.name = "upsample_grad",
                       .inputs = 1,
                       .forward = upsample_forward,
                       .gradient = upsample_gradient,
                       .reads = TORUS_READS_NOTHING,
                       .params = {FACTOR},
                       .code = UPSAMPLE_GRAD,
                       .doc = "sums over boxes of factor x factor pixels: the "
                              "adjoint of upsample"},
};

const torus_op_family torus_conv_ops = {ops, sizeof ops / sizeof *ops};

static torus_tensor *apply(torus_scope *scope, int code, torus_tensor *a,
                           torus_tensor *b, const torus_call *like,
                           const torus_tensor *sizes) {
  torus_attrs attrs = {.i = {like->attrs->i[STRIDE], like->attrs->i[PADDING]}};
  attrs.i[precision_index(code)] =
      like->attrs->i[precision_index(like->op->code)];
  if (sizes) {
    int first = code == INPUT_GRAD ? 1 : 2;
    attrs.i[HEIGHT] = sizes->shape.size[first];
    attrs.i[WIDTH] = sizes->shape.size[first + 1];
  }
  return torus_apply(scope, &ops[code], (torus_tensor *[]){a, b}, 2, &attrs);
}

static torus_tensor *upsample_gradient(torus_scope *scope,
                                       const torus_call *call, int i,
                                       torus_tensor *g) {
  (void)i;
  int adjoint = call->op->code == UPSAMPLE ? UPSAMPLE_GRAD : UPSAMPLE;
  return torus_apply(scope, &ops[adjoint], &g, 1, call->attrs);
}
