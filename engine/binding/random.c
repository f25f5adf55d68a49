/* Generators of random numbers as Lua objects, and samples from them. */
#include "binding/binding.h"
#include "core/rng.h"

static torus_rng default_generator = {0, 0};

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
  if (lua_type(L, index) != LUA_TTABLE) return &default_generator;
  if (torus_option(L, index, "generator") == LUA_TNIL) {
    lua_pop(L, 1);
    return &default_generator;
  }
  return check_generator(L, lua_gettop(L), operation);
}

/* generator(seed): a stream of random numbers of its own. */
static int generator(lua_State *L) {
  int64_t seed = torus_check_integer(L, 1, "generator", "the seed");
  torus_rng *rng = lua_newuserdatauv(L, sizeof *rng, 0);
  *rng = (torus_rng){(uint64_t)seed, 0};
  luaL_setmetatable(L, "torus.generator");
  return 1;
}

/* manual_seed(n): starts the default stream anew. */
static int manual_seed(lua_State *L) {
  int64_t seed = torus_check_integer(L, 1, "manual_seed", "the seed");
  default_generator = (torus_rng){(uint64_t)seed, 0};
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

/* g:state() -> seed, position */
static int state(lua_State *L) {
  return push_state(L, check_generator(L, 1, "state"));
}

/* g:set_state(seed, position) */
static int set_state(lua_State *L) {
  torus_rng *rng = check_generator(L, 1, "set_state");
  return read_state(L, 2, "set_state", rng);
}

/* random_state() -> seed, position of the default generator */
static int random_state(lua_State *L) {
  return push_state(L, &default_generator);
}

/* set_random_state(seed, position) */
static int set_random_state(lua_State *L) {
  return read_state(L, 1, "set_random_state", &default_generator);
}

static int describe(lua_State *L) {
  const torus_rng *rng = check_generator(L, 1, "tostring");
  lua_pushfstring(L, "generator(seed %I, position %I)", (LUAI_UACINT)rng->seed,
                  (LUAI_UACINT)rng->position);
  return 1;
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
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, describe);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
