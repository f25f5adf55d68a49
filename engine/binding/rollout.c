/* Hamiltonians made of networks, as differentiable calls; and the table of
 * integration schemes. */
#include <string.h>

#include "binding/binding.h"
#include "hamiltonian/network_op.h"

#define MAX_INPUTS (3 + 2 * 2 * (TORUS_NET_LAYERS + 1))

typedef struct request {
  const torus_op *op;
  torus_attrs attrs;
  torus_tensor *in[MAX_INPUTS];
  int inputs;
} request;

static torus_tensor *apply(torus_scope *scope, void *arg) {
  request *r = arg;
  return torus_apply(scope, r->op, r->in, r->inputs, &r->attrs);
}

static void set_flag(lua_State *L, int index, const char *name, int64_t flag,
                     request *r) {
  torus_option(L, index, name);
  if (lua_toboolean(L, -1)) r->attrs.i[TORUS_NET_FLAGS] |= flag;
  lua_pop(L, 1);
}

/* Whether an option is this text. */
static bool is_text(lua_State *L, int index, const char *name,
                    const char *text) {
  torus_option(L, index, name);
  bool same = strcmp(luaL_checkstring(L, -1), text) == 0;
  lua_pop(L, 1);
  return same;
}

/* The network at index: {kind =, activation =, layers =, readout_bias =,
 * parameters = {...}}. The parameters stay on the stack, which keeps them
 * alive. */
static void read_network(lua_State *L, int index, request *r, int k) {
  const char *operation = r->op->name;
  luaL_checktype(L, index, LUA_TTABLE);
  int64_t *flags = &r->attrs.i[TORUS_NET_FLAGS];
  if (is_text(L, index, "kind", "conv")) *flags |= TORUS_FLAG_CONV;
  if (is_text(L, index, "activation", "tanh")) *flags |= TORUS_FLAG_TANH << k;
  set_flag(L, index, "readout_bias", TORUS_FLAG_READOUT_BIAS << k, r);
  r->attrs.i[TORUS_NET_LAYERS_0 + k] =
      torus_option_integer(L, index, operation, "layers");
  torus_option(L, index, "parameters");
  int list = lua_gettop(L);
  luaL_checktype(L, list, LUA_TTABLE);
  int count = torus_list_length(L, list, operation);
  if (count > 2 * (TORUS_NET_LAYERS + 1)) {
    torus_raise_text(L, "%s: a network has more than %d layers", operation,
                     TORUS_NET_LAYERS);
  }
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(L, list, i);
    r->in[r->inputs++] = torus_check_entry(L, operation, "parameter", i);
  }
}

static void read_networks(lua_State *L, int index, request *r) {
  luaL_checkstack(L, MAX_INPUTS + 16, r->op->name);
  torus_option(L, index, "networks");
  int list = lua_gettop(L);
  luaL_checktype(L, list, LUA_TTABLE);
  int count = torus_list_length(L, list, r->op->name);
  if (count != 1 && count != 2) {
    torus_raise_text(L, "%s: expected one network or two", r->op->name);
  }
  if (count == 2) r->attrs.i[TORUS_NET_FLAGS] |= TORUS_FLAG_SEPARABLE;
  for (int k = 0; k < count; k++) {
    lua_rawgeti(L, list, k + 1);
    read_network(L, lua_gettop(L), r, k);
  }
}

static void read_states(lua_State *L, request *r) {
  luaL_checktype(L, 3, LUA_TTABLE);
  r->in[0] = torus_check_tensor(L, 1, r->op->name);
  r->in[1] = torus_check_tensor(L, 2, r->op->name);
  r->inputs = 2;
}

/* field(q, p, {networks = {...}}) -> dH/dq, dH/dp, energy in one dimension */
static int field(lua_State *L) {
  request r = {.op = &torus_field_op};
  lua_settop(L, 3);
  read_states(L, &r);
  read_networks(L, 3, &r);
  return torus_push_result(L, apply, &r);
}

static void read_scheme(lua_State *L, int index, request *r) {
  torus_option(L, index, "method");
  const char *name = luaL_checkstring(L, -1);
  int count = torus_scheme_count(), found = -1;
  for (int i = 0; i < count; i++) {
    if (strcmp(torus_scheme_at(i)->name, name) == 0) found = i;
  }
  if (found < 0) torus_raise_text(L, "rollout: no scheme is named '%s'", name);
  r->attrs.i[TORUS_NET_SCHEME] = found;
  lua_pop(L, 1);
}

/* rollout(q, p, {networks =, method =, steps =, dt =, energies =,
 * last_only =, reversible =}) -> q, p, energies in one dimension */
static int rollout(lua_State *L) {
  request r = {.op = &torus_rollout_op};
  lua_settop(L, 3);
  read_states(L, &r);
  read_scheme(L, 3, &r);
  r.attrs.i[TORUS_NET_STEPS] = torus_option_integer(L, 3, "rollout", "steps");
  torus_option(L, 3, "dt"); /* stays on the stack */
  if (torus_to_tensor(L, -1)) {
    r.in[r.inputs++] = torus_to_tensor(L, -1);
    r.attrs.i[TORUS_NET_FLAGS] |= TORUS_FLAG_DT;
    if (torus_tensor_count(r.in[2]) != 1) {
      return torus_raise_text(L, "rollout: expected one number for dt");
    }
  } else {
    r.attrs.f[0] = luaL_checknumber(L, -1);
  }
  set_flag(L, 3, "energies", TORUS_FLAG_ENERGIES, &r);
  set_flag(L, 3, "last_only", TORUS_FLAG_LAST_ONLY, &r);
  set_flag(L, 3, "reversible", TORUS_FLAG_REVERSIBLE, &r);
  read_networks(L, 3, &r);
  return torus_push_result(L, apply, &r);
}

static void push_row(lua_State *L, const double *x, int count) {
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    lua_pushnumber(L, x[i]);
    lua_seti(L, -2, i + 1);
  }
}

/* schemes() -> list of {name, order, splitting, symmetric, kick, drift} or
 * {..., a, b}: the rows that everything that integrates reads */
static int schemes(lua_State *L) {
  int count = torus_scheme_count();
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    const torus_scheme *s = torus_scheme_at(i);
    lua_createtable(L, 0, 6);
    lua_pushstring(L, s->name);
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, s->order);
    lua_setfield(L, -2, "order");
    lua_pushboolean(L, s->splitting);
    lua_setfield(L, -2, "splitting");
    lua_pushboolean(L, s->symmetric);
    lua_setfield(L, -2, "symmetric");
    if (s->splitting) {
      push_row(L, s->kick, s->stages + 1);
      lua_setfield(L, -2, "kick");
      push_row(L, s->drift, s->stages);
      lua_setfield(L, -2, "drift");
    } else {
      lua_createtable(L, s->stages, 0);
      for (int k = 0; k < s->stages; k++) {
        push_row(L, s->a[k], s->stages);
        lua_seti(L, -2, k + 1);
      }
      lua_setfield(L, -2, "a");
      push_row(L, s->b, s->stages);
      lua_setfield(L, -2, "b");
    }
    lua_seti(L, -2, i + 1);
  }
  return 1;
}

void torus_open_rollout(lua_State *L) {
  static const luaL_Reg functions[] = {{"field", field},
                                       {"rollout", rollout},
                                       {"schemes", schemes},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
