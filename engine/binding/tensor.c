/* Tensors as Lua values: properties, indexing, in-place writes. Methods live in
 * a table that torus/init.lua completes. */
#include "autodiff/build.h"
#include "autodiff/op.h"
#include "binding/binding.h"
#include "core/alloc.h"
#include "core/words.h"
#include "kernels/move.h"

#include <string.h>

/* --- properties --- */

/* Pushes a property, or returns 0. */
static int push_property(lua_State *L, torus_tensor *x, const char *key) {
  if (strcmp(key, "shape") == 0) return torus_push_sizes(L, &x->shape);
  if (strcmp(key, "dtype") == 0) {
    lua_pushstring(L, torus_dtype_name(x->dtype));
  } else if (strcmp(key, "requires_grad") == 0) {
    lua_pushboolean(L, x->requires_grad);
  } else if (strcmp(key, "is_leaf") == 0) {
    lua_pushboolean(L, x->node == NULL);
  } else if (strcmp(key, "grad") == 0) {
    torus_tensor **box = x->grad ? torus_push_box(L) : NULL;
    if (box) *box = torus_tensor_retain(x->grad); /* as a finaliser left it */
    if (!x->grad) lua_pushnil(L);
  } else {
    return 0;
  }
  return 1;
}

/*** Returns the sizes of all dimensions, or of one. The field `shape` is the
 * same list.
 * @function tensor:size
 * @tparam[opt] integer dim from 1, or negative from the end
 * @treturn {integer,...}|integer the list prints its numbers, and equals
 * another list of the same ones
 * @raise when the tensor has no such dimension
 * @usage
 * x = torus.zeros(2, 3)
 * print(x:size(-1), x.shape[1], x.shape)   -- 3  2  {2, 3}
 * print(x.shape == torus.ones(2, 3).shape)   -- true
 */
static int size(lua_State *L) {
  torus_tensor *x = torus_check_tensor(L, 1, "size");
  if (lua_isnoneornil(L, 2)) return torus_push_sizes(L, &x->shape);
  int dim = torus_check_dim(L, 2, "size", x->shape.ndim);
  lua_pushinteger(L, x->shape.size[dim]);
  return 1;
}

/*** Returns the number of dimensions.
 * @function tensor:dim
 * @treturn integer
 * @usage print(torus.zeros(2, 3):dim())   -- 2
 */
static int dim(lua_State *L) {
  lua_pushinteger(L, torus_check_tensor(L, 1, "dim")->shape.ndim);
  return 1;
}

/*** Returns the number of elements.
 * @function tensor:numel
 * @treturn integer
 * @usage print(torus.zeros(2, 3):numel())   -- 6
 */
static int numel(lua_State *L) {
  lua_pushinteger(L, torus_tensor_count(torus_check_tensor(L, 1, "numel")));
  return 1;
}

/*** Returns true if the elements are contiguous in memory in row-major order.
 * @function tensor:is_contiguous
 * @treturn boolean
 * @usage print(torus.zeros(2, 3):transpose():is_contiguous())   -- false
 */
static int is_contiguous(lua_State *L) {
  torus_tensor *x = torus_check_tensor(L, 1, "is_contiguous");
  lua_pushboolean(L, torus_tensor_is_contiguous(x));
  return 1;
}

static int length(lua_State *L) {
  torus_tensor *x = torus_check_tensor(L, 1, "#");
  if (x->shape.ndim == 0) {
    return torus_raise_text(L, "#: expected a tensor with a dimension, got %s",
                            torus_describe(L, 1));
  }
  lua_pushinteger(L, x->shape.size[0]);
  return 1;
}

/* --- indexing --- */

/* An index or a range in each dimension: start, size, step, and the shape
 * without the dimensions that a single index selects from. */
typedef struct slicing {
  torus_tensor *x;
  torus_tensor *value; /* to write; NULL: the number */
  double number;
  bool ended; /* ipairs has gone through */
  torus_shape start, size, step, kept;
  int kept_dim[TORUS_MAX_DIMS]; /* where each of kept is in x */
} slicing;

static int64_t read_index(lua_State *L, slicing *s, int d, int index) {
  int64_t i = torus_check_integer(L, index, "index", "an index");
  int64_t n = s->x->shape.size[d];
  int64_t from_one = i < 0 ? n + 1 + i : i;
  if (from_one < 1 || from_one > n) {
    s->ended = torus_ends_ipairs(L, s->x);
    if (s->ended) return 1;
    char text[TORUS_SHAPE_TEXT];
    torus_raise_text(L,
                     "index: %lld is outside 1..%lld in dimension %d of a "
                     "tensor of shape %s",
                     (long long)i, (long long)n, d + 1,
                     torus_shape_format(&s->x->shape, text));
  }
  return from_one;
}

static void keep_dim(slicing *s, int d) {
  s->kept_dim[s->kept.ndim] = d;
  s->kept.size[s->kept.ndim++] = s->size.size[d];
}

/* {} is all, {first, last}, {first, last, step} a range; ends included. */
static void read_range(lua_State *L, slicing *s, int d, int index) {
  torus_check_plain(L, index, "index", "a range");
  lua_Integer entries = (lua_Integer)lua_rawlen(L, index);
  int64_t first = 1, last = s->x->shape.size[d], step = 1;
  if (entries == 1 || entries > 3) {
    torus_raise_text(L,
                     "index: expected {}, {first, last} or {first, last, "
                     "step}, got %d entries",
                     (int)entries);
  }
  if (entries >= 2) {
    lua_rawgeti(L, index, 1);
    lua_rawgeti(L, index, 2);
    first = read_index(L, s, d, lua_gettop(L) - 1);
    last = read_index(L, s, d, lua_gettop(L));
    lua_pop(L, 2);
  }
  if (entries == 3) {
    lua_rawgeti(L, index, 3);
    step = torus_check_integer(L, lua_gettop(L), "index", "a step");
    lua_pop(L, 1);
    if (step < 1)
      torus_raise_text(L, "index: expected a step above 0, got %lld",
                       (long long)step);
  }
  s->start.size[d] = first;
  s->step.size[d] = step;
  s->size.size[d] = last < first ? 0 : (last - first) / step + 1;
  keep_dim(s, d);
}

static void read_selector(lua_State *L, slicing *s, int d, int index) {
  if (lua_type(L, index) == LUA_TTABLE) {
    read_range(L, s, d, index);
    return;
  }
  s->start.size[d] = read_index(L, s, d, index);
  s->size.size[d] = s->step.size[d] = 1;
}

static void read_slicing(lua_State *L, slicing *s, int index) {
  char text[TORUS_SHAPE_TEXT];
  // cppcheck-suppress ctuuninitvar
  int ndim = s->x->shape.ndim; /* the caller has set x */
  bool list = lua_type(L, index) == LUA_TTABLE;
  if (list) torus_check_plain(L, index, "index", "the indices");
  lua_Integer given = list ? (lua_Integer)lua_rawlen(L, index) : 1;
  if (given > ndim) {
    torus_raise_text(
        L,
        "index: expected at most %d indices for a tensor of shape %s, got %d",
        ndim, torus_shape_format(&s->x->shape, text), (int)given);
  }
  s->start.ndim = s->size.ndim = s->step.ndim = ndim;
  s->kept.ndim = 0;
  for (int d = 0; d < ndim; d++) {
    if (d >= given) {
      s->start.size[d] = s->step.size[d] = 1;
      s->size.size[d] = s->x->shape.size[d];
      keep_dim(s, d);
    } else if (list) {
      lua_rawgeti(L, index, d + 1);
      read_selector(L, s, d, lua_gettop(L));
      lua_pop(L, 1);
    } else {
      read_selector(L, s, d, index);
    }
  }
}

/* The same as the operations, without a history. */
static torus_tensor *view_slice(torus_scope *scope, const slicing *s) {
  const torus_tensor *x = s->x;
  int64_t strides[TORUS_MAX_DIMS], offset = x->offset;
  for (int d = 0; d < x->shape.ndim; d++) {
    if (s->size.size[d] > 0) offset += (s->start.size[d] - 1) * x->strides[d];
  }
  for (int k = 0; k < s->kept.ndim; k++) {
    int d = s->kept_dim[k];
    /* The step to a second element may be arbitrarily large without one. */
    int64_t step = s->size.size[d] > 1 ? s->step.size[d] : 1;
    strides[k] = x->strides[d] * step;
  }
  return torus_scope_own(scope, torus_tensor_view(s->x, &s->kept, strides,
                                                  offset, &scope->status));
}

static torus_tensor *take_slice(torus_scope *scope, void *arg) {
  slicing *s = arg;
  if (!scope->record || !s->x->requires_grad) return view_slice(scope, s);
  torus_tensor *part = torus_slice(scope, s->x, &s->start, &s->size, &s->step);
  return part ? torus_reshape(scope, part, &s->kept) : NULL;
}

/* The end of the message about a name that other libraries use, or NULL: the
   metatable's __elsewhere(name) knows. */
static const char *hint_elsewhere(lua_State *L) {
  if (luaL_getmetafield(L, 1, "__elsewhere") == LUA_TNIL) return NULL;
  lua_pushvalue(L, 2);
  lua_call(L, 1, 1);
  return lua_tostring(L, -1);
}

/* Properties and methods (upvalue 1) are known; the key is at index 2. */
static int raise_unknown(lua_State *L, const char *key) {
  const char *elsewhere = hint_elsewhere(L);
  if (elsewhere) {
    return torus_raise_text(L, "a tensor has no property or method %s%s",
                            torus_describe(L, 2), elsewhere);
  }
  static const char *const properties[] = {"shape", "dtype", "requires_grad",
                                           "is_leaf", "grad"};
  char hint[TORUS_WORD_TEXT];
  torus_word_search search = {.wanted = key};
  for (size_t i = 0; i < sizeof properties / sizeof *properties; i++) {
    torus_word_try(&search, properties[i]);
  }
  lua_pushnil(L);
  while (lua_next(L, lua_upvalueindex(1))) {
    lua_pop(L, 1);
    torus_word_try(&search, lua_tostring(L, -1));
  }
  return torus_raise_text(L, "a tensor has no property or method %s%s",
                          torus_describe(L, 2),
                          torus_word_hint(search.best, hint));
}

/* x[i], x[{...}], properties and methods (upvalue 1). */
static int index_tensor(lua_State *L) {
  int type = lua_type(L, 2);
  if (type == LUA_TSTRING) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
    const char *key = lua_tostring(L, 2);
    torus_tensor *x = torus_check_tensor(L, 1, key);
    if (push_property(L, x, key)) return 1;
    return raise_unknown(L, key);
  }
  slicing s;
  s.x = torus_check_tensor(L, 1, "index");
  s.value = NULL;
  s.ended = false;
  if (type != LUA_TNUMBER && torus_is_selection(L, 2)) {
    return torus_select(L, "get");
  }
  read_slicing(L, &s, 2);
  return s.ended ? 0 : torus_push_result(L, take_slice, &s);
}

/* --- in-place writes --- */

/* into = value, broadcast; value has the same dtype. */
static bool write(torus_scope *scope, torus_tensor *into,
                  const torus_tensor *value, const char *operation) {
  char a[TORUS_SHAPE_TEXT], b[TORUS_SHAPE_TEXT];
  torus_shape joint;
  if (!torus_shape_broadcast(&into->shape, &value->shape, &joint) ||
      !torus_shape_equal(&joint, &into->shape)) {
    return torus_status_fail(
        &scope->status, TORUS_EINVAL,
        "%s: a value of shape %s doesn't broadcast to shape %s", operation,
        torus_shape_format(&value->shape, a),
        torus_shape_format(&into->shape, b));
  }
  torus_layout to = torus_tensor_layout(into);
  torus_layout from = torus_tensor_broadcast_layout(value, &into->shape);
  torus_move_copy(torus_dtype_size(into->dtype), torus_tensor_data(value),
                  &from, torus_tensor_data(into), &to);
  into->storage->version++;
  return true;
}

typedef struct update {
  const char *operation;
  torus_tensor *x, *value;
  double number; /* where value is NULL */
  double alpha;
  torus_tensor *(*op)(torus_scope *, torus_tensor *, torus_tensor *);
} update;

static torus_tensor *run_update(torus_scope *scope, void *arg) {
  const update *u = arg;
  scope->record = false;
  torus_tensor *x = u->x, *value = u->value;
  if (!value) value = torus_scalar(scope, x->dtype, u->number);
  value = torus_written_as(scope, x, value, u->operation);
  if (u->alpha != 1) {
    value = torus_mul(scope, value, torus_scalar(scope, x->dtype, u->alpha));
  }
  if (u->op) {
    value = u->op(scope, x, value);
  } else if (value && value->storage == x->storage) {
    value = torus_copy(scope, value);
  }
  if (value) write(scope, x, value, u->operation);
  return NULL;
}

static int update_in_place(lua_State *L, update *u) {
  u->x = torus_check_tensor(L, 1, u->operation);
  u->alpha = 1;
  if (!lua_isnoneornil(L, 3)) {
    torus_check_number(L, 3, u->operation, "alpha");
    u->alpha = torus_check_element(L, 3, u->operation, u->x->dtype);
  }
  if (lua_type(L, 2) == LUA_TNUMBER || lua_type(L, 2) == LUA_TBOOLEAN) {
    u->number = torus_check_element(L, 2, u->operation, u->x->dtype);
  } else {
    u->value = torus_check_written(L, 2, u->operation);
  }
  torus_check_writable(L, u->x, u->operation);
  torus_run(L, run_update, u);
  lua_settop(L, 1);
  return 1;
}

/*** Overwrites the elements, in place.
 * @function tensor:copy_
 * @tparam number|tensor value broadcast to the tensor
 * @treturn tensor itself
 * @raise when the tensor is part of a graph (write inside torus.no_grad), the
 * value does not broadcast to it, or its dtype can't be converted to the
 * tensor's
 * @usage
 * x = torus.zeros(2, 3)
 * x:copy_(torus.tensor{1, 2, 3})   -- in every row
 */
static int copy_(lua_State *L) {
  update u = {.operation = "copy_"};
  lua_settop(L, 2);
  return update_in_place(L, &u);
}

/*** Overwrites every element with a number, in place.
 * @function tensor:fill_
 * @tparam number|tensor value
 * @treturn tensor itself
 * @raise when the tensor is part of a graph (write inside torus.no_grad), the
 * value does not broadcast to it, or its dtype can't be converted to the
 * tensor's
 * @usage
 * x = torus.zeros(2)
 * x:fill_(3)
 */
static int fill_(lua_State *L) {
  update u = {.operation = "fill_"};
  lua_settop(L, 2);
  return update_in_place(L, &u);
}

/*** Overwrites every element with 0, in place.
 * @function tensor:zero_
 * @treturn tensor itself
 * @raise when the tensor is part of a graph (write inside torus.no_grad), the
 * value does not broadcast to it, or its dtype can't be converted to the
 * tensor's
 * @usage
 * x = torus.ones(2)
 * x:zero_()
 */
static int zero_(lua_State *L) {
  update u = {.operation = "zero_"};
  lua_settop(L, 1);
  lua_pushinteger(L, 0);
  return update_in_place(L, &u);
}

/*** Adds alpha times a value, in place.
 * @function tensor:add_
 * @tparam number|tensor value broadcast to the tensor
 * @tparam[opt=1] number alpha
 * @treturn tensor itself
 * @raise when the tensor is part of a graph (write inside torus.no_grad), the
 * value does not broadcast to it, or its dtype can't be converted to the
 * tensor's
 * @usage
 * x = torus.zeros(2)
 * x:add_(torus.ones(2), 0.1)
 */
static int add_(lua_State *L) {
  update u = {.operation = "add_", .op = torus_add};
  return update_in_place(L, &u);
}

/*** Multiplies by a value, in place.
 * @function tensor:mul_
 * @tparam number|tensor value broadcast to the tensor
 * @treturn tensor itself
 * @raise when the tensor is part of a graph (write inside torus.no_grad), the
 * value does not broadcast to it, or its dtype can't be converted to the
 * tensor's
 * @usage
 * x = torus.ones(2)
 * x:mul_(0.5)
 */
static int mul_(lua_State *L) {
  update u = {.operation = "mul_", .op = torus_mul};
  lua_settop(L, 2);
  return update_in_place(L, &u);
}

static torus_tensor *assign_slice(torus_scope *scope, void *arg) {
  slicing *s = arg;
  scope->record = false;
  torus_tensor *part = take_slice(scope, s);
  update u = {.operation = "index",
              .x = part,
              .value = s->value,
              .number = s->number,
              .alpha = 1};
  return part ? run_update(scope, &u) : NULL;
}

static int set_property(lua_State *L, torus_tensor *x, const char *key) {
  if (strcmp(key, "requires_grad") == 0) {
    if (!lua_isboolean(L, 3)) {
      return torus_raise_text(L,
                              "requires_grad: expected true or false, got %s",
                              torus_describe(L, 3));
    }
    bool on = lua_toboolean(L, 3);
    if (x->node && !on) {
      return torus_raise_text(L,
                              "requires_grad: expected a leaf to switch "
                              "off, got the result of %s; use x:detach()",
                              x->node->op->name);
    }
    if (on && !torus_dtype_is_float(x->dtype)) {
      return torus_raise_text(
          L, "requires_grad: expected a float32 or float64 tensor, got %s",
          torus_describe(L, 1));
    }
    x->requires_grad = on;
  } else if (strcmp(key, "grad") == 0) {
    torus_tensor *g = lua_isnil(L, 3) ? NULL : torus_check_tensor(L, 3, "grad");
    if (g &&
        (g->dtype != x->dtype || !torus_shape_equal(&g->shape, &x->shape))) {
      return torus_raise_text(
          L, "grad: expected %s, like the tensor itself, got %s",
          torus_describe(L, 1), torus_describe(L, 3));
    }
    /* A cycle of references would never be released. */
    if (g && (g == x || g->node || g->grad)) {
      return torus_raise_text(
          L, "grad: expected a tensor that has neither a history nor a .grad "
             "and is not this one; assign g:detach()");
    }
    torus_tensor *old = x->grad;
    x->grad = torus_tensor_retain(g);
    torus_tensor_release(old);
  } else {
    return torus_raise_text(L,
                            "a tensor has no property '%s' that can be set "
                            "(there are requires_grad and grad)",
                            key);
  }
  return 0;
}

static int newindex_tensor(lua_State *L) {
  torus_tensor *x = torus_check_tensor(L, 1, "index");
  if (lua_type(L, 2) == LUA_TSTRING) {
    return set_property(L, x, lua_tostring(L, 2));
  }
  if (torus_is_selection(L, 2)) return torus_select(L, "set");
  slicing s = {.x = x};
  read_slicing(L, &s, 2);
  torus_check_writable(L, x, "index");
  if (lua_type(L, 3) == LUA_TNUMBER || lua_type(L, 3) == LUA_TBOOLEAN) {
    s.number = torus_check_element(L, 3, "index", x->dtype);
  } else {
    s.value = torus_check_written(L, 3, "index");
  }
  torus_run(L, assign_slice, &s);
  return 0;
}

/* --- release --- */

static int empty(lua_State *L, bool collected) {
  torus_tensor **box = torus_test_box(L, 1);
  if (!box) {
    return torus_raise_text(L, "release: expected a tensor, got %s",
                            torus_describe(L, 1));
  }
  torus_empty_box(L, box, collected);
  return 0;
}

/*** Releases the memory immediately, without waiting for the collector; the
 * tensor can't be used afterwards. `local x <close> = ...` does the same at the
 * end of the block.
 * @function tensor:release
 * @usage
 * x = torus.zeros(1000, 1000)
 * x:release()
 */
static int release(lua_State *L) { return empty(L, false); }

static int collected(lua_State *L) { return empty(L, true); }

/* x == y: whether both are the same tensor. */
static int same(lua_State *L) {
  torus_tensor *x = torus_to_tensor(L, 1);
  lua_pushboolean(L, x && x == torus_to_tensor(L, 2));
  return 1;
}

void torus_open_tensor(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"size", size},   {"dim", dim},
      {"numel", numel}, {"is_contiguous", is_contiguous},
      {"copy_", copy_}, {"fill_", fill_},
      {"zero_", zero_}, {"add_", add_},
      {"mul_", mul_},   {"release", release},
      {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__newindex", newindex_tensor},
                                  {"__len", length},
                                  {"__eq", same},
                                  {"__gc", collected},
                                  {"__close", release},
                                  {NULL, NULL}};
  torus_open_sizes(L);
  luaL_newmetatable(L, "torus.tensor");
  lua_pushvalue(L, -1);
  torus_set_box_metatable(L);
  luaL_setfuncs(L, meta, 0);
  lua_pushliteral(L, "torus.tensor"); /* all that scripts see of it */
  lua_setfield(L, -2, "__metatable");
  luaL_newlib(L, methods);
  torus_open_elements(L);
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, index_tensor, 1);
  lua_setfield(L, -3, "__index");
  lua_setfield(L, -3, "methods");   /* core.methods */
  lua_setfield(L, -2, "metatable"); /* core.metatable */
}
