/* The entry of torus.core; lua/torus/init.lua makes `torus` from it. */
#include "binding/binding.h"

/* lua/torus/init.lua says the same and compares. */
#define TORUS_VERSION "torus 0.1"

LUALIB_API int luaopen_torus_core(lua_State *L);

LUALIB_API int luaopen_torus_core(lua_State *L) {
  lua_newtable(L);
  lua_pushliteral(L, TORUS_VERSION);
  lua_setfield(L, -2, "_VERSION");
  torus_open_tensor(L);
  torus_open_create(L);
  torus_open_ops(L);
  torus_open_grad(L);
  torus_open_random(L);
  torus_open_optim(L);
  torus_open_physics(L);
  torus_open_decoder(L);
  torus_open_rollout(L);
  torus_open_system(L);
  return 1;
}
