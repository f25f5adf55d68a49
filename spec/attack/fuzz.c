/* Coverage-guided fuzzing of what reads files; spec/attack/readers.lua names
 * the readers. Built by `make fuzz`, as one program with the engine:
 *
 *   TORUS_READER=npy build/fuzz/readers FOLDER... [libFuzzer's options]
 *
 * The readers are written in Lua. A line hook therefore reports each step from
 * one line to the next as coverage, next to that of the C code. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int luaopen_torus_core(lua_State *L);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libFuzzer reads and clears these after each input. */
#define COUNTERS (1 << 15)
__attribute__((
    section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

static lua_State *L;
static uint64_t previous;

static void count_line(lua_State *state, lua_Debug *ar) {
  lua_getinfo(state, "Sl", ar);
  uint64_t line = (uint64_t)(uintptr_t)ar->source * 31 + ar->currentline;
  line *= 0x9e3779b97f4a7c15u;
  uint8_t *counter = &counters[(line ^ previous >> 1) % COUNTERS];
  if (*counter < UINT8_MAX) (*counter)++;
  previous = line >> 32;
}

static void end(const char *message) {
  fprintf(stderr, "fuzz: %s\n", message ? message : "an error without a text");
  abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  L = luaL_newstate();
  if (!L) end("no memory for Lua");
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_torus_core);
  lua_setfield(L, -2, "torus.core");
  lua_settop(L, 0);
  const char *name = getenv("TORUS_READER");
  if (luaL_dostring(L, "return require 'spec.attack.readers'")) {
    end(lua_tostring(L, -1));
  }
  if (lua_getfield(L, 1, name ? name : "") != LUA_TFUNCTION) {
    end("expected the name of a reader in TORUS_READER");
  }
  lua_replace(L, 1);
  lua_settop(L, 1);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  lua_pushvalue(L, 1);
  lua_pushlstring(L, (const char *)data, size);
  previous = 0;
  lua_sethook(L, count_line, LUA_MASKLINE, 0);
  int status = lua_pcall(L, 1, 0, 0);
  lua_sethook(L, NULL, 0, 0);
  if (status != LUA_OK) end(lua_tostring(L, -1));
  return 0;
}
