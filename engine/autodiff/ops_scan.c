/* Running sums, products and linear recurrences along a dimension, and
 * products over dimensions.
 *
 * A recurrence y_i = a_i y_(i - 1) + b_i is closed under differentiation: with
 * l_i = g_i + a_(i + 1) l_(i + 1), a recurrence from the other end, the
 * gradients are l_i for b_i and l_i y_(i - 1) for a_i. Products of all factors
 * but one are differentiated by it without a division, so zeros do no harm.
 *
 * attrs: i[0] dimension, i[1] from the last element to the first. prod:
 * list[0] dimensions, i[0] keep them with size 1. Integers are accumulated in
 * int64. */
#include "autodiff/build.h"
#include "kernels/scan.h"

enum { CUMSUM, CUMPROD, RECURRENCE, PROD };
static const torus_op ops[];

static torus_tensor *along(torus_scope *s, int op, torus_tensor *a,
                           torus_tensor *b, int64_t dim, bool reverse) {
  torus_attrs attrs = {.i = {dim, reverse}};
  torus_tensor *in[] = {a, b};
  return torus_apply(s, &ops[op], b ? in : &a, b ? 2 : 1, &attrs);
}

/* A dense tensor of a dtype that the kernels know, borrowed from s. */
static torus_tensor *prepared(torus_scope *s, torus_tensor *x) {
  torus_dtype dtype = torus_dtype_is_float(x->dtype) ? x->dtype : TORUS_INT64;
  return torus_contiguous(s, torus_to(s, x, dtype));
}

static bool check_pair(torus_scope *scope, const torus_call *call) {
  char a[TORUS_TENSOR_TEXT], b[TORUS_TENSOR_TEXT];
  const torus_tensor *x = call->in[0], *y = call->in[1];
  if (torus_shape_equal(&x->shape, &y->shape)) return true;
  return torus_status_fail(&scope->status, TORUS_EINVAL,
                           "%s: expected two tensors of one shape, got %s and "
                           "%s",
                           call->op->name, torus_tensor_format(x, a),
                           torus_tensor_format(y, b));
}

static torus_tensor *scan_forward(torus_scope *scope, const torus_call *call) {
  bool pair = call->inputs == 2;
  int dim = (int)call->attrs->i[0];
  if (pair && !check_pair(scope, call)) return NULL;
  torus_scope inner;
  torus_scope_init(&inner, false);
  torus_tensor *a = prepared(&inner, call->in[0]);
  torus_tensor *b = pair ? prepared(&inner, call->in[1]) : a;
  torus_tensor *out = a && b ? torus_new_like(&inner, b, &b->shape) : NULL;
  if (out) {
    torus_scan_job job = {.scan = (torus_scan)call->op->code,
                          .dtype = b->dtype,
                          .outer = 1,
                          .count = b->shape.size[dim],
                          .inner = 1,
                          .reverse = call->attrs->i[1] != 0,
                          .a = torus_tensor_data(a),
                          .b = torus_tensor_data(b),
                          .out = torus_tensor_data(out)};
    for (int d = 0; d < dim; d++) job.outer *= b->shape.size[d];
    for (int d = dim + 1; d < b->shape.ndim; d++) job.inner *= b->shape.size[d];
    torus_scan_run(&job);
  }
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  return out;
}

/* --- gradients --- */

/* x shifted by one element: y_i = x_(i - 1), or x_(i + 1) if `back`; the
 * vacated end is 0, or 1 if `one` is set. */
static torus_tensor *shifted(torus_scope *s, torus_tensor *x, int dim,
                             bool back, bool one) {
  if (!x) return NULL;
  int64_t n = x->shape.size[dim];
  torus_tensor *kept = torus_narrow(s, x, dim, back ? 1 : 0, n - 1);
  torus_tensor *y = torus_widen(s, kept, dim, back ? 0 : 1, n);
  if (!one) return y;
  torus_shape end = x->shape;
  end.size[dim] = 1;
  torus_tensor *ones = torus_filled(s, x->dtype, &end, 1);
  return torus_add(s, y, torus_widen(s, ones, dim, back ? n - 1 : 0, n));
}

static torus_tensor *cumsum_gradient(torus_scope *s, const torus_call *call,
                                     int i, torus_tensor *g) {
  (void)i;
  const int64_t *a = call->attrs->i;
  return along(s, CUMSUM, g, NULL, a[0], !a[1]);
}

/* l, as defined at the top of this file */
static torus_tensor *adjoint(torus_scope *s, const torus_call *call,
                             torus_tensor *factors, torus_tensor *g) {
  int dim = (int)call->attrs->i[0];
  bool reverse = call->attrs->i[1] != 0;
  torus_tensor *next = shifted(s, factors, dim, !reverse, false);
  return along(s, RECURRENCE, next, g, dim, !reverse);
}

/* The product of the preceding factors, times the gradient that the recurrence
 * y_i = x_i y_(i - 1) passes back to its i-th product. */
static torus_tensor *cumprod_gradient(torus_scope *s, const torus_call *call,
                                      int i, torus_tensor *g) {
  (void)i;
  int dim = (int)call->attrs->i[0];
  bool reverse = call->attrs->i[1] != 0;
  if (call->in[0]->shape.size[dim] == 0) return g;
  torus_tensor *before = shifted(s, call->out, dim, reverse, true);
  return torus_mul(s, before, adjoint(s, call, call->in[0], g));
}

static torus_tensor *recurrence_gradient(torus_scope *s, const torus_call *call,
                                         int i, torus_tensor *g) {
  int dim = (int)call->attrs->i[0];
  bool reverse = call->attrs->i[1] != 0;
  if (call->in[0]->shape.size[dim] == 0) return g;
  torus_tensor *l = adjoint(s, call, call->in[0], g);
  if (i == 1) return l;
  return torus_mul(s, l, shifted(s, call->out, dim, reverse, false));
}

/* --- products over dimensions --- */

/* For prod: the permutation that puts the reduced dimensions last, the shape of
 * the others, and the number of elements of the reduced ones. */
typedef struct rows {
  torus_shape order, kept;
  int64_t count;
} rows;

static rows rows_of(const torus_call *call) {
  const torus_shape *dims = &call->attrs->list[0];
  const torus_shape *shape = &call->in[0]->shape;
  rows r = {.count = 1};
  for (int d = 0; d < shape->ndim; d++) {
    bool reduced = false;
    for (int k = 0; k < dims->ndim; k++) reduced |= dims->size[k] == d;
    if (reduced) {
      r.count *= shape->size[d];
    } else {
      r.order.size[r.order.ndim++] = d;
      r.kept.size[r.kept.ndim++] = shape->size[d];
    }
  }
  for (int k = 0; k < dims->ndim; k++) {
    r.order.size[r.order.ndim++] = dims->size[k];
  }
  return r;
}

/* The result's shape: without the reduced dimensions, or with size 1. */
static torus_shape result_shape(const torus_call *call, bool keep) {
  const torus_shape *dims = &call->attrs->list[0];
  torus_shape shape = call->in[0]->shape;
  for (int k = 0; k < dims->ndim; k++) shape.size[dims->size[k]] = 1;
  return keep ? shape : rows_of(call).kept;
}

static torus_tensor *prod_forward(torus_scope *scope, const torus_call *call) {
  rows r = rows_of(call);
  torus_shape shape = result_shape(call, call->attrs->i[0] != 0);
  torus_scope inner;
  torus_scope_init(&inner, false);
  torus_tensor *x = torus_permute(&inner, call->in[0], &r.order);
  x = x ? prepared(&inner, x) : NULL;
  torus_tensor *out = x ? torus_new_like(&inner, x, &shape) : NULL;
  if (out) {
    torus_scan_row_products(x->dtype, torus_shape_count(&r.kept), r.count,
                            torus_tensor_data(x), torus_tensor_data(out));
  }
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  return out;
}

/* g times the product of all other factors. */
static torus_tensor *prod_gradient(torus_scope *s, const torus_call *call,
                                   int i, torus_tensor *g) {
  (void)i;
  torus_tensor *x = call->in[0];
  rows r = rows_of(call);
  torus_shape keep = result_shape(call, true);
  g = torus_reshape(s, g, &keep);
  if (r.count == 0) return torus_expand(s, g, &x->shape);
  torus_tensor *turned = torus_permute(s, x, &r.order);
  if (!turned) return NULL;
  torus_shape turned_shape = turned->shape, back = {.ndim = x->shape.ndim};
  int dim = 1;
  torus_shape flat = {2, {torus_shape_count(&r.kept), r.count}};
  torus_tensor *factors = torus_reshape(s, turned, &flat);
  torus_tensor *up = along(s, CUMPROD, factors, NULL, dim, false);
  torus_tensor *down = along(s, CUMPROD, factors, NULL, dim, true);
  torus_tensor *others = torus_mul(s, shifted(s, up, dim, false, true),
                                   shifted(s, down, dim, true, true));
  others = others ? torus_reshape(s, others, &turned_shape) : NULL;
  for (int d = 0; d < back.ndim; d++) back.size[r.order.size[d]] = d;
  return torus_mul(s, g, others ? torus_permute(s, others, &back) : NULL);
}

#define ALONG                                                                  \
  .params = {{"dim", TORUS_PARAM_DIM, false, 0},                               \
             {"reverse", TORUS_PARAM_BOOL, true, 0}}

static const torus_op ops[] = {
    /*** Cumulative sums along a dimension.
     * @function torus.cumsum
     * @tparam tensor x integers are summed in int64
     * @tparam integer dim from 1, or negative from the end
     * @tparam[opt=false] boolean reverse from the last element to the first
     * @treturn tensor like x
     * @usage y = torus.cumsum(torus.tensor{1, 2, 3}, 1)   -- 1 3 6
     */
    [CUMSUM] =
        {.name = "cumsum",
         .inputs = 1,
         .forward = scan_forward,
         .gradient = cumsum_gradient,
         .reads = TORUS_READS_NOTHING,
         .any_dtype = true,
         ALONG,
         .code = TORUS_SCAN_SUM,
         .doc =
             "cumulative sums along dim; reverse begins at the last element"},
    /*** Cumulative products along a dimension. Gradients are correct for
     * elements that are 0, too.
     * @function torus.cumprod
     * @tparam tensor x integers are multiplied in int64
     * @tparam integer dim from 1, or negative from the end
     * @tparam[opt=false] boolean reverse from the last element to the first
     * @treturn tensor like x
     * @usage y = torus.cumprod(torus.tensor{1, 2, 3}, 1)   -- 1 2 6
     */
    [CUMPROD] = {.name = "cumprod",
                 .inputs = 1,
                 .forward = scan_forward,
                 .gradient = cumprod_gradient,
                 .reads = TORUS_READS_X | TORUS_READS_OUT,
                 .any_dtype = true,
                 ALONG,
                 .code = TORUS_SCAN_PRODUCT,
                 .doc = "cumulative products along dim; reverse begins at the "
                        "last element"},
    /*** The linear recurrence y_i = a_i y_(i-1) + b_i along a dimension, with
     * y_1 = b_1: discounted sums and filters.
     * @function torus.recurrence
     * @tparam tensor a its first element along dim is not read
     * @tparam tensor b like a
     * @tparam integer dim from 1, or negative from the end
     * @tparam[opt=false] boolean reverse from the last element to the first
     * @treturn tensor like b
     * @raise when the shapes differ
     * @usage
     * a = torus.full({3}, 0.5)
     * y = torus.recurrence(a, torus.ones(3), 1)   -- 1 1.5 1.75
     */
    [RECURRENCE] = {.name = "recurrence",
                    .inputs = 2,
                    .forward = scan_forward,
                    .gradient = recurrence_gradient,
                    .reads = TORUS_READS_X | TORUS_READS_OUT,
                    .operands = torus_operands_joint,
                    ALONG,
                    .code = TORUS_SCAN_RECURRENCE,
                    .doc = "y_i = a_i y_(i-1) + b_i along dim, y_1 = b_1; "
                           "reverse begins at the last"},
    [PROD] = {.name = "prod",
              .inputs = 1,
              .forward = prod_forward,
              .gradient = prod_gradient,
              .reads = TORUS_READS_X,
              .any_dtype = true,
              .params = {{"dim", TORUS_PARAM_DIMS, true, 0},
                         {"keepdim", TORUS_PARAM_BOOL, true, 0}},
              .doc = "product over dimensions, of integers in int64"},
};

const torus_op_family torus_scan_ops = {ops, sizeof ops / sizeof *ops};
