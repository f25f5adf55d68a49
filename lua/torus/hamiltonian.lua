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

--- Raises unless an energy is a tensor with one number per sample.
-- @tparam string where name of the operation, for the message
-- @tparam string name of the function that returned it
-- @param energy its result
-- @tparam tensor x (batch, ...), its argument
function M.check_energy(where, name, energy, x)
  local is_tensor = options.is_live(energy)
  if is_tensor and energy:dim() == 1 and energy:size(1) == x:size(1) then
    return
  end
  options.raise("%s: %s must return one energy per sample, shape (%d); got %s%s",
    where, name, x:size(1),
    is_tensor and options.shape_text(energy) or options.show(energy),
    energy == nil and " (is a return missing?)" or "")
end

local check_energy = M.check_energy

local version = core.version

local function refuse_written(where, x, position)
  if core.is_released(x) then return end
  options.raise("%s: expected a function that only reads its arguments, got one that writes "
    .. "to argument %d, %s; x:copy() may be written to", where, position, options.show(x))
end

--- Calls a function of the caller's, which may not write to the tensors that it gets:
-- they are a state of the solver, or what a derivative is taken at.
-- @tparam string where name of the function, for the message
-- @tparam function|Module f
-- @tparam tensor a
-- @param[opt] b a tensor, or a number
-- @param[opt] c as b
-- @return what it returns
-- @usage
-- hamiltonian = require "torus.hamiltonian"
-- print(pcall(hamiltonian.unchanged, "example", function(q) q:zero_() end, torus.ones(1)))
function M.unchanged(where, f, a, b, c)
  local before_a, before_b, before_c = version(a), version(b), version(c)
  local result
  if b == nil then
    result = f(a)
  elseif c == nil then
    result = f(a, b)
  else
    result = f(a, b, c)
  end
  if version(a) ~= before_a then refuse_written(where, a, 1) end
  if b ~= nil and version(b) ~= before_b then refuse_written(where, b, 2) end
  if c ~= nil and version(c) ~= before_c then refuse_written(where, c, 3) end
  return result
end

local unchanged = M.unchanged

function Separable:__call(q, p)
  local kinetic, potential = self.K(p), self.V(q)
  check_energy("Hamiltonian", "K", kinetic, p)
  check_energy("Hamiltonian", "V", potential, q)
  return kinetic + potential
end

function Separable:__tostring()
  return string.format("separable(%s, %s)", tostring(self.K),
    tostring(self.V))
end

local function check_callable(where, name, value)
  if not options.is_callable(value) then
    options.raise("%s: expected a function or a module as %s, got %s", where,
      name, options.show(value))
  end
end

--- A separable Hamiltonian, H(q, p) = K(p) + V(q).
-- @function torus.separable
-- @tparam function|Module K of p (batch, ...), returns (batch)
-- @tparam function|Module V of q (batch, ...), returns (batch)
-- @treturn table callable with q and p; fields K and V
-- @usage
-- H = torus.separable(function(p) return (p * p):sum(2) / 2 end,
--   function(q) return (1 - q:cos()):sum(2) end)
-- print(H(torus.zeros(1, 1), torus.ones(1, 1)))   -- 0.5
function M.separable(K, V)
  check_callable("separable", "K", K)
  check_callable("separable", "V", V)
  return setmetatable({ K = K, V = V }, Separable)
end

--- Returns true if a Hamiltonian was made by separable.
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

-- The network as the fused kernels see it: its input is q and p concatenated.
function Joint:network()
  return type(self.net) == "table" and self.net.network and self.net:network()
end

--- A joint Hamiltonian, H(q, p) = net(q and p concatenated along the last dimension).
-- @function torus.joint
-- @tparam function|Module net of (batch, ..., 2 n), returns (batch)
-- @treturn table callable with q and p; field net
-- @usage
-- net = torus.nn.MLP{ sizes = {4, 32, 1}, scalar = true }
-- H = torus.joint(net)
-- print(table.unpack(H(torus.zeros(3, 2), torus.zeros(3, 2)).shape))   -- 3
function M.joint(net)
  check_callable("joint", "net", net)
  return setmetatable({ net = net }, Joint)
end

--- Raises unless a value can be a Hamiltonian: a separable or joint one, a
-- module, or a function of q and p.
-- @tparam string where name of the operation, for the message
-- @param H anything
function M.check(where, H)
  if not options.is_callable(H) then
    options.raise("%s: expected a function, a module, a system (torus.systems) "
      .. "or torus.separable(K, V) as H, got %s", where, options.show(H))
  end
end

--- The Hamiltonian of a value that has one: a system's (its method `hamiltonian`),
-- a model's (its field), else the value itself.
-- @param H anything
-- @treturn any
-- @usage
-- hamiltonian = require "torus.hamiltonian"
-- print(hamiltonian.is_separable(hamiltonian.of(torus.systems.pendulum)))   -- true
function M.of(H)
  if type(H) ~= "table" or not H.hamiltonian then
    return H
  end
  if type(H.hamiltonian) == "function" then return H:hamiltonian() end
  return H.hamiltonian
end

local function state_text(x)
  return options.shape_text(x) .. " " .. x.dtype
end

--- Raises unless q and p are a state: tensors (batch, ...) of the same shape and
-- dtype.
-- @tparam string where name of the operation, for the message
-- @param q anything
-- @param p anything
function M.check_state(where, q, p)
  options.tensor(where, "q", q, { "batch", "..." })
  options.tensor(where, "p", p, { "batch", "..." })
  local one, other = state_text(q), state_text(p)
  if one ~= other then
    options.raise("%s: q and p differ: %s and %s", where, one, other)
  end
  if not q.dtype:find("^float") then
    options.raise("%s: expected q and p of dtype float32 or float64, got %s", where, one)
  end
end

--- Raises unless a state fits the system or the model that an argument H is: these know the
-- shape of their states, and check it in their method `_expect_state(where, q, p)`.
-- @tparam string where name of the operation, for the message
-- @param H a value that `of` has accepted
-- @tparam tensor q (batch, ...)
-- @tparam tensor p like q
-- @usage
-- hamiltonian = require "torus.hamiltonian"
-- pendulum, q = torus.systems.pendulum, torus.ones(4, 2)
-- print(pcall(hamiltonian.check_fit, "example", pendulum, q, q))   -- expected (batch,1)
function M.check_fit(where, H, q, p)
  if type(H) ~= "table" or not H.hamiltonian then return end
  if H._expect_state then H:_expect_state(where, q, p) end
end

--- Raises about an energy whose gradient is not known, unless it is the same at two states: it
-- exerts no force then.
-- @tparam string where name of the operation, for the message
-- @tparam string problem what the energy does not depend on
-- @tparam function energy
-- @tparam tensor ... its arguments
-- @usage
-- hamiltonian = require "torus.hamiltonian"
-- function V(q) return q:detach():sum(2) end
-- print(pcall(hamiltonian.check_constant, "example", "V has no gradient", V, torus.ones(3, 1)))
function M.check_constant(where, problem, energy, ...)
  local moved = {}
  for i, x in ipairs { ... } do moved[i] = x:detach() + 1 end
  local there, here = energy(table.unpack(moved)), energy(...)
  if core.no_grad(function() return there:eq(here):all():item() end) then return end
  options.raise("%s: %s; an energy must be computed by differentiable operations, without detach",
    where, problem)
end

local function gradient_of(name, part, x, recording)
  local v = core.variable(x)
  local energy = unchanged(name, part, v)
  local g = core.slope(energy, recording, v)
  if not g then
    check_energy("Hamiltonian", name, energy, x)
    M.check_constant("Hamiltonian", name .. " does not depend on its argument", part, v)
  end
  return g or tensor.zeros_like(x)
end

--- The derivative dE/dx of a part of the energy that depends on x alone.
-- @tparam string name of the part, for messages
-- @tparam function|Module part of x, returns (batch)
-- @tparam tensor x (batch, ...)
-- @tparam boolean recording true makes the result differentiable
-- @treturn tensor like x
function M.gradient(name, part, x, recording)
  return core.enable_grad(gradient_of, name, part, x, recording)
end

local function gradients_of(H, q, p, recording)
  local vq, vp = core.variable(q), core.variable(p)
  local energy = unchanged("H", H, vq, vp)
  local gq, gp = core.slope(energy, recording, vq, vp)
  if not gq and not gp then
    check_energy("Hamiltonian", "H", energy, q)
    M.check_constant("Hamiltonian", "H depends on neither q nor p", H, vq, vp)
  end
  return gq or tensor.zeros_like(q), gp or tensor.zeros_like(p)
end

--- The gradients dH/dq and dH/dp by one backward pass of tensor operations. The gradient
-- is zero for a coordinate that a joint H does not use.
-- @param H a separable pair, or a joint function or module of q and p
-- @tparam tensor q (batch, ...)
-- @tparam tensor p like q
-- @tparam boolean recording true makes the result differentiable
-- @treturn tensor dH/dq
-- @treturn tensor dH/dp
function M.gradients(H, q, p, recording)
  if M.is_separable(H) then
    return M.gradient("V", H.V, q, recording), M.gradient("K", H.K, p, recording)
  end
  return core.enable_grad(gradients_of, H, q, p, recording)
end

return M
