#include "autodiff/anomaly.h"
#include "autodiff/build.h"
#include "autodiff/op.h"
#include "core/alloc.h"
#include "core/interrupt.h"

#include <assert.h>
#include <string.h>

#define OWN_FAMILIES 16
#define MAX_FAMILIES (OWN_FAMILIES + 1)

static const torus_op_family *families[MAX_FAMILIES] = {
    &torus_elementwise_ops, &torus_reduce_ops, &torus_scan_ops,
    &torus_order_ops,       &torus_view_ops,   &torus_join_ops,
    &torus_index_ops,       &torus_linear_ops, &torus_conv_ops,
    &torus_pool_ops,        &torus_linalg_ops, &torus_spectral_ops,
    &torus_eig_ops,         &torus_fft_ops,    &torus_decoder_ops,
    &torus_bitwise_ops};
static int family_count = OWN_FAMILIES;

void torus_op_add_family(const torus_op_family *family) {
  for (int i = 0; i < family_count; i++) {
    if (families[i] == family) return;
  }
  assert(family_count < MAX_FAMILIES);
  families[family_count++] = family;
}

int torus_op_count(void) {
  int count = 0;
  for (int i = 0; i < family_count; i++) count += families[i]->count;
  return count;
}

const torus_op *torus_op_at(int index) {
  for (int i = 0; i < family_count; i++) {
    if (index < families[i]->count) return &families[i]->ops[index];
    index -= families[i]->count;
  }
  return NULL;
}

const torus_op *torus_op_find(const char *name) {
  int count = torus_op_count();
  for (int i = 0; i < count; i++) {
    const torus_op *op = torus_op_at(i);
    if (strcmp(op->name, name) == 0) return op;
  }
  return NULL;
}

static inline bool check_inputs(torus_scope *scope, const torus_op *op,
                                int inputs) {
  if (inputs == op->inputs) return true;
  bool many = op->optional_inputs < 0 || op->more_inputs;
  if (inputs < op->inputs ||
      (!many && inputs > op->inputs + op->optional_inputs)) {
    torus_scope_fail(scope, TORUS_EINVAL, "%s: expected %d tensor%s, got %d",
                     op->name, op->inputs, op->inputs == 1 ? "" : "s", inputs);
    return false;
  }
  return true;
}

static bool floats_of_one_dtype(torus_tensor *const *in, int inputs) {
  for (int i = 0; i < inputs; i++) {
    if (in[i]->dtype != in[0]->dtype) return false;
  }
  return inputs == 0 || torus_dtype_is_float(in[0]->dtype);
}

static void refuse_dtypes(torus_scope *scope, const torus_op *op,
                          torus_tensor *const *in, int inputs) {
  for (int i = 0; i < inputs; i++) {
    const char *name = torus_dtype_name(in[i]->dtype);
    if (!torus_dtype_is_float(in[i]->dtype)) {
      torus_scope_fail(scope, TORUS_EINVAL,
                       "%s: expected a float32 or float64 tensor, got %s; "
                       "convert it with x:to(\"float32\")",
                       op->name, name);
      return;
    }
    if (in[i]->dtype != in[0]->dtype) {
      torus_scope_fail(scope, TORUS_EINVAL, "%s: dtypes differ, %s and %s",
                       op->name, torus_dtype_name(in[0]->dtype), name);
      return;
    }
  }
}

/* The inputs in the dtype that the operation computes in; if one has to be
 * converted, as a list in `operands`. NULL after an error. */
static torus_tensor *const *convert(torus_scope *scope, const torus_op *op,
                                    torus_tensor *const *in, int inputs,
                                    torus_tensor **operands) {
  if (!op->operands) {
    refuse_dtypes(scope, op, in, inputs);
    return NULL;
  }
  assert(inputs <= TORUS_MAX_OPERANDS);
  torus_dtype joint = op->operands(op, in, inputs);
  for (int i = 0; i < inputs; i++) {
    bool keep = in[i]->dtype == joint || (op->selects && i == 0);
    operands[i] = keep ? in[i] : torus_to(scope, in[i], joint);
    if (!operands[i]) return NULL;
  }
  return operands;
}

torus_dtype torus_operands_joint(const torus_op *op, torus_tensor *const *in,
                                 int inputs) {
  torus_dtype joint = TORUS_BOOL;
  bool found = false;
  for (int i = op->selects; i < inputs; i++) {
    if (!in[i]) continue;
    joint = found ? torus_dtype_joint(joint, in[i]->dtype) : in[i]->dtype;
    found = true;
  }
  return found ? joint : TORUS_FLOAT32;
}

torus_dtype torus_operands_float(const torus_op *op, torus_tensor *const *in,
                                 int inputs) {
  torus_dtype joint = torus_operands_joint(op, in, inputs);
  return torus_dtype_is_float(joint) ? joint : TORUS_FLOAT32;
}

static bool note_history(torus_scope *scope, const torus_call *call) {
  size_t bytes =
      sizeof(torus_node) + (size_t)call->inputs * sizeof(torus_input);
  torus_node *node = torus_alloc(bytes);
  if (!node) {
    return torus_status_fail(&scope->status, TORUS_ENOMEM,
                             "out of memory: cannot allocate the history");
  }
  *node =
      (torus_node){.op = call->op,
                   .attrs = *call->attrs,
                   .out_version = call->out->storage->version,
                   .saved = *call->saved,
                   .origin = torus_anomaly() ? torus_anomaly_origin() : NULL,
                   .inputs = call->inputs};
  for (int i = 0; i < call->inputs; i++) {
    node->input[i].tensor = torus_tensor_retain(call->in[i]);
    node->input[i].version = call->in[i]->storage->version;
  }
  call->out->node = node;
  call->out->requires_grad = true;
  return true;
}

static bool any_requires_grad(const torus_call *call) {
  for (int i = 0; i < call->inputs; i++) {
    if (call->in[i]->requires_grad) return true;
  }
  return false;
}

torus_tensor *torus_apply(torus_scope *scope, const torus_op *op,
                          torus_tensor *const *in, int inputs,
                          const torus_attrs *attrs) {
  static const torus_attrs none;
  if (scope->status.code != TORUS_OK) return NULL;
  for (int i = 0; i < inputs; i++) {
    if (!in[i]) return NULL;
  }
  if (!check_inputs(scope, op, inputs)) return NULL;
  if (!torus_interrupt_check(&scope->status)) return NULL;
  torus_tensor *operands[TORUS_MAX_OPERANDS];
  if (!op->any_dtype && (op->selects || !floats_of_one_dtype(in, inputs))) {
    in = convert(scope, op, in, inputs, operands);
    if (!in) return NULL;
  }
  torus_tensor *saved = NULL;
  torus_call call = {.op = op,
                     .attrs = attrs ? attrs : &none,
                     .inputs = inputs,
                     .in = in,
                     .saved = &saved};
  call.record = scope->record && !op->constant && any_requires_grad(&call);
  call.out = op->forward(scope, &call);
  if (call.out && !torus_interrupt_check(&scope->status)) {
    torus_tensor_release(call.out);
    call.out = NULL;
  }
  bool noted = false;
  if (torus_anomaly() && call.out &&
      !torus_anomaly_check_result(scope, &call)) {
    torus_tensor_release(call.out);
    call.out = NULL;
  }
  if (call.out && call.record && torus_dtype_is_float(call.out->dtype)) {
    noted = note_history(scope, &call);
    if (!noted) {
      torus_tensor_release(call.out);
      call.out = NULL;
    }
  }
  if (!noted) torus_tensor_release(saved);
  return torus_scope_own(scope, call.out);
}

torus_tensor *torus_apply_part(torus_scope *scope, const torus_op *op,
                               torus_tensor *const *in, int inputs,
                               const torus_attrs *attrs, torus_tensor *packed,
                               int i) {
  if (scope->status.code != TORUS_OK || !packed) return NULL;
  torus_call call = {
      .op = op, .attrs = attrs, .inputs = inputs, .in = in, .out = packed};
  /* The result does not point into the call, which ends here. */
  // cppcheck-suppress returnDanglingLifetime
  return op->part(scope, &call, i);
}

/* --- helpers of the families ---------------------------------------------- */

torus_tensor *torus_new_like(torus_scope *scope, const torus_tensor *x,
                             const torus_shape *shape) {
  return torus_tensor_new(x->dtype, shape, &scope->status);
}

void *torus_scratch(torus_scope *scope, size_t bytes) {
  void *scratch = torus_alloc(bytes);
  if (!scratch) {
    torus_status_fail(&scope->status, TORUS_ENOMEM,
                      "out of memory: cannot allocate %zu bytes of scratch",
                      bytes);
  }
  return scratch;
}
