/* Tensors as indices: x[mask], x[index] and writing to these. What they mean is
 * said in lua/torus/selection.lua, as a formula of operations; here are the
 * calls of it, the writing itself and its checks. */
#include "autodiff/build.h"
#include "binding/binding.h"
#include "kernels/select.h"

#include <string.h>

/* Registry: {get = function(x, index), set = function(x, index, value)} */
#define SELECTION_KEY "torus.selection"

/* --- checks of what is written --- */

/* Writes may not change what a recorded history was computed from; a leaf
 * that requires gradients is written with recording off. */
void torus_check_writable(lua_State *L, const torus_tensor *x,
                          const char *operation) {
  if (x->node || (x->requires_grad && torus_recording())) {
    torus_raise_text(L,
                     "%s: the tensor is part of a graph; write to it inside "
                     "torus.no_grad or to x:detach()",
                     operation);
  }
  if (torus_tensor_count(x) == 0) return; /* its strides are all 0 */
  for (int d = 0; d < x->shape.ndim; d++) {
    if (x->strides[d] != 0 || x->shape.size[d] < 2) continue;
    torus_raise_text(L,
                     "%s: the tensor repeats elements along dimension %d; "
                     "write to x:copy()",
                     operation, d + 1);
  }
}

torus_tensor *torus_check_written(lua_State *L, int index,
                                  const char *operation) {
  if (lua_type(L, index) != LUA_TUSERDATA) {
    bool list = lua_type(L, index) == LUA_TTABLE;
    torus_raise_text(L, "%s: expected a number or a tensor to write, got %s%s",
                     operation, torus_describe(L, index),
                     list ? "; torus.tensor(list) makes one of a list" : "");
  }
  torus_tensor *value = torus_check_tensor(L, index, operation);
  if (value->requires_grad && torus_recording()) {
    torus_raise_text(L,
                     "%s: writing is not recorded, and the value requires a "
                     "gradient; join tensors with torus.cat or torus.stack, "
                     "or write value:detach()",
                     operation);
  }
  return value;
}

torus_tensor *torus_written_as(torus_scope *scope, const torus_tensor *x,
                               torus_tensor *value, const char *operation) {
  if (!value || value->dtype == x->dtype) return value;
  const char *own = torus_dtype_name(x->dtype);
  if (torus_dtype_joint(value->dtype, x->dtype) != x->dtype) {
    return torus_scope_fail(scope, TORUS_EINVAL,
                            "%s: dtypes differ, %s and %s; write "
                            "value:to(\"%s\")",
                            operation, own, torus_dtype_name(value->dtype),
                            own);
  }
  return torus_to(scope, value, x->dtype);
}

/* --- rows by index --- */

typedef struct put {
  torus_tensor *x, *index, *value; /* value NULL: the number */
  double number;
} put;

/* The value as the rows that are written, contiguous. */
static torus_tensor *rows_of(torus_scope *scope, const put *p) {
  char a[TORUS_SHAPE_TEXT], b[TORUS_SHAPE_TEXT];
  torus_shape shape = p->x->shape, joint;
  shape.size[0] = torus_tensor_count(p->index);
  torus_tensor *value = p->value
                            ? torus_written_as(scope, p->x, p->value, "index")
                            : torus_scalar(scope, p->x->dtype, p->number);
  if (!value) return NULL;
  if (!torus_shape_broadcast(&value->shape, &shape, &joint) ||
      !torus_shape_equal(&joint, &shape)) {
    return torus_scope_fail(
        scope, TORUS_EINVAL,
        "index: a value of shape %s doesn't broadcast to the %s selected",
        torus_shape_format(&value->shape, a), torus_shape_format(&shape, b));
  }
  value = torus_expand(scope, value, &shape);
  bool shared = value && value->storage == p->x->storage;
  return shared ? torus_copy(scope, value) : torus_contiguous(scope, value);
}

static torus_tensor *put_rows_of(torus_scope *scope, void *arg) {
  const put *p = arg;
  scope->record = false;
  int64_t rows = torus_tensor_count(p->index), size = p->x->shape.size[0];
  torus_tensor *index = torus_contiguous(scope, p->index);
  torus_tensor *value = rows_of(scope, p);
  if (!index || !value) return NULL;
  const int64_t *at = torus_tensor_data(index);
  for (int64_t r = 0; r < rows; r++) {
    if (at[r] >= 1 && at[r] <= size) continue;
    return torus_scope_fail(scope, TORUS_EINVAL,
                            "index: index %lld is outside 1..%lld",
                            (long long)at[r], (long long)size);
  }
  torus_layout layout = torus_tensor_layout(p->x);
  torus_select_put(torus_dtype_size(p->x->dtype), at, rows,
                   torus_tensor_data(value), &layout, torus_tensor_data(p->x));
  p->x->storage->version++;
  return NULL;
}

/* put_rows(x, index, value): x[index[r]] = value[r] for int64 indices (n),
 * value a number or broadcast to the rows; x is not part of a graph. */
static int put_rows(lua_State *L) {
  put p = {torus_check_tensor(L, 1, "index"), torus_check_tensor(L, 2, "index"),
           NULL, 0};
  if (lua_type(L, 3) == LUA_TNUMBER || lua_type(L, 3) == LUA_TBOOLEAN) {
    p.number = torus_check_element(L, 3, "index", p.x->dtype);
  } else {
    p.value = torus_check_written(L, 3, "index");
  }
  torus_run(L, put_rows_of, &p);
  return 0;
}

/* check_writable(x) */
static int check_writable(lua_State *L) {
  torus_check_writable(L, torus_check_tensor(L, 1, "index"), "index");
  return 0;
}

/* --- calls of the formulas --- */

bool torus_is_selection(lua_State *L, int index) {
  int type = lua_type(L, index);
  if (type == LUA_TUSERDATA) return torus_test_box(L, index) != NULL;
  if (type != LUA_TTABLE) return false;
  bool found = false;
  lua_Integer count = (lua_Integer)lua_rawlen(L, index);
  for (lua_Integer i = 1; i <= count && i <= TORUS_MAX_DIMS && !found; i++) {
    lua_rawgeti(L, index, i);
    found = torus_test_box(L, -1) != NULL;
    lua_pop(L, 1);
  }
  return found;
}

int torus_select(lua_State *L, const char *which) {
  int arguments = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, SELECTION_KEY);
  lua_getfield(L, -1, which);
  lua_insert(L, 1);
  lua_pop(L, 1);
  lua_call(L, arguments, 1);
  return 1;
}

/* set_selection{get =, set =} */
static int set_selection(lua_State *L) {
  lua_setfield(L, LUA_REGISTRYINDEX, SELECTION_KEY);
  return 0;
}

/* --- ipairs --- */

/* What ipairs calls for each step: it ends at nil, where a script that asks for
 * an element beyond the last one is mistaken. */
static lua_CFunction ipairs_step;

bool torus_ends_ipairs(lua_State *L, const torus_tensor *x) {
  if (x->shape.ndim == 0 || !lua_isinteger(L, 2) ||
      lua_tointeger(L, 2) != x->shape.size[0] + 1) {
    return false;
  }
  lua_Debug caller;
  if (!lua_getstack(L, 1, &caller) || !lua_getinfo(L, "f", &caller)) {
    return false;
  }
  bool ends = ipairs_step && lua_tocfunction(L, -1) == ipairs_step;
  lua_pop(L, 1);
  return ends;
}

void torus_open_selection(lua_State *L) {
  static const luaL_Reg functions[] = {{"put_rows", put_rows},
                                       {"check_writable", check_writable},
                                       {"set_selection", set_selection},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  lua_getglobal(L, "ipairs");
  if (lua_iscfunction(L, -1)) {
    lua_newtable(L);
    lua_call(L, 1, 1);
    ipairs_step = lua_tocfunction(L, -1);
  }
  lua_pop(L, 1);
}
