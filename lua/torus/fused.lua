--- The fused kernels: rollouts and fields of Hamiltonians made of networks
-- that the engine knows, as single operations.
--
-- A network tells what it is by a method `network()`, which gives `{kind =
-- "dense" | "conv", activation = "softplus" | "tanh", layers = how many hidden
-- ones, readout_bias = boolean, parameters = {weight, bias, ..., read-out}}`,
-- or nil.
-- @module torus.fused
local core = require "torus.core"
local hamiltonian = require "torus.hamiltonian"
local options = require "torus.options"

local M = {}

local function network_of(part)
  local method = type(part) == "table" and part.network
  return method and part:network() or nil
end

--- The networks of a Hamiltonian: {K, V}, or {joint}, or nil where the kernels
-- don't know one of them.
-- @param H a separable pair or a joint module
-- @treturn ?{table,...}
function M.networks(H)
  if hamiltonian.is_separable(H) then
    local K, V = network_of(H.K), network_of(H.V)
    if K and V and K.kind == V.kind then return { K, V } end
    return nil
  end
  local joint = network_of(H)
  return joint and { joint }
end

-- Part number i (from 0) of a flat result, in a shape.
local function part(flat, first, shape)
  local count = 1
  for _, size in ipairs(shape) do count = count * size end
  return flat:narrow(1, first + 1, count):reshape(shape), first + count
end

--- A whole rollout as one operation.
-- @tparam {table,...} networks what networks() gave
-- @tparam table o q, p, dt, steps, method, backprop, energies as integrate's
-- @tparam table scheme the row of the method
-- @treturn table q, p and perhaps energy
function M.rollout(networks, o, scheme)
  local reversible = o.backprop == "reversible"
  if reversible and not (scheme.splitting and scheme.symmetric) then
    options.raise("integrate: backprop = \"reversible\" needs a scheme that a "
      .. "step of -dt undoes (leapfrog, yoshida4), got %s", o.method)
  end
  local flat = core.rollout(o.q, o.p, { networks = networks, dt = o.dt,
    steps = o.steps, method = o.method, energies = o.energies,
    reversible = reversible })
  local shape, way, at = o.q.shape, {}, 0
  local batch = shape[1]
  table.insert(shape, 1, o.steps + 1)
  way.q, at = part(flat, at, shape)
  way.p, at = part(flat, at, shape)
  if o.energies then way.energy = part(flat, at, { o.steps + 1, batch }) end
  return way
end

local FIELD = { fused = { type = "boolean" } }

--- dH/dq and dH/dp, with first-order gradients; by the general path, with any
-- order, where the kernels don't know the Hamiltonian.
-- @function torus.field
-- @param H torus.separable(K, V), torus.joint(net), a module or a function of
-- q and p, with one energy per sample
-- @tparam tensor q (batch, ...)
-- @tparam tensor p like q
-- @tparam[opt] table opts fused=false forces the general path, true insists
-- on the kernels
-- @treturn tensor dH/dq (batch, ...)
-- @treturn tensor dH/dp (batch, ...)
-- @raise when H does not return one energy per sample, or fused = true and no
-- kernel knows H
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
      options.raise("field: there is no fused kernel for this Hamiltonian")
    end
    return hamiltonian.slopes(H, q, p, core.is_recording())
  end
  local flat, at = core.field(q, p, { networks = networks }), 0
  local dq, dp
  dq, at = part(flat, at, q.shape)
  dp = part(flat, at, q.shape)
  return dq, dp
end

return M
