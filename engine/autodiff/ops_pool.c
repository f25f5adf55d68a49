/* Pooling of NHWC images: means over windows, with their adjoint, and the
 * positions of the largest pixels, by which max_pool2d gathers them. */
#include "autodiff/build.h"
#include "kernels/pool.h"

#include <inttypes.h>
#include <math.h>

/* The adjoint also needs the sizes of its result. */
enum { KERNEL, STRIDE, PADDING, HEIGHT, WIDTH };
enum { AVERAGE, AVERAGE_GRAD, ARGMAX };
#define MAX_SIZE ((int64_t)1 << 40)

static int64_t pooled(int64_t size, const torus_pool *p) {
  return (size + 2 * p->padding - p->kernel) / p->stride + 1;
}

/* Determines the geometry; false if sizes and parameters don't fit. */
static bool geometry(const torus_call *call, torus_pool *p) {
  const torus_shape *shape = &call->in[0]->shape;
  const int64_t *i = call->attrs->i;
  bool adjoint = call->op->code == AVERAGE_GRAD;
  if (shape->ndim != 4) return false;
  const int64_t *size = shape->size;
  *p = (torus_pool){.n = size[0],
                    .h = adjoint ? i[HEIGHT] : size[1],
                    .w = adjoint ? i[WIDTH] : size[2],
                    .c = size[3],
                    .kernel = i[KERNEL],
                    .stride = i[STRIDE] == TORUS_ABSENT ? i[KERNEL] : i[STRIDE],
                    .padding = i[PADDING]};
  if (p->kernel < 1 || p->kernel > MAX_SIZE || p->stride < 1 ||
      p->stride > MAX_SIZE || p->padding < 0 || p->padding > p->kernel / 2 ||
      p->h < 1 || p->h > MAX_SIZE || p->w < 1 || p->w > MAX_SIZE ||
      p->h + 2 * p->padding < p->kernel || p->w + 2 * p->padding < p->kernel) {
    return false;
  }
  p->oh = pooled(p->h, p);
  p->ow = pooled(p->w, p);
  return !adjoint || (p->oh == size[1] && p->ow == size[2]);
}

static torus_tensor *fail_geometry(torus_scope *scope, const torus_call *call) {
  char s[TORUS_SHAPE_TEXT];
  const int64_t *i = call->attrs->i;
  int64_t stride = i[STRIDE] == TORUS_ABSENT ? i[KERNEL] : i[STRIDE];
  return torus_scope_fail(
      scope, TORUS_EINVAL,
      "%s: expected images (n,h,w,c) of at least one pixel that windows fit, "
      "with a padding of half of them at most, got shape %s, kernel %" PRId64
      ", stride %" PRId64 " and padding %" PRId64,
      call->op->name, torus_shape_format(&call->in[0]->shape, s), i[KERNEL],
      stride, i[PADDING]);
}

static void compute(const torus_call *call, const torus_pool *p,
                    const torus_tensor *x, torus_tensor *out) {
  const void *from = torus_tensor_data(x);
  void *to = torus_tensor_data(out);
  bool single = x->dtype == TORUS_FLOAT32;
  if (call->op->code == AVERAGE) {
    if (single)
      torus_pool_average_f32(p, from, to);
    else
      torus_pool_average_f64(p, from, to);
  } else if (call->op->code == AVERAGE_GRAD) {
    if (single)
      torus_pool_average_grad_f32(p, from, to);
    else
      torus_pool_average_grad_f64(p, from, to);
  } else {
    int64_t *index = to, count = torus_tensor_count(out);
    if (single)
      torus_pool_argmax_f32(p, from, index);
    else
      torus_pool_argmax_f64(p, from, index);
    for (int64_t k = 0; k < count; k++) index[k]++; /* scripts count from 1 */
  }
}

static torus_tensor *pool_forward(torus_scope *scope, const torus_call *call) {
  torus_pool p;
  if (!geometry(call, &p)) return fail_geometry(scope, call);
  bool adjoint = call->op->code == AVERAGE_GRAD;
  torus_shape shape = {4,
                       {p.n, adjoint ? p.h : p.oh, adjoint ? p.w : p.ow, p.c}};
  torus_scope inner;
  torus_scope_init(&inner, false);
  torus_tensor *x = torus_contiguous(&inner, call->in[0]);
  torus_dtype dtype =
      call->op->code == ARGMAX ? TORUS_INT64 : call->in[0]->dtype;
  torus_tensor *out = x ? torus_tensor_new(dtype, &shape, &inner.status) : NULL;
  if (out) compute(call, &p, x, out);
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  return out;
}

static torus_tensor *pool_gradient(torus_scope *scope, const torus_call *call,
                                   int i, torus_tensor *g);

#define WINDOW                                                                 \
  {"kernel", TORUS_PARAM_INT, false, 0},                                       \
      {"stride", TORUS_PARAM_INT, true, NAN}, {                                \
    "padding", TORUS_PARAM_INT, true, 0                                        \
  }
#define SIZES                                                                  \
  {"height", TORUS_PARAM_INT, false, 0}, { "width", TORUS_PARAM_INT, false, 0 }

static const torus_op ops[] = {
    /*** Returns the mean over each square window of images. Padding pixels
     * count as zeros.
     * @function torus.avg_pool2d
     * @tparam tensor x (n, height, width, channels)
     * @tparam integer kernel side of the windows
     * @tparam[opt] integer stride the kernel by default
     * @tparam[opt=0] integer padding on all four sides, at most half the kernel
     * @treturn tensor (n, height', width', channels), each size' = (size + 2
     * padding - kernel) // stride + 1
     * @raise when no window fits
     * @usage y = torus.avg_pool2d(torus.rand(2, 8, 8, 3), 2)   -- (2, 4, 4, 3)
     */
    [AVERAGE] = {.name = "avg_pool2d",
                 .inputs = 1,
                 .forward = pool_forward,
                 .gradient = pool_gradient,
                 .reads = TORUS_READS_NOTHING,
                 .params = {WINDOW},
                 .code = AVERAGE,
                 .doc = "mean over each square window of images (n,h,w,c)"},
    /*** The gradient of avg_pool2d: its adjoint.
     * @function torus.avg_pool2d_grad
     * @tparam tensor g (n, height', width', channels)
     * @tparam integer kernel side of the windows
     * @tparam[opt] integer stride the kernel by default
     * @tparam[opt=0] integer padding on all four sides, at most half the kernel
     * @tparam integer height of the images
     * @tparam integer width of the images
     * @treturn tensor (n, height, width, channels)
     * @raise when the sizes are inconsistent
     * @usage
     * x = torus.avg_pool2d_grad(torus.ones(1, 4, 4, 3), 2, 2, 0, 8, 8)
     */
    [AVERAGE_GRAD] = {.name = "avg_pool2d_grad",
                      .inputs = 1,
                      .forward = pool_forward,
                      .gradient = pool_gradient,
                      .reads = TORUS_READS_NOTHING,
                      .params = {WINDOW, SIZES},
                      .code = AVERAGE_GRAD,
                      .doc = "avg_pool2d's gradient with respect to the "
                             "images, which are height x width"},
    /*** Returns the position of the largest pixel of each square window of
     * images, for every channel: the first of equal ones, or a NaN.
     * @function torus.argmax_pool2d
     * @tparam tensor x (n, height, width, channels)
     * @tparam integer kernel side of the windows
     * @tparam[opt] integer stride the kernel by default
     * @tparam[opt=0] integer padding on all four sides, at most half the
     * kernel; padding is never the largest
     * @treturn tensor (n, height', width', channels) int64: (row - 1) width +
     * column, as in x:flatten(2, 3)
     * @raise when no window fits
     * @usage
     * x = torus.arange(4):reshape(1, 2, 2, 1)
     * print(torus.argmax_pool2d(x, 2):item())   -- 4
     */
    [ARGMAX] = {.name = "argmax_pool2d",
                .inputs = 1,
                .forward = pool_forward,
                .constant = true,
                .params = {WINDOW},
                .code = ARGMAX,
                .doc = "position, counted row by row, of the largest pixel of "
                       "each square window of images (n,h,w,c)"},
};

const torus_op_family torus_pool_ops = {ops, sizeof ops / sizeof *ops};

static torus_tensor *pool_gradient(torus_scope *scope, const torus_call *call,
                                   int i, torus_tensor *g) {
  (void)i;
  torus_attrs attrs = *call->attrs;
  int adjoint = call->op->code == AVERAGE ? AVERAGE_GRAD : AVERAGE;
  attrs.i[HEIGHT] = call->in[0]->shape.size[1];
  attrs.i[WIDTH] = call->in[0]->shape.size[2];
  return torus_apply(scope, &ops[adjoint], &g, 1, &attrs);
}
