/* The entry of torus.core; lua/torus/init.lua makes `torus` from it. */
#include "binding/binding.h"
#include "core/threads.h"
#include "kernels/blas.h"
#include "kernels/simd/isa.h"

/* lua/torus/init.lua names the same one and compares. */
#define TORUS_VERSION "torus 0.1"

LUALIB_API int luaopen_torus_core(lua_State *L);

LUALIB_API int luaopen_torus_core(lua_State *L) {
  torus_status status = {0};
  if (!torus_isa_check(&status) || !torus_threads_check(&status))
    return luaL_error(L, "%s", status.message);
  torus_blas_prepare();
  if (!torus_blas_reserve(1)) {
    return luaL_error(L,
                      "torus: out of memory: OpenBLAS needs 130 MB of address "
                      "space (ulimit -v)");
  }
  lua_newtable(L);
  lua_pushliteral(L, TORUS_VERSION);
  lua_setfield(L, -2, "_VERSION");
  torus_open_errors(L);
  torus_open_tensor(L);
  torus_open_create(L);
  torus_open_selection(L);
  torus_open_ops(L);
  torus_open_registry(L);
  torus_open_grad(L);
  torus_open_slopes(L);
  torus_open_custom(L);
  torus_open_random(L);
  torus_open_samples(L);
  torus_open_optim(L);
  torus_open_rk45(L);
  torus_open_raster(L);
  torus_open_files(L);
  torus_open_readers(L);
  torus_open_process(L);
  torus_open_signals(L);
  torus_open_terminal(L);
  return 1;
}
