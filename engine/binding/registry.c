/* The registered operations and integration schemes, for the library, its
 * documentation and generated specs. */
#include "autodiff/op.h"
#include "binding/binding.h"
#include "hamiltonian/scheme.h"

#include <math.h>

static void set_text(lua_State *L, const char *name, const char *text) {
  lua_pushstring(L, text); /* nil where there is none */
  lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, int value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

/* --- operations --- */

static const char *const param_kinds[] = {
    [TORUS_PARAM_INT] = "int",          [TORUS_PARAM_FLOAT] = "number",
    [TORUS_PARAM_BOOL] = "boolean",     [TORUS_PARAM_DTYPE] = "dtype",
    [TORUS_PARAM_DIM] = "dim",          [TORUS_PARAM_DIMS] = "dims",
    [TORUS_PARAM_LIST] = "list",        [TORUS_PARAM_CHOICE] = "choice",
    [TORUS_PARAM_SCALAR] = "scalar",    [TORUS_PARAM_TENSORS] = "tensors",
    [TORUS_PARAM_NETWORKS] = "networks"};

static void push_param(lua_State *L, const torus_op *op, const torus_param *p) {
  lua_createtable(L, 0, 6);
  set_text(L, "name", p->name);
  set_text(L, "kind", param_kinds[p->kind]);
  set_flag(L, "optional", p->optional);
  if (!isnan(p->value)) {
    lua_pushnumber(L, p->value);
    lua_setfield(L, -2, "default");
  }
  if (p->kind != TORUS_PARAM_CHOICE) return;
  lua_newtable(L);
  for (int i = 0; op->choice(i); i++) {
    lua_pushstring(L, op->choice(i));
    lua_seti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "choices");
}

/* {x = boolean, y =, z =, more = of the other inputs, out =} */
static void push_reads(lua_State *L, int reads) {
  lua_createtable(L, 0, 5);
  set_flag(L, "x", reads & TORUS_READS_X);
  set_flag(L, "y", reads & TORUS_READS_Y);
  set_flag(L, "z", reads & TORUS_READS_Z);
  set_flag(L, "more", reads & TORUS_READS_MORE);
  set_flag(L, "out", reads & TORUS_READS_OUT);
}

static bool is_elementwise(const torus_op *op) {
  const torus_op_family *family = &torus_elementwise_ops;
  return op >= family->ops && op < family->ops + family->count;
}

static void push_op(lua_State *L, const torus_op *op) {
  lua_createtable(L, 0, 12);
  set_text(L, "name", op->name);
  set_text(L, "doc", op->doc);
  set_text(L, "first_order", op->first_order);
  set_flag(L, "elementwise", is_elementwise(op));
  set_flag(L, "constant", op->constant);
  set_flag(L, "more_inputs", op->more_inputs);
  set_integer(L, "inputs", op->inputs);
  set_integer(L, "optional_inputs", op->optional_inputs);
  set_integer(L, "outputs", op->outputs > 0 ? op->outputs : 1);
  if (op->reads) {
    push_reads(L, op->reads);
    lua_setfield(L, -2, "reads");
  }
  lua_newtable(L);
  for (int i = 0; i < TORUS_MAX_PARAMS && op->params[i].name; i++) {
    push_param(L, op, &op->params[i]);
    lua_seti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "params");
}

/*** Returns the registered operations, from which this reference and the specs
 * are generated.
 * @function torus.registry
 * @treturn {table,...} name, doc, inputs, optional_inputs, more_inputs (passed
 * as parameters), outputs, params ({name, kind, optional, default, choices}),
 * elementwise, constant (no gradient), first_order (if there are no gradients
 * of higher order: what to use instead), reads (those of x, y, z, more and out
 * from which the gradient is computed)
 * @usage
 * for _, op in ipairs(torus.registry()) do print(op.name, op.doc) end
 */
static int registry(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; i < torus_op_count(); i++) {
    push_op(L, torus_op_at(i));
    lua_seti(L, -2, i + 1);
  }
  return 1;
}

/* --- integration schemes --- */

static void push_row(lua_State *L, const double *x, int count) {
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    lua_pushnumber(L, x[i]);
    lua_seti(L, -2, i + 1);
  }
}

static void set_row(lua_State *L, const char *name, const double *x,
                    int count) {
  push_row(L, x, count);
  lua_setfield(L, -2, name);
}

static void push_scheme(lua_State *L, const torus_scheme *s) {
  lua_createtable(L, 0, 12);
  set_text(L, "name", s->name);
  set_text(L, "doc", s->doc);
  set_integer(L, "order", s->order);
  set_flag(L, "splitting", s->splitting);
  set_flag(L, "implicit", s->implicit);
  set_flag(L, "extended", s->extended);
  set_flag(L, "symmetric", s->symmetric);
  set_flag(L, "fused", torus_scheme_is_fused(s));
  lua_newtable(L);
  for (int i = 0; i < TORUS_ALIASES_MAX && s->aliases[i]; i++) {
    lua_pushstring(L, s->aliases[i]);
    lua_seti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "aliases");
  if (s->splitting || s->extended) {
    set_row(L, "kick", s->kick, s->stages + 1);
    set_row(L, "drift", s->drift, s->stages);
    return;
  }
  set_row(L, "b", s->b, s->stages);
  lua_createtable(L, s->stages, 0);
  for (int k = 0; k < s->stages; k++) {
    push_row(L, s->a[k], s->stages);
    lua_seti(L, -2, k + 1);
  }
  lua_setfield(L, -2, "a");
}

/* schemes() -> list of {name, doc, aliases, order, splitting, implicit,
 * extended, symmetric, fused, kick, drift} or {..., a, b}: the rows that
 * everything that integrates reads */
static int schemes(lua_State *L) {
  int count = torus_scheme_count();
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    push_scheme(L, torus_scheme_at(i));
    lua_seti(L, -2, i + 1);
  }
  return 1;
}

void torus_open_registry(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"registry", registry}, {"schemes", schemes}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
