/* The Lua state that the engine is working for, in this thread: gradient rules
 * in Lua run in it, and anomaly mode looks up lines in it. It is set during
 * sweeps and, in anomaly mode, during every call. */
#ifndef TORUS_BINDING_RUNNING_H
#define TORUS_BINDING_RUNNING_H

#include "autodiff/anomaly.h"
#include "binding/binding.h"

lua_State *torus_running(void);
/* Returns the previous one. */
lua_State *torus_set_running(lua_State *L);

/* A torus_locate_fn. */
bool torus_locate(char text[TORUS_ORIGIN_TEXT]);

#endif
