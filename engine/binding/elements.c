/* A tensor's elements as Lua numbers, booleans and tables. */
#include "binding/binding.h"

static void push_element(lua_State *L, const torus_tensor *x, int64_t offset) {
  const char *data = torus_tensor_data(x);
  switch (x->dtype) {
  case TORUS_FLOAT32:
    lua_pushnumber(L, (double)((const float *)data)[offset]);
    break;
  case TORUS_FLOAT64:
    lua_pushnumber(L, ((const double *)data)[offset]);
    break;
  case TORUS_INT64:
  case TORUS_INT32:
  case TORUS_UINT8:
    lua_pushinteger(L, torus_tensor_integer(x, offset));
    break;
  default:
    lua_pushboolean(L, torus_tensor_integer(x, offset) != 0);
    break;
  }
}

/*** Returns the only element as a number, or as true or false for a bool
 * tensor.
 * @function tensor:item
 * @treturn number|boolean an integer for integer dtypes
 * @raise when the tensor does not have exactly one element
 * @usage print(torus.tensor{3}:sum():item())   -- 3.0
 */
static int item(lua_State *L) {
  torus_tensor *x = torus_check_tensor(L, 1, "item");
  if (torus_tensor_count(x) != 1) {
    return torus_raise_text(L,
                            "item: expected a tensor with one element, got %s",
                            torus_describe(L, 1));
  }
  push_element(L, x, 0);
  return 1;
}

static void push_nested(lua_State *L, const torus_tensor *x, int dim,
                        int64_t offset) {
  if (dim == x->shape.ndim) {
    push_element(L, x, offset);
    return;
  }
  luaL_checkstack(L, 3, "totable: too deep");
  int64_t size = x->shape.size[dim];
  lua_createtable(L, size < 1 << 20 ? (int)size : 0, 0);
  for (int64_t i = 0; i < size; i++) {
    push_nested(L, x, dim + 1, offset + i * x->strides[dim]);
    lua_seti(L, -2, i + 1);
  }
}

/* Tables that a tensor without elements may become. */
#define MAX_EMPTY_TABLES ((int64_t)1 << 24)

static void check_empty_tables(lua_State *L, const torus_tensor *x) {
  int64_t tables = torus_tensor_count(x) == 0 ? 1 : 0;
  for (int d = 0; d < x->shape.ndim && tables > 0; d++) {
    int64_t size = x->shape.size[d];
    if (size > MAX_EMPTY_TABLES / tables) {
      torus_raise_text(L, "totable: %s has no elements but too many rows",
                       torus_describe(L, 1));
    }
    tables *= size;
  }
}

/*** Returns the elements as nested tables, with true and false for bool
 * tensors; for a scalar, the element itself.
 * @function tensor:totable
 * @treturn table|number|boolean
 * @raise when the tensor has no elements but more than 2^24 rows
 * @usage print(torus.tensor{{1, 2}, {3, 4}}:totable()[2][1])   -- 3.0
 */
static int totable(lua_State *L) {
  torus_tensor *x = torus_check_tensor(L, 1, "totable");
  check_empty_tables(L, x);
  push_nested(L, x, 0, 0);
  return 1;
}

void torus_open_elements(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"item", item}, {"totable", totable}, {NULL, NULL}};
  luaL_setfuncs(L, methods, 0);
}
