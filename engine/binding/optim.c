/* The optimiser's step over all parameters in one call. */
#include "binding/binding.h"
#include "kernels/adam.h"

/* The tensor at position i of a list, of p's dtype and shape; it is pushed,
 * which keeps it alive. */
static torus_tensor *entry(lua_State *L, int list, int i, const torus_tensor *p,
                           const char *name) {
  char a[TORUS_TENSOR_TEXT], b[TORUS_TENSOR_TEXT];
  lua_rawgeti(L, list, i);
  torus_tensor *x = torus_check_entry(L, "adam_step", name, i);
  if (p && (x->dtype != p->dtype || !torus_shape_equal(&x->shape, &p->shape))) {
    torus_raise_text(
        L, "adam_step: expected %s %d like its parameter, %s, got %s", name, i,
        torus_tensor_format(p, a), torus_tensor_format(x, b));
  }
  return x;
}

/* Number i of the list of steps. */
static int64_t step_of(lua_State *L, int list, int i) {
  lua_rawgeti(L, list, i);
  int64_t step = torus_check_integer(L, -1, "adam_step", "a step");
  lua_pop(L, 1);
  return step;
}

/* adam_step(parameters, gradients, first moments, second moments, {lr =,
 * beta1 =, beta2 =, eps =, weight_decay =}, steps): in place; steps: how many
 * each parameter will have taken; a gradient that is false or nil leaves its
 * parameter alone. */
static int adam_step(lua_State *L) {
  static const char *const names[] = {"the parameters",    "the gradients",
                                      "the first moments", "the second moments",
                                      "the options",       "the steps"};
  for (int i = 0; i < 6; i++)
    torus_check_table(L, i + 1, "adam_step", names[i]);
  lua_settop(L, 6);
  torus_adam adam = {
      .lr = torus_option_number(L, 5, "adam_step", "lr"),
      .beta1 = torus_option_number(L, 5, "adam_step", "beta1"),
      .beta2 = torus_option_number(L, 5, "adam_step", "beta2"),
      .eps = torus_option_number(L, 5, "adam_step", "eps"),
      .weight_decay = torus_option_number(L, 5, "adam_step", "weight_decay")};
  int count = torus_list_length(L, 1, "adam_step");
  for (int i = 1; i <= count; i++) {
    lua_settop(L, 6);
    lua_rawgeti(L, 2, i);
    if (!lua_toboolean(L, -1)) continue;
    adam.step = step_of(L, 6, i);
    torus_tensor *p = entry(L, 1, i, NULL, "parameter");
    torus_tensor *g = entry(L, 2, i, p, "gradient");
    torus_tensor *m = entry(L, 3, i, p, "first moment");
    torus_tensor *v = entry(L, 4, i, p, "second moment");
    if (!torus_tensor_is_contiguous(p) || !torus_tensor_is_contiguous(m) ||
        !torus_tensor_is_contiguous(v) || p->node ||
        !torus_dtype_is_float(p->dtype)) {
      return torus_raise_text(
          L,
          "adam_step: expected parameter %d to be a contiguous "
          "float32 or float64 leaf",
          i);
    }
    g = torus_push_dense(L, g);
    torus_adam_step(&adam, p->dtype, torus_tensor_count(p),
                    torus_tensor_data(p), torus_tensor_data(g),
                    torus_tensor_data(m), torus_tensor_data(v));
    p->storage->version++;
    m->storage->version++;
    v->storage->version++;
  }
  return 0;
}

void torus_open_optim(lua_State *L) {
  lua_pushcfunction(L, adam_step);
  lua_setfield(L, -2, "adam_step");
}
