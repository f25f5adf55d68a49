/* Elementwise operations, generated from the rows of elementwise.def. */
#include "autodiff/build.h"
#include "kernels/elementwise.h"

#include <math.h>

/* Rows not defined for bools treat them as int64; rows not defined for integers
 * compute in float32. */
static torus_dtype operands_of(const torus_op *op, torus_tensor *const *in,
                               int inputs) {
  torus_elementwise code = (torus_elementwise)op->code;
  torus_dtype joint = torus_operands_joint(op, in, inputs);
  if (torus_elementwise_has(code, joint)) return joint;
  return torus_elementwise_has(code, TORUS_INT64) ? TORUS_INT64 : TORUS_FLOAT32;
}

/* Rejects what integers of the dtype can't compute: fractions among the numbers
 * of the row, and divisors of 0. */
static bool check_integers(torus_scope *scope, const torus_call *call,
                           torus_dtype dtype) {
  for (int i = 0; i < TORUS_ATTR_FLOATS; i++) {
    double number = call->attrs->f[i];
    if (isinf(number) || torus_dtype_holds(dtype, number)) continue;
    return torus_status_fail(&scope->status, TORUS_EINVAL,
                             "%s: expected numbers that %s can represent, got "
                             "%g; convert the tensor with "
                             "x:to(\"float32\")",
                             call->op->name, torus_dtype_name(dtype), number);
  }
  bool divides = call->op->code == TORUS_EW_floor_divide ||
                 call->op->code == TORUS_EW_remainder ||
                 call->op->code == TORUS_EW_fmod;
  if (!divides) return true;
  torus_tensor *divisor = call->in[1];
  int64_t count = torus_tensor_count(divisor);
  torus_layout layout = torus_tensor_layout(divisor);
  for (int64_t i = 0; i < count; i++) {
    int64_t offset = torus_layout_offset(&layout, i);
    if (torus_tensor_integer(divisor, offset) != 0) continue;
    return torus_status_fail(
        &scope->status, TORUS_EINVAL,
        "%s: integers can't be divided by 0, got a divisor with 0 at element "
        "%lld; floats can: x:to(\"float32\")",
        call->op->name, (long long)i + 1);
  }
  return true;
}

/* The shape that all inputs broadcast to. */
static bool broadcast(torus_scope *scope, const torus_call *call,
                      torus_shape *shape) {
  char a[TORUS_SHAPE_TEXT], b[TORUS_SHAPE_TEXT];
  *shape = call->in[0]->shape;
  for (int i = 1; i < call->inputs; i++) {
    const torus_shape *other = &call->in[i]->shape;
    torus_shape joint;
    if (torus_shape_equal(shape, other)) continue;
    if (!torus_shape_broadcast(shape, other, &joint)) {
      return torus_status_fail(&scope->status, TORUS_EINVAL,
                               "%s: shapes don't broadcast, %s with %s",
                               call->op->name, torus_shape_format(shape, a),
                               torus_shape_format(other, b));
    }
    *shape = joint;
  }
  return true;
}

/* The layout in which a kernel reads x, broadcast to the shape of the result.
 * The two most common cases, a dense tensor of that shape and a single number,
 * have one dimension. */
static void set_layout(const torus_tensor *x, const torus_shape *shape,
                       int64_t count, torus_layout *layout) {
  bool dense =
      torus_tensor_is_contiguous(x) && torus_shape_equal(&x->shape, shape);
  if (dense || x->shape.ndim == 0) {
    layout->ndim = 1;
    layout->size[0] = count;
    layout->stride[0] = dense;
  } else {
    *layout = torus_tensor_broadcast_layout(x, shape);
  }
}

static torus_tensor *forward(torus_scope *scope, const torus_call *call) {
  torus_shape shape;
  const double *numbers = call->attrs->f;
  if (call->op->code == TORUS_EW_clamp && !(numbers[0] <= numbers[1])) {
    return torus_scope_fail(
        scope, TORUS_EINVAL,
        "clamp: expected min up to max, got min %g and max %g", numbers[0],
        numbers[1]);
  }
  if (!broadcast(scope, call, &shape)) return NULL;
  torus_dtype dtype = call->in[call->inputs - 1]->dtype; /* the first may be a
                                                            condition */
  if (!torus_dtype_is_float(dtype) && !check_integers(scope, call, dtype)) {
    return NULL;
  }
  torus_tensor *first = call->in[0];
  if (call->op->selects && first->dtype != TORUS_BOOL) {
    first = torus_to(scope, first, TORUS_BOOL);
    if (!first) return NULL;
  }
  torus_tensor *out = torus_tensor_new(call->op->test ? TORUS_BOOL : dtype,
                                       &shape, &scope->status);
  if (!out) return NULL;
  int64_t count = torus_tensor_count(out);
  torus_layout layouts[TORUS_ELEMENTWISE_INPUTS];
  const void *in[TORUS_ELEMENTWISE_INPUTS] = {NULL};
  for (int i = 0; i < call->inputs; i++) {
    const torus_tensor *x = i == 0 ? first : call->in[i];
    set_layout(x, &shape, count, &layouts[i]);
    in[i] = torus_tensor_data(x);
  }
  torus_elementwise_run((torus_elementwise)call->op->code, dtype, call->inputs,
                        in, layouts, torus_tensor_data(out), count,
                        call->attrs->f);
  return out;
}

/* --- the language of the gradient expressions ------------------------------
 */

static torus_tensor *with_scalar(torus_scope *s, torus_tensor *x, double value,
                                 torus_tensor *(*op)(torus_scope *,
                                                     torus_tensor *,
                                                     torus_tensor *)) {
  return x ? op(s, x, torus_scalar(s, x->dtype, value)) : NULL;
}

/* y if the condition is not zero, else the number. */
static torus_tensor *where_else(torus_scope *s, torus_tensor *condition,
                                torus_tensor *y, double value) {
  torus_tensor *z = y ? torus_scalar(s, y->dtype, value) : NULL;
  return torus_where(s, condition, y, z);
}

/* The part of a gradient that goes to the first of two competing inputs: all of
 * it if x is larger or either is NaN, half in a tie. */
static torus_tensor *share_of(torus_scope *s, torus_tensor *x, torus_tensor *y,
                              torus_tensor *g) {
  torus_tensor *half = with_scalar(s, g, 0.5, torus_mul);
  torus_tensor *share = torus_where(s, torus_eq(s, x, y), half, g);
  torus_tensor *zero = torus_scalar(s, g->dtype, 0);
  return torus_where(s, torus_lt(s, x, y), zero, share);
}

/* The gradient g y x^(y - 1) of x in x^y, 0 where y is 0. There the exponent
 * is 0 instead of -1, so that higher derivatives meet no infinity. Where y is
 * differentiated too, that would hide the mixed derivative 1/x at y = 0: then
 * the exponent changes at x = 0 alone. */
static torus_tensor *power_slope(torus_scope *s, torus_tensor *x,
                                 torus_tensor *y, torus_tensor *g) {
  torus_tensor *constant = with_scalar(s, y, 0, torus_eq);
  torus_tensor *less = with_scalar(s, y, -1, torus_add);
  bool mixed = y->requires_grad && s->record;
  torus_tensor *keep =
      mixed ? torus_mul(s, constant, with_scalar(s, x, 0, torus_eq)) : constant;
  less = torus_where(s, keep, y, less);
  torus_tensor *slope = torus_mul(s, y, torus_pow(s, x, less));
  slope = torus_mul(s, g, slope);
  if (mixed) return slope;
  return torus_where(s, constant, torus_scalar(s, g->dtype, 0), slope);
}

/* c e^(-k x^2) */
static torus_tensor *gaussian_of(torus_scope *s, torus_tensor *x, double c,
                                 double k) {
  torus_tensor *exponent = with_scalar(s, torus_square(s, x), -k, torus_mul);
  return with_scalar(s, torus_exp(s, exponent), c, torus_mul);
}

/* Of y = x sigmoid(x): sigmoid(x) + y (1 - sigmoid(x)) */
static torus_tensor *silu_slope_of(torus_scope *s, torus_tensor *x,
                                   torus_tensor *y) {
  torus_tensor *sigmoid = torus_sigmoid(s, x);
  torus_tensor *less = torus_sub(s, y, torus_mul(s, y, sigmoid));
  return torus_add(s, sigmoid, less);
}

/* Of x times the normal distribution function: that, plus x times its density.
 */
static torus_tensor *gelu_slope_of(torus_scope *s, torus_tensor *x) {
  torus_tensor *scaled = with_scalar(s, x, -M_SQRT1_2, torus_mul);
  torus_tensor *below = with_scalar(s, torus_erfc(s, scaled), 0.5, torus_mul);
  double c = M_2_SQRTPI * M_SQRT1_2 / 2; /* 1 / sqrt(2 pi) */
  torus_tensor *density = gaussian_of(s, x, c, 0.5);
  return torus_add(s, below, torus_mul(s, x, density));
}

/* g y / (x^2 + y^2), without overflow of the squares */
static torus_tensor *angle_slope_of(torus_scope *s, torus_tensor *x,
                                    torus_tensor *y, torus_tensor *g) {
  torus_tensor *r = torus_hypot(s, x, y);
  return torus_mul(s, g, torus_div(s, torus_div(s, y, r), r));
}

/* g x / r, where r is 0 too: 0, and so are all higher derivatives. */
static torus_tensor *radius_slope_of(torus_scope *s, torus_tensor *x,
                                     torus_tensor *r, torus_tensor *g) {
  torus_tensor *origin = with_scalar(s, r, 0, torus_eq);
  torus_tensor *divisor =
      r ? torus_where(s, origin, torus_scalar(s, r->dtype, 1), r) : NULL;
  torus_tensor *slope = torus_mul(s, g, torus_div(s, x, divisor));
  return slope ? torus_where(s, origin, torus_scalar(s, slope->dtype, 0), slope)
               : NULL;
}

#define X (call->in[0])
#define Y (call->in[1])
#define OUT (call->out)
#define G g
#define A (call->attrs->f[0])
#define B (call->attrs->f[1])
#define NONE torus_filled(s, X->dtype, &X->shape, 0)
#define ONE torus_scalar(s, g->dtype, 1)
#define neg(x) torus_neg(s, x)
#define add(x, y) torus_add(s, x, y)
#define sub(x, y) torus_sub(s, x, y)
#define mul(x, y) torus_mul(s, x, y)
#define div(x, y) torus_div(s, x, y)
#define add1(x, v) with_scalar(s, x, v, torus_add)
#define mul1(x, v) with_scalar(s, x, v, torus_mul)
#define eq1(x, v) with_scalar(s, x, v, torus_eq)
#define gt1(x, v) with_scalar(s, x, v, torus_gt)
#define floor_divide(x, y) torus_floor_divide(s, x, y)
#define ge1(x, v) with_scalar(s, x, v, torus_ge)
#define le1(x, v) with_scalar(s, x, v, torus_le)
#define where(c, x, y) torus_where(s, c, x, y)
#define where1(c, x, v) where_else(s, c, x, v)
#define where0(c, x) torus_where(s, c, torus_scalar(s, g->dtype, 0), x)
#define power(x, y) power_slope(s, x, y, g)
#define square(x) torus_square(s, x)
#define log(x) torus_log(s, x)
#define sin(x) torus_sin(s, x)
#define cos(x) torus_cos(s, x)
#define sinh(x) torus_sinh(s, x)
#define cosh(x) torus_cosh(s, x)
#define hypot(x, y) torus_hypot(s, x, y)
#define sqrt(x) torus_sqrt(s, x)
#define trunc(x) torus_trunc(s, x)
#define digamma(x) torus_digamma(s, x)
#define polygamma(x, n) torus_polygamma(s, x, n)
#define gaussian(x, c, k) gaussian_of(s, x, c, k)
#define silu_slope(x, y) silu_slope_of(s, x, y)
#define gelu_slope(x) gelu_slope_of(s, x)
#define angle_slope(x, y) angle_slope_of(s, x, y, g)
#define radius_slope(x, r) radius_slope_of(s, x, r, g)
#define sigmoid(x) torus_sigmoid(s, x)
#define sign(x) torus_sign(s, x)
#define share(x, y) share_of(s, x, y, g)

#define RULE(name, ...)                                                        \
  static torus_tensor *name##_gradient(torus_scope *s, const torus_call *call, \
                                       int i, torus_tensor *g) {               \
    __VA_ARGS__                                                                \
  }
#define UNARY(name, value, gx, ...) RULE(name, (void)i, (void)call; return gx;)
#define UNARY1(name, p, d, value, gx, ...) RULE(name, (void)i; return gx;)
#define UNARY2(name, p, d, p2, d2, value, gx, ...)                             \
  RULE(name, (void)i; return gx;)
#define STEP1(name, value, doc)
#define BINARY(name, value, gx, gy, ...)                                       \
  RULE(name, (void)s; (void)call; if (i == 0) return gx; return gy;)
#define STEP2(name, value, doc)
#define TERNARY(name, value, gx, gy, gz, ...)                                  \
  RULE(name, if (i == 0) return gx; if (i == 1) return gy; return gz;)
#include "kernels/elementwise.def"
#undef UNARY
#undef UNARY1
#undef UNARY2
#undef STEP1
#undef BINARY
#undef STEP2
#undef TERNARY

/* --- descriptors ------------------------------------------------------------
 */

#define OP(op_name, arity, rule, values, is_constant, is_test, text, ...)      \
  {                                                                            \
    .name = #op_name, .inputs = arity, .forward = forward, .gradient = rule,   \
    .reads = values, .constant = is_constant, .test = is_test,                 \
    .selects = arity == 3, .operands = operands_of, .fresh = true,             \
    .code = TORUS_EW_##op_name, .doc = text, .params = {                       \
      __VA_ARGS__                                                              \
    }                                                                          \
  }
#define READS_NOTHING TORUS_READS_NOTHING
#define READS_X TORUS_READS_X
#define READS_Y TORUS_READS_Y
#define READS_OUT TORUS_READS_OUT
#define NUMBER(p, d)                                                           \
  { #p, TORUS_PARAM_FLOAT, true, d }

static const torus_op ops[] = {
#define VECMATH(name, gx, reads, doc)                                          \
  OP(name, 1, name##_gradient, reads, false, false, doc, {0}),
#define UNARY(name, value, gx, reads, doc)                                     \
  OP(name, 1, name##_gradient, reads, false, false, doc, {0}),
#define UNARY1(name, p, d, value, gx, reads, doc)                              \
  OP(name, 1, name##_gradient, reads, false, false, doc, NUMBER(p, d)),
#define UNARY2(name, p, d, p2, d2, value, gx, reads, doc)                      \
  OP(name, 1, name##_gradient, reads, false, false, doc, NUMBER(p, d),         \
     NUMBER(p2, d2)),
#define STEP1(name, value, doc) OP(name, 1, NULL, 0, true, false, doc, {0}),
#define TEST1(name, value, doc) OP(name, 1, NULL, 0, true, true, doc, {0}),
#define BINARY(name, value, gx, gy, reads, doc)                                \
  OP(name, 2, name##_gradient, reads, false, false, doc, {0}),
#define STEP2(name, value, doc) OP(name, 2, NULL, 0, true, false, doc, {0}),
#define TEST2(name, value, doc) OP(name, 2, NULL, 0, true, true, doc, {0}),
#define TERNARY(name, value, gx, gy, gz, reads, doc)                           \
  OP(name, 3, name##_gradient, reads, false, false, doc, {0}),
#include "kernels/elementwise.def"
#undef UNARY
#undef UNARY1
#undef UNARY2
#undef STEP1
#undef BINARY
#undef STEP2
#undef TERNARY
};

const torus_op_family torus_elementwise_ops = {ops, TORUS_EW_COUNT};

#define UNARY(name, value, ...)                                                \
  torus_tensor *torus_##name(torus_scope *scope, torus_tensor *x) {            \
    return torus_apply(scope, &ops[TORUS_EW_##name], &x, 1, NULL);             \
  }
#define UNARY1(name, p, d, value, ...)                                         \
  torus_tensor *torus_##name(torus_scope *scope, torus_tensor *x, double a) {  \
    torus_attrs attrs = {.f = {a}};                                            \
    return torus_apply(scope, &ops[TORUS_EW_##name], &x, 1, &attrs);           \
  }
#define UNARY2(name, p, d, p2, d2, value, ...)                                 \
  torus_tensor *torus_##name(torus_scope *scope, torus_tensor *x, double a,    \
                             double b) {                                       \
    torus_attrs attrs = {.f = {a, b}};                                         \
    return torus_apply(scope, &ops[TORUS_EW_##name], &x, 1, &attrs);           \
  }
#define STEP1(name, value, doc) UNARY(name, value, doc)
#define BINARY(name, value, ...)                                               \
  torus_tensor *torus_##name(torus_scope *scope, torus_tensor *x,              \
                             torus_tensor *y) {                                \
    return torus_apply(scope, &ops[TORUS_EW_##name], (torus_tensor *[]){x, y}, \
                       2, NULL);                                               \
  }
#define STEP2(name, value, doc) BINARY(name, value, doc)
#define TERNARY(name, value, ...)                                              \
  torus_tensor *torus_##name(torus_scope *scope, torus_tensor *x,              \
                             torus_tensor *y, torus_tensor *z) {               \
    return torus_apply(scope, &ops[TORUS_EW_##name],                           \
                       (torus_tensor *[]){x, y, z}, 3, NULL);                  \
  }
#include "kernels/elementwise.def"
