/* Joining tensors: cat. i[0] is the dimension. */
#include "autodiff/build.h"
#include "kernels/move.h"

#include <string.h>

static torus_tensor *cat_forward(torus_scope *scope, const torus_call *call) {
  char a[TORUS_SHAPE_TEXT], b[TORUS_SHAPE_TEXT];
  int dim = (int)call->attrs->i[0];
  torus_shape shape = call->in[0]->shape;
  for (int i = 1; i < call->inputs; i++) {
    torus_shape like = call->in[i]->shape;
    bool fits = like.ndim == shape.ndim;
    int64_t more = fits ? like.size[dim] : 0;
    if (fits) like.size[dim] = shape.size[dim];
    if (!fits || !torus_shape_equal(&like, &shape) ||
        call->in[i]->dtype != call->in[0]->dtype) {
      return torus_scope_fail(
          scope, TORUS_EINVAL,
          "cat: tensor %d, %s %s, does not fit %s %s along dimension %d", i + 1,
          torus_dtype_name(call->in[i]->dtype),
          torus_shape_format(&call->in[i]->shape, a),
          torus_dtype_name(call->in[0]->dtype),
          torus_shape_format(&call->in[0]->shape, b), dim + 1);
    }
    shape.size[dim] += more;
  }
  torus_tensor *out = torus_new_like(scope, call->in[0], &shape);
  if (!out) return NULL;
  size_t width = torus_dtype_size(out->dtype);
  char *to_data = torus_tensor_data(out);
  for (int i = 0; i < call->inputs; i++) {
    torus_layout from = torus_tensor_layout(call->in[i]), to = from;
    memcpy(to.stride, out->strides, sizeof to.stride);
    torus_move_copy(width, torus_tensor_data(call->in[i]), &from, to_data, &to);
    to_data += (size_t)(from.size[dim] * out->strides[dim]) * width;
  }
  return out;
}

/* Computed together; separately, each gradient would add up all preceding
 * sizes. */
static bool cat_gradients(torus_scope *scope, const torus_call *call,
                          torus_tensor *g, const bool *wanted,
                          torus_tensor **out) {
  int dim = (int)call->attrs->i[0];
  torus_shape start = {.ndim = call->in[0]->shape.ndim};
  for (int d = 0; d < start.ndim; d++) start.size[d] = 1;
  const torus_shape step = start;
  for (int i = 0; i < call->inputs; i++) {
    const torus_shape *size = &call->in[i]->shape;
    if (wanted[i] && !(out[i] = torus_slice(scope, g, &start, size, &step)))
      return false;
    start.size[dim] += size->size[dim];
  }
  return true;
}

static const torus_op ops[] = {
    /*** Joins tensors along a dimension.
     * @function torus.cat
     * @tparam {tensor,...} list of the same dtype and with the same other sizes
     * @tparam[opt=1] integer dim from 1, or negative from the end
     * @treturn tensor
     * @raise when the dtypes or other sizes differ
     * @usage
     * y = torus.cat({ torus.zeros(2, 3), torus.ones(1, 3) }, 1)   -- (3, 3)
     */
    {.name = "cat",
     .inputs = 1,
     .optional_inputs = -1,
     .forward = cat_forward,
     .gradients = cat_gradients,
     .reads = TORUS_READS_NOTHING,
     .any_dtype = true,
     .params = {{"dim", TORUS_PARAM_DIM, true, 1}},
     .doc = "tensors joined along a dimension (default 1)"},
};

const torus_op_family torus_join_ops = {ops, 1};
