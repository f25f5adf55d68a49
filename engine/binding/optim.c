/* The optimiser's step over all parameters in one call. */
#include "autodiff/build.h"
#include "binding/binding.h"
#include "kernels/adam.h"

static double number_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  if (lua_type(L, -1) != LUA_TNUMBER) {
    torus_raise_text(L, "adam_step: expected a number for %s, got %s", name,
                     luaL_typename(L, -1));
  }
  double value = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return value;
}

/* The tensor at place i of a list, of p's dtype and shape, contiguous. */
static torus_tensor *entry(lua_State *L, int list, lua_Integer i,
                           const torus_tensor *p, const char *name) {
  char a[TORUS_SHAPE_TEXT], b[TORUS_SHAPE_TEXT];
  lua_geti(L, list, i);
  torus_tensor *x = torus_to_tensor(L, -1);
  if (!x) {
    torus_raise_text(L, "adam_step: expected a tensor as %s %d, got %s", name,
                     (int)i, luaL_typename(L, -1));
  }
  lua_pop(L, 1);
  if (p && (x->dtype != p->dtype || !torus_shape_equal(&x->shape, &p->shape))) {
    torus_raise_text(
        L, "adam_step: %s %d is %s %s, its parameter %s %s", name, (int)i,
        torus_dtype_name(x->dtype), torus_shape_format(&x->shape, a),
        torus_dtype_name(p->dtype), torus_shape_format(&p->shape, b));
  }
  return x;
}

static torus_tensor *dense(torus_scope *scope, void *arg) {
  scope->record = false;
  return torus_contiguous(scope, arg);
}

/* adam_step(parameters, gradients, first moments, second moments, {lr =,
 * beta1 =, beta2 =, eps =, weight_decay =, step =}): in place; a gradient
 * that is false or nil leaves its parameter alone. */
static int adam_step(lua_State *L) {
  for (int i = 1; i <= 5; i++) luaL_checktype(L, i, LUA_TTABLE);
  lua_settop(L, 5);
  torus_adam adam = {.lr = number_field(L, 5, "lr"),
                     .beta1 = number_field(L, 5, "beta1"),
                     .beta2 = number_field(L, 5, "beta2"),
                     .eps = number_field(L, 5, "eps"),
                     .weight_decay = number_field(L, 5, "weight_decay"),
                     .step = (int64_t)number_field(L, 5, "step")};
  lua_Integer count = luaL_len(L, 1);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_geti(L, 2, i);
    bool skip = !lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (skip) continue;
    torus_tensor *p = entry(L, 1, i, NULL, "parameter");
    torus_tensor *g = entry(L, 2, i, p, "gradient");
    torus_tensor *m = entry(L, 3, i, p, "first moment");
    torus_tensor *v = entry(L, 4, i, p, "second moment");
    if (!torus_tensor_is_contiguous(p) || !torus_tensor_is_contiguous(m) ||
        !torus_tensor_is_contiguous(v) || p->node ||
        !torus_dtype_is_float(p->dtype)) {
      return torus_raise_text(L,
                              "adam_step: parameter %d must be a contiguous "
                              "floating leaf",
                              (int)i);
    }
    torus_push_result(L, dense, g);
    g = torus_to_tensor(L, -1);
    torus_adam_step(&adam, p->dtype, torus_tensor_count(p),
                    torus_tensor_data(p), torus_tensor_data(g),
                    torus_tensor_data(m), torus_tensor_data(v));
    lua_pop(L, 1);
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
