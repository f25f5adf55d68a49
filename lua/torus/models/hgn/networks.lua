--- The networks of an HGN, each made from its configuration
-- (torus.models.hgn.config): encoder, f_psi, Hamiltonian, projection, decoder.
-- @module torus.models.hgn.networks
local MLP = require "torus.nn.mlp"
local Module = require "torus.nn.module"
local decoder = require "torus.models.parts.decoder"
local encoder = require "torus.models.parts.encoder"
local energy = require "torus.models.parts.energy"
local engine = require "torus.engine"
local frames = require "torus.models.parts.frames"
local hamiltonian = require "torus.hamiltonian"
local initialise = require "torus.nn.initialise"
local options = require "torus.options"
local stack = require "torus.models.parts.stack"

local M = {}

--- Returns the height and width of the encoder's feature maps, which are also those of the
-- state.
-- @tparam table c configuration
-- @treturn {integer,integer}
function M.map_size(c)
  local height, width = frames.sides(c)
  local halvings = frames.halvings(height, width)
  return { height >> halvings, width >> halvings }
end

local function layer_of(c, generator)
  return { dtype = c.dtype, init = c.init, generator = generator }
end

-- Options of layers whose convolutions have the configured precision.
local function convolution_of(c, generator)
  return options.joined({ precision = c.precision }, layer_of(c, generator))
end

-- Sets the bias of the second half of the last layer, the logarithm of the variance.
local function start_posterior(net, c)
  if c.posterior_logvar == 0 then return end
  engine.no_grad(function()
    net[net.depth].bias:narrow(1, c.z + 1, c.z):fill_(c.posterior_logvar)
  end)
end

--- Makes the encoder, the posterior q(z | x_a..x_b) of `context` consecutive frames.
-- @tparam table c configuration
-- @tparam[opt] generator generator source of the initial weights
-- @treturn Module (batch, height, width, frames * channels) -> (batch, h, w, 2 z), with the
-- h and w of map_size, or (batch, 1, 1, 2 z) for a latent vector: mean and logarithm of the
-- variance
function M.encoder(c, generator)
  local last = c.latent == "vector" and { kernel = M.map_size(c), padding = 0 }
  local make = c.encoder == "blocks" and encoder.blocks or encoder.new
  local net = make(c.context * c.channels, 2 * c.z, { slope = decoder.SLOPE,
    resolution = math.min(frames.sides(c)), width = c.width, last = last or nil,
    layer = convolution_of(c, generator) })
  start_posterior(net, c)
  return net
end

--- Makes f_psi, from z to the initial state s_0 = (q, p).
-- @tparam table c configuration
-- @tparam[opt] generator generator source of the initial weights
-- @treturn ?Module from z to (batch, h, w, 2 state), or (batch, 1, 1, 2 dimension) for a
-- vector phase space; nil if z is the state
function M.state(c, generator)
  if c.variant == "no_fpsi" then return nil end
  if c.phase == "vector" then
    return MLP.new { sizes = { c.z, 64, 64, 2 * c.dimension },
      activation = "relu", dtype = c.dtype, init = c.init,
      generator = generator }
  end
  local opts = { activation = "relu", layer = convolution_of(c, generator) }
  local w = c.width
  if c.latent == "vector" then
    return stack.spread(c.z, M.map_size(c), { w, w, 2 * c.state }, opts)
  end
  return stack.new({ c.z, w, w, 2 * c.state }, opts)
end

local function scaled(net, c)
  initialise.scale_weights(net, c.energy_gain)
  return net
end

local function vector_hamiltonian(c, generator)
  local opts = { width = c.energy_width, layers = c.energy_layers,
    activation = c.energy_activation, init = c.energy_init,
    layer = { dtype = c.dtype, init = c.init, generator = generator } }
  if c.hamiltonian == "joint" then
    local H = scaled(energy.joint_dense(c.dimension, opts), c)
    return H, { { "H", H } }
  end
  local V = scaled(energy.dense(c.dimension, opts), c)
  if c.kinetic == "quadratic" then
    local K = energy.quadratic(c.static > 0 and c.dimension - c.static or nil)
    return hamiltonian.separable(K, V), { { "V", V } }
  end
  local K = scaled(energy.dense(c.dimension, opts), c)
  return hamiltonian.separable(K, V), { { "K", K }, { "V", V } }
end

--- Makes the Hamiltonian.
-- @tparam table c configuration
-- @tparam[opt] generator generator source of the initial weights
-- @treturn table|Module as torus.integrate accepts it
-- @treturn {{string,Module},...} its networks by name, to be registered
function M.hamiltonian(c, generator)
  if c.phase == "vector" then return vector_hamiltonian(c, generator) end
  local opts = { width = c.width, layers = c.energy_layers,
    size = M.map_size(c), init = c.energy_init,
    layer = { dtype = c.dtype, generator = generator } }
  if c.hamiltonian == "joint" then
    local H = scaled(energy.joint(c.state, opts), c)
    return H, { { "H", H } }
  end
  local K = scaled(energy.new(c.state, opts), c)
  local V = scaled(energy.new(c.state, opts), c)
  return hamiltonian.separable(K, V), { { "K", K }, { "V", V } }
end

local Chart = Module.class("Chart")

function Chart:forward(q) return q + self.net(q) end

--- Makes the chart, from the Hamiltonian's q to the decoder's coordinates. It starts as the
-- identity.
-- @tparam table c configuration
-- @tparam[opt] generator generator source of the initial weights
-- @treturn ?Module (..., dimension) -> (..., dimension); nil without a chart
function M.chart(c, generator)
  if c.chart == 0 then return nil end
  local self = Module.instance(Chart, {})
  self:register("net", MLP.new {
    sizes = { c.dimension, c.chart, c.chart, c.dimension },
    activation = "tanh", dtype = c.dtype, generator = generator })
  initialise.zero(self.net[3])
  return self
end

--- Makes the projection, from the coordinates of a vector phase space to the feature map that
-- the decoder begins with.
-- @tparam table c configuration
-- @tparam[opt] generator generator source of the initial weights
-- @treturn ?Module (images, dimension) -> (images, h, w, state); nil if q is such a map
function M.projection(c, generator)
  if c.phase ~= "vector" then return nil end
  if c.projection == "dense" then
    return stack.dense(c.dimension, M.map_size(c), c.state, layer_of(c, generator))
  end
  return stack.spread(c.dimension, M.map_size(c), { c.width, c.width, c.state },
    { activation = "relu", layer = convolution_of(c, generator) })
end

--- Makes the channels of the decoder's input that are the same for every state: a parameter
-- that starts as ones.
-- @tparam table c configuration
-- @treturn ?tensor (1, h, w, constant_channels); nil if there are none
function M.constants(c)
  if c.constant_channels == 0 then return nil end
  local size = M.map_size(c)
  return engine.ones({ 1, size[1], size[2], c.constant_channels },
    { dtype = c.dtype, requires_grad = true })
end

--- Makes the decoder, which depends on q alone.
-- @tparam table c configuration
-- @tparam[opt] generator generator source of the initial weights
-- @treturn Module (images, h, w, state + constant_channels) -> (images, height,
-- width, channels) in (0, 1)
function M.decoder(c, generator)
  return decoder.new(c.state + c.constant_channels, { blocks = frames.halvings(frames.sides(c)),
    width = c.width, channels = c.channels, skip = c.skip,
    closing = c.closing, background = c.background,
    layer = convolution_of(c, generator) })
end

return M
