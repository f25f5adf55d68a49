/* Views and movement: reshape, permute, expand, slice and their adjoints,
 * contiguous copies, conversion. Views share the input's storage. */
#include "autodiff/build.h"
#include "core/alloc.h"
#include "kernels/move.h"

#include <inttypes.h>
#include <string.h>

torus_tensor *torus_filled(torus_scope *scope, torus_dtype dtype,
                           const torus_shape *shape, double value) {
  torus_tensor *out = torus_tensor_new(dtype, shape, &scope->status);
  if (!out) return NULL;
  torus_layout layout = torus_tensor_layout(out);
  torus_move_fill(dtype, torus_tensor_data(out), &layout, value);
  return torus_scope_own(scope, out);
}

torus_tensor *torus_scalar(torus_scope *scope, torus_dtype dtype,
                           double value) {
  if (scope->status.code != TORUS_OK) return NULL;
  return torus_filled(scope, dtype, &(torus_shape){0}, value);
}

/* A contiguous copy, owned by the caller. */
static torus_tensor *copy_of(torus_scope *scope, const torus_tensor *x) {
  torus_tensor *out = torus_new_like(scope, x, &x->shape);
  if (!out) return NULL;
  torus_layout from = torus_tensor_layout(x), to = torus_tensor_layout(out);
  torus_move_copy(torus_dtype_size(x->dtype), torus_tensor_data(x), &from,
                  torus_tensor_data(out), &to);
  return out;
}

static torus_tensor *contiguous_forward(torus_scope *scope,
                                        const torus_call *call) {
  return copy_of(scope, call->in[0]);
}

/* For operations whose gradient is the incoming one. */
static torus_tensor *same_gradient(torus_scope *scope, const torus_call *call,
                                   int i, torus_tensor *g) {
  (void)scope, (void)call, (void)i;
  return g;
}

static torus_tensor *alias_forward(torus_scope *scope, const torus_call *call) {
  torus_tensor *x = call->in[0];
  return torus_tensor_view(x, &x->shape, x->strides, x->offset, &scope->status);
}

/* --- reshape: list[0] is the shape; one -1 is inferred -------------------- */

static bool infer_shape(const torus_call *call, torus_shape *shape) {
  int64_t count = torus_tensor_count(call->in[0]), known = 1;
  int open = -1;
  *shape = call->attrs->list[0];
  for (int d = 0; d < shape->ndim; d++) {
    if (shape->size[d] == -1 && open < 0) {
      open = d;
    } else if (shape->size[d] < 0 ||
               __builtin_mul_overflow(known, shape->size[d], &known)) {
      return false;
    }
  }
  if (open >= 0) {
    if (known == 0 || count % known != 0) return false;
    shape->size[open] = count / known;
  }
  return torus_shape_is_valid(shape) && torus_shape_count(shape) == count;
}

/* The strides of a view of x in another shape, if that needs no copy: runs of
 * dimensions that are evenly spaced in memory are divided differently. */
static bool view_strides(const torus_tensor *x, const torus_shape *shape,
                         int64_t *strides) {
  torus_layout old = torus_tensor_layout(x);
  if (torus_tensor_count(x) == 0) {
    torus_shape_strides(shape, strides);
    return true;
  }
  torus_layout_merge(&old);
  int run = old.ndim - 1;
  int64_t left = old.size[run], step = old.stride[run];
  for (int d = shape->ndim - 1; d >= 0; d--) {
    int64_t size = shape->size[d];
    if (left == 1 && size != 1 && run > 0) {
      run--;
      left = old.size[run];
      step = old.stride[run];
    }
    if (left % size != 0) return false;
    strides[d] = step;
    step *= size;
    left /= size;
  }
  return left == 1 && run == 0;
}

static torus_tensor *reshape_forward(torus_scope *scope,
                                     const torus_call *call) {
  char a[TORUS_SHAPE_TEXT], b[TORUS_SHAPE_TEXT];
  torus_tensor *x = call->in[0];
  torus_shape shape;
  if (!infer_shape(call, &shape)) {
    return torus_scope_fail(scope, TORUS_EINVAL,
                            "reshape: %s does not fit a tensor of shape %s",
                            torus_shape_format(&call->attrs->list[0], b),
                            torus_shape_format(&x->shape, a));
  }
  int64_t strides[TORUS_MAX_DIMS];
  if (view_strides(x, &shape, strides)) {
    return torus_tensor_view(x, &shape, strides, x->offset, &scope->status);
  }
  torus_tensor *copy = copy_of(scope, x);
  if (!copy) return NULL;
  torus_shape_strides(&shape, strides);
  torus_tensor *view =
      torus_tensor_view(copy, &shape, strides, 0, &scope->status);
  torus_tensor_release(copy);
  return view;
}

static torus_tensor *reshape_gradient(torus_scope *scope,
                                      const torus_call *call, int i,
                                      torus_tensor *g) {
  return torus_reshape(scope, g, &call->in[i]->shape);
}

/* --- permute: list[0] is the old dimension at each position (from 0)
 * ----------
 */

static torus_tensor *permute_forward(torus_scope *scope,
                                     const torus_call *call) {
  char a[TORUS_SHAPE_TEXT];
  torus_tensor *x = call->in[0];
  const torus_shape *dims = &call->attrs->list[0];
  torus_shape shape = {.ndim = x->shape.ndim};
  int64_t strides[TORUS_MAX_DIMS];
  unsigned seen = 0;
  for (int d = 0; d < dims->ndim; d++) {
    int64_t from = dims->size[d];
    seen |= 1u << from;
    shape.size[d] = x->shape.size[from];
    strides[d] = x->strides[from];
  }
  if (dims->ndim != x->shape.ndim || seen + 1 != 1u << x->shape.ndim) {
    return torus_scope_fail(scope, TORUS_EINVAL,
                            "permute: expected each dimension of a tensor of "
                            "shape %s once, got %d of them",
                            torus_shape_format(&x->shape, a), dims->ndim);
  }
  return torus_tensor_view(x, &shape, strides, x->offset, &scope->status);
}

static torus_tensor *permute_gradient(torus_scope *scope,
                                      const torus_call *call, int i,
                                      torus_tensor *g) {
  (void)i;
  const torus_shape *dims = &call->attrs->list[0];
  torus_shape back = {.ndim = dims->ndim};
  for (int d = 0; d < dims->ndim; d++) back.size[dims->size[d]] = d;
  return torus_permute(scope, g, &back);
}

/* --- expand: list[0] is the shape; -1 keeps a size --------------------------
 */

static torus_tensor *expand_forward(torus_scope *scope,
                                    const torus_call *call) {
  char a[TORUS_SHAPE_TEXT], b[TORUS_SHAPE_TEXT];
  torus_tensor *x = call->in[0];
  torus_shape shape = call->attrs->list[0], joint;
  int extra = shape.ndim - x->shape.ndim;
  for (int d = 0; d < shape.ndim; d++) {
    if (shape.size[d] == -1 && d >= extra) {
      shape.size[d] = x->shape.size[d - extra];
    }
  }
  bool fits = torus_shape_broadcast(&x->shape, &shape, &joint) &&
              torus_shape_equal(&joint, &shape);
  for (int d = 0; d < shape.ndim; d++) fits &= shape.size[d] >= 0;
  if (!fits) {
    return torus_scope_fail(
        scope, TORUS_EINVAL,
        "expand: expected a shape that %s broadcasts to, got %s",
        torus_shape_format(&x->shape, a),
        torus_shape_format(&call->attrs->list[0], b));
  }
  torus_layout layout = torus_tensor_broadcast_layout(x, &shape);
  return torus_tensor_view(x, &shape, layout.stride, x->offset, &scope->status);
}

/* --- slice and embed: list[0] start (slice: from 1, embed: likewise),
 *     list[1] size (embed: the shape of the result), list[2] step -----------
 */

static bool fits_steps(const torus_shape *shape, const torus_shape *start,
                       const torus_shape *size, const torus_shape *step) {
  if (start->ndim != shape->ndim || size->ndim != shape->ndim ||
      step->ndim != shape->ndim) {
    return false;
  }
  for (int d = 0; d < shape->ndim; d++) {
    int64_t n = size->size[d], s = step->size[d], last;
    if (shape->size[d] < 0 || start->size[d] < 1 || n < 0 || s < 1)
      return false;
    int64_t after = shape->size[d] - start->size[d]; /* the first one */
    if (after < -1) return false;
    if (n > 0 && (__builtin_mul_overflow(n - 1, s, &last) || last > after)) {
      return false;
    }
  }
  return true;
}

/* The strides of a slice and the offset of its first element. */
static int64_t slice_strides(const torus_tensor *x, const torus_attrs *attrs,
                             int64_t *strides) {
  int64_t offset = x->offset;
  for (int d = 0; d < x->shape.ndim; d++) {
    int64_t step = attrs->list[2].size[d], size = x->shape.size[d];
    offset += (attrs->list[0].size[d] - 1) * x->strides[d];
    /* A step beyond the end has nothing to step to. */
    strides[d] = (step < size ? step : size) * x->strides[d];
  }
  return offset;
}

static torus_tensor *slice_forward(torus_scope *scope, const torus_call *call) {
  torus_tensor *x = call->in[0];
  const torus_attrs *a = call->attrs;
  char t[4][TORUS_SHAPE_TEXT];
  if (!fits_steps(&x->shape, &a->list[0], &a->list[1], &a->list[2])) {
    return torus_scope_fail(scope, TORUS_EINVAL,
                            "slice: start %s, size %s, step %s lie outside a "
                            "tensor of shape %s",
                            torus_shape_format(&a->list[0], t[0]),
                            torus_shape_format(&a->list[1], t[1]),
                            torus_shape_format(&a->list[2], t[2]),
                            torus_shape_format(&x->shape, t[3]));
  }
  int64_t strides[TORUS_MAX_DIMS];
  int64_t offset = slice_strides(x, a, strides);
  return torus_tensor_view(x, &a->list[1], strides, offset, &scope->status);
}

static torus_tensor *slice_gradient(torus_scope *scope, const torus_call *call,
                                    int i, torus_tensor *g) {
  const torus_attrs *a = call->attrs;
  return torus_embed(scope, g, &call->in[i]->shape, &a->list[0], &a->list[2]);
}

static torus_tensor *embed_forward(torus_scope *scope, const torus_call *call) {
  torus_tensor *x = call->in[0];
  const torus_attrs *a = call->attrs;
  char t[4][TORUS_SHAPE_TEXT];
  if (!fits_steps(&a->list[1], &a->list[0], &x->shape, &a->list[2])) {
    return torus_scope_fail(scope, TORUS_EINVAL,
                            "embed: a tensor of shape %s at start %s with step "
                            "%s does not fit into shape %s",
                            torus_shape_format(&x->shape, t[0]),
                            torus_shape_format(&a->list[0], t[1]),
                            torus_shape_format(&a->list[2], t[2]),
                            torus_shape_format(&a->list[1], t[3]));
  }
  torus_tensor *out = torus_new_like(scope, x, &a->list[1]);
  if (!out) return NULL;
  torus_layout all = torus_tensor_layout(out);
  torus_move_fill(out->dtype, torus_tensor_data(out), &all, 0);
  torus_layout from = torus_tensor_layout(x), to = from;
  int64_t offset = slice_strides(out, a, to.stride);
  size_t width = torus_dtype_size(x->dtype);
  torus_move_copy(width, torus_tensor_data(x), &from,
                  (char *)torus_tensor_data(out) + (size_t)offset * width, &to);
  return out;
}

static torus_tensor *embed_gradient(torus_scope *scope, const torus_call *call,
                                    int i, torus_tensor *g) {
  const torus_attrs *a = call->attrs;
  return torus_slice(scope, g, &a->list[0], &call->in[i]->shape, &a->list[2]);
}

/* --- conversion: i[0] is the dtype ------------------------------------------
 */

static torus_tensor *to_forward(torus_scope *scope, const torus_call *call) {
  torus_dtype dtype = (torus_dtype)call->attrs->i[0];
  torus_tensor *x = call->in[0];
  torus_tensor *dense = torus_tensor_is_contiguous(x) ? torus_tensor_retain(x)
                                                      : copy_of(scope, x);
  if (!dense) return NULL;
  torus_tensor *out = torus_tensor_new(dtype, &x->shape, &scope->status);
  if (out) {
    torus_move_convert(x->dtype, torus_tensor_data(dense), dtype,
                       torus_tensor_data(out), torus_tensor_count(x));
  }
  torus_tensor_release(dense);
  return out;
}

static torus_tensor *to_gradient(torus_scope *scope, const torus_call *call,
                                 int i, torus_tensor *g) {
  return torus_to(scope, g, call->in[i]->dtype);
}

enum { ALIAS, CONTIGUOUS, RESHAPE, PERMUTE, EXPAND, SLICE, EMBED, TO };

#define LIST(name)                                                             \
  { name, TORUS_PARAM_LIST, false, 0 }

static const torus_op ops[] = {
    /*** Returns the same values as a new node of the graph; a view.
     * @function torus.alias
     * @usage y = torus.alias(torus.ones(2))
     */
    [ALIAS] = {.name = "alias",
               .inputs = 1,
               .forward = alias_forward,
               .gradient = same_gradient,
               .reads = TORUS_READS_NOTHING,
               .any_dtype = true,
               .doc = "the same values as a new node of the graph"},
    /*** A contiguous copy, which shares no memory with x.
     * @function torus.copy
     * @usage
     * x = torus.zeros(2)
     * y = x:copy()
     * y:fill_(1)   -- x keeps its zeros
     */
    [CONTIGUOUS] = {.name = "copy",
                    .inputs = 1,
                    .forward = contiguous_forward,
                    .gradient = same_gradient,
                    .reads = TORUS_READS_NOTHING,
                    .any_dtype = true,
                    .doc = "a contiguous copy"},
    /*** Returns the elements in row-major order with another shape; a view if
     * possible. `x:view` is the same.
     * @function torus.reshape
     * @tparam tensor x
     * @tparam {integer,...} shape a list, or the sizes as arguments; one of
     * them may be -1 and is then inferred
     * @treturn tensor
     * @raise when the numbers of elements differ
     * @usage x = torus.arange(6):reshape(2, -1)   -- (2, 3)
     */
    [RESHAPE] = {.name = "reshape",
                 .inputs = 1,
                 .forward = reshape_forward,
                 .gradient = reshape_gradient,
                 .reads = TORUS_READS_NOTHING,
                 .any_dtype = true,
                 .params = {LIST("shape")},
                 .doc = "the elements in row-major order with another shape; "
                        "one size may be -1; a view if possible"},
    /*** Reorders the dimensions; a view.
     * @function torus.permute
     * @tparam tensor x
     * @tparam {integer,...} dims a list, or arguments: every dimension once
     * @treturn tensor
     * @raise when a dimension is missing or named twice
     * @usage x = torus.zeros(2, 3, 4):permute(3, 1, 2)   -- (4, 2, 3)
     */
    [PERMUTE] = {.name = "permute",
                 .inputs = 1,
                 .forward = permute_forward,
                 .gradient = permute_gradient,
                 .reads = TORUS_READS_NOTHING,
                 .any_dtype = true,
                 .params = {{"dims", TORUS_PARAM_DIMS, false, 0}},
                 .doc = "the dimensions in another order, a view"},
    /*** Repeats a tensor along dimensions of size 1 without copying; a view.
     * @function torus.expand
     * @tparam tensor x
     * @tparam {integer,...} shape a list, or the sizes as arguments; -1 keeps
     * a size
     * @treturn tensor
     * @raise when a size other than 1 would change
     * @usage x = torus.tensor{{1}, {2}}:expand(-1, 3)   -- (2, 3)
     */
    [EXPAND] = {.name = "expand",
                .inputs = 1,
                .forward = expand_forward,
                .gradient = same_gradient,
                .reads = TORUS_READS_NOTHING,
                .any_dtype = true,
                .params = {LIST("shape")},
                .doc = "repeated along dimensions of size 1, a view; -1 keeps "
                       "a size"},
    /*** Returns every `step`-th element from `start` on, `size` of them, in
     * each dimension; a view. `x[{ {first, last, step}, ... }]` does the same,
     * given the ends.
     * @function torus.slice
     * @tparam tensor x
     * @tparam {integer,...} start from 1
     * @tparam {integer,...} size number of elements
     * @tparam {integer,...} step
     * @treturn tensor
     * @raise when elements are outside x
     * @usage y = torus.slice(torus.arange(6), {2}, {3}, {2})   -- 2 4 6
     */
    [SLICE] = {.name = "slice",
               .inputs = 1,
               .forward = slice_forward,
               .gradient = slice_gradient,
               .reads = TORUS_READS_NOTHING,
               .any_dtype = true,
               .params = {LIST("start"), LIST("size"), LIST("step")},
               .doc = "every step-th element from start, size of them, in each "
                      "dimension, a view"},
    /*** Returns zeros of a shape with the elements of x at start, start + step,
     * ...: the adjoint of slice.
     * @function torus.embed
     * @tparam tensor x
     * @tparam {integer,...} start from 1
     * @tparam {integer,...} shape of the result
     * @tparam {integer,...} step
     * @treturn tensor
     * @raise when elements would be outside the result
     * @usage y = torus.embed(torus.ones(3), {2}, {6}, {2})   -- 0 1 0 1 0 1
     */
    [EMBED] = {.name = "embed",
               .inputs = 1,
               .forward = embed_forward,
               .gradient = embed_gradient,
               .reads = TORUS_READS_NOTHING,
               .any_dtype = true,
               .params = {LIST("start"), LIST("shape"), LIST("step")},
               .doc = "zeros of a shape with the elements at start, start + "
                      "step, ...: the adjoint of slice"},
    /*** Converts to another dtype; a copy if x has that dtype. Conversions to
     * integers drop fractions, and saturate where the number is out of range.
     * Gradients flow between float32 and float64.
     * @function torus.to
     * @raise for an unknown dtype
     * @usage y = torus.tensor{1.7}:to("int64")   -- 1
     */
    [TO] = {.name = "to",
            .inputs = 1,
            .forward = to_forward,
            .gradient = to_gradient,
            .reads = TORUS_READS_NOTHING,
            .any_dtype = true,
            .params = {{"dtype", TORUS_PARAM_DTYPE, false, 0}},
            .doc = "converted to another dtype"},
};

const torus_op_family torus_view_ops = {ops, sizeof ops / sizeof *ops};

torus_tensor *torus_reshape(torus_scope *scope, torus_tensor *x,
                            const torus_shape *shape) {
  torus_attrs attrs = {.list = {*shape}};
  if (x && torus_shape_equal(&x->shape, shape)) return x;
  return torus_apply(scope, &ops[RESHAPE], &x, 1, &attrs);
}

torus_tensor *torus_expand(torus_scope *scope, torus_tensor *x,
                           const torus_shape *shape) {
  torus_attrs attrs = {.list = {*shape}};
  if (x && torus_shape_equal(&x->shape, shape)) return x;
  return torus_apply(scope, &ops[EXPAND], &x, 1, &attrs);
}

torus_tensor *torus_permute(torus_scope *scope, torus_tensor *x,
                            const torus_shape *dims) {
  torus_attrs attrs = {.list = {*dims}};
  return torus_apply(scope, &ops[PERMUTE], &x, 1, &attrs);
}

torus_tensor *torus_slice(torus_scope *scope, torus_tensor *x,
                          const torus_shape *start, const torus_shape *size,
                          const torus_shape *step) {
  torus_attrs attrs = {.list = {*start, *size, *step}};
  return torus_apply(scope, &ops[SLICE], &x, 1, &attrs);
}

torus_tensor *torus_embed(torus_scope *scope, torus_tensor *x,
                          const torus_shape *shape, const torus_shape *start,
                          const torus_shape *step) {
  torus_attrs attrs = {.list = {*start, *shape, *step}};
  return torus_apply(scope, &ops[EMBED], &x, 1, &attrs);
}

/* One dimension's start and size among those of x. */
static torus_tensor *along(torus_scope *scope, torus_tensor *x, int dim,
                           int64_t start, int64_t size, bool widen) {
  if (!x) return NULL;
  torus_shape from = {.ndim = x->shape.ndim}, sizes = x->shape;
  for (int d = 0; d < from.ndim; d++) from.size[d] = 1;
  torus_shape step = from;
  from.size[dim] = start + 1;
  sizes.size[dim] = size;
  return widen ? torus_embed(scope, x, &sizes, &from, &step)
               : torus_slice(scope, x, &from, &sizes, &step);
}

torus_tensor *torus_narrow(torus_scope *scope, torus_tensor *x, int dim,
                           int64_t start, int64_t length) {
  return along(scope, x, dim, start, length, false);
}

torus_tensor *torus_widen(torus_scope *scope, torus_tensor *x, int dim,
                          int64_t start, int64_t size) {
  return along(scope, x, dim, start, size, true);
}

torus_tensor *torus_to(torus_scope *scope, torus_tensor *x, torus_dtype dtype) {
  torus_attrs attrs = {.i = {dtype}};
  if (x && x->dtype == dtype) return x;
  return torus_apply(scope, &ops[TO], &x, 1, &attrs);
}

torus_tensor *torus_contiguous(torus_scope *scope, torus_tensor *x) {
  return x && torus_tensor_is_contiguous(x) ? x : torus_copy(scope, x);
}

torus_tensor *torus_alias(torus_scope *scope, torus_tensor *x) {
  return torus_apply(scope, &ops[ALIAS], &x, 1, NULL);
}

torus_tensor *torus_copy(torus_scope *scope, torus_tensor *x) {
  return torus_apply(scope, &ops[CONTIGUOUS], &x, 1, NULL);
}

torus_tensor *torus_swap(torus_scope *scope, torus_tensor *x) {
  if (!x) return NULL;
  torus_shape dims = {.ndim = x->shape.ndim};
  for (int d = 0; d < dims.ndim; d++) dims.size[d] = d;
  dims.size[dims.ndim - 1] = dims.ndim - 2;
  dims.size[dims.ndim - 2] = dims.ndim - 1;
  return torus_permute(scope, x, &dims);
}
