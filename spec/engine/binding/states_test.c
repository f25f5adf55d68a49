/* Two Lua states in two threads of one program, as embedders have them: each
 * computes what it does alone. An argument is the number of rounds. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static int rounds = 6;
static const char *build = "build";

typedef struct job {
  int seed;
  char *result;
} job;

static void *run(void *arg) {
  job *j = arg;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  bool ok = luaL_loadfile(L, "spec/engine/binding/states.lua") == LUA_OK;
  if (ok) {
    lua_pushinteger(L, j->seed);
    lua_pushinteger(L, rounds);
    lua_pushstring(L, build);
    ok = lua_pcall(L, 3, 1, 0) == LUA_OK;
  }
  const char *text = lua_tostring(L, -1);
  j->result = strdup(text ? text : "no message");
  if (!ok) printf("%s\n", j->result);
  lua_close(L);
  return NULL;
}

TEST(two_states_compute_what_each_does_alone) {
  job alone[2] = {{1, NULL}, {2, NULL}}, both[2] = {{1, NULL}, {2, NULL}};
  for (int i = 0; i < 2; i++) run(&alone[i]);
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, run, &both[i]);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < 2; i++) {
    CHECK(strncmp(alone[i].result, "0x", 2) == 0 ||
              strncmp(alone[i].result, "-0x", 3) == 0,
          "no numbers: %.200s", alone[i].result);
    CHECK(strcmp(alone[i].result, both[i].result) == 0, "state %d differs", i);
  }
  CHECK(strcmp(alone[0].result, alone[1].result) != 0, "seeds don't matter");
  for (int i = 0; i < 2; i++) free(alone[i].result), free(both[i].result);
}

int main(int argc, char **argv) {
  if (getenv("BUILD")) build = getenv("BUILD");
  if (argc > 1) rounds = atoi(argv[1]);
  RUN(two_states_compute_what_each_does_alone);
  return check_report();
}
