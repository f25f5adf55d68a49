/* Interrupts: calls that a control-C waits for, and calls that it stops. */
#define _POSIX_C_SOURCE 200809L
#include "binding/binding.h"
#include "core/interrupt.h"

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

/* --- stopping ---------------------------------------------------------- */

static const int STOPS[] = {SIGINT, SIGTERM, SIGHUP};
#define STOP_COUNT ((int)(sizeof STOPS / sizeof *STOPS))

static volatile sig_atomic_t stop, in_stoppable;
static struct sigaction before_stoppable[STOP_COUNT];

/* The first signal is noted; another control-C does what it did before. */
static void note(int signal) {
  if (stop && signal == SIGINT) {
    sigaction(SIGINT, &before_stoppable[0], NULL);
    raise(SIGINT);
    return;
  }
  stop = signal;
}

static void catch_stops(void) {
  struct sigaction noting = {.sa_handler = note, .sa_flags = SA_RESTART};
  for (int i = 0; i < STOP_COUNT; i++) {
    sigaction(STOPS[i], NULL, &before_stoppable[i]);
    if (before_stoppable[i].sa_handler != SIG_IGN) {
      sigaction(STOPS[i], &noting, NULL);
    }
  }
}

/* stoppable(f, ...): calls it; a control-C, SIGTERM or SIGHUP meanwhile only
 * makes `stopped` return its name: f ends where nothing is lost. */
static int stoppable(lua_State *L) {
  if (lua_gettop(L) == 0) {
    return torus_raise_text(L, "stoppable: expected a function, got nothing");
  }
  bool outermost = !in_stoppable;
  if (outermost) {
    stop = 0;
    in_stoppable = 1;
    catch_stops();
  }
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  if (outermost) {
    for (int i = 0; i < STOP_COUNT; i++) {
      sigaction(STOPS[i], &before_stoppable[i], NULL);
    }
    in_stoppable = 0;
  }
  return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/* stopped(): name and number of the signal that came while the last stoppable
 * function ran, or nil */
static int stopped(lua_State *L) {
  if (!stop) return 0;
  lua_pushstring(L, stop == SIGINT    ? "SIGINT"
                    : stop == SIGTERM ? "SIGTERM"
                                      : "SIGHUP");
  lua_pushinteger(L, stop);
  return 2;
}

/* stopping(): true while a stoppable function has yet to end because of a
 * signal */
static int stopping(lua_State *L) {
  lua_pushboolean(L, in_stoppable && stop);
  return 1;
}

/* note_stop(number): as if that signal had come to this process; of a run
 * on several, which stop together. */
static int note_stop(lua_State *L) {
  stop = (int)torus_check_integer(L, 1, "note_stop", "the signal");
  return 0;
}

/* --- the prompt --------------------------------------------------------- */

/* The state to stop; global, since a signal handler is passed nothing else. */
static lua_State *volatile running;
/* Since the running command began. */
static volatile sig_atomic_t interrupts_seen;

void torus_end_interrupt(lua_State *L) {
  torus_interrupt_clear();
  lua_sethook(L, NULL, 0, 0);
  if (running && running != L) lua_sethook(running, NULL, 0, 0);
}

static void stop_script(lua_State *L, lua_Debug *ar) {
  (void)ar;
  torus_end_interrupt(L);
  lua_pushliteral(L, "interrupted");
  torus_raise(L);
}

/* The first one stops the engine, which polls, and Lua code, which has a hook;
 * what both are deaf to, a second one leaves. */
static void on_interrupt(int signal) {
  if (!running) return;
  if (interrupts_seen++) {
    struct sigaction leaving = {.sa_handler = SIG_DFL};
    sigaction(signal, &leaving, NULL);
    raise(signal);
    return;
  }
  torus_interrupt_request();
  int mask = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;
  lua_sethook(running, stop_script, mask, 1);
}

/* interrupts(true): from here a control-C raises "interrupted", in Lua code
 * and in long calls of the engine, and a second one ends the process.
 * interrupts(false): it does nothing more than end a line being read. */
static int interrupts(lua_State *L) {
  bool on = lua_toboolean(L, 1);
  running = NULL;
  torus_end_interrupt(L);
  interrupts_seen = 0;
  struct sigaction action = {.sa_handler = on_interrupt,
                             .sa_flags = SA_RESTART};
  sigaction(SIGINT, &action, NULL);
  if (on) running = L;
  return 0;
}

void torus_open_signals(lua_State *L) {
  /* A write beyond the limit of file sizes is an error like any other. */
  struct sigaction limit;
  if (sigaction(SIGXFSZ, NULL, &limit) == 0 && limit.sa_handler == SIG_DFL) {
    signal(SIGXFSZ, SIG_IGN);
  }
  lua_pushcfunction(L, stoppable);
  lua_setfield(L, -2, "stoppable");
  lua_pushcfunction(L, stopped);
  lua_setfield(L, -2, "stopped");
  lua_pushcfunction(L, stopping);
  lua_setfield(L, -2, "stopping");
  lua_pushcfunction(L, note_stop);
  lua_setfield(L, -2, "note_stop");
  lua_pushcfunction(L, uninterrupted);
  lua_setfield(L, -2, "uninterrupted");
  lua_pushcfunction(L, interrupts);
  lua_setfield(L, -2, "interrupts");
}
