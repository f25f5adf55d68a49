/* Every registered operation as a Lua function, read from its descriptor.
 *
 *   core.ops.sum(x, {1, 2}, true)    core.ops.sum(x, {dim = 1})
 *
 * Inputs come first, as tensors or numbers (which take the first tensor's
 * dtype), then the parameters, by position or in one table by name. */
#include "autodiff/build.h"
#include "autodiff/op.h"
#include "binding/binding.h"

#include <math.h>
#include <string.h>

#define FEW 8

typedef struct invocation {
  const torus_op *op;
  torus_attrs attrs;
  int inputs;
  torus_tensor **in;
  torus_tensor *few[FEW];
  double numbers[FEW]; /* where an input is a number, few[i] is NULL */
  torus_dtype dtype;
  int ndim; /* of the first input */
} invocation;

static torus_tensor *compute(torus_scope *scope, void *arg) {
  invocation *v = arg;
  if (v->in != v->few) {
    return torus_apply(scope, v->op, v->in, v->inputs, &v->attrs);
  }
  torus_tensor *in[FEW];
  for (int i = 0; i < v->inputs; i++) {
    in[i] =
        v->few[i] ? v->few[i] : torus_scalar(scope, v->dtype, v->numbers[i]);
  }
  return torus_apply(scope, v->op, in, v->inputs, &v->attrs);
}

/* --- inputs --- */

/* Puts the inputs of the list at index 1, few ones, below the parameters. */
static void push_few(lua_State *L, invocation *v) {
  for (int i = 0; i < v->inputs; i++) {
    lua_rawgeti(L, 1, i + 1);
    v->few[i] = torus_check_entry(L, v->op->name, "input", i + 1);
    lua_insert(L, i + 2);
  }
}

/* Likewise many, in a list and an array of their own. */
static void push_many(lua_State *L, invocation *v) {
  torus_own_list(L, 1, v->op->name);
  v->in = lua_newuserdatauv(L, (size_t)v->inputs * sizeof *v->in, 0);
  lua_insert(L, 2);
  for (int i = 0; i < v->inputs; i++) {
    lua_rawgeti(L, 1, i + 1);
    v->in[i] = torus_check_entry(L, v->op->name, "input", i + 1);
    lua_pop(L, 1);
  }
}

/* Inputs as one list: {x, y, ...}. Returns where the parameters begin. */
static int read_input_list(lua_State *L, invocation *v) {
  const char *operation = v->op->name;
  if (lua_type(L, 1) != LUA_TTABLE) {
    torus_raise_text(L, "%s: expected a list of tensors, got %s", operation,
                     torus_describe(L, 1));
  }
  v->inputs = torus_list_length(L, 1, operation);
  if (v->inputs < 1) {
    torus_raise_text(L, "%s: expected at least one tensor", operation);
  }
  bool few = v->inputs <= FEW;
  if (few) {
    push_few(L, v);
  } else {
    push_many(L, v);
  }
  v->ndim = v->in[0]->shape.ndim;
  return few ? v->inputs + 2 : 3;
}

static void read_input(lua_State *L, invocation *v, int i) {
  if (lua_type(L, i + 1) == LUA_TNUMBER) {
    v->few[i] = NULL;
    v->numbers[i] = lua_tonumber(L, i + 1);
  } else {
    v->few[i] = torus_check_tensor(L, i + 1, v->op->name);
  }
}

/* Reads the inputs and returns the index of the first parameter. */
static int read_inputs(lua_State *L, invocation *v) {
  const torus_op *op = v->op;
  v->in = v->few;
  if (op->optional_inputs < 0) return read_input_list(L, v);
  for (v->inputs = 0; v->inputs < op->inputs; v->inputs++) {
    read_input(L, v, v->inputs);
  }
  for (int more = 0; more < op->optional_inputs; more++) {
    if (!luaL_testudata(L, v->inputs + 1, "torus.tensor")) break;
    read_input(L, v, v->inputs++);
  }
  const torus_tensor *first = NULL;
  for (int i = 0; i < v->inputs && !first; i++) first = v->few[i];
  if (!first) {
    torus_raise_text(L, "%s: expected a tensor, got only numbers", op->name);
  }
  v->dtype = first->dtype;
  v->ndim = v->few[0] ? v->few[0]->shape.ndim : 0;
  return v->inputs + 1;
}

/* --- parameters --- */

typedef struct slots {
  int ints, floats, lists;
} slots;

static void check_distinct(lua_State *L, const invocation *v,
                           const torus_shape *dims) {
  for (int i = 0; i < dims->ndim; i++) {
    for (int k = 0; k < i; k++) {
      if (dims->size[i] == dims->size[k]) {
        torus_raise_text(L, "%s: dimension %d is named twice", v->op->name,
                         (int)dims->size[i] + 1);
      }
    }
  }
}

static void read_dims(lua_State *L, invocation *v, torus_shape *dims) {
  for (int i = 0; i < dims->ndim; i++) {
    lua_pushinteger(L, dims->size[i]);
    dims->size[i] = torus_check_dim(L, lua_gettop(L), v->op->name, v->ndim);
    lua_pop(L, 1);
  }
  check_distinct(L, v, dims);
}

static void all_dims(const invocation *v, torus_shape *dims) {
  dims->ndim = v->ndim;
  for (int d = 0; d < v->ndim; d++) dims->size[d] = d;
}

/* Reads one parameter at index and returns how many arguments it took. */
static int read_param(lua_State *L, invocation *v, const torus_param *p,
                      slots *s, int index) {
  const char *operation = v->op->name;
  bool absent = lua_isnoneornil(L, index);
  if (absent && !p->optional) {
    torus_raise_text(L, "%s: missing %s", operation, p->name);
  }
  int64_t *integer = &v->attrs.i[s->ints];
  torus_shape *list = &v->attrs.list[s->lists];
  int read = 1;
  switch (p->kind) {
  case TORUS_PARAM_FLOAT:
    if (!absent && lua_type(L, index) != LUA_TNUMBER) {
      torus_raise_text(L, "%s: expected a number for %s, got %s", operation,
                       p->name, torus_describe(L, index));
    }
    v->attrs.f[s->floats++] = absent ? p->value : lua_tonumber(L, index);
    return 1;
  case TORUS_PARAM_INT:
    if (!absent) {
      *integer = torus_check_integer(L, index, operation, p->name);
    } else {
      *integer = isnan(p->value) ? TORUS_ABSENT : (int64_t)p->value;
    }
    break;
  case TORUS_PARAM_BOOL:
    if (!absent && lua_type(L, index) != LUA_TBOOLEAN) {
      torus_raise_text(L, "%s: expected true or false for %s, got %s",
                       operation, p->name, torus_describe(L, index));
    }
    *integer = absent ? p->value != 0 : lua_toboolean(L, index);
    break;
  case TORUS_PARAM_DTYPE:
    *integer = torus_check_dtype(L, index, operation);
    break;
  case TORUS_PARAM_DIM:
    if (absent) { /* a default, too, must be one of the tensor's */
      lua_pushinteger(L, (lua_Integer)p->value);
      index = lua_gettop(L);
    }
    *integer = torus_check_dim(L, index, operation, v->ndim);
    if (absent) lua_pop(L, 1);
    break;
  case TORUS_PARAM_DIMS:
    if (absent) {
      all_dims(v, list);
    } else {
      read = torus_check_list(L, index, operation, p->name, list);
      read_dims(L, v, list);
    }
    s->lists++;
    return read;
  case TORUS_PARAM_LIST:
    read = torus_check_list(L, index, operation, p->name, list);
    s->lists++;
    return read;
  }
  s->ints++;
  return 1;
}

static bool has_names(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TTABLE) return false;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING) {
      lua_pop(L, 1);
      return true;
    }
  }
  return false;
}

static void read_params(lua_State *L, invocation *v, int index) {
  const torus_op *op = v->op;
  slots s = {0, 0, 0};
  bool named = lua_gettop(L) == index && has_names(L, index);
  if (named) {
    const char *keys[TORUS_MAX_PARAMS + 1] = {NULL};
    for (int i = 0; i < TORUS_MAX_PARAMS; i++) keys[i] = op->params[i].name;
    torus_check_keys(L, index, op->name, keys);
  }
  for (int i = 0; i < TORUS_MAX_PARAMS && op->params[i].name; i++) {
    if (named) {
      torus_option(L, index, op->params[i].name);
      read_param(L, v, &op->params[i], &s, lua_gettop(L));
    } else {
      index += read_param(L, v, &op->params[i], &s, index);
    }
  }
  if (!named && index <= lua_gettop(L) && !lua_isnil(L, index)) {
    torus_raise_text(L, "%s: too many arguments, the first one too many is %s",
                     op->name, torus_describe(L, index));
  }
}

/* --- results --- */

typedef struct part {
  const invocation *v;
  torus_tensor *packed;
  int number;
} part;

static torus_tensor *compute_part(torus_scope *scope, void *arg) {
  const part *p = arg;
  const invocation *v = p->v;
  return torus_apply_part(scope, v->op, v->in, v->inputs, &v->attrs, p->packed,
                          p->number);
}

/* The packed tensor is on top of the stack. */
static int push_parts(lua_State *L, const invocation *v) {
  part p = {v, torus_to_tensor(L, -1), 0};
  for (; p.number < v->op->outputs; p.number++) {
    torus_push_result(L, compute_part, &p);
  }
  return v->op->outputs;
}

static int call_op(lua_State *L) {
  invocation v = {.op = lua_touserdata(L, lua_upvalueindex(1))};
  int params = read_inputs(L, &v);
  read_params(L, &v, params);
  int results = torus_push_result(L, compute, &v);
  return v.op->outputs > 0 ? push_parts(L, &v) : results;
}

/* --- the list for specs and docs --- */

static const char *kind_name(torus_param_kind kind) {
  static const char *const names[] = {"int", "number", "boolean", "dtype",
                                      "dim", "dims",   "list"};
  return names[kind];
}

static bool is_elementwise(const torus_op *op) {
  const torus_op_family *family = &torus_elementwise_ops;
  return op >= family->ops && op < family->ops + family->count;
}

static void push_params(lua_State *L, const torus_op *op) {
  lua_newtable(L);
  for (int i = 0; i < TORUS_MAX_PARAMS && op->params[i].name; i++) {
    const torus_param *p = &op->params[i];
    lua_createtable(L, 0, 4);
    lua_pushstring(L, p->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, kind_name(p->kind));
    lua_setfield(L, -2, "kind");
    lua_pushboolean(L, p->optional);
    lua_setfield(L, -2, "optional");
    if (!isnan(p->value)) {
      lua_pushnumber(L, p->value);
      lua_setfield(L, -2, "default");
    }
    lua_seti(L, -2, i + 1);
  }
}

/*** The registered operations, from which this reference and the generated
 * specs follow.
 * @function torus.registry
 * @treturn {table,...} name, inputs, optional_inputs, outputs, params ({name,
 * kind, optional, default}), elementwise, constant (no gradient), doc
 * @usage
 * for _, op in ipairs(torus.registry()) do print(op.name, op.doc) end
 */
static int registry(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; i < torus_op_count(); i++) {
    const torus_op *op = torus_op_at(i);
    lua_createtable(L, 0, 6);
    lua_pushstring(L, op->name);
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, op->inputs);
    lua_setfield(L, -2, "inputs");
    lua_pushinteger(L, op->optional_inputs);
    lua_setfield(L, -2, "optional_inputs");
    lua_pushboolean(L, op->constant);
    lua_setfield(L, -2, "constant");
    lua_pushinteger(L, op->outputs > 0 ? op->outputs : 1);
    lua_setfield(L, -2, "outputs");
    lua_pushboolean(L, is_elementwise(op));
    lua_setfield(L, -2, "elementwise");
    lua_pushstring(L, op->doc);
    lua_setfield(L, -2, "doc");
    push_params(L, op);
    lua_setfield(L, -2, "params");
    lua_seti(L, -2, i + 1);
  }
  return 1;
}

void torus_open_ops(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; i < torus_op_count(); i++) {
    const torus_op *op = torus_op_at(i);
    lua_pushlightuserdata(L, (void *)op);
    lua_pushcclosure(L, call_op, 1);
    lua_setfield(L, -2, op->name);
  }
  lua_setfield(L, -2, "ops");
  lua_pushcfunction(L, registry);
  lua_setfield(L, -2, "registry");
}
