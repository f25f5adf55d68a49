/* Operations on the bits of integers; on bools, logical operations. None has a
 * derivative. */
#include "autodiff/build.h"
#include "kernels/bitwise.h"

static bool check_bits(torus_scope *scope, const torus_call *call) {
  char text[TORUS_TENSOR_TEXT];
  const torus_tensor *x = call->in[0];
  if (!torus_dtype_is_float(x->dtype)) return true;
  return torus_status_fail(
      &scope->status, TORUS_EINVAL,
      "%s: expected bool or integer tensors, got %s; compare it, as with "
      "x:ne(0), or convert it with x:to(\"int64\")",
      call->op->name, torus_tensor_format(x, text));
}

/* Contiguous, of the shape; borrowed from the scope. */
static torus_tensor *spread(torus_scope *scope, torus_tensor *x,
                            const torus_shape *shape) {
  return torus_contiguous(scope, torus_expand(scope, x, shape));
}

/* x op y, of one dtype and broadcast; owned by the caller. */
static torus_tensor *combine(torus_scope *scope, const torus_call *call,
                             torus_bitwise op, torus_tensor *x,
                             torus_tensor *y) {
  char a[TORUS_SHAPE_TEXT], b[TORUS_SHAPE_TEXT];
  torus_shape shape;
  if (!torus_shape_broadcast(&x->shape, &y->shape, &shape)) {
    return torus_scope_fail(scope, TORUS_EINVAL,
                            "%s: shapes don't broadcast, %s with %s",
                            call->op->name, torus_shape_format(&x->shape, a),
                            torus_shape_format(&y->shape, b));
  }
  torus_scope inner;
  torus_scope_init(&inner, false);
  x = spread(&inner, x, &shape);
  y = spread(&inner, y, &shape);
  torus_tensor *out =
      x && y ? torus_tensor_new(x->dtype, &shape, &inner.status) : NULL;
  if (out) {
    torus_bitwise_run(op, torus_tensor_data(x), torus_tensor_data(y),
                      torus_tensor_data(out), out->storage->bytes);
  }
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  return out;
}

static torus_tensor *pair_forward(torus_scope *scope, const torus_call *call) {
  if (!check_bits(scope, call)) return NULL;
  return combine(scope, call, (torus_bitwise)call->op->code, call->in[0],
                 call->in[1]);
}

/* Every bit of -1 is set, and the one bit of a true bool. */
static torus_tensor *not_forward(torus_scope *scope, const torus_call *call) {
  torus_tensor *x = call->in[0];
  if (!check_bits(scope, call)) return NULL;
  double bits = x->dtype == TORUS_BOOL    ? 1
                : x->dtype == TORUS_UINT8 ? UINT8_MAX
                                          : -1;
  torus_scope inner;
  torus_scope_init(&inner, false);
  torus_tensor *all = torus_scalar(&inner, x->dtype, bits);
  torus_tensor *out =
      all ? combine(&inner, call, TORUS_BITS_XOR, x, all) : NULL;
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  return out;
}

static const torus_op ops[] = {
    /*** x & y: the bits set in both; for bools, true if both are true.
     * @function torus.bitwise_and
     * @tparam tensor|number x bool or integers
     * @tparam tensor|number y broadcasts against x
     * @treturn tensor of the joint dtype
     * @raise for floating-point tensors
     * @usage
     * x = torus.tensor{1, -2, 3}
     * print(x:gt(0) & x:lt(2))   -- true false false
     */
    {.name = "bitwise_and",
     .inputs = 2,
     .operands = torus_operands_joint,
     .forward = pair_forward,
     .constant = true,
     .code = TORUS_BITS_AND,
     .doc = "x & y: the bits set in both; for bools, true if both are true"},
    /*** x | y: the bits set in either; for bools, true if at least one is true.
     * @function torus.bitwise_or
     * @tparam tensor|number x bool or integers
     * @tparam tensor|number y broadcasts against x
     * @treturn tensor of the joint dtype
     * @raise for floating-point tensors
     * @usage
     * x = torus.tensor{1, -2, 3}
     * print(x:lt(0) | x:gt(2))   -- false true true
     */
    {.name = "bitwise_or",
     .inputs = 2,
     .operands = torus_operands_joint,
     .forward = pair_forward,
     .constant = true,
     .code = TORUS_BITS_OR,
     .doc = "x | y: the bits set in either; for bools, true if at least one is "
            "true"},
    /*** x ~ y: the bits that differ; for bools, true if they differ.
     * @function torus.bitwise_xor
     * @tparam tensor|number x bool or integers
     * @tparam tensor|number y broadcasts against x
     * @treturn tensor of the joint dtype
     * @raise for floating-point tensors
     * @usage print(torus.tensor{true, true} ~ torus.tensor{true, false})
     */
    {.name = "bitwise_xor",
     .inputs = 2,
     .operands = torus_operands_joint,
     .forward = pair_forward,
     .constant = true,
     .code = TORUS_BITS_XOR,
     .doc = "x ~ y: the bits that differ; for bools, true if they differ"},
    /*** ~x: every bit inverted; for bools, not x.
     * @function torus.bitwise_not
     * @tparam tensor x bool or integers
     * @treturn tensor like x
     * @raise for a floating-point tensor
     * @usage print(~torus.tensor{true, false})   -- false true
     */
    {.name = "bitwise_not",
     .inputs = 1,
     .operands = torus_operands_joint,
     .forward = not_forward,
     .constant = true,
     .doc = "~x: every bit inverted; for bools, not x"},
};

const torus_op_family torus_bitwise_ops = {ops, sizeof ops / sizeof *ops};
