/* Scans and order: what is left behind when memory runs out. */
#include "autodiff/build.h"
#include "core/alloc.h"

#include "check.h"

static const torus_sweep_options graph = {.create_graph = true,
                                          .retain_graph = true};

/* Applies an operation to as many copies of x as it has inputs and, where it
 * has one, takes its gradient and that of the gradient. */
static bool compute(torus_scope *s, const torus_op *op, torus_tensor *x) {
  torus_attrs attrs = {.i = {1, op->constant}, .list = {{1, {1}}}};
  torus_tensor *in[] = {x, x}, *g;
  if (op->params[0].kind == TORUS_PARAM_DIM) attrs.i[0] = 0;
  torus_tensor *y = torus_apply(s, op, in, op->inputs, &attrs);
  if (!y) return false;
  for (int i = 0; i < (op->part ? op->outputs : 0); i++) {
    if (!torus_apply_part(s, op, in, 1, &attrs, y, i)) return false;
  }
  if (op->constant) return true;
  for (int order = 0; order < 2; order++) {
    torus_shape all = {.ndim = y->shape.ndim};
    for (int d = 0; d < all.ndim; d++) all.size[d] = d;
    y = torus_sum(s, torus_square(s, y), &all, false);
    if (!y || !torus_grad(s, y, &x, 1, &graph, &g)) return false;
    y = g;
  }
  return true;
}

static void check_op(const torus_op *op) {
  bool ok = false;
  int n = 0;
  torus_scope outer;
  torus_scope_init(&outer, false);
  torus_shape shape = {2, {3, 4}};
  torus_tensor *x = torus_filled(&outer, TORUS_FLOAT64, &shape, 2);
  x = torus_permute(&outer, x, &(torus_shape){2, {1, 0}});
  bool vector =
      op == torus_op_find("bincount") || op == torus_op_find("searchsorted");
  if (vector) {
    x = torus_to(&outer, torus_reshape(&outer, x, &(torus_shape){1, {12}}),
                 TORUS_INT64);
  } else {
    x->requires_grad = true;
  }
  int64_t live = torus_tensor_live();
  size_t blocks = torus_alloc_get_stats().live_blocks;
  while (!ok && n < 2000) {
    torus_scope s;
    torus_scope_init(&s, true);
    torus_alloc_fail_nth(++n);
    ok = compute(&s, op, x);
    torus_alloc_fail_nth(0);
    CHECK(ok || s.status.code == TORUS_ENOMEM, "%s, allocation %d: %s",
          op->name, n, s.status.message);
    torus_scope_clear(&s);
    CHECK(torus_tensor_live() == live, "%s, allocation %d: %d tensors",
          op->name, n, (int)(torus_tensor_live() - live));
    CHECK(torus_alloc_get_stats().live_blocks == blocks,
          "%s, allocation %d: blocks", op->name, n);
  }
  /* At least one allocation failed before none did. */
  CHECK(ok && n > 1, "%s after %d", op->name, n);
  torus_scope_clear(&outer);
}

TEST(failed_allocations_leave_nothing_behind) {
  for (int i = 0; i < torus_scan_ops.count; i++) {
    check_op(&torus_scan_ops.ops[i]);
  }
  for (int i = 0; i < torus_order_ops.count; i++) {
    check_op(&torus_order_ops.ops[i]);
  }
  CHECK(torus_tensor_live() == 0, "%d leak", (int)torus_tensor_live());
}

int main(void) {
  RUN(failed_allocations_leave_nothing_behind);
  return check_report();
}
