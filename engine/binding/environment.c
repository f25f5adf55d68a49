/* torus.environment: a separate module, loaded before the engine and the
 * libraries that the engine is linked to. */
#define _POSIX_C_SOURCE 200809L
#include <lauxlib.h>
#include <lua.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define THREADS "OPENBLAS_NUM_THREADS"

LUALIB_API int luaopen_torus_environment(lua_State *L);

/* The states of a program open the engine one after the other, and only the
 * first changes the environment, which belongs to all threads. */
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static bool opened;

/* Calls f while OpenBLAS, if f loads it, may start no threads. */
static int first(lua_State *L) {
  const char *before = getenv(THREADS);
  char *kept = before ? strdup(before) : NULL;
  setenv(THREADS, "1", 1);
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  if (kept) {
    setenv(THREADS, kept, 1);
  } else {
    unsetenv(THREADS);
  }
  free(kept);
  return status;
}

/* without_blas_threads(f) calls f and returns its results; OpenBLAS, if loaded
 * by f, starts no threads. The engine uses at most one of them, and without
 * enough address space for their buffers they would search for it forever. */
static int without_blas_threads(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  pthread_mutex_lock(&opening);
  int status =
      opened ? lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0) : first(L);
  opened = opened || status == LUA_OK;
  pthread_mutex_unlock(&opening);
  return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

LUALIB_API int luaopen_torus_environment(lua_State *L) {
  lua_newtable(L);
  lua_pushcfunction(L, without_blas_threads);
  lua_setfield(L, -2, "without_blas_threads");
  return 1;
}
