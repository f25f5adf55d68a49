/* Interrupts: calls that a control-C waits for. */
#define _POSIX_C_SOURCE 200809L
#include "binding/binding.h"

#include <signal.h>

/* A control-C that came while none was welcome. */
static volatile sig_atomic_t held;

static void hold(int signal) {
  (void)signal;
  held = 1;
}

/* uninterrupted(f, ...): calls it; a control-C meanwhile is delivered when it
 * has returned. For short work that must not be left half done. */
static int uninterrupted(lua_State *L) {
  struct sigaction holding = {.sa_handler = hold, .sa_flags = SA_RESTART};
  struct sigaction before;
  if (lua_gettop(L) == 0) {
    return torus_raise_text(L,
                            "uninterrupted: expected a function, got nothing");
  }
  sigaction(SIGINT, NULL, &before);
  if (before.sa_handler == SIG_IGN || before.sa_handler == hold) {
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
  }
  sigaction(SIGINT, &holding, NULL);
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  sigaction(SIGINT, &before, NULL);
  if (held) {
    held = 0;
    raise(SIGINT);
  }
  return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

void torus_open_signals(lua_State *L) {
  /* A write beyond the limit of file sizes is an error like any other. */
  struct sigaction limit;
  if (sigaction(SIGXFSZ, NULL, &limit) == 0 && limit.sa_handler == SIG_DFL) {
    signal(SIGXFSZ, SIG_IGN);
  }
  lua_pushcfunction(L, uninterrupted);
  lua_setfield(L, -2, "uninterrupted");
}
