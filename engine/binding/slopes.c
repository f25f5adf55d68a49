/* What a step of an integrator does most, each as one call: the gradients of
 * energies, and a state moved along a slope. torus.hamiltonian and
 * torus.steppers call them, by these names in torus.core alone. */
#include "autodiff/build.h"
#include "binding/binding.h"
#include "binding/running.h"

#define TARGETS 2

/* --- gradients of energies --- */

typedef struct request {
  lua_State *L;
  torus_tensor *energy, *targets[TARGETS], **boxes[TARGETS];
  int count;
  bool create_graph;
} request;

static torus_tensor *sweep(torus_scope *scope, void *arg) {
  const request *r = arg;
  torus_tensor *energy = r->energy, *out[TARGETS] = {NULL};
  torus_sweep_options options = {
      .grad_output = torus_filled(scope, energy->dtype, &energy->shape, 1),
      .create_graph = r->create_graph,
      .retain_graph = r->create_graph};
  if (!options.grad_output) return NULL;
  lua_State *before = torus_set_running(r->L);
  bool ok = torus_grad(scope, energy, r->targets, r->count, &options, out);
  torus_set_running(before);
  for (int i = 0; ok && i < r->count; i++) {
    *r->boxes[i] = torus_tensor_retain(out[i]);
  }
  return NULL;
}

/* Whether there is one energy for each sample of x. */
static bool is_energy(const torus_tensor *energy, const torus_tensor *x) {
  return energy && energy->shape.ndim == 1 && x->shape.ndim > 0 &&
         energy->shape.size[0] == x->shape.size[0];
}

/* slope(energy, create_graph, x[, y]) -> the gradients of the energies' sum, a
 * nil for what they don't depend on; without a result where `energy` is not one
 * number per sample of x, or depends on nothing */
static int slope(lua_State *L) {
  request r = {.L = L, .energy = torus_to_tensor(L, 1)};
  r.create_graph = lua_toboolean(L, 2);
  r.targets[r.count++] = torus_check_tensor(L, 3, "slope");
  for (; r.count < TARGETS && !lua_isnoneornil(L, 3 + r.count); r.count++) {
    r.targets[r.count] = torus_check_tensor(L, 3 + r.count, "slope");
  }
  if (!is_energy(r.energy, r.targets[0]) || !r.energy->requires_grad) return 0;
  for (int i = 0; i < r.count; i++) r.boxes[i] = torus_push_box(L);
  torus_run(L, sweep, &r);
  for (int i = 0; i < r.count; i++) {
    if (*r.boxes[i]) continue;
    lua_pushnil(L);
    lua_replace(L, -1 - r.count + i);
  }
  return r.count;
}

/* version(x) -> how often its memory was written to; 0 of what is no live
 * tensor */
static int version(lua_State *L) {
  torus_tensor *x = torus_to_tensor(L, 1);
  lua_pushinteger(L, x ? x->storage->version : 0);
  return 1;
}

/* --- motion --- */

typedef struct motion {
  torus_tensor *x, *slope;
  double length;
} motion;

static torus_tensor *move_along(torus_scope *scope, void *arg) {
  const motion *m = arg;
  bool record =
      scope->record && (m->x->requires_grad || m->slope->requires_grad);
  torus_lone_element element;
  torus_tensor *length =
      record ? torus_scalar(scope, m->slope->dtype, m->length)
             : torus_lone_init(&element, m->slope->dtype, m->length);
  return torus_add(scope, m->x, torus_mul(scope, m->slope, length));
}

/* advance(x, slope, length) -> x + slope length, of float tensors */
static int advance(lua_State *L) {
  motion m = {torus_check_tensor(L, 1, "advance"),
              torus_check_tensor(L, 2, "advance"), 0};
  m.length = torus_check_number(L, 3, "advance", "length");
  if (!torus_dtype_is_float(m.slope->dtype)) {
    return torus_raise_text(L, "advance: expected a float tensor, got %s",
                            torus_describe(L, 2));
  }
  return torus_push_result(L, move_along, &m);
}

void torus_open_slopes(lua_State *L) {
  static const luaL_Reg functions[] = {{"slope", slope},
                                       {"version", version},
                                       {"advance", advance},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
