/* Order and counts: the indices that sort, select or group elements, and how
 * many lie where. Results are int64 and never part of a graph; values, through
 * which gradients flow, are read by these indices. Indices count from 1. */
#include "autodiff/build.h"
#include "core/alloc.h"
#include "core/interrupt.h"
#include "kernels/move.h"
#include "kernels/order.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>

/* A dense tensor of a dtype that the kernels know, borrowed from s. */
static torus_tensor *prepared(torus_scope *s, torus_tensor *x) {
  torus_dtype dtype = torus_dtype_is_float(x->dtype) ? x->dtype : TORUS_INT64;
  return torus_contiguous(s, torus_to(s, x, dtype));
}

/* Runs a computation in a separate scope; its result is owned by the caller. */
static torus_tensor *within(torus_scope *scope, const torus_call *call,
                            torus_tensor *(*of)(torus_scope *,
                                                const torus_call *)) {
  torus_scope inner;
  torus_scope_init(&inner, false);
  torus_tensor *out = of(&inner, call);
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  /* The caller owns it. */
  // cppcheck-suppress returnDanglingLifetime
  return out;
}

/* --- argsort, argtopk, argmedian: what a row keeps, and how --- */

typedef struct selection {
  int dim;
  int64_t keep;
  bool descending, keepdim, median;
} selection;

/* Fills the elements of x, prepared, into out. */
static bool select_indices(torus_scope *scope, const selection *how,
                           const torus_tensor *x, torus_tensor *out) {
  torus_order_job job = {.dtype = x->dtype,
                         .outer = 1,
                         .count = x->shape.size[how->dim],
                         .inner = 1,
                         .keep = how->keep,
                         .descending = how->descending,
                         .x = torus_tensor_data(x),
                         .out = torus_tensor_data(out)};
  for (int d = 0; d < how->dim; d++) job.outer *= x->shape.size[d];
  for (int d = how->dim + 1; d < x->shape.ndim; d++) {
    job.inner *= x->shape.size[d];
  }
  job.scratch = torus_scratch(scope, torus_order_scratch(&job));
  if (!job.scratch) return false;
  (how->median ? torus_order_median : torus_order_sort)(&job);
  torus_free(job.scratch);
  if (!torus_interrupt_check(&scope->status)) return false;
  int64_t count = torus_tensor_count(out);
  for (int64_t i = 0; i < count; i++) job.out[i]++;
  return true;
}

static torus_tensor *indices(torus_scope *scope, const torus_call *call,
                             const selection *how) {
  torus_shape shape = call->in[0]->shape;
  shape.size[how->dim] = how->keep;
  torus_scope inner;
  torus_scope_init(&inner, false);
  torus_tensor *x = prepared(&inner, call->in[0]);
  torus_tensor *out =
      x ? torus_tensor_new(TORUS_INT64, &shape, &inner.status) : NULL;
  if (out && !select_indices(&inner, how, x, out)) {
    torus_tensor_release(out);
    out = NULL;
  }
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  return out;
}

static torus_tensor *argsort_forward(torus_scope *scope,
                                     const torus_call *call) {
  int dim = (int)call->attrs->i[0];
  selection how = {.dim = dim,
                   .keep = call->in[0]->shape.size[dim],
                   .descending = call->attrs->i[1] != 0};
  return indices(scope, call, &how);
}

static torus_tensor *argtopk_forward(torus_scope *scope,
                                     const torus_call *call) {
  char text[TORUS_TENSOR_TEXT];
  int64_t k = call->attrs->i[0];
  int dim = (int)call->attrs->i[1];
  int64_t size = call->in[0]->shape.size[dim];
  if (k < 0 || k > size) {
    return torus_scope_fail(scope, TORUS_EINVAL,
                            "%s: expected k from 0 to the size %" PRId64
                            " of dimension %d of %s, got %" PRId64,
                            call->op->name, size, dim + 1,
                            torus_tensor_format(call->in[0], text), k);
  }
  selection how = {.dim = dim, .keep = k, .descending = call->attrs->i[2] != 0};
  return indices(scope, call, &how);
}

static torus_tensor *argmedian_forward(torus_scope *scope,
                                       const torus_call *call) {
  char text[TORUS_TENSOR_TEXT];
  int dim = (int)call->attrs->i[0];
  if (call->in[0]->shape.size[dim] == 0) {
    return torus_scope_fail(
        scope, TORUS_EINVAL,
        "%s: expected at least one element along dimension %d, got %s",
        call->op->name, dim + 1, torus_tensor_format(call->in[0], text));
  }
  selection how = {.dim = dim, .keep = 1, .median = true};
  return indices(scope, call, &how);
}

/* --- searchsorted --- */

static torus_tensor *search_of(torus_scope *s, const torus_call *call) {
  torus_tensor *sorted = call->in[0], *values = call->in[1];
  if (sorted->dtype != values->dtype) {
    sorted = torus_to(s, sorted, TORUS_FLOAT64);
    values = torus_to(s, values, TORUS_FLOAT64);
  }
  sorted = sorted ? prepared(s, sorted) : NULL;
  values = values ? prepared(s, values) : NULL;
  torus_tensor *out =
      sorted && values
          ? torus_tensor_new(TORUS_INT64, &values->shape, &s->status)
          : NULL;
  if (!out) return NULL;
  int64_t *places = torus_tensor_data(out), count = torus_tensor_count(out);
  torus_order_search(values->dtype, torus_tensor_data(sorted),
                     torus_tensor_count(sorted), torus_tensor_data(values),
                     count, call->attrs->i[0] != 0, places);
  if (!torus_interrupt_check(&s->status)) {
    torus_tensor_release(out);
    return NULL;
  }
  for (int64_t i = 0; i < count; i++) places[i]++;
  return out;
}

static torus_tensor *searchsorted_forward(torus_scope *scope,
                                          const torus_call *call) {
  char text[TORUS_TENSOR_TEXT];
  if (call->in[0]->shape.ndim != 1) {
    return torus_scope_fail(
        scope, TORUS_EINVAL, "%s: expected a vector as sorted, got %s",
        call->op->name, torus_tensor_format(call->in[0], text));
  }
  return within(scope, call, search_of);
}

/* --- groups: first (m), inverse (n) and counts (m) in one tensor --- */

static torus_tensor *pack_groups(torus_scope *s, torus_tensor *x) {
  int64_t n = torus_tensor_count(x);
  torus_shape flat = {1, {n}};
  selection how = {.keep = n};
  torus_tensor *row = torus_reshape(s, x, &flat);
  if (!row) return NULL;
  torus_tensor *order =
      torus_scope_own(s, torus_tensor_new(TORUS_INT64, &flat, &s->status));
  int64_t *work = torus_scratch(s, 3 * (size_t)n * sizeof *work);
  torus_tensor *out = NULL;
  if (order && work && select_indices(s, &how, row, order)) {
    int64_t *index = torus_tensor_data(order);
    int64_t *first = work, *inverse = work + n, *counts = work + 2 * n;
    for (int64_t i = 0; i < n; i++) index[i]--;
    int64_t m = torus_order_groups(x->dtype, torus_tensor_data(row), n, index,
                                   first, inverse, counts);
    out = torus_tensor_new(TORUS_INT64, &(torus_shape){1, {2 * m + n}},
                           &s->status);
    int64_t *to = out ? torus_tensor_data(out) : NULL;
    for (int64_t i = 0; out && i < m; i++) to[i] = first[i] + 1;
    for (int64_t i = 0; out && i < n; i++) to[m + i] = inverse[i] + 1;
    for (int64_t i = 0; out && i < m; i++) to[m + n + i] = counts[i];
  }
  torus_free(work);
  return out;
}

static torus_tensor *groups_of(torus_scope *s, const torus_call *call) {
  torus_tensor *x = prepared(s, call->in[0]);
  return x ? pack_groups(s, x) : NULL;
}

static torus_tensor *argunique_forward(torus_scope *scope,
                                       const torus_call *call) {
  return within(scope, call, groups_of);
}

static torus_tensor *argunique_part(torus_scope *scope, const torus_call *call,
                                    int i) {
  const torus_tensor *x = call->in[0];
  int64_t n = torus_tensor_count(x);
  int64_t m = (torus_tensor_count(call->out) - n) / 2;
  if (i != 1) return torus_narrow(scope, call->out, 0, i == 0 ? 0 : m + n, m);
  torus_tensor *inverse = torus_narrow(scope, call->out, 0, m, n);
  return torus_reshape(scope, inverse, &x->shape);
}

/* --- counts --- */

/* The range of a histogram: the one given, or that of the elements. */
static bool range_of(torus_scope *scope, const torus_call *call,
                     torus_tensor *x, double *low, double *high) {
  *low = call->attrs->f[0];
  *high = call->attrs->f[1];
  if (*low == *high && *low == 0 && torus_tensor_count(x) > 0) {
    torus_scope inner;
    torus_scope_init(&inner, false);
    torus_tensor *d = torus_to(&inner, x, TORUS_FLOAT64);
    torus_shape flat = {1, {torus_tensor_count(x)}};
    torus_attrs all = {.list = {{1, {0}}}};
    d = d ? torus_reshape(&inner, d, &flat) : NULL;
    torus_tensor *least =
        torus_apply(&inner, torus_op_find("min"), &d, 1, &all);
    torus_tensor *most = torus_apply(&inner, torus_op_find("max"), &d, 1, &all);
    if (least && most) {
      *low = *(double *)torus_tensor_data(least);
      *high = *(double *)torus_tensor_data(most);
    }
    torus_scope_clear(&inner);
    torus_scope_pass_error(scope, &inner);
    if (scope->status.code != TORUS_OK) return false;
  }
  if (*low == *high) { /* all elements are equal */
    double wide = fmax(1, 4 * DBL_EPSILON * fabs(*low));
    *low = fmax(*low - wide, -DBL_MAX);
    *high = fmin(*high + wide, DBL_MAX);
  }
  if (isfinite(*low) && isfinite(*high) && *low < *high) return true;
  return torus_status_fail(&scope->status, TORUS_EINVAL,
                           "%s: expected a finite range with min below max, "
                           "got min %g and max %g",
                           call->op->name, *low, *high);
}

static torus_tensor *histc_of(torus_scope *s, const torus_call *call) {
  int64_t bins = call->attrs->i[0];
  double low, high;
  torus_tensor *x = prepared(s, call->in[0]);
  if (!x || !range_of(s, call, x, &low, &high)) return NULL;
  torus_tensor *out =
      torus_tensor_new(TORUS_INT64, &(torus_shape){1, {bins}}, &s->status);
  if (!out) return NULL;
  torus_order_histogram(x->dtype, torus_tensor_data(x), torus_tensor_count(x),
                        low, high, bins, torus_tensor_data(out));
  return out;
}

static torus_tensor *bincount_of(torus_scope *s, const torus_call *call) {
  torus_tensor *x = prepared(s, call->in[0]);
  if (!x) return NULL;
  const int64_t *value = torus_tensor_data(x);
  int64_t n = torus_tensor_count(x), bins = call->attrs->i[0];
  for (int64_t i = 0; i < n; i++) {
    if (value[i] < 1) {
      return torus_scope_fail(
          s, TORUS_EINVAL, "%s: expected integers of at least 1, got %" PRId64,
          call->op->name, value[i]);
    }
    if (value[i] > bins) bins = value[i];
  }
  torus_tensor *out =
      torus_tensor_new(TORUS_INT64, &(torus_shape){1, {bins}}, &s->status);
  if (!out) return NULL;
  int64_t *counts = torus_tensor_data(out);
  for (int64_t i = 0; i < bins; i++) counts[i] = 0;
  for (int64_t i = 0; i < n; i++) counts[value[i] - 1]++;
  return out;
}

static torus_tensor *histc_forward(torus_scope *scope, const torus_call *call) {
  int64_t bins = call->attrs->i[0];
  if (bins < 1) {
    return torus_scope_fail(scope, TORUS_EINVAL,
                            "%s: expected at least one bin, got %" PRId64,
                            call->op->name, bins);
  }
  return within(scope, call, histc_of);
}

static torus_tensor *bincount_forward(torus_scope *scope,
                                      const torus_call *call) {
  char text[TORUS_TENSOR_TEXT];
  const torus_tensor *x = call->in[0];
  if (torus_dtype_is_float(x->dtype) || x->shape.ndim != 1) {
    return torus_scope_fail(
        scope, TORUS_EINVAL,
        "%s: expected one dimension of integers of at least 1, got %s",
        call->op->name, torus_tensor_format(x, text));
  }
  if (call->attrs->i[0] < 0) {
    return torus_scope_fail(
        scope, TORUS_EINVAL,
        "%s: expected a nonnegative minlength, got %" PRId64, call->op->name,
        call->attrs->i[0]);
  }
  return within(scope, call, bincount_of);
}

#define DIM                                                                    \
  { "dim", TORUS_PARAM_DIM, true, -1 }

static const torus_op ops[] = {
    /*** Returns the indices that sort a dimension, for `x:gather(dim,
     * indices)`. The sort is stable; NaN counts as the largest.
     * @function torus.argsort
     * @tparam tensor x of any dtype
     * @tparam[opt=-1] integer dim from 1, or negative from the end
     * @tparam[opt=false] boolean descending
     * @treturn tensor int64, like x
     * @usage i = torus.argsort(torus.tensor{3, 1, 2})   -- 2 3 1
     */
    {.name = "argsort",
     .inputs = 1,
     .forward = argsort_forward,
     .constant = true,
     .any_dtype = true,
     .params = {DIM, {"descending", TORUS_PARAM_BOOL, true, 0}},
     .doc = "indices (int64, from 1) that sort dim; stable, NaN is the "
            "largest"},
    /*** Returns the indices of the k largest elements along a dimension, the
     * largest first; the first of equal ones. NaN counts as the largest.
     * @function torus.argtopk
     * @tparam tensor x of any dtype
     * @tparam integer k from 0 to the size
     * @tparam[opt=-1] integer dim from 1, or negative from the end
     * @tparam[opt=true] boolean largest false: the smallest, ascending
     * @treturn tensor int64, like x, with size k along dim
     * @raise when there are fewer than k
     * @usage i = torus.argtopk(torus.tensor{5, 9, 7, 1}, 2)   -- 2 3
     */
    {.name = "argtopk",
     .inputs = 1,
     .forward = argtopk_forward,
     .constant = true,
     .any_dtype = true,
     .params = {{"k", TORUS_PARAM_INT, false, 0},
                DIM,
                {"largest", TORUS_PARAM_BOOL, true, 1}},
     .doc = "indices (int64, from 1) of the k largest elements along dim, in "
            "order"},
    /*** Returns the index of the median along a dimension: the lower of the two
     * in the middle for an even number of elements, and the first NaN if there
     * is one.
     * @function torus.argmedian
     * @tparam tensor x of any dtype
     * @tparam[opt=-1] integer dim from 1, or negative from the end
     * @treturn tensor int64, like x, with size 1 along dim
     * @raise when there are no elements
     * @usage i = torus.argmedian(torus.tensor{3, 1, 2})   -- 3
     */
    {.name = "argmedian",
     .inputs = 1,
     .forward = argmedian_forward,
     .constant = true,
     .any_dtype = true,
     .params = {DIM},
     .doc = "index (int64, from 1) of the median along dim, which keeps size "
            "1; the lower of two in the middle"},
    /* torus.searchsorted has the side as an option. */
    {.name = "searchsorted",
     .inputs = 2,
     .forward = searchsorted_forward,
     .constant = true,
     .any_dtype = true,
     .params = {{"right", TORUS_PARAM_BOOL, true, 0}},
     .doc = "position (int64, from 1) of the first element of a sorted vector "
            "that is not below each value, or is above it"},
    /*** Groups equal elements, in the order of their values; every NaN is a
     * separate group.
     * @function torus.argunique
     * @tparam tensor x of any dtype
     * @treturn tensor int64 (m), the index of the first element of each group
     * in row-major order
     * @treturn tensor int64 like x, the number of each element's group
     * @treturn tensor int64 (m), the sizes of the groups
     * @usage
     * first, group, size = torus.argunique(torus.tensor{2, 1, 2})
     * -- 2 1; 2 1 2; 1 2
     */
    {.name = "argunique",
     .inputs = 1,
     .forward = argunique_forward,
     .outputs = 3,
     .part = argunique_part,
     .constant = true,
     .any_dtype = true,
     .doc = "the index (int64, from 1) of the first element of each group of "
            "equal elements, the group of each element, and the sizes of the "
            "groups"},
    /*** Counts the elements in equal bins of a range; the last bin includes its
     * end. Elements outside and NaN are not counted.
     * @function torus.histc
     * @tparam tensor x of any dtype
     * @tparam[opt=100] integer bins
     * @tparam[opt=0] number min
     * @tparam[opt=0] number max both 0: the smallest and largest element
     * @treturn tensor int64 (bins)
     * @raise when max is below min or not finite
     * @usage y = torus.histc(torus.tensor{0, 0.1, 0.9, 1}, 2, 0, 1)   -- 2 2
     */
    {.name = "histc",
     .inputs = 1,
     .forward = histc_forward,
     .constant = true,
     .any_dtype = true,
     .params = {{"bins", TORUS_PARAM_INT, true, 100},
                {"min", TORUS_PARAM_FLOAT, true, 0},
                {"max", TORUS_PARAM_FLOAT, true, 0}},
     .doc = "numbers (int64) of elements in equal bins of [min, max]; both 0: "
            "the range of the elements"},
    /* torus.bincount adds weights. */
    {.name = "bincount",
     .inputs = 1,
     .forward = bincount_forward,
     .constant = true,
     .any_dtype = true,
     .params = {{"minlength", TORUS_PARAM_INT, true, 0}},
     .doc = "how often each of 1, 2, ... up to the largest element occurs "
            "(int64)"},
};

const torus_op_family torus_order_ops = {ops, sizeof ops / sizeof *ops};
