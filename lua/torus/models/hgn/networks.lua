--- The networks of an HGN, each made from its configuration
-- (torus.models.hgn.config): encoder, f_psi, Hamiltonian, decoder.
-- @module torus.models.hgn.networks
local decoder = require "torus.models.parts.decoder"
local encoder = require "torus.models.parts.encoder"
local energy = require "torus.models.parts.energy"
local engine = require "torus.engine"
local frames = require "torus.models.parts.frames"
local hamiltonian = require "torus.hamiltonian"
local initialise = require "torus.nn.initialise"
local stack = require "torus.models.parts.stack"

local M = {}

--- Height and width of the encoder's feature map, which are the state's too.
-- @tparam table c configuration
-- @treturn integer
function M.map_size(c)
  return c.resolution >> frames.halvings(c.resolution)
end

local function layer_of(c, generator)
  return { dtype = c.dtype, init = c.init, generator = generator }
end

-- The bias of the last layer's second half, the logarithm of the variance.
local function start_posterior(net, c)
  if c.posterior_logvar == 0 then return end
  engine.no_grad(function()
    net[net.depth].bias:narrow(1, c.z + 1, c.z):fill_(c.posterior_logvar)
  end)
end

--- The posterior q(z | x_0..x_T).
-- @tparam table c configuration
-- @tparam[opt] generator generator draws the initial weights
-- @treturn Module (batch, resolution, resolution, frames * channels) ->
-- (batch, size, size, 2 z), of a latent vector (batch, 1, 1, 2 z): mean and
-- logarithm of the variance
function M.encoder(c, generator)
  local last = c.latent == "vector" and { kernel = M.map_size(c), padding = 0 }
  local net = encoder.new(c.frames * c.channels, 2 * c.z, {
    resolution = c.resolution, width = c.width, last = last or nil,
    layer = layer_of(c, generator) })
  start_posterior(net, c)
  return net
end

--- f_psi, from z to the initial state s_0 = (q, p).
-- @tparam table c configuration
-- @tparam[opt] generator generator draws the initial weights
-- @treturn ?Module of z to (batch, size, size, 2 state); nil where z is the
-- state
function M.state(c, generator)
  if c.variant == "no_fpsi" then return nil end
  local opts = { activation = "relu", layer = layer_of(c, generator) }
  local w = c.width
  if c.latent == "vector" then
    return stack.spread(c.z, M.map_size(c), { w, w, 2 * c.state }, opts)
  end
  return stack.new({ c.z, w, w, 2 * c.state }, opts)
end

--- The Hamiltonian.
-- @tparam table c configuration
-- @tparam[opt] generator generator draws the initial weights
-- @treturn table|Module as torus.integrate accepts it
-- @treturn {{string,Module},...} its networks by name, to be registered
function M.hamiltonian(c, generator)
  local opts = { width = c.width, layers = c.energy_layers,
    size = M.map_size(c), init = c.energy_init,
    layer = { dtype = c.dtype, generator = generator } }
  local function scaled(net)
    initialise.scale_weights(net, c.energy_gain)
    return net
  end
  if c.hamiltonian == "joint" then
    local H = scaled(energy.joint(c.state, opts))
    return H, { { "H", H } }
  end
  local K = scaled(energy.new(c.state, opts))
  local V = scaled(energy.new(c.state, opts))
  return hamiltonian.separable(K, V), { { "K", K }, { "V", V } }
end

--- The decoder, of q alone.
-- @tparam table c configuration
-- @tparam[opt] generator generator draws the initial weights
-- @treturn Module (images, size, size, state) -> (images, resolution,
-- resolution, channels) in (0, 1)
function M.decoder(c, generator)
  return decoder.new(c.state, { blocks = frames.halvings(c.resolution),
    width = c.width, channels = c.channels, skip = c.skip,
    closing = c.closing, background = c.background,
    layer = layer_of(c, generator) })
end

return M
