/* Reductions: sum, mean, max, min, logsumexp, argmax, argmin; softmax and
 * log_softmax, which keep the shape.
 *
 * attrs.list[0]: the reduced dimensions (from 0), i[0]: keep them with size
 * 1. argmax and argmin: i[0] is the dimension or
 * TORUS_ABSENT. softmax: i[1], see below. */
#include "autodiff/build.h"
#include "core/alloc.h"
#include "kernels/reduce.h"
#include "kernels/reduce_integer.h"

#include <math.h>

/* Operations that others are composed of, and their positions. */
enum { SUM, MAX = 2, SOFTMAX = 5 };
static const torus_op ops[];

static bool reduces(const torus_shape *dims, int d) {
  for (int i = 0; i < dims->ndim; i++) {
    if (dims->size[i] == d) return true;
  }
  return false;
}

/* The shape with the reduced dimensions at size 1, or without them. */
static torus_shape reduced_shape(const torus_shape *shape,
                                 const torus_shape *dims, bool keep) {
  torus_shape out = {0};
  for (int d = 0; d < shape->ndim; d++) {
    if (!reduces(dims, d)) {
      out.size[out.ndim++] = shape->size[d];
    } else if (keep) {
      out.size[out.ndim++] = 1;
    }
  }
  return out;
}

static void split_layout(const torus_tensor *x, const torus_shape *dims,
                         torus_layout *kept, torus_layout *reduced) {
  kept->ndim = reduced->ndim = 0;
  for (int d = 0; d < x->shape.ndim; d++) {
    torus_layout *to = reduces(dims, d) ? reduced : kept;
    to->size[to->ndim] = x->shape.size[d];
    to->stride[to->ndim++] = x->strides[d];
  }
}

/* Integers and bools are reduced in int64: sums remain int64, maxima and minima
 * are converted back. */
__attribute__((noinline)) static torus_tensor *
reduce_integers(torus_scope *scope, const torus_call *call,
                torus_reduction op) {
  torus_tensor *x = call->in[0];
  const torus_shape *dims = &call->attrs->list[0];
  torus_shape shape = reduced_shape(&x->shape, dims, call->attrs->i[0] != 0);
  torus_scope inner;
  torus_scope_init(&inner, false);
  torus_tensor *wide = torus_to(&inner, x, TORUS_INT64);
  torus_tensor *out =
      wide ? torus_tensor_new(TORUS_INT64, &shape, &inner.status) : NULL;
  if (torus_scope_own(&inner, out)) {
    torus_layout kept, reduced;
    split_layout(wide, dims, &kept, &reduced);
    torus_reduce_integers(op, torus_tensor_data(wide), &kept, &reduced,
                          torus_tensor_data(out));
    bool back = op != TORUS_REDUCE_SUM && x->dtype != TORUS_INT64;
    if (back) out = torus_to(&inner, out, x->dtype);
  }
  torus_tensor_retain(out);
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  return out;
}

/* Partial results that need no memory of their own. */
#define FEW_PARTS 64

static torus_tensor *reduce(torus_scope *scope, const torus_call *call,
                            torus_reduction op) {
  torus_tensor *x = call->in[0];
  if (!torus_dtype_is_float(x->dtype)) return reduce_integers(scope, call, op);
  const torus_shape *dims = &call->attrs->list[0];
  torus_shape shape = reduced_shape(&x->shape, dims, call->attrs->i[0] != 0);
  torus_layout kept, reduced;
  split_layout(x, dims, &kept, &reduced);
  torus_tensor *out = torus_new_like(scope, x, &shape);
  double few[FEW_PARTS];
  size_t bytes = torus_reduce_scratch(&kept, &reduced);
  bool small = bytes <= sizeof few;
  void *scratch = small ? few : torus_scratch(scope, bytes);
  if (out && scratch) {
    torus_reduce_run(op, x->dtype, torus_tensor_data(x), &kept, &reduced,
                     torus_tensor_data(out), scratch);
  }
  if (!small) torus_free(scratch);
  if (out && !scratch) {
    torus_tensor_release(out);
    return NULL;
  }
  return out;
}

static int64_t reduced_count(const torus_call *call) {
  const torus_shape *dims = &call->attrs->list[0];
  int64_t count = 1;
  for (int i = 0; i < dims->ndim; i++) {
    count *= call->in[0]->shape.size[dims->size[i]];
  }
  return count;
}

/* A result or its gradient, reshaped to broadcast against the input. */
static torus_tensor *spread(torus_scope *scope, const torus_call *call,
                            torus_tensor *x) {
  if (!x) return NULL;
  torus_shape shape =
      reduced_shape(&call->in[0]->shape, &call->attrs->list[0], true);
  return torus_reshape(scope, x, &shape);
}

static torus_tensor *sum_forward(torus_scope *scope, const torus_call *call) {
  return reduce(scope, call, TORUS_REDUCE_SUM);
}

static torus_tensor *sum_gradient(torus_scope *scope, const torus_call *call,
                                  int i, torus_tensor *g) {
  (void)i;
  return torus_expand(scope, spread(scope, call, g), &call->in[0]->shape);
}

static torus_tensor *scaled(torus_scope *scope, torus_tensor *x,
                            double factor) {
  return x ? torus_mul(scope, x, torus_scalar(scope, x->dtype, factor)) : NULL;
}

static torus_tensor *mean_forward(torus_scope *scope, const torus_call *call) {
  torus_scope inner;
  torus_scope_init(&inner, false);
  torus_tensor *sum = torus_sum(&inner, call->in[0], &call->attrs->list[0],
                                call->attrs->i[0] != 0);
  /* A quotient, so that the mean of equal elements is theirs. */
  double count = (double)reduced_count(call);
  torus_tensor *mean =
      sum ? torus_div(&inner, sum, torus_scalar(&inner, sum->dtype, count))
          : NULL;
  torus_tensor_retain(mean);
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  return mean;
}

static torus_tensor *mean_gradient(torus_scope *scope, const torus_call *call,
                                   int i, torus_tensor *g) {
  torus_tensor *share = scaled(scope, g, 1 / (double)reduced_count(call));
  return sum_gradient(scope, call, i, share);
}

static torus_tensor *extreme_forward(torus_scope *scope,
                                     const torus_call *call) {
  char text[TORUS_SHAPE_TEXT];
  if (reduced_count(call) == 0) {
    return torus_scope_fail(
        scope, TORUS_EINVAL,
        "%s: expected at least one element to choose from, got shape %s",
        call->op->name, torus_shape_format(&call->in[0]->shape, text));
  }
  return reduce(scope, call, (torus_reduction)call->op->code);
}

/* Tied elements share the gradient; if the result is NaN, all NaN elements do.
 * */
static torus_tensor *extreme_gradient(torus_scope *scope,
                                      const torus_call *call, int i,
                                      torus_tensor *g) {
  (void)i;
  torus_tensor *x = call->in[0], *y = spread(scope, call, call->out);
  torus_tensor *bad =
      torus_mul(scope, torus_ne(scope, x, x), torus_ne(scope, y, y));
  torus_tensor *chosen = torus_add(scope, torus_eq(scope, x, y), bad);
  torus_tensor *ties = torus_sum(scope, chosen, &call->attrs->list[0], true);
  torus_tensor *share = torus_div(scope, spread(scope, call, g), ties);
  return torus_where(scope, chosen, share, torus_scalar(scope, x->dtype, 0));
}

/* Runs a computation in a separate scope; its result is owned by the caller. */
typedef torus_tensor *compute_fn(torus_scope *scope, const torus_call *call);

static torus_tensor *within(torus_scope *scope, const torus_call *call,
                            compute_fn *compute) {
  torus_scope inner;
  torus_scope_init(&inner, false);
  torus_tensor *out = torus_tensor_retain(compute(&inner, call));
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  return out;
}

/* x - m with m = max x, and m. Where m is infinite it counts as 0 if `finite`
 * is set, else all differences are NaN. */
static torus_tensor *centred(torus_scope *s, const torus_call *call,
                             bool finite, torus_tensor **m) {
  torus_tensor *x = call->in[0];
  torus_attrs keep = {.i = {1}, .list = {call->attrs->list[0]}};
  *m = torus_apply(s, &ops[MAX], &x, 1, &keep);
  if (*m && finite) {
    torus_tensor *zero = torus_scalar(s, x->dtype, 0);
    *m = torus_where(s, torus_isfinite(s, *m), *m, zero);
  }
  return torus_sub(s, x, *m);
}

/* log sum exp(x - m) + m */
static torus_tensor *logsumexp_of(torus_scope *s, const torus_call *call) {
  torus_tensor *x = call->in[0], *m;
  const torus_shape *dims = &call->attrs->list[0];
  torus_tensor *e = torus_exp(s, centred(s, call, true, &m));
  torus_tensor *sum = torus_sum(s, e, dims, true);
  torus_tensor *y = torus_add(s, torus_log(s, sum), m);
  if (!y) return NULL;
  torus_shape shape = reduced_shape(&x->shape, dims, call->attrs->i[0] != 0);
  return torus_reshape(s, y, &shape);
}

static torus_tensor *logsumexp_forward(torus_scope *scope,
                                       const torus_call *call) {
  if (reduced_count(call) == 0) return extreme_forward(scope, call);
  return within(scope, call, logsumexp_of);
}

/* e^(x - m) over its sum. With i[1] it is the gradient of logsumexp: 0 where
 * all elements are -infinity. */
static torus_tensor *softmax_of(torus_scope *s, const torus_call *call) {
  torus_tensor *m, *x = call->in[0];
  bool slope = call->attrs->i[1] != 0;
  torus_tensor *e = torus_exp(s, centred(s, call, slope, &m));
  torus_tensor *sum = torus_sum(s, e, &call->attrs->list[0], true);
  if (slope && sum) {
    torus_tensor *none = torus_eq(s, sum, torus_scalar(s, x->dtype, 0));
    sum = torus_add(s, sum, none);
  }
  return torus_div(s, e, sum);
}

static torus_tensor *softmax_forward(torus_scope *scope,
                                     const torus_call *call) {
  const torus_tensor *x = call->in[0];
  if (reduced_count(call) == 0) return torus_new_like(scope, x, &x->shape);
  return within(scope, call, softmax_of);
}

/* y (g - sum g y) */
static torus_tensor *softmax_gradient(torus_scope *s, const torus_call *call,
                                      int i, torus_tensor *g) {
  (void)i;
  torus_tensor *weighted = torus_mul(s, g, call->out);
  torus_tensor *sum = torus_sum(s, weighted, &call->attrs->list[0], true);
  return torus_mul(s, call->out, torus_sub(s, g, sum));
}

static torus_tensor *logsumexp_gradient(torus_scope *scope,
                                        const torus_call *call, int i,
                                        torus_tensor *g) {
  (void)i;
  torus_attrs attrs = {.i = {0, 1}, .list = {call->attrs->list[0]}};
  torus_tensor *x = call->in[0];
  torus_tensor *softmax = torus_apply(scope, &ops[SOFTMAX], &x, 1, &attrs);
  return torus_mul(scope, softmax, spread(scope, call, g));
}

static torus_tensor *log_softmax_of(torus_scope *s, const torus_call *call) {
  torus_tensor *m, *difference = centred(s, call, false, &m);
  torus_tensor *sum =
      torus_sum(s, torus_exp(s, difference), &call->attrs->list[0], true);
  return torus_sub(s, difference, torus_log(s, sum));
}

static torus_tensor *log_softmax_forward(torus_scope *scope,
                                         const torus_call *call) {
  const torus_tensor *x = call->in[0];
  if (reduced_count(call) == 0) return torus_new_like(scope, x, &x->shape);
  return within(scope, call, log_softmax_of);
}

/* g - e^y sum g */
static torus_tensor *log_softmax_gradient(torus_scope *s,
                                          const torus_call *call, int i,
                                          torus_tensor *g) {
  (void)i;
  torus_tensor *sum = torus_sum(s, g, &call->attrs->list[0], true);
  return torus_sub(s, g, torus_mul(s, torus_exp(s, call->out), sum));
}

/* Integers and bools are compared in int64. */
static torus_dtype arg_operands(const torus_op *op, torus_tensor *const *in,
                                int inputs) {
  torus_dtype dtype = torus_operands_joint(op, in, inputs);
  return torus_dtype_is_float(dtype) ? dtype : TORUS_INT64;
}

static torus_tensor *arg_along(torus_scope *scope, const torus_call *call,
                               torus_tensor *x, int dim) {
  char text[TORUS_SHAPE_TEXT];
  torus_shape dims = {1, {dim}};
  int64_t count = x->shape.size[dim];
  if (count == 0) {
    return torus_scope_fail(
        scope, TORUS_EINVAL,
        "%s: expected at least one element to choose from, got shape %s",
        call->op->name, torus_shape_format(&x->shape, text));
  }
  torus_shape shape = reduced_shape(&x->shape, &dims, false);
  torus_layout kept, reduced;
  split_layout(x, &dims, &kept, &reduced);
  torus_tensor *out = torus_tensor_new(TORUS_INT64, &shape, &scope->status);
  if (!out) return NULL;
  int64_t *index = torus_tensor_data(out);
  bool smallest = call->op->code == TORUS_REDUCE_MIN;
  if (x->dtype == TORUS_INT64) {
    torus_reduce_integers_argmax(smallest, torus_tensor_data(x), &kept, count,
                                 reduced.stride[0], index);
  } else {
    torus_reduce_argmax(smallest, x->dtype, torus_tensor_data(x), &kept, count,
                        reduced.stride[0], index);
  }
  int64_t found = torus_tensor_count(out);
  for (int64_t k = 0; k < found; k++) index[k]++; /* scripts count from 1 */
  return out;
}

static torus_tensor *arg_of_all(torus_scope *s, const torus_call *call) {
  torus_tensor *x = call->in[0];
  torus_shape flat = {1, {torus_tensor_count(x)}};
  x = torus_reshape(s, x, &flat);
  return x ? torus_scope_own(s, arg_along(s, call, x, 0)) : NULL;
}

static torus_tensor *arg_forward(torus_scope *scope, const torus_call *call) {
  int64_t dim = call->attrs->i[0];
  if (dim == TORUS_ABSENT) return within(scope, call, arg_of_all);
  return arg_along(scope, call, call->in[0], (int)dim);
}

#define OVER_DIMS                                                              \
  .params = {{"dim", TORUS_PARAM_DIMS, true, 0},                               \
             {"keepdim", TORUS_PARAM_BOOL, true, 0}}

static const torus_op ops[] = {
    [SUM] = {.name = "sum",
             .inputs = 1,
             .operands = torus_operands_joint,
             .forward = sum_forward,
             .gradient = sum_gradient,
             .reads = TORUS_READS_NOTHING,
             OVER_DIMS,
             .doc = "sum over dimensions; of integers and bools in int64"},
    {.name = "mean",
     .inputs = 1,
     .operands = torus_operands_float,
     .forward = mean_forward,
     .gradient = mean_gradient,
     .reads = TORUS_READS_NOTHING,
     OVER_DIMS,
     .doc = "mean over dimensions; of integers and bools in float32"},
    [MAX] = {.name = "max",
             .inputs = 1,
             .operands = torus_operands_joint,
             .forward = extreme_forward,
             .gradient = extreme_gradient,
             .reads = TORUS_READS_X | TORUS_READS_OUT,
             OVER_DIMS,
             .code = TORUS_REDUCE_MAX,
             .doc = "largest element over dimensions; ties share the gradient"},
    {.name = "min",
     .inputs = 1,
     .operands = torus_operands_joint,
     .forward = extreme_forward,
     .gradient = extreme_gradient,
     .reads = TORUS_READS_X | TORUS_READS_OUT,
     OVER_DIMS,
     .code = TORUS_REDUCE_MIN,
     .doc = "smallest element over dimensions; ties share the gradient"},
    {.name = "logsumexp",
     .inputs = 1,
     .operands = torus_operands_float,
     .forward = logsumexp_forward,
     .gradient = logsumexp_gradient,
     .reads = TORUS_READS_X,
     OVER_DIMS,
     .doc = "log of the sum of e^x over dimensions, without overflow"},
    [SOFTMAX] = {.name = "softmax",
                 .inputs = 1,
                 .operands = torus_operands_float,
                 .forward = softmax_forward,
                 .gradient = softmax_gradient,
                 .reads = TORUS_READS_OUT,
                 .params = {{"dim", TORUS_PARAM_DIMS, true, 0}},
                 .doc = "e^x over its sum over dimensions, without overflow"},
    {.name = "log_softmax",
     .inputs = 1,
     .operands = torus_operands_float,
     .forward = log_softmax_forward,
     .gradient = log_softmax_gradient,
     .reads = TORUS_READS_OUT,
     .params = {{"dim", TORUS_PARAM_DIMS, true, 0}},
     .doc = "log of softmax, without overflow or underflow"},
    {.name = "argmax",
     .inputs = 1,
     .operands = arg_operands,
     .forward = arg_forward,
     .constant = true,
     .params = {{"dim", TORUS_PARAM_DIM, true, NAN}},
     .code = TORUS_REDUCE_MAX,
     .doc = "index (int64, from 1) of the first largest element along dim; by "
            "default "
            "among all elements in row-major order"},
    {.name = "argmin",
     .inputs = 1,
     .operands = arg_operands,
     .forward = arg_forward,
     .constant = true,
     .params = {{"dim", TORUS_PARAM_DIM, true, NAN}},
     .code = TORUS_REDUCE_MIN,
     .doc = "index (int64, from 1) of the first smallest element along dim; by "
            "default "
            "among all elements in row-major order"},
};

const torus_op_family torus_reduce_ops = {ops, sizeof ops / sizeof *ops};

torus_tensor *torus_sum(torus_scope *scope, torus_tensor *x,
                        const torus_shape *dims, bool keep) {
  torus_attrs attrs = {.i = {keep}, .list = {*dims}};
  return torus_apply(scope, &ops[SUM], &x, 1, &attrs);
}

torus_tensor *torus_sum_to(torus_scope *scope, torus_tensor *x,
                           const torus_shape *shape) {
  if (!x || torus_shape_equal(&x->shape, shape)) return x;
  torus_shape dims = {0};
  int extra = x->shape.ndim - shape->ndim;
  for (int d = 0; d < x->shape.ndim; d++) {
    bool repeated =
        d < extra || (shape->size[d - extra] == 1 && x->shape.size[d] != 1);
    if (repeated) dims.size[dims.ndim++] = d;
  }
  if (dims.ndim > 0) x = torus_sum(scope, x, &dims, true);
  return torus_reshape(scope, x, shape);
}
