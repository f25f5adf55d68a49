--- The engine: the C module of the same name, loaded such that OpenBLAS starts no threads.
-- @module torus.core
local environment = require "torus.environment"

local path, tried = package.searchpath("torus.core", package.cpath)
if not path then error("module 'torus.core' not found:" .. tried, 0) end

return environment.without_blas_threads(function()
  local open, message = package.loadlib(path, "luaopen_torus_core")
  if not open then error("cannot load the engine: " .. message, 0) end
  return open()
end)
