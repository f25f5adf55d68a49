/* Reverse mode: the sweep over a history. The tensors that y was computed from
 * are ordered by an iterative depth-first walk, inputs first. In reverse order,
 * the gradient of every tensor is complete before its operation propagates it.
 * Gradient rules are differentiable operations themselves: with create_graph
 * they are recorded, so that derivatives of any order are available. */
#include "autodiff/anomaly.h"
#include "autodiff/build.h"
#include "autodiff/op.h"
#include "core/alloc.h"
#include "core/interrupt.h"
#include "kernels/elementwise.h"

#include <inttypes.h>
#include <string.h>

#define MARK_NONE (-1)
#define MARK_TARGET (-2)

typedef struct entry {
  torus_tensor *tensor; /* retained */
  torus_tensor *grad;   /* retained; NULL until something arrives */
  bool target;
  bool needed; /* leads to a target */
} entry;

typedef struct frame {
  torus_tensor *tensor;
  int next; /* input to look at */
} frame;

/* For short histories, which then need no allocation. */
#define FEW_ENTRIES 48

typedef struct sweep {
  torus_scope *scope;
  const torus_sweep_options *options;
  torus_tensor *const *targets; /* retained */
  int target_count;
  bool leaves;     /* every leaf that requires a gradient is a target */
  uint64_t first;  /* and so is every tensor made before this one */
  bool spent;      /* part of the history has been freed */
  uint64_t oldest; /* no tensor older than this one leads to a target */
  entry *order;
  int64_t count, capacity;
  frame *stack;
  int64_t depth, stack_capacity;
  entry few_entries[FEW_ENTRIES];
  frame few_frames[FEW_ENTRIES];
} sweep;

/* The arrays are not cleared: only what the counts cover is read. */
static void sweep_init(sweep *s, torus_scope *scope,
                       const torus_sweep_options *options) {
  s->scope = scope;
  s->options = options;
  s->targets = NULL;
  s->target_count = 0;
  s->leaves = s->spent = false;
  s->first = s->oldest = 0;
  s->order = s->few_entries;
  s->stack = s->few_frames;
  s->count = s->depth = 0;
  s->capacity = s->stack_capacity = FEW_ENTRIES;
}

/* The function that messages name. */
static const char *called(const sweep *s) {
  return s->leaves ? "backward" : "grad";
}

static bool reserve(sweep *s, void **array, const void *few, int64_t *capacity,
                    int64_t needed, size_t size) {
  if (needed <= *capacity) return true;
  int64_t larger = *capacity * 4;
  void *moved = torus_alloc((size_t)larger * size);
  if (!moved) {
    return torus_status_fail(&s->scope->status, TORUS_ENOMEM,
                             "%s: out of memory for the sweep", called(s));
  }
  memcpy(moved, *array, (size_t)*capacity * size);
  if (*array != few) torus_free(*array);
  *array = moved;
  *capacity = larger;
  return true;
}

static bool push(sweep *s, torus_tensor *tensor) {
  if (!reserve(s, (void **)&s->stack, s->few_frames, &s->stack_capacity,
               s->depth + 1, sizeof *s->stack)) {
    return false;
  }
  s->stack[s->depth++] = (frame){tensor, 0};
  return true;
}

static bool is_target(const sweep *s, const torus_tensor *tensor) {
  return tensor->mark == MARK_TARGET ||
         (tensor->requires_grad &&
          ((s->leaves && !tensor->node) || tensor->id < s->first));
}

/* Returns true if the walk has to visit a tensor. */
static bool is_open(const sweep *s, const torus_tensor *tensor) {
  if (tensor->mark >= 0 || tensor->id < s->oldest) return false;
  return is_target(s, tensor) || (tensor->requires_grad && tensor->node);
}

static bool leads_to_target(const sweep *s, const torus_tensor *tensor) {
  return tensor->mark >= 0 && s->order[tensor->mark].needed;
}

/* Appends a tensor to the order, which contains all of its inputs. */
static bool append(sweep *s, torus_tensor *tensor) {
  if (!reserve(s, (void **)&s->order, s->few_entries, &s->capacity,
               s->count + 1, sizeof *s->order)) {
    return false;
  }
  bool target = is_target(s, tensor), needed = target;
  const torus_node *node = tensor->node;
  for (int i = 0; node && !needed && i < node->inputs; i++) {
    needed = leads_to_target(s, node->input[i].tensor);
  }
  s->order[s->count] =
      (entry){torus_tensor_retain(tensor), NULL, target, needed};
  tensor->mark = s->count++;
  return true;
}

static bool fail_freed(sweep *s, const torus_node *node) {
  return torus_status_fail(
      &s->scope->status, TORUS_EINVAL,
      "%s: the history of this result of %s was freed by an earlier "
      "backward pass; pass retain_graph = true to that one to use it again",
      called(s), node->op->name);
}

/* The history of a tensor, as far as it can lead to targets. */
static torus_node *open_node(const sweep *s, const torus_tensor *tensor,
                             bool target) {
  if (tensor->id <= s->oldest || (target && s->options->partial)) return NULL;
  return tensor->node;
}

/* Visits everything that y was computed from and that can lead to a target. */
static bool find_order(sweep *s, torus_tensor *y) {
  if (is_open(s, y) && !push(s, y)) return false;
  while (s->depth > 0) {
    frame *top = &s->stack[s->depth - 1];
    torus_tensor *tensor = top->tensor;
    torus_node *node = open_node(s, tensor, is_target(s, tensor));
    if (node && node->freed) return fail_freed(s, node);
    if (tensor->mark >= 0) {
      s->depth--; /* has been reached by another path */
    } else if (node && top->next < node->inputs) {
      torus_tensor *input = node->input[top->next++].tensor;
      if (is_open(s, input) && !push(s, input)) return false;
    } else {
      if (!append(s, tensor)) return false;
      s->depth--;
    }
  }
  return true;
}

/* Returns true if nothing else refers to a gradient's tensor or memory. */
static bool is_own(const torus_tensor *g) {
  return g->references == 1 && g->storage->references == 1 &&
         torus_tensor_is_contiguous(g);
}

static bool can_add_in_place(const torus_tensor *acc, const torus_tensor *g) {
  return is_own(acc) && !acc->node && acc != g;
}

/* acc += g */
static void add_in_place(torus_tensor *acc, const torus_tensor *g) {
  torus_layout layouts[2] = {torus_tensor_layout(acc), torus_tensor_layout(g)};
  const void *in[2] = {torus_tensor_data(acc), torus_tensor_data(g)};
  const double numbers[2] = {0, 0};
  torus_elementwise_run(TORUS_EW_add, acc->dtype, 2, in, layouts,
                        torus_tensor_data(acc), torus_tensor_count(acc),
                        numbers);
}

/* Makes g, borrowed, the entry's gradient. */
static bool replace(entry *e, torus_tensor *g) {
  if (!g) return false;
  torus_tensor_retain(g);
  torus_tensor_release(e->grad);
  e->grad = g;
  return true;
}

static bool accumulate(sweep *s, torus_scope *inner, entry *e,
                       torus_tensor *g) {
  if (!g) return false;
  if (e->grad && !s->options->create_graph && can_add_in_place(e->grad, g)) {
    add_in_place(e->grad, g);
    return true;
  }
  return replace(e, e->grad ? torus_add(inner, e->grad, g) : g);
}

/* Checks that no value which the gradients of an operation read has been
 * overwritten. */
static bool check_versions(sweep *s, const torus_tensor *tensor) {
  static const int flags[] = {TORUS_READS_X, TORUS_READS_Y, TORUS_READS_Z};
  const torus_node *node = tensor->node;
  int reads = node->op->reads;
  bool changed =
      reads & TORUS_READS_OUT && node->out_version != tensor->storage->version;
  for (int i = 0; i < node->inputs; i++) {
    if (!(reads & (i < 3 ? flags[i] : TORUS_READS_MORE))) continue;
    const torus_input *input = &node->input[i];
    changed |= input->version != input->tensor->storage->version;
  }
  if (!changed) return true;
  return torus_status_fail(&s->scope->status, TORUS_EINVAL,
                           "%s: a tensor that the gradient of %s needs was "
                           "changed in place after it was used",
                           called(s), node->op->name);
}

/* Gradients of the wanted inputs, one by one or together. */
static bool gradients_of(torus_scope *inner, const torus_call *call,
                         torus_tensor *g, const bool *wanted,
                         torus_tensor **out) {
  const torus_op *op = call->op;
  if (op->first_order && inner->record) {
    return torus_status_fail(&inner->status, TORUS_EINVAL,
                             "grad: %s has gradients of the first order only; "
                             "%s for higher ones",
                             op->name, op->first_order);
  }
  if (op->gradients) return op->gradients(inner, call, g, wanted, out);
  if (!op->gradient) {
    return torus_status_fail(&inner->status, TORUS_EINVAL,
                             "grad: %s has no derivative", op->name);
  }
  for (int i = 0; i < call->inputs; i++) {
    if (wanted[i] && !(out[i] = op->gradient(inner, call, i, g))) return false;
  }
  return true;
}

static void mark_targets(const sweep *s, int64_t mark) {
  for (int i = 0; i < s->target_count; i++) s->targets[i]->mark = mark;
}

/* While a rule runs a script, which may differentiate the same tensors itself,
 * no tensor has a mark of this sweep. */
static void hide_marks(const sweep *s) {
  mark_targets(s, MARK_NONE);
  for (int64_t i = 0; i < s->count; i++) {
    if (s->order[i].tensor) s->order[i].tensor->mark = MARK_NONE;
  }
}

static void show_marks(const sweep *s) {
  mark_targets(s, MARK_TARGET);
  for (int64_t i = 0; i < s->count; i++) {
    if (s->order[i].tensor) s->order[i].tensor->mark = i;
  }
}

/* In anomaly mode: the rule runs as part of the call that recorded the node,
 * and no gradient may have a NaN. */
static bool watched_gradients(torus_scope *inner, const torus_call *call,
                              torus_tensor *g, const bool *wanted,
                              torus_tensor **out) {
  torus_anomaly_rule before = torus_anomaly_enter(call->out->node);
  bool ok = gradients_of(inner, call, g, wanted, out) &&
            torus_interrupt_check(&inner->status);
  torus_anomaly_leave(before);
  for (int i = 0; ok && i < call->inputs; i++) {
    ok = !wanted[i] || torus_anomaly_check_gradient(inner, call, i, g, out[i]);
  }
  return ok;
}

/* Arrays with an element per input of a node. */
typedef struct inputs {
  torus_tensor **in, **gradient;
  bool *wanted;
} inputs;

#define FEW 8

static bool propagate_with(sweep *s, const entry *e, const inputs *x) {
  torus_node *node = e->tensor->node;
  for (int i = 0; i < node->inputs; i++) {
    torus_tensor *input = x->in[i] = node->input[i].tensor;
    x->gradient[i] = NULL;
    x->wanted[i] = input->requires_grad && leads_to_target(s, input);
  }
  torus_call call = {.op = node->op,
                     .attrs = &node->attrs,
                     .inputs = node->inputs,
                     .in = x->in,
                     .out = e->tensor,
                     .saved = &node->saved};
  torus_scope inner;
  torus_scope_init(&inner, s->options->create_graph);
  if (node->op->runs_script) hide_marks(s);
  bool ok = (torus_anomaly() ? watched_gradients : gradients_of)(
      &inner, &call, e->grad, x->wanted, x->gradient);
  if (node->op->runs_script) show_marks(s);
  ok = ok && torus_interrupt_check(&inner.status);
  for (int i = 0; ok && i < call.inputs; i++) {
    if (!x->wanted[i]) continue;
    torus_tensor *g = torus_sum_to(&inner, x->gradient[i], &x->in[i]->shape);
    ok = accumulate(s, &inner, &s->order[x->in[i]->mark], g);
  }
  torus_scope_clear(&inner);
  torus_scope_pass_error(s->scope, &inner);
  return ok;
}

/* Accumulates a tensor's gradient into those of its operation's inputs. */
static bool propagate(sweep *s, const entry *e) {
  const torus_node *node = e->tensor->node;
  int count = node->inputs;
  /* By the rule of an operation that runs a script. */
  if (node->freed) return fail_freed(s, node);
  if (!check_versions(s, e->tensor)) return false;
  torus_tensor *in[FEW] = {NULL}, *gradient[FEW] = {NULL};
  bool wanted[FEW] = {false};
  if (count <= FEW)
    return propagate_with(s, e, &(inputs){in, gradient, wanted});
  size_t pointers = (size_t)count * sizeof *in;
  char *arrays = torus_scratch(s->scope, 2 * pointers + (size_t)count);
  if (!arrays) return false;
  inputs many = {(torus_tensor **)arrays, (torus_tensor **)(arrays + pointers),
                 (bool *)(arrays + 2 * pointers)};
  bool ok = propagate_with(s, e, &many);
  torus_free(arrays);
  return ok;
}

static bool run(sweep *s) {
  for (int64_t i = s->count - 1; i >= 0; i--) {
    entry *e = &s->order[i];
    torus_tensor *tensor = e->tensor;
    bool inside = open_node(s, tensor, e->target);
    if (e->grad && e->needed && inside) {
      if (!propagate(s, e)) return false;
      if (!s->options->retain_graph) {
        s->spent = true;
        torus_node_free_inputs(tensor->node);
      }
    }
    if (!e->target) {
      torus_tensor_release(e->grad);
      e->grad = NULL;
      tensor->mark = MARK_NONE;
      torus_tensor_release(tensor);
      e->tensor = NULL;
    }
  }
  return true;
}

static bool start(sweep *s, torus_tensor *y) {
  torus_tensor *g = s->options->grad_output;
  char a[TORUS_TENSOR_TEXT], b[TORUS_TENSOR_TEXT];
  if (g && (!torus_shape_equal(&g->shape, &y->shape) || g->dtype != y->dtype)) {
    return torus_status_fail(&s->scope->status, TORUS_EINVAL,
                             "%s: expected grad_output like y, %s, got %s",
                             called(s), torus_tensor_format(y, a),
                             torus_tensor_format(g, b));
  }
  if (!g && torus_tensor_count(y) != 1) {
    return torus_status_fail(
        &s->scope->status, TORUS_EINVAL,
        "%s: expected a y with one element, or a grad_output, got %s",
        called(s), torus_tensor_format(y, a));
  }
  if (!g) g = torus_filled(s->scope, y->dtype, &y->shape, 1);
  if (!g) return false;
  if (y->mark >= 0) s->order[y->mark].grad = torus_tensor_retain(g);
  return true;
}

static void clear(sweep *s) {
  torus_status *status = &s->scope->status;
  for (int64_t i = 0; i < s->count; i++) {
    entry *e = &s->order[i];
    if (!e->tensor) continue;
    e->tensor->mark = MARK_NONE;
    torus_tensor_release(e->grad);
    torus_tensor_release(e->tensor);
  }
  if (s->order != s->few_entries) torus_free(s->order);
  if (s->stack != s->few_frames) torus_free(s->stack);
  if (s->spent && status->code == TORUS_ENOMEM) status->code = TORUS_ESPENT;
}

static bool check_y(torus_scope *scope, const torus_tensor *y,
                    const char *name) {
  if (!y) return false; /* after an earlier error */
  if (y->requires_grad) return true;
  return torus_status_fail(&scope->status, TORUS_EINVAL,
                           "%s: y does not depend on any tensor that "
                           "requires a gradient",
                           name);
}

/* A gradient to return: writing to it must change no other tensor. One that is
 * part of a graph is not written to. */
static torus_tensor *own_gradient(torus_scope *scope, torus_tensor *g) {
  return (g->node && scope->record) || is_own(g) ? g : torus_copy(scope, g);
}

static bool collect(sweep *s, torus_tensor **out) {
  for (int i = 0; i < s->target_count; i++) {
    torus_tensor *g = NULL;
    if (s->targets[i]->mark >= 0) g = s->order[s->targets[i]->mark].grad;
    if (!g) continue;
    g = torus_tensor_retain(own_gradient(s->scope, g));
    out[i] = torus_scope_own(s->scope, g);
    if (!out[i]) return false;
  }
  return true;
}

bool torus_grad(torus_scope *scope, torus_tensor *y,
                torus_tensor *const *targets, int count,
                const torus_sweep_options *options, torus_tensor **out) {
  if (!check_y(scope, y, "grad")) return false;
  sweep s;
  sweep_init(&s, scope, options);
  s.targets = targets;
  s.target_count = count;
  s.oldest = UINT64_MAX;
  bool record = scope->record;
  scope->record = options->create_graph;
  for (int i = 0; i < count; i++) {
    out[i] = NULL;
    if (targets[i]->id < s.oldest) s.oldest = targets[i]->id;
    torus_tensor_retain(targets[i]); /* a rule's script may release them */
  }
  mark_targets(&s, MARK_TARGET);
  bool ok = find_order(&s, y) && start(&s, y) && run(&s) && collect(&s, out);
  clear(&s);
  mark_targets(&s, MARK_NONE);
  for (int i = 0; i < count; i++) torus_tensor_release(targets[i]);
  scope->record = record;
  return ok;
}

int64_t torus_sources(torus_scope *scope, torus_tensor *y,
                      const torus_tensor *first, torus_tensor **out,
                      int64_t capacity) {
  static const torus_sweep_options options = {.partial = true};
  sweep s;
  sweep_init(&s, scope, &options);
  s.first = first->id;
  int64_t count = 0;
  bool ok = find_order(&s, y);
  for (int64_t i = 0; ok && i < s.count; i++) {
    if (!s.order[i].target) continue;
    if (count < capacity) {
      out[count] = torus_tensor_retain(s.order[i].tensor);
      ok = torus_scope_own(scope, out[count]);
    }
    count++;
  }
  clear(&s);
  return ok ? count : -1;
}

/* Makes each entry's gradient the new .grad of its leaf, except where it will
 * be added in place: what can fail comes before the first leaf is changed. */
static bool prepare_leaves(sweep *s) {
  for (int64_t i = 0; i < s->count; i++) {
    entry *e = &s->order[i];
    if (!e->grad) continue;
    if (!replace(e, own_gradient(s->scope, e->grad))) return false;
    torus_tensor *old = e->tensor->grad;
    if (!old || can_add_in_place(old, e->grad)) continue;
    if (!replace(e, torus_add(s->scope, old, e->grad))) return false;
    e->needed = false; /* it holds the sum */
  }
  return true;
}

/* Stores the gradients in the leaves; cannot fail. */
static void store(sweep *s) {
  for (int64_t i = 0; i < s->count; i++) {
    entry *e = &s->order[i];
    if (!e->grad) continue;
    torus_tensor *old = e->tensor->grad;
    if (old && e->needed) {
      add_in_place(old, e->grad);
    } else {
      e->tensor->grad = torus_tensor_retain(e->grad);
      torus_tensor_release(old);
    }
  }
}

bool torus_backward(torus_scope *scope, torus_tensor *y,
                    const torus_sweep_options *options) {
  if (!check_y(scope, y, "backward")) return false;
  sweep s;
  sweep_init(&s, scope, options);
  s.leaves = true;
  bool record = scope->record;
  scope->record = options->create_graph;
  bool ok = find_order(&s, y) && start(&s, y) && run(&s) && prepare_leaves(&s);
  if (ok) store(&s);
  clear(&s);
  scope->record = record;
  return ok;
}
