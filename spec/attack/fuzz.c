/* Coverage-guided fuzzing of what reads files. Built by `make fuzz`, as one
 * program with the engine:
 *
 *   TORUS_READER=npy build/fuzz/readers FOLDER... [libFuzzer's options]
 *
 * Those of spec/attack/readers.lua go through Lua. A line hook reports each
 * step from one line to the next as coverage, next to that of the C code. Those
 * of fuzz_bytes.c are called directly, many thousand times a second. */
#include "fuzz.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int luaopen_torus_core(lua_State *L);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity,
                               unsigned seed);

/* libFuzzer reads and clears these after each input. */
#define COUNTERS (1 << 15)
__attribute__((
    section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

static const fuzz_reader *direct; /* NULL: by Lua */
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

/* Leaves the reader as a function on the stack. */
static void open_lua(const char *name) {
  L = luaL_newstate();
  if (!L) end("no memory for Lua");
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_torus_core);
  lua_setfield(L, -2, "torus.core");
  lua_settop(L, 0);
  if (luaL_dostring(L, "return require 'spec.attack.readers'")) {
    end(lua_tostring(L, -1));
  }
  if (lua_getfield(L, 1, name) != LUA_TFUNCTION) {
    end("expected the name of a reader in TORUS_READER");
  }
  lua_replace(L, 1);
  lua_settop(L, 1);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  const char *name = getenv("TORUS_READER");
  direct = fuzz_reader_named(name ? name : "");
  if (!direct) open_lua(name ? name : "");
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity,
                               unsigned seed) {
  size = LLVMFuzzerMutate(data, size, capacity);
  /* One in eight stays as broken as it is. */
  if (direct && direct->mend && seed % 8 > 0) direct->mend(data, size);
  return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (direct) {
    direct->read(data, size);
    return 0;
  }
  lua_pushvalue(L, 1);
  lua_pushlstring(L, (const char *)data, size);
  previous = 0;
  lua_sethook(L, count_line, LUA_MASKLINE, 0);
  int status = lua_pcall(L, 1, 0, 0);
  lua_sethook(L, NULL, 0, 0);
  if (status != LUA_OK) end(lua_tostring(L, -1));
  return 0;
}
