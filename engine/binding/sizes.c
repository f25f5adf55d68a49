/* Lists of sizes, such as a tensor's shape: tables that print and compare by
 * their numbers. */
#include "binding/binding.h"

#define SIZES "torus.sizes"

int torus_push_sizes(lua_State *L, const torus_shape *shape) {
  lua_createtable(L, shape->ndim, 0);
  for (int d = 0; d < shape->ndim; d++) {
    lua_pushinteger(L, shape->size[d]);
    lua_seti(L, -2, d + 1);
  }
  luaL_setmetatable(L, SIZES);
  return 1;
}

static int sizes_text(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  luaL_addchar(&text, '{');
  lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
  for (lua_Integer i = 1; i <= count; i++) {
    if (i > 1) luaL_addstring(&text, ", ");
    lua_rawgeti(L, 1, i);
    luaL_tolstring(L, -1, NULL);
    lua_remove(L, -2);
    luaL_addvalue(&text);
  }
  luaL_addchar(&text, '}');
  luaL_pushresult(&text);
  return 1;
}

/* Lua calls it for two tables of which one is a list of sizes. */
static int sizes_equal(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
  bool equal = count == (lua_Integer)lua_rawlen(L, 2);
  for (lua_Integer i = 1; equal && i <= count; i++) {
    lua_rawgeti(L, 1, i);
    lua_rawgeti(L, 2, i);
    equal = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
  }
  lua_pushboolean(L, equal);
  return 1;
}

void torus_open_sizes(lua_State *L) {
  static const luaL_Reg meta[] = {
      {"__tostring", sizes_text}, {"__eq", sizes_equal}, {NULL, NULL}};
  luaL_newmetatable(L, SIZES);
  luaL_setfuncs(L, meta, 0);
  lua_pushnil(L); /* no class, but a list like others */
  lua_setfield(L, -2, "__name");
  lua_setfield(L, -2, "sizes"); /* core.sizes */
}
