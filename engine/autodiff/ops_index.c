/* Reading and adding by index, and the indices of nonzero elements. Index
 * tensors are int64 and count from 1. There are two pairs of adjoints:
 * index_select and index_add use one list of indices along a dimension; gather
 * and scatter_add have an index for every element. */
#include "autodiff/build.h"
#include "core/alloc.h"
#include "kernels/move.h"
#include "kernels/select.h"

#include <inttypes.h>

/* params: i[0] dimension, i[1] its size in the result (adjoints only) */

static bool check_index(torus_scope *scope, const torus_call *call,
                        int64_t size) {
  const torus_tensor *index = call->in[1];
  if (index->dtype != TORUS_INT64) {
    return torus_status_fail(&scope->status, TORUS_EINVAL,
                             "%s: expected an int64 tensor of indices, got %s; "
                             "convert it with index:to(\"int64\")",
                             call->op->name, torus_dtype_name(index->dtype));
  }
  int64_t count = torus_tensor_count(index);
  torus_layout layout = torus_tensor_layout(index);
  const int64_t *data = torus_tensor_data(index);
  for (int64_t i = 0; i < count; i++) {
    int64_t value = data[torus_layout_offset(&layout, i)];
    if (value < 1 || value > size) {
      return torus_status_fail(
          &scope->status, TORUS_EINVAL,
          "%s: index %" PRId64 " is outside 1..%" PRId64 " of dimension %d",
          call->op->name, value, size, (int)call->attrs->i[0] + 1);
    }
  }
  return true;
}

/* The indices, from zero, in scratch memory. */
static int64_t *zero_based(torus_scope *scope, const torus_tensor *index) {
  int64_t count = torus_tensor_count(index);
  int64_t *out = torus_scratch(scope, (size_t)count * sizeof *out);
  if (!out || count == 0) return out;
  torus_layout layout = torus_tensor_layout(index);
  torus_layout_merge(&layout);
  torus_move_gather(sizeof *out, torus_tensor_data(index), &layout, 0, count,
                    out);
  for (int64_t i = 0; i < count; i++) out[i]--;
  return out;
}

static torus_index_job index_job(const torus_shape *shape, int dim,
                                 int64_t rows, const int64_t *index,
                                 bool shared) {
  torus_index_job job = {1, shape->size[dim], rows, 1, shared, index};
  for (int d = 0; d < dim; d++) job.outer *= shape->size[d];
  for (int d = dim + 1; d < shape->ndim; d++) job.inner *= shape->size[d];
  return job;
}

static bool check_shapes(torus_scope *scope, const torus_call *call,
                         const torus_shape *shape, int64_t rows, bool shared,
                         bool adjoint) {
  char a[TORUS_SHAPE_TEXT], b[TORUS_SHAPE_TEXT];
  int dim = (int)call->attrs->i[0];
  const torus_shape *index = &call->in[1]->shape;
  torus_shape expected = call->in[0]->shape;
  bool fits;
  if (shared) {
    fits = index->ndim == 1 && (!adjoint || expected.size[dim] == rows);
  } else {
    if (!adjoint && index->ndim == shape->ndim) {
      expected.size[dim] = index->size[dim];
    }
    fits = torus_shape_equal(index, &expected);
  }
  if (fits) return true;
  return torus_status_fail(
      &scope->status, TORUS_EINVAL,
      "%s: an index of shape %s does not fit a tensor of shape %s along "
      "dimension %d",
      call->op->name, torus_shape_format(index, a),
      torus_shape_format(&call->in[0]->shape, b), dim + 1);
}

/* All four operations, distinguished by `code`. */
enum { SHARED = 1, ADJOINT = 2 };

static torus_tensor *index_forward(torus_scope *scope, const torus_call *call) {
  torus_tensor *x = call->in[0], *index = call->in[1];
  int dim = (int)call->attrs->i[0];
  bool shared = call->op->code & SHARED, adjoint = call->op->code & ADJOINT;
  torus_shape long_shape = x->shape; /* of the array that is indexed */
  if (adjoint) long_shape.size[dim] = call->attrs->i[1];
  int64_t rows = shared
                     ? torus_tensor_count(index)
                     : (index->shape.ndim > dim ? index->shape.size[dim] : 0);
  if (!check_shapes(scope, call, &long_shape, rows, shared, adjoint) ||
      !check_index(scope, call, long_shape.size[dim])) {
    return NULL;
  }
  if (adjoint && x->dtype == TORUS_BOOL) {
    return torus_scope_fail(
        scope, TORUS_EINVAL,
        "%s: expected numbers, got bools; convert them with x:to(\"int64\")",
        call->op->name);
  }
  torus_shape out_shape = long_shape;
  if (!adjoint) out_shape.size[dim] = rows;
  torus_scope inner;
  torus_scope_init(&inner, false);
  torus_tensor *dense = torus_contiguous(&inner, x);
  torus_tensor *out =
      dense ? torus_tensor_new(x->dtype, &out_shape, &inner.status) : NULL;
  int64_t *zero = out ? zero_based(&inner, index) : NULL;
  if (zero) {
    torus_index_job job = index_job(&long_shape, dim, rows, zero, shared);
    if (adjoint) {
      torus_layout all = torus_tensor_layout(out);
      torus_move_fill(out->dtype, torus_tensor_data(out), &all, 0);
      torus_move_index_add(x->dtype, &job, torus_tensor_data(dense),
                           torus_tensor_data(out));
    } else {
      torus_move_index(torus_dtype_size(x->dtype), &job,
                       torus_tensor_data(dense), torus_tensor_data(out));
    }
    torus_free(zero);
  } else {
    torus_tensor_release(out);
    out = NULL;
  }
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  return out;
}

static torus_tensor *nonzero_forward(torus_scope *scope,
                                     const torus_call *call) {
  const torus_tensor *x = call->in[0];
  torus_scope inner;
  torus_scope_init(&inner, false);
  torus_tensor *mask =
      torus_contiguous(&inner, torus_to(&inner, call->in[0], TORUS_BOOL));
  torus_tensor *out = NULL;
  if (mask) {
    const uint8_t *data = torus_tensor_data(mask);
    int64_t count = torus_select_count(data, torus_tensor_count(mask));
    torus_shape shape = {2, {count, x->shape.ndim}};
    out = torus_tensor_new(TORUS_INT64, &shape, &inner.status);
    if (out) {
      torus_select_coordinates(data, &x->shape, torus_tensor_data(out));
    }
  }
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  return out;
}

static torus_tensor *index_gradient(torus_scope *scope, const torus_call *call,
                                    int i, torus_tensor *g);

#define DIM                                                                    \
  { "dim", TORUS_PARAM_DIM, false, 0 }
#define SIZE                                                                   \
  { "size", TORUS_PARAM_INT, false, 0 }

/* An operation's adjoint has its position with the lowest bit flipped. */
static const torus_op ops[] = {
    {.name = "gather",
     .inputs = 2,
     .forward = index_forward,
     .gradient = index_gradient,
     .reads = TORUS_READS_Y,
     .any_dtype = true,
     .params = {DIM},
     .code = 0,
     .doc = "out[..., i, ...] = x[..., index[..., i, ...], ...]"},
    /*** Adds elements at indices; the adjoint of gather.
     * @function torus.scatter_add
     * @tparam tensor x
     * @tparam tensor index int64, like x
     * @tparam integer dim from 1, or negative from the end
     * @tparam integer size of that dimension in the result
     * @treturn tensor like x, with that size along dim
     * @raise when an index is outside 1..size
     * @usage
     * i = torus.tensor({1, 3, 1}, { dtype = "int64" })
     * y = torus.scatter_add(torus.tensor{1, 2, 3}, i, 1, 4)   -- 4 0 2 0
     */
    {.name = "scatter_add",
     .inputs = 2,
     .forward = index_forward,
     .gradient = index_gradient,
     .reads = TORUS_READS_Y,
     .any_dtype = true,
     .params = {DIM, SIZE},
     .code = ADJOINT,
     .doc = "adds elements at indices; the adjoint of gather"},
    {.name = "index_select",
     .inputs = 2,
     .forward = index_forward,
     .gradient = index_gradient,
     .reads = TORUS_READS_Y,
     .any_dtype = true,
     .params = {DIM},
     .code = SHARED,
     .doc = "the slices of a dimension at a list of indices"},
    /*** Adds rows at indices; the adjoint of index_select.
     * @function torus.index_add
     * @tparam tensor x
     * @tparam tensor index (n) int64, n the size of `dim`
     * @tparam integer dim from 1, or negative from the end
     * @tparam integer size of that dimension in the result
     * @treturn tensor like x, with that size along dim
     * @raise when an index is outside 1..size
     * @usage
     * i = torus.tensor({2, 2}, { dtype = "int64" })
     * y = torus.index_add(torus.ones(2, 3), i, 1, 4)   -- (4, 3), row 2 is twos
     */
    {.name = "index_add",
     .inputs = 2,
     .forward = index_forward,
     .gradient = index_gradient,
     .reads = TORUS_READS_Y,
     .any_dtype = true,
     .params = {DIM, SIZE},
     .code = SHARED | ADJOINT,
     .doc = "adds rows at indices; the adjoint of index_select"},
    /*** Returns the coordinates of the nonzero elements or, for a bool tensor,
     * the true ones.
     * @function torus.nonzero
     * @tparam tensor x of any dtype
     * @treturn tensor (elements found, dimensions of x) int64, in row-major
     * order
     * @usage
     * x = torus.tensor{{0, 5}, {7, 0}}
     * print(x:nonzero())   -- {1, 2}, {2, 1}
     */
    {.name = "nonzero",
     .inputs = 1,
     .forward = nonzero_forward,
     .constant = true,
     .any_dtype = true,
     .doc = "coordinates (int64, from 1) of the nonzero elements"},
};

const torus_op_family torus_index_ops = {ops, sizeof ops / sizeof *ops};

static torus_tensor *index_gradient(torus_scope *scope, const torus_call *call,
                                    int i, torus_tensor *g) {
  (void)i;
  const torus_op *adjoint = &ops[(call->op - ops) ^ 1];
  int dim = (int)call->attrs->i[0];
  torus_attrs attrs = {.i = {dim, call->in[0]->shape.size[dim]}};
  return torus_apply(scope, adjoint, (torus_tensor *[]){g, call->in[1]}, 2,
                     &attrs);
}
