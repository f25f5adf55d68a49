/* Every registered operation as a Lua function, read from its descriptor.
 *
 *   core.ops.sum(x, {1, 2}, true)    core.ops.sum(x, {dim = 1})
 *
 * Inputs come first, as tensors or numbers (which take the tensors' dtype),
 * then the parameters, by position or in one table by name. */
#include "autodiff/build.h"
#include "binding/invocation.h"
#include "hamiltonian/network_op.h"

#include <string.h>

/* Whether the result will have a history, which retains the inputs. */
static bool records(const torus_scope *scope, const torus_invocation *v) {
  bool any = false;
  for (int i = 0; scope->record && i < v->inputs; i++) {
    any |= v->few[i] && v->few[i]->requires_grad;
  }
  return any;
}

static torus_tensor *compute(torus_scope *scope, void *arg) {
  torus_invocation *v = arg;
  if (!v->numeric || v->in != v->few) {
    return torus_apply(scope, v->op, v->in, v->inputs, &v->attrs);
  }
  bool light =
      v->op->fresh && torus_dtype_is_float(v->dtype) && !records(scope, v);
  torus_lone_element numbers[TORUS_MAX_OPERANDS];
  torus_tensor *in[TORUS_FEW_INPUTS];
  for (int i = 0; i < v->inputs; i++) {
    if (v->few[i]) {
      in[i] = v->few[i];
    } else if (light) {
      in[i] = torus_lone_init(&numbers[i], v->dtype, v->numbers[i]);
    } else {
      in[i] = torus_scalar(scope, v->dtype, v->numbers[i]);
    }
  }
  return torus_apply(scope, v->op, in, v->inputs, &v->attrs);
}

/* --- inputs --- */

/* Puts the inputs of the list at index 1, few ones, below the parameters. */
static void push_few(lua_State *L, torus_invocation *v) {
  for (int i = 0; i < v->inputs; i++) {
    lua_rawgeti(L, 1, i + 1);
    v->few[i] = torus_check_entry(L, v->op->name, "input", i + 1);
    lua_insert(L, i + 2);
  }
}

/* Likewise many, in a list and an array of their own. */
static void push_many(lua_State *L, torus_invocation *v) {
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
static int read_input_list(lua_State *L, torus_invocation *v) {
  const char *operation = v->op->name;
  if (lua_type(L, 1) != LUA_TTABLE) {
    torus_raise_text(L, "%s: expected a list of tensors, got %s", operation,
                     torus_describe(L, 1));
  }
  v->inputs = torus_list_length(L, 1, operation);
  if (v->inputs < 1) {
    torus_raise_text(L, "%s: expected at least one tensor", operation);
  }
  bool few = v->inputs <= TORUS_FEW_INPUTS;
  if (few) {
    push_few(L, v);
  } else {
    push_many(L, v);
  }
  v->ndim = v->in[0]->shape.ndim;
  return few ? v->inputs + 2 : 3;
}

static inline void read_input(lua_State *L, torus_invocation *v, int i) {
  torus_tensor **box = torus_test_box(L, i + 1);
  if (box && *box) {
    v->few[i] = *box;
    return;
  }
  int type = lua_type(L, i + 1);
  if (type != LUA_TNUMBER && type != LUA_TBOOLEAN) {
    v->few[i] = torus_check_tensor(L, i + 1, v->op->name);
    return;
  }
  bool boolean = type == LUA_TBOOLEAN;
  v->few[i] = NULL;
  v->numbers[i] = boolean ? lua_toboolean(L, i + 1) : lua_tonumber(L, i + 1);
  v->numeric = true;
  v->booleans |= boolean;
}

/* The dtype that numbers among the inputs take: that of the tensors beside
 * them. What it can't hold is an error, but for comparisons, which are exact
 * in float64 if integers are below 2^53. */
static torus_dtype number_dtype(lua_State *L, const torus_invocation *v) {
  const torus_op *op = v->op;
  torus_dtype dtype = op->operands
                          ? op->operands(op, v->few, v->inputs)
                          : torus_operands_joint(op, v->few, v->inputs);
  bool value = false; /* is a tensor given, apart from conditions? */
  for (int i = op->selects; i < v->inputs; i++) value |= v->few[i] != NULL;
  if (!value && torus_dtype_is_float(v->dtype)) dtype = v->dtype;
  for (int i = 0; i < v->inputs; i++) {
    bool boolean = lua_type(L, i + 1) == LUA_TBOOLEAN;
    if (v->few[i] || (torus_dtype_is_float(dtype) && !boolean)) continue;
    bool exact = lua_isinteger(L, i + 1) && dtype == TORUS_INT64;
    if (op->test && !exact && !torus_dtype_holds(dtype, v->numbers[i])) {
      return TORUS_FLOAT64;
    }
    if (boolean && dtype != TORUS_BOOL) {
      torus_raise_text(L, "%s: expected a number beside a tensor of %s, got %s",
                       op->name, torus_dtype_name(dtype),
                       torus_describe(L, i + 1));
    }
    torus_check_element(L, i + 1, op->name, dtype);
  }
  return dtype;
}

/* Reads the inputs and returns the index of the first parameter. */
static int read_inputs(lua_State *L, torus_invocation *v) {
  /* The caller has set it; the operands are filled as far as they are read. */
  // cppcheck-suppress ctuuninitvar
  const torus_op *op = v->op;
  v->in = v->few;
  if (op->optional_inputs < 0) return read_input_list(L, v);
  for (v->inputs = 0; v->inputs < op->inputs; v->inputs++) {
    read_input(L, v, v->inputs);
  }
  for (int more = 0; more < op->optional_inputs; more++) {
    if (!torus_test_box(L, v->inputs + 1)) break;
    read_input(L, v, v->inputs++);
  }
  const torus_tensor *first = NULL;
  for (int i = 0; i < v->inputs && !first; i++) first = v->few[i];
  if (!first) {
    return torus_raise_text(L, "%s: expected a tensor, got only numbers",
                            op->name);
  }
  v->dtype = first->dtype;
  if (v->numeric &&
      (v->booleans || v->inputs > 2 || !torus_dtype_is_float(v->dtype))) {
    v->dtype = number_dtype(L, v);
  }
  v->ndim = v->few[0] ? v->few[0]->shape.ndim : 0;
  return v->inputs + 1;
}

/* --- results --- */

typedef struct part {
  const torus_invocation *v;
  torus_tensor *packed;
  int number;
} part;

static torus_tensor *compute_part(torus_scope *scope, void *arg) {
  const part *p = arg;
  const torus_invocation *v = p->v;
  return torus_apply_part(scope, v->op, v->in, v->inputs, &v->attrs, p->packed,
                          p->number);
}

/* The packed tensor is on top of the stack. */
static int push_parts(lua_State *L, const torus_invocation *v) {
  part p = {v, torus_to_tensor(L, -1), 0};
  for (; p.number < v->op->outputs; p.number++) {
    torus_push_result(L, compute_part, &p);
  }
  return v->op->outputs;
}

static int call_op(lua_State *L) {
  torus_invocation v;
  v.op = lua_touserdata(L, lua_upvalueindex(1));
  v.numeric = v.booleans = false;
  memset(&v.attrs, 0, sizeof v.attrs);
  int params = read_inputs(L, &v);
  torus_read_params(L, &v, params);
  int results = torus_push_result(L, compute, &v);
  return v.op->outputs > 0 ? push_parts(L, &v) : results;
}

void torus_open_ops(lua_State *L) {
  torus_op_add_family(&torus_network_ops);
  lua_newtable(L);
  for (int i = 0; i < torus_op_count(); i++) {
    const torus_op *op = torus_op_at(i);
    lua_pushlightuserdata(L, (void *)op);
    lua_pushcclosure(L, call_op, 1);
    lua_setfield(L, -2, op->name);
  }
  lua_setfield(L, -2, "ops");
}
