--- The tensor functions that `torus` exposes, for the library's own modules:
-- the functions of the C engine, its registered operations, and those of torus.tensor and
-- related modules. Modules of the library require this one, never `torus` itself.
-- @module torus.engine
local core = require "torus.core"
local einsum = require "torus.einsum"
local options = require "torus.options"
local pooling = require "torus.pooling"
local products = require "torus.products"
local sampled = require "torus.sampled"
local samples = require "torus.samples"
local selection = require "torus.selection"
local statistics = require "torus.statistics"
local tensor = require "torus.tensor"

local M = {}

for _, name in ipairs {
  "tensor", "zeros", "ones", "full", "rand", "randn", "arange", "linspace",
  "eye", "randperm", "from_bytes", "to_bytes", "generator", "manual_seed",
  "random_state", "set_random_state", "grad", "variable", "no_grad",
  "enable_grad", "is_recording", "detect_anomaly", "set_detect_anomaly",
  "threads", "set_threads", "memory", "clock",
  "registry",
} do
  M[name] = core[name]
end

M.print_options = require("torus.format").print_options

for name, f in pairs(core.ops) do M[name] = f end
for name, f in pairs(tensor) do M[name] = f end
for name, f in pairs(samples) do M[name] = f end
for name, f in pairs(selection) do M[name] = f end
for name, f in pairs(statistics) do M[name] = f end
for name, f in pairs(products) do M[name] = f end
for name, f in pairs(sampled) do M[name] = f end
M.einsum = einsum.einsum
for name, f in pairs(pooling) do M[name] = f end

-- Returns its arguments, so that the call that made them is not a tail call.
local function pass(...) return ... end

-- Functions of Lua ignore arguments beyond their parameters; these must not be lost.
local function counted(name, f)
  local info = debug.getinfo(f, "Su")
  if info.what ~= "Lua" or info.isvararg then return f end
  local count = info.nparams
  return function(...)
    if select("#", ...) > count and (select(count + 1, ...)) ~= nil then
      options.raise("%s: too many arguments, the first one too many is %s", name,
        options.show((select(count + 1, ...))))
    end
    return pass(f(...))
  end
end

local checked = {}
for _, functions in ipairs { M, core.methods } do
  for name, f in pairs(functions) do
    if type(f) == "function" then
      checked[f] = checked[f] or counted(name, f)
      functions[name] = checked[f]
    end
  end
end

-- A message of misuse names the function that was called, not an operation that it
-- consists of. A tail call would take the function off the stack before the message is
-- made: `return (f(x))` is none. Left out is what runs the caller's own functions, and
-- what runs gradients, whose messages name the operation.
local LEFT_OUT = { no_grad = true, enable_grad = true, detect_anomaly = true, grad = true,
  backward = true }
local named = { index = core.metatable.__index }
for _, functions in ipairs { core.methods, M } do
  for name, f in pairs(functions) do
    if not LEFT_OUT[name] then named[name] = f end
  end
end
named.view = nil -- x:view is x:reshape
core.name_functions(named)

return M
