/* The terminal. */
#define _POSIX_C_SOURCE 200809L
#include "binding/binding.h"

#include <unistd.h>

/* isatty(descriptor) */
static int isatty_(lua_State *L) {
  lua_pushboolean(
      L, isatty((int)torus_check_integer(L, 1, "isatty", "the descriptor")));
  return 1;
}

void torus_open_terminal(lua_State *L) {
  lua_pushcfunction(L, isatty_);
  lua_setfield(L, -2, "isatty");
}
