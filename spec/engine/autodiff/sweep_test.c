/* The graph and the sweep from C: what an engine without Lua relies on. */
#include "autodiff/build.h"
#include "autodiff/op.h"
#include "core/alloc.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

static const torus_sweep_options once = {.grad_output = NULL};
static const torus_sweep_options keep = {.retain_graph = true};
static const torus_sweep_options graph = {.create_graph = true,
                                          .retain_graph = true};

static torus_tensor *leaf(torus_scope *scope, int64_t n, const double *values) {
  torus_shape shape = {n ? 1 : 0, {n}};
  torus_tensor *x = torus_filled(scope, TORUS_FLOAT64, &shape, 0);
  memcpy(torus_tensor_data(x), values, (size_t)(n ? n : 1) * sizeof *values);
  x->requires_grad = true;
  return x;
}

static torus_tensor *total(torus_scope *scope, torus_tensor *x) {
  torus_shape dims = {.ndim = x ? x->shape.ndim : 0};
  for (int d = 0; d < dims.ndim; d++) dims.size[d] = d;
  return torus_sum(scope, x, &dims, false);
}

static double at(const torus_tensor *x, int64_t i) {
  torus_layout l = torus_tensor_layout(x);
  return ((double *)torus_tensor_data(x))[torus_layout_offset(&l, i)];
}

static torus_tensor *gradient(torus_scope *scope, torus_tensor *y,
                              torus_tensor *x,
                              const torus_sweep_options *options) {
  torus_tensor *g = NULL;
  torus_grad(scope, y, &x, 1, options, &g);
  return g;
}

TEST(the_registry_is_complete) {
  int count = torus_op_count();
  CHECK(count > 50, "%d operations", count);
  CHECK(torus_op_at(count) == NULL && torus_op_find("none") == NULL, "extra");
  for (int i = 0; i < count; i++) {
    const torus_op *op = torus_op_at(i);
    CHECK(torus_op_find(op->name) == op, "%s is there twice", op->name);
    CHECK(op->doc && *op->doc, "%s says nothing of itself", op->name);
    CHECK(op->forward, "%s does nothing", op->name);
    CHECK(op->constant || op->gradient || op->gradients,
          "%s has no derivative and is not constant", op->name);
  }
}

TEST(first_to_third_derivatives_of_exp_of_square) {
  torus_scope s;
  torus_scope_init(&s, true);
  const double v = 0.7;
  torus_tensor *x = leaf(&s, 0, &v);
  torus_tensor *y = torus_exp(&s, torus_square(&s, x));
  double e = exp(v * v);
  const double expected[3] = {2 * v * e, (2 + 4 * v * v) * e,
                              (12 * v + 8 * v * v * v) * e};
  torus_tensor *g = y;
  for (int order = 0; order < 3; order++) {
    g = gradient(&s, g, x, &graph);
    CHECK(g && fabs(at(g, 0) - expected[order]) < 1e-12, "order %d: %.15g",
          order + 1, g ? at(g, 0) : NAN);
  }
  torus_scope_clear(&s);
}

TEST(gradients_sum_over_paths_and_broadcasts) {
  torus_scope s;
  torus_scope_init(&s, true);
  torus_tensor *x = leaf(&s, 3, (double[]){1, 2, 3});
  torus_tensor *c = leaf(&s, 0, (double[]){4});
  /* sum(c x x + x): by x 2 c x + 1, by c the sum of squares */
  torus_tensor *y =
      total(&s, torus_add(&s, torus_mul(&s, c, torus_mul(&s, x, x)), x));
  torus_tensor *targets[2] = {x, c}, *g[2];
  CHECK(torus_grad(&s, y, targets, 2, &once, g), "%s", s.status.message);
  for (int i = 0; i < 3; i++) {
    CHECK(at(g[0], i) == 8 * (i + 1) + 1, "%g at %d", at(g[0], i), i);
  }
  CHECK(at(g[1], 0) == 14 && g[1]->shape.ndim == 0, "%g", at(g[1], 0));
  torus_scope_clear(&s);
}

TEST(what_does_not_lead_to_a_target_is_left_alone) {
  torus_scope s;
  torus_scope_init(&s, true);
  torus_tensor *x = leaf(&s, 0, (double[]){2});
  torus_tensor *z = leaf(&s, 0, (double[]){3});
  torus_tensor *part = torus_exp(&s, z);
  torus_tensor *y = torus_mul(&s, x, part);
  CHECK(at(gradient(&s, y, x, &once), 0) == exp(3), "gradient");
  CHECK(!part->node->freed, "the other part's history is gone");
  CHECK(gradient(&s, part, z, &once) != NULL, "%s", s.status.message);
  CHECK(gradient(&s, y, z, &once) == NULL, "a freed history was used");
  CHECK(s.status.code == TORUS_EINVAL && strstr(s.status.message, "freed"),
        "%s", s.status.message);
  torus_scope_clear(&s);
}

TEST(unused_targets_give_null) {
  torus_scope s;
  torus_scope_init(&s, true);
  torus_tensor *x = leaf(&s, 0, (double[]){2});
  torus_tensor *z = leaf(&s, 0, (double[]){3});
  torus_tensor *y = torus_exp(&s, x), *targets[3] = {z, x, x}, *g[3];
  CHECK(torus_grad(&s, y, targets, 3, &keep, g), "%s", s.status.message);
  CHECK(!g[0] && g[1] && g[2] && g[1] != g[2], "results");
  CHECK(g[1]->storage != g[2]->storage, "shared memory");
  CHECK(x->mark == -1 && z->mark == -1 && y->mark == -1, "marks remain");
  torus_scope_clear(&s);
}

TEST(histories_need_recording_and_a_leaf_that_asks) {
  torus_scope s;
  torus_scope_init(&s, true);
  torus_tensor *x = leaf(&s, 0, (double[]){2});
  torus_tensor *plain = torus_scalar(&s, TORUS_FLOAT64, 1);
  CHECK(torus_exp(&s, x)->node != NULL, "not recorded");
  CHECK(torus_exp(&s, plain)->node == NULL, "recorded without need");
  CHECK(torus_sign(&s, x)->node == NULL, "a constant was recorded");
  s.record = false;
  CHECK(torus_exp(&s, x)->node == NULL, "recorded when off");
  torus_scope_clear(&s);
}

TEST(an_error_passes_through_expressions) {
  torus_scope s;
  torus_scope_init(&s, true);
  torus_tensor *x = leaf(&s, 3, (double[]){1, 2, 3});
  torus_tensor *y = leaf(&s, 2, (double[]){1, 2});
  torus_tensor *z =
      total(&s, torus_exp(&s, torus_mul(&s, torus_add(&s, x, y), x)));
  CHECK(z == NULL, "a result");
  CHECK(strcmp(s.status.message, "add: shapes don't broadcast, (3) with (2)") ==
            0,
        "%s", s.status.message);
  CHECK(torus_exp(&s, x) == NULL, "computed after an error");
  torus_scope_clear(&s);
}

TEST(backward_fills_leaves_with_memory_of_their_own) {
  torus_scope s;
  torus_scope_init(&s, true);
  torus_tensor *x = leaf(&s, 2, (double[]){1, 2});
  torus_tensor *z = leaf(&s, 2, (double[]){3, 4});
  for (int i = 1; i <= 3; i++) {
    torus_tensor *y = total(&s, torus_add(&s, x, z));
    CHECK(torus_backward(&s, y, &once), "%s", s.status.message);
    CHECK(at(x->grad, 1) == i && at(z->grad, 0) == i, "after %d", i);
  }
  CHECK(x->grad->storage != z->grad->storage, "shared memory");
  CHECK(x->grad->node == NULL && !x->grad->requires_grad, "a history");
  torus_scope_clear(&s);
}

TEST(overwritten_values_are_noticed) {
  torus_scope s;
  torus_scope_init(&s, true);
  torus_tensor *x = leaf(&s, 0, (double[]){2});
  torus_tensor *y = torus_square(&s, x);
  x->storage->version++;
  CHECK(gradient(&s, y, x, &once) == NULL, "a gradient");
  CHECK(strstr(s.status.message, "changed in place"), "%s", s.status.message);
  torus_scope_clear(&s);
}

TEST(chains_of_any_length) {
  enum { N = 200000 };
  int64_t live = torus_tensor_live();
  torus_scope s;
  torus_scope_init(&s, true);
  torus_tensor *x = leaf(&s, 0, (double[]){2});
  torus_tensor *y = torus_tensor_retain(x);
  for (int i = 0; i < N; i++) {
    torus_scope step;
    torus_scope_init(&step, true);
    torus_tensor *next = torus_tensor_retain(torus_neg(&step, y));
    torus_scope_clear(&step);
    torus_tensor_release(y);
    y = next;
  }
  torus_tensor *g = gradient(&s, y, x, &keep);
  CHECK(g && at(g, 0) == 1, "%s", s.status.message);
  torus_tensor_release(y);
  torus_scope_clear(&s);
  CHECK(torus_tensor_live() == live, "%d left",
        (int)(torus_tensor_live() - live));
}

/* A small computation with everything in it; fills g where it gets through. */
static bool compute(torus_scope *s, torus_tensor *x, torus_tensor *w) {
  torus_shape column = {2, {3, 1}}, wide = {2, {3, 3}};
  torus_tensor *h =
      torus_matmul(s, torus_reshape(s, x, &column),
                   torus_reshape(s, w, &(torus_shape){2, {1, 3}}));
  h = torus_mul(s, torus_tanh(s, h), torus_expand(s, x, &wide));
  h = torus_add(s, torus_swap(s, h), w);
  torus_tensor *y = total(s, torus_softplus(s, h));
  torus_tensor *targets[2] = {x, w}, *g[2];
  if (!y || !torus_grad(s, y, targets, 2, &graph, g)) return false;
  y = total(s, torus_mul(s, g[0], torus_square(s, g[1])));
  return y && torus_backward(s, y, &once);
}

TEST(failed_allocations_leave_nothing_behind) {
  torus_scope outer;
  torus_scope_init(&outer, false);
  torus_tensor *x = leaf(&outer, 3, (double[]){0.1, 0.2, 0.3});
  torus_tensor *w = leaf(&outer, 3, (double[]){1, -1, 0.5});
  int64_t live = torus_tensor_live();
  size_t blocks = torus_alloc_get_stats().live_blocks;
  bool ok = false;
  int n = 0;
  while (!ok && n < 5000) {
    torus_scope s;
    torus_scope_init(&s, true);
    torus_alloc_fail_nth(++n);
    ok = compute(&s, x, w);
    torus_alloc_fail_nth(0);
    CHECK(ok || s.status.code == TORUS_ENOMEM || s.status.code == TORUS_ESPENT,
          "allocation %d: %s", n, s.status.message);
    CHECK(ok == (s.status.code == TORUS_OK), "allocation %d", n);
    CHECK(ok || (!x->grad && !w->grad), "allocation %d: half a result", n);
    CHECK(x->mark == -1 && w->mark == -1, "allocation %d: marks", n);
    torus_scope_clear(&s);
    if (ok) break;
    CHECK(torus_tensor_live() == live, "allocation %d: %d tensors", n,
          (int)(torus_tensor_live() - live));
    CHECK(torus_alloc_get_stats().live_blocks == blocks,
          "allocation %d: %d blocks", n,
          (int)(torus_alloc_get_stats().live_blocks - blocks));
  }
  CHECK(ok && n > 100, "after %d", n);
  torus_scope_clear(&outer);
}

int main(void) {
  RUN(the_registry_is_complete);
  RUN(first_to_third_derivatives_of_exp_of_square);
  RUN(gradients_sum_over_paths_and_broadcasts);
  RUN(what_does_not_lead_to_a_target_is_left_alone);
  RUN(unused_targets_give_null);
  RUN(histories_need_recording_and_a_leaf_that_asks);
  RUN(an_error_passes_through_expressions);
  RUN(backward_fills_leaves_with_memory_of_their_own);
  RUN(overwritten_values_are_noticed);
  RUN(chains_of_any_length);
  RUN(failed_allocations_leave_nothing_behind);
  return check_report();
}
