--- Hamiltonians as Lua values: separable pairs, joint networks, and the
-- partial derivatives of either.
-- @module torus.hamiltonian
local core = require "torus.core"
local options = require "torus.options"
local tensor = require "torus.tensor"

local M = {}

local Separable = {}
Separable.__index = Separable
Separable.__name = "torus.separable"

function Separable:__call(q, p) return self.K(p) + self.V(q) end

function Separable:__tostring()
  return string.format("separable(%s, %s)", tostring(self.K),
    tostring(self.V))
end

--- Whether a value can be called.
-- @param value anything
-- @treturn boolean
function M.is_callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or meta ~= nil and meta.__call ~= nil
end

--- H(q, p) = K(p) + V(q).
-- @tparam function|Module K of p (batch, ...), gives (batch)
-- @tparam function|Module V of q (batch, ...), gives (batch)
-- @treturn table can be called with q and p; fields K and V
function M.separable(K, V)
  for name, value in pairs { K = K, V = V } do
    if not M.is_callable(value) then
      options.raise("separable: expected a function or a module as %s, "
        .. "got %s", name, tostring(value))
    end
  end
  return setmetatable({ K = K, V = V }, Separable)
end

--- Whether a Hamiltonian was made by separable.
-- @param H anything
-- @treturn boolean
function M.is_separable(H) return getmetatable(H) == Separable end

local Joint = {}
Joint.__index = Joint
Joint.__name = "torus.joint"

function Joint:__call(q, p)
  return self.net(core.ops.cat({ q, p }, -1))
end

function Joint:__tostring() return string.format("joint(%s)", tostring(self.net)) end

-- The network as the fused kernels see it: they take q and p side by side.
function Joint:network()
  return type(self.net) == "table" and self.net.network and self.net:network()
end

--- H(q, p) = net(q and p side by side along the last dimension).
-- @tparam function|Module net of (batch, ..., 2 n), gives (batch)
-- @treturn table can be called with q and p; field net
function M.joint(net)
  if not M.is_callable(net) then
    options.raise("joint: expected a function or a module, got %s",
      tostring(net))
  end
  return setmetatable({ net = net }, Joint)
end

local shape_text = options.shape_text

local function check_energy(name, energy, x)
  if energy:dim() ~= 1 or energy:size(1) ~= x:size(1) then
    options.raise("Hamiltonian: %s must give one energy per sample, "
      .. "shape (%d); got %s", name, x:size(1), shape_text(energy))
  end
end

--- dE/dx of a part of the energy that depends on x alone.
-- @tparam string name of the part, for messages
-- @tparam function|Module part of x, gives (batch)
-- @tparam tensor x (batch, ...)
-- @tparam boolean recording whether the result shall be differentiable
-- @treturn tensor like x
function M.slope(name, part, x, recording)
  return core.enable_grad(function()
    local v = core.variable(x)
    local energy = part(v)
    check_energy(name, energy, x)
    local g = energy.requires_grad and core.grad(energy:sum(), v,
      { create_graph = recording, allow_unused = true })
    if not g then
      options.raise("Hamiltonian: %s does not depend on its argument; an "
        .. "energy must be computed with differentiable operations", name)
    end
    return g
  end)
end

--- dH/dq and dH/dp in one sweep, by the operations of tensors. A coordinate
-- that a joint H leaves out has a slope of zero.
-- @param H a separable pair, or a joint function or module of q and p
-- @tparam tensor q (batch, ...)
-- @tparam tensor p like q
-- @tparam boolean recording whether the results shall be differentiable
-- @treturn tensor dH/dq
-- @treturn tensor dH/dp
function M.slopes(H, q, p, recording)
  if M.is_separable(H) then
    return M.slope("V", H.V, q, recording), M.slope("K", H.K, p, recording)
  end
  return core.enable_grad(function()
    local vq, vp = core.variable(q), core.variable(p)
    local energy = H(vq, vp)
    check_energy("H", energy, q)
    local g = energy.requires_grad and core.grad(energy:sum(), { vq, vp },
      { create_graph = recording, allow_unused = true }) or {}
    if not g[1] and not g[2] then
      options.raise("Hamiltonian: H depends neither on q nor on p; an energy "
        .. "must be computed with differentiable operations")
    end
    return g[1] or tensor.zeros_like(q), g[2] or tensor.zeros_like(p)
  end)
end

return M
