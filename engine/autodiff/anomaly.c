#include "autodiff/anomaly.h"

#include "core/alloc.h"

#include <inttypes.h>
#include <string.h>

atomic_int torus_anomaly_threads;

static _Thread_local bool on;
static _Thread_local torus_anomaly_rule rule;
static _Atomic(torus_locate_fn *) locate_fn;

bool torus_anomaly_here(void) { return on; }

bool torus_anomaly_set(bool wanted) {
  bool before = on;
  if (wanted != before)
    atomic_fetch_add(&torus_anomaly_threads, wanted ? 1 : -1);
  on = wanted;
  return before;
}

void torus_anomaly_locate_by(torus_locate_fn *locate) { locate_fn = locate; }

char *torus_anomaly_origin(void) {
  char text[TORUS_ORIGIN_TEXT];
  const char *found = rule.active ? rule.origin : NULL;
  torus_locate_fn *locate = locate_fn;
  if (!rule.active && locate && locate(text)) found = text;
  if (!found) return NULL;
  size_t bytes = strlen(found) + 1;
  char *copy = torus_alloc(bytes);
  if (copy) memcpy(copy, found, bytes);
  return copy;
}

torus_anomaly_rule torus_anomaly_enter(const torus_node *node) {
  torus_anomaly_rule before = rule;
  rule = (torus_anomaly_rule){true, node->origin};
  return before;
}

void torus_anomaly_leave(torus_anomaly_rule before) { rule = before; }

/* The row-major index in `shape` of the index-th element of `layout`, whose
 * dimensions are those of the shape or of size one. */
static int64_t index_in(const torus_shape *shape, const torus_layout *layout,
                        int64_t index) {
  int64_t found = 0, run = 1;
  for (int i = layout->ndim - 1; i >= 0; i--) {
    found += index % layout->size[i] * run;
    index /= layout->size[i];
    run *= shape->size[i];
  }
  return found;
}

/* The index (from 0) of the first NaN in row-major order, or -1. Dimensions
 * that repeat the same elements are visited once: a view of a single number can
 * have far more elements than could be searched. */
static int64_t first_nan(const torus_tensor *x) {
  if (!torus_dtype_is_float(x->dtype)) return -1;
  int64_t count = torus_tensor_count(x);
  torus_layout layout = torus_tensor_layout(x);
  for (int i = 0; i < layout.ndim; i++) {
    if (layout.stride[i] != 0 || layout.size[i] < 2) continue;
    count /= layout.size[i];
    layout.size[i] = 1;
  }
  const void *data = torus_tensor_data(x);
  bool single = x->dtype == TORUS_FLOAT32;
  for (int64_t i = 0; i < count; i++) {
    int64_t at = torus_layout_offset(&layout, i);
    if (single ? ((const float *)data)[at] != ((const float *)data)[at]
               : ((const double *)data)[at] != ((const double *)data)[at]) {
      return index_in(&x->shape, &layout, i);
    }
  }
  return -1;
}

bool torus_anomaly_check_result(torus_scope *scope, const torus_call *call) {
  char text[TORUS_TENSOR_TEXT];
  if (rule.active) return true;
  int64_t at = first_nan(call->out);
  if (at < 0) return true;
  for (int i = 0; i < call->inputs; i++) {
    if (first_nan(call->in[i]) < 0) continue;
    return torus_status_fail(&scope->status, TORUS_EINVAL,
                             "anomaly: input %d of %s, %s, brings in the first "
                             "NaN, as element %" PRId64,
                             i + 1, call->op->name,
                             torus_tensor_format(call->in[i], text),
                             first_nan(call->in[i]) + 1);
  }
  return torus_status_fail(&scope->status, TORUS_EINVAL,
                           "anomaly: %s makes the first NaN, element %" PRId64
                           " of its result, %s; its inputs have none",
                           call->op->name, at + 1,
                           torus_tensor_format(call->out, text));
}

bool torus_anomaly_check_gradient(torus_scope *scope, const torus_call *call,
                                  int i, const torus_tensor *g,
                                  const torus_tensor *gradient) {
  char text[TORUS_TENSOR_TEXT];
  int64_t at = gradient ? first_nan(gradient) : -1;
  if (at < 0) return true;
  const char *origin = call->out->node ? call->out->node->origin : NULL;
  return torus_status_fail(
      &scope->status, TORUS_EINVAL,
      "anomaly: the gradient of %s, called at %s, makes the first NaN, element "
      "%" PRId64 " for input %d, %s; the gradient that arrives %s",
      call->op->name, origin ? origin : "a place that was not noted", at + 1,
      i + 1, torus_tensor_format(call->in[i], text),
      first_nan(g) < 0 ? "has none" : "has one too");
}
