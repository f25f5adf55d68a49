--- torus: tensors, automatic differentiation and Hamiltonian dynamics.
--
-- `local torus = require "torus"`. Dimensions and indices count from 1, from
-- the end when negative. Images are (n, height, width, channels). Every
-- operation is a function of the module and a method of tensors.
-- @module torus

local core = require "torus.core"

local M = { _VERSION = "torus 0.1" }

-- A mix of two versions fails later, with errors that don't reveal the cause.
if core._VERSION ~= M._VERSION then
  error(("torus: the Lua files are %s, but the compiled module %s is %s: run "
    .. "make (and make install if torus is installed)"):format(M._VERSION,
    package.searchpath("torus.core", package.cpath) or "torus.core",
    core._VERSION or "an older version"), 0)
end

local unknown = require "torus.unknown"

for name, value in pairs(require "torus.engine") do M[name] = value end

-- Modules that load on first use.
local parts = {
  nn = "torus.nn", optim = "torus.optim", measures = "torus.measures", models = "torus.models",
  systems = "torus.systems", data = "torus.data", runs = "torus.runs",
  tasks = "torus.tasks", train = "torus.train",
  files = "torus.files", dist = "torus.dist",
  image = "torus.image", plot = "torus.plot",
  npy = "torus.npy", npz = "torus.npz", csv = "torus.csv",
  integrate = "torus.integrate", separable = "torus.hamiltonian",
  joint = "torus.hamiltonian", field = "torus.fused",
  rk45 = "torus.rk45", ode = "torus.ode", hmc = "torus.hmc",
  save = "torus.safetensors", load = "torus.safetensors",
  help = "torus.help",
  linalg = "torus.linalg", fft = "torus.fft",
  jacobian = "torus.derivatives", hessian = "torus.derivatives",
  vjp = "torus.derivatives", jvp = "torus.derivatives",
  hvp = "torus.derivatives", gradcheck = "torus.derivatives",
  custom = "torus.custom", progress = "torus.progress",
}

-- Those that consist of a single function of a file.
local members = {
  save = true, load = true, separable = true, joint = true, field = true,
  help = true, jacobian = true, hessian = true, vjp = true, jvp = true,
  hvp = true, gradcheck = true, custom = true,
  progress = true,
}

-- A module shadows the operation of the same name and is callable itself: torus.fft(x).
for name in pairs(parts) do M[name] = nil end

local missing = unknown.index("torus", parts)

return setmetatable(M, {
  __parts = parts, -- for the prompt's completion
  __index = function(t, key)
    local name = parts[key]
    if not name then return missing(t, key) end
    local part = require(name)
    local value = part
    if members[key] then value = part[key] end
    if type(value) == "table" then unknown.guard("torus." .. key, value) end
    rawset(t, key, value)
    return value
  end,
})
