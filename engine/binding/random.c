/* Generators of random numbers as Lua objects, and samples from them. */
#include "binding/binding.h"
#include "core/rng.h"
#include "core/words.h"

/* The key in the registry of a state's default generator. */
static const char default_key;

static torus_rng *push_new(lua_State *L, uint64_t seed) {
  torus_rng *rng = lua_newuserdatauv(L, sizeof *rng, 0);
  *rng = (torus_rng){seed, 0};
  luaL_setmetatable(L, "torus.generator");
  return rng;
}

static torus_rng *default_generator(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &default_key);
  torus_rng *rng = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return rng;
}

static torus_rng *check_generator(lua_State *L, int index,
                                  const char *operation) {
  torus_rng *rng = luaL_testudata(L, index, "torus.generator");
  if (!rng) {
    torus_raise_text(L, "%s: expected a generator, got %s", operation,
                     torus_describe(L, index));
  }
  return rng;
}

torus_rng *torus_option_generator(lua_State *L, int index,
                                  const char *operation) {
  if (lua_type(L, index) != LUA_TTABLE) return default_generator(L);
  if (torus_option(L, index, "generator") == LUA_TNIL) {
    lua_pop(L, 1);
    return default_generator(L);
  }
  return check_generator(L, lua_gettop(L), operation);
}

/*** A stream of random numbers; torus.generator makes it. Number i of a stream
 * is a function of its seed and i.
 * @type generator
 */

/*** Makes a separate stream of random numbers.
 * @function torus.generator
 * @tparam integer seed
 * @treturn generator
 * @raise when the seed is not an integer
 * @usage
 * g = torus.generator(7)
 * x = torus.rand(3, { generator = g })
 */
static int generator(lua_State *L) {
  int64_t seed = torus_check_integer(L, 1, "generator", "the seed");
  push_new(L, (uint64_t)seed);
  return 1;
}

/*** Restarts the default stream of random numbers with a seed.
 * @function torus.manual_seed
 * @tparam integer seed
 * @raise when the seed is not an integer
 * @usage
 * torus.manual_seed(1)
 * a = torus.rand(2)
 * torus.manual_seed(1)
 * print((torus.rand(2) - a):abs():max())   -- 0
 */
static int manual_seed(lua_State *L) {
  int64_t seed = torus_check_integer(L, 1, "manual_seed", "the seed");
  *default_generator(L) = (torus_rng){(uint64_t)seed, 0};
  return 0;
}

static int push_state(lua_State *L, const torus_rng *rng) {
  lua_pushinteger(L, (lua_Integer)rng->seed);
  lua_pushinteger(L, (lua_Integer)rng->position);
  return 2;
}

static int read_state(lua_State *L, int index, const char *operation,
                      torus_rng *rng) {
  uint64_t seed =
      (uint64_t)torus_check_integer(L, index, operation, "the seed");
  uint64_t position =
      (uint64_t)torus_check_integer(L, index + 1, operation, "the position");
  *rng = (torus_rng){seed, position};
  return 0;
}

/*** Returns the seed and position of the stream.
 * @function generator:state
 * @treturn integer seed
 * @treturn integer position
 * @usage seed, position = torus.generator(7):state()   -- 7  0
 */
static int state(lua_State *L) {
  return push_state(L, check_generator(L, 1, "state"));
}

/*** Sets the seed and position of the stream.
 * @function generator:set_state
 * @tparam integer seed
 * @tparam integer position
 * @raise when an argument is not an integer
 * @usage
 * g = torus.generator(7)
 * seed, position = g:state()
 * x = torus.rand(3, { generator = g })
 * g:set_state(seed, position)   -- the next rand returns x again
 */
static int set_state(lua_State *L) {
  torus_rng *rng = check_generator(L, 1, "set_state");
  return read_state(L, 2, "set_state", rng);
}

/*** Returns the seed and position of the default stream of random numbers.
 * @function torus.random_state
 * @treturn integer seed
 * @treturn integer position
 * @usage seed, position = torus.random_state()
 */
static int random_state(lua_State *L) {
  return push_state(L, default_generator(L));
}

/*** Sets the seed and position of the default stream of random numbers.
 * @function torus.set_random_state
 * @tparam integer seed
 * @tparam integer position
 * @raise when an argument is not an integer
 * @usage torus.set_random_state(1, 0)
 */
static int set_random_state(lua_State *L) {
  return read_state(L, 1, "set_random_state", default_generator(L));
}

static int describe(lua_State *L) {
  const torus_rng *rng = check_generator(L, 1, "tostring");
  lua_pushfstring(L, "generator(seed %I, position %I)", (LUAI_UACINT)rng->seed,
                  (LUAI_UACINT)rng->position);
  return 1;
}

/* The table of methods lacks a key. */
static int raise_unknown(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  char hint[TORUS_WORD_TEXT];
  torus_word_search search = {.wanted = lua_tostring(L, 2)};
  torus_word_try(&search, "state");
  torus_word_try(&search, "set_state");
  return torus_raise_text(L, "a generator has no method %s%s",
                          torus_describe(L, 2),
                          torus_word_hint(search.best, hint));
}

void torus_open_random(lua_State *L) {
  static const luaL_Reg functions[] = {{"generator", generator},
                                       {"manual_seed", manual_seed},
                                       {"random_state", random_state},
                                       {"set_random_state", set_random_state},
                                       {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"state", state}, {"set_state", set_state}, {NULL, NULL}};
  luaL_newmetatable(L, "torus.generator");
  luaL_newlib(L, methods);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, raise_unknown);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, describe);
  lua_setfield(L, -2, "__tostring");
  lua_pushliteral(L, "torus.generator");
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
  push_new(L, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &default_key);
  luaL_setfuncs(L, functions, 0);
}
