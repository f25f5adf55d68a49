--- The fused kernels: rollouts and vector fields of Hamiltonians made of networks
-- that the engine supports, as single operations.
--
-- A network describes itself by a method `network()`, which returns `{kind =
-- "dense" | "conv", activation = "softplus" | "tanh" | "swish", layers = the number
-- of hidden ones, readout_bias = boolean, parameters = {weight, bias, ...,
-- readout}}`, `{kind = "quadratic", moving = n}` for the energy |x|^2 / 2 of the first n
-- numbers of a sample, by default of all, or nil. The engine checks the description.
-- @module torus.fused
local core = require "torus.core"
local hamiltonian = require "torus.hamiltonian"
local options = require "torus.options"
local rollout = require "torus.rollout"

local M = {}

local function network_of(part)
  local method = type(part) == "table" and part.network
  return method and part:network() or nil
end

--- Returns the networks of a Hamiltonian, {K, V} or {joint}, or nil if the kernels don't
-- support one of them.
-- @param H a separable pair or a joint module
-- @treturn ?{table,...}
function M.networks(H)
  if hamiltonian.is_separable(H) then
    local K, V = network_of(H.K), network_of(H.V)
    local fit = K and V
      and (K.kind == V.kind or K.kind == "quadratic" or V.kind == "quadratic")
    return fit and { K, V } or nil
  end
  local joint = network_of(H)
  return joint and { joint }
end

--- Runs a whole rollout as one operation.
-- @tparam {table,...} networks as returned by networks()
-- @tparam table o q, p, dt, steps, method, backprop, energies, every, time, friction (a
-- number or a tensor), on_state and progress as in integrate
-- @treturn table q, p and perhaps energy
function M.rollout(networks, o)
  local function run(q, p, steps, last_only)
    return core.ops.network_rollout(q, p, { networks = networks, dt = o.dt,
      steps = steps, method = o.method, energies = o.energies,
      reversible = o.backprop == "reversible", last_only = last_only,
      friction = o.friction })
  end
  if o.every == 1 and not o.on_state and not o.progress then
    local q, p, energy = run(o.q, o.p, o.steps, false)
    return { q = q, p = p, energy = o.energies and energy or nil }
  end
  -- One operation from each kept state to the next.
  local qs, ps, energies = {}, {}, {}
  local q, p, energy = run(o.q, o.p, 0, false)
  for step = 0, o.steps, o.every do
    if step > 0 then q, p, energy = run(q[1], p[1], o.every, true) end
    qs[#qs + 1], ps[#ps + 1], energies[#energies + 1] = q, p, energy
    rollout.announce(o, step, q[1], p[1])
  end
  return { q = core.ops.cat(qs, 1), p = core.ops.cat(ps, 1),
    energy = o.energies and core.ops.cat(energies, 1) or nil }
end

local FIELD = { fused = { type = "boolean" } }

--- Returns dH/dq and dH/dp with first-order gradients, or, if the kernels don't support
-- the Hamiltonian, by the general path with gradients of any order.
-- @function torus.field
-- @param H torus.separable(K, V), torus.joint(net), a module or a function of
-- q and p, with one energy per sample
-- @tparam tensor q (batch, ...)
-- @tparam tensor p like q
-- @tparam[opt] table opts fused=false forces the general path, true requires
-- the kernels
-- @treturn tensor dH/dq (batch, ...)
-- @treturn tensor dH/dp (batch, ...)
-- @raise if H does not return one energy per sample, or if fused = true and the kernels
-- don't support H
-- @usage
-- V = torus.nn.MLP{ sizes = {2, 16, 1}, activation = "softplus", scalar = true }
-- K = torus.nn.MLP{ sizes = {2, 16, 1}, activation = "softplus", scalar = true }
-- q, p = torus.randn(5, 2), torus.randn(5, 2)
-- dH_dq, dH_dp = torus.field(torus.separable(K, V), q, p)
function M.field(H, q, p, opts)
  local o = options.resolve("field", opts, FIELD)
  hamiltonian.check("field", H)
  hamiltonian.check_state("field", q, p)
  local networks = o.fused ~= false and M.networks(H)
  if not networks then
    if o.fused then
      options.raise("field: the fused kernels do not support this Hamiltonian")
    end
    return hamiltonian.gradients(H, q, p, core.is_recording())
  end
  local dq, dp = core.ops.network_field(q, p, { networks = networks })
  return dq, dp
end

return M
