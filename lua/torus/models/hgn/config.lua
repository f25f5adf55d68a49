--- The configuration of an HGN. The defaults are the sizes of the paper's appendix A.1.
-- @module torus.models.hgn.config
local initialise = require "torus.nn.initialise"
local integrate = require "torus.integrate"
local options = require "torus.options"
local sizes = require "torus.models.parts.size"
local schemes = require "torus.schemes"
local energy = require "torus.models.parts.energy"
local frames = require "torus.models.parts.frames"
local friction = require "torus.models.parts.friction"

local M = {}

--- The options of torus.models.hgn, as torus.options reads them.
M.rules = {
  variant = { default = "leapfrog", choices = { "leapfrog", "euler", "determ", "no_fpsi" },
    doc = "Row of the paper's Table 1: the full model; Euler integration; z at the mean of "
      .. "its posterior, without a divergence; no f_psi, z being s_0." },

  resolution = { default = 32, type = "integer", min = 8,
    doc = "Height and width of a frame in pixels, a multiple of 8 below 64 and of 16 from "
      .. "there." },
  frame_width = { type = "integer", min = 8,
    doc = "Width of a frame, if it differs from the height: both are multiples of 8, or of "
      .. "16 if the smaller one is 64 or more." },
  channels = { default = 3, type = "integer", min = 1, max = 64,
    doc = "Colour channels of a frame." },
  frames = { default = 31, type = "integer", min = 2, max = 10000,
    doc = "Number of frames of a training sequence." },
  context = { type = "integer", min = 2, max = 10000,
    doc = "Number of consecutive frames that the encoder sees; all of them by default. With "
      .. "fewer, each training step picks a random window and integrates its state forward "
      .. "and backward to cover the sequence." },
  context_start = { default = "random", choices = { "random", "ends" },
    doc = "Where the frames that the encoder sees begin in a training step: at a random "
      .. "frame, or at one of both \"ends\", so that half of the steps are nearly all "
      .. "forward in time and half backward." },
  anchor = { default = 1, type = "integer", min = 1, max = 10000,
    doc = "Which of the encoder's input frames the inferred state belongs to, counting from 1." },
  windows = { default = 1, type = "integer", min = 1, max = 10000,
    doc = "Number of windows of `context` frames, at equal distances, from which the state "
      .. "of a vector phase space is inferred where more frames are given than the encoder "
      .. "sees: the state whose trajectory passes nearest to the states of all windows "
      .. "(torus.models.hgn.windows). 1 is the first window alone." },
  dt = { default = 0.125, type = "number",
    doc = "Time between two frames, positive or negative." },
  background = { type = "table",
    doc = "One number in [0, 1] per channel: the encoder sees a frame's difference from this "
      .. "colour, and the untrained decoder's output starts near it." },
  input_gain = { default = 1, type = "number", above = 0,
    doc = "Factor of a frame's difference from the background as the encoder sees it: a "
      .. "moving disc is a small part of a frame." },

  encoder = { default = "paper", choices = { "paper", "blocks" },
    doc = "The encoder: eight convolutions, as in the paper; or blocks of two convolutions, "
      .. "each followed by a leaky ReLU, the first of a block halving the frame, then a last "
      .. "layer." },
  width = { default = 64, type = "integer", min = 2, max = 4096,
    doc = "Channels of the hidden convolutions; the paper's encoder's first has half." },
  init = { default = "default", choices = initialise.schemes,
    doc = "Initial weights of encoder, f_psi, projection, decoder and the dense layers of an "
      .. "energy (torus.nn.initialise); an energy's convolutions, chart and friction have "
      .. "\"default\"." },
  dtype = { default = "float32", choices = { "float32", "float64" },
    doc = "The dtype of the parameters and of all results." },
  precision = { default = "float32", choices = { "float32", "bfloat16" },
    doc = "Precision of the products in the convolutions of encoder, f_psi and decoder, "
      .. "forward and backward; \"bfloat16\" only with dtype float32. States, energies, "
      .. "losses, parameters and sums stay float32. It is meant for processors with matrix "
      .. "units, see engine/README.md; a processor without bfloat16 products computes in "
      .. "float32." },

  phase = { default = "map", choices = { "map", "vector" },
    doc = "Phase space: q and p are feature maps, as in the paper, or vectors of `dimension` "
      .. "numbers, the system's degrees of freedom. In a phase space of the system's own "
      .. "dimension, a learned orbit can't leave its energy level set in directions that "
      .. "never occurred in training." },
  dimension = { type = "integer", min = 1, max = 256,
    doc = "Dimension of q, and of p, of a vector phase space: the degrees of freedom of the "
      .. "system, plus `static`; by default one degree of freedom." },
  static = { default = 0, type = "integer", min = 0, max = 255,
    doc = "Number of coordinates of q, the last ones of `dimension`, that are constant along "
      .. "every trajectory: quantities that differ between sequences but not in time, such as "
      .. "masses, lengths and colours. The kinetic energy does not depend on their momenta, "
      .. "so that they don't move; the potential energy and the decoder depend on them. "
      .. "Requires kinetic = \"quadratic\"." },

  latent = { default = "map", choices = { "map", "vector" },
    doc = "The latent z: a \"map\" has z channels at every position of the state, as in the "
      .. "paper; a \"vector\" has z numbers in total, to which the encoder's last "
      .. "convolution reduces the map and which f_psi's dense layer expands again. A vector "
      .. "phase space always has a vector." },
  z = { type = "integer", min = 1, max = 65536,
    doc = "Channels or numbers of the latent: 48; of a vector phase space twice its "
      .. "dimension and at least 4; without f_psi the size of the state." },
  posterior_logvar = { default = 0, type = "number",
    doc = "Initial logarithm of the posterior's variance. With as much noise as in the prior "
      .. "(0), the signal of an untrained encoder would be lost." },
  prior = { default = "normal", choices = { "normal", "mixture" },
    doc = "The distribution of z for sampling: z ~ N(0, I), the prior used in training, as "
      .. "in the paper; or, for a vector, a mixture of normal densities fitted to the "
      .. "posteriors of training sequences at the end of the training. If the posteriors "
      .. "leave gaps in the prior, samples from these gaps resemble no training sequence." },

  state = { default = 16, type = "integer", min = 1, max = 4096,
    doc = "Channels of q, and of p; for a vector phase space, channels of the map that the "
      .. "decoder begins with." },

  hamiltonian = { default = "separable", choices = { "separable", "joint" },
    doc = "Hamiltonian: K(p) + V(q), or one network H(q, p)." },
  kinetic = { default = "network", choices = { "network", "quadratic" },
    doc = "Kinetic energy of a separable Hamiltonian in a vector phase space: a network, or "
      .. "|p|^2 / 2. The second fixes the units of p and, if the mass is constant, thereby q up "
      .. "to a rotation and a shift." },
  chart = { default = 0, type = "integer", min = 0, max = 4096,
    doc = "Units of the two hidden layers of the chart, a map from the Hamiltonian's q to "
      .. "the coordinates of the decoder of a vector phase space; 0 for no chart, so that "
      .. "both are the same. A decoder learns coordinates suited to drawing, and these are "
      .. "only approximately the ones in which the motion has a separable Hamiltonian." },
  energy_layers = { type = "integer", min = 1, max = 64,
    doc = "Number of hidden layers of an energy, before its readout: 6 convolutions, or 2 "
      .. "dense layers for a vector phase space." },
  energy_width = { type = "integer", min = 2, max = 8192,
    doc = "Units of a hidden dense layer of an energy: 64 by default; a map has none." },
  energy_activation = { default = "softplus", choices = energy.activations,
    doc = "Activation of the dense layers of an energy; convolutions have softplus." },
  energy_init = { default = "default", choices = energy.inits,
    doc = "Initial weights of an energy (torus.models.parts.energy)." },
  energy_gain = { default = 1, type = "number", above = 0,
    doc = "Factor of an energy's initial weights." },
  friction = { default = "none", choices = friction.choices,
    doc = "Friction of the learned motion, dp/dt = -dH/dq - D dH/dp: none; a learned "
      .. "constant D >= 0; or, for a vector phase space, a learned function D(q) >= 0 given "
      .. "by a network (torus.help \"friction\"). The energy then falls along every rollout "
      .. "forward in time, and rises backward." },
  method = { choices = integrate.methods,
    doc = "Integration scheme; the variant decides when it is not given." },

  projection = { default = "stack", choices = { "stack", "dense" },
    doc = "From a vector phase space to the decoder's map: a dense layer followed by two "
      .. "convolutions, or only the dense layer." },
  constant_channels = { default = 0, type = "integer", min = 0, max = 4096,
    doc = "Learned channels of the decoder's map that are the same for every state." },
  closing = { default = "none", choices = { "none", "sigmoid", "leaky_relu", "tanh" },
    doc = "Decoder: the activation that closes a block; the paper's is a sigmoid." },
  skip = { default = true, type = "boolean",
    doc = "True for residual blocks in the decoder." },
}

local function check_static(c)
  if c.static == 0 then return end
  if c.static >= c.dimension then
    options.raise("hgn: static: expected at most dimension - 1 = %d, so that one coordinate "
      .. "can move, got %d", c.dimension - 1, c.static)
  end
  if c.kinetic ~= "quadratic" or c.hamiltonian ~= "separable" then
    options.raise("hgn: static: expected 0 unless hamiltonian = \"separable\" and kinetic "
      .. "= \"quadratic\", got %d with hamiltonian = %s and kinetic = %s", c.static,
      options.show(c.hamiltonian), options.show(c.kinetic))
  end
end

-- Checks and completes the options that depend on the form of the phase space.
local function complete_phase(c, given)
  local vector = c.phase == "vector"
  c.energy_layers = c.energy_layers or (vector and 2 or 6)
  c.context = c.context or c.frames
  if c.context > c.frames then
    options.raise("hgn: context: expected at most frames = %d, got %d",
      c.frames, c.context)
  end
  if c.anchor > c.context then
    options.raise("hgn: anchor: expected at most context = %d, got %d", c.context,
      c.anchor)
  end
  if vector then
    c.latent, c.dimension = "vector", c.dimension or 1 + c.static
    c.energy_width = c.energy_width or 64
    check_static(c)
    return
  end
  if c.windows > 1 then
    options.raise("hgn: windows: expected 1 where phase is \"map\", got %d",
      c.windows)
  end
  local dense_only = { "dimension", "energy_width" }
  for _, key in ipairs(dense_only) do
    if given[key] ~= nil then
      options.raise("hgn: %s: this option needs phase = \"vector\", but phase is "
        .. "\"map\"", key)
    end
  end
  if c.friction == "network" then
    options.raise("hgn: friction: expected \"none\" or \"constant\" where phase "
      .. "is \"map\", got \"network\"")
  end
  for key, only in pairs { kinetic = "network", static = 0, chart = 0, projection = "stack",
    energy_activation = "softplus" } do
    if c[key] ~= only then
      options.raise("hgn: %s: expected %s where phase is \"map\", got %s", key,
        options.show(only), options.show(c[key]))
    end
  end
end

-- Without f_psi the latent is the state, and takes its shape.
local function complete_latent(c)
  local is_state = c.variant == "no_fpsi"
  if c.phase == "vector" then
    local size = 2 * c.dimension
    c.z = c.z or (is_state and size or math.max(4, size))
    if is_state and c.z ~= size then
      options.raise("hgn: z: without f_psi z is the state itself: expected z "
        .. "= %d (twice dimension), got %d", size, c.z)
    end
    return
  end
  c.z = c.z or (is_state and 2 * c.state or 48)
  if not is_state then return end
  if c.z ~= 2 * c.state then
    options.raise("hgn: z: without f_psi z is the state itself: expected z = "
      .. "%d (twice state), got %d", 2 * c.state, c.z)
  end
  if c.latent == "vector" then
    options.raise("hgn: latent: without f_psi z is the state itself: expected "
      .. "\"map\", got \"vector\"")
  end
end

local function check_prior(c)
  if c.prior == "normal" then return end
  if c.latent ~= "vector" then
    options.raise("hgn: prior: expected \"normal\" where latent is \"map\", got "
      .. "\"mixture\"; latent = \"vector\" has few enough numbers for one")
  end
  if c.variant == "determ" then
    options.raise("hgn: prior: expected \"normal\" where variant is \"determ\", "
      .. "which has no samples, got \"mixture\"")
  end
end

local function complete_method(c)
  c.method = c.method or (c.variant == "euler" and "euler" or "leapfrog")
  if c.hamiltonian == "joint" and not schemes.accepts_joint(schemes.of(c.method))
  then
    options.raise("hgn: method: %s needs a separable Hamiltonian; for a joint "
      .. "one expected one of %s", c.method,
      table.concat(schemes.names(schemes.accepts_joint), ", "))
  end
end

--- Returns a full configuration: checked, with defaults for missing options.
-- @tparam[opt] table config options of `rules`
-- @treturn table a new one
-- @raise for unknown options, for invalid values, and for contradictory combinations
-- @usage
-- config = require "torus.models.hgn.config"
-- print(config.resolve({ variant = "no_fpsi" }).z)   -- 32
function M.resolve(config)
  local c = options.resolve("hgn", config, M.rules)
  frames.check_sides("hgn", frames.sides(c))
  if c.precision == "bfloat16" and c.dtype ~= "float32" then
    options.raise("hgn: precision: expected \"float32\" where dtype is %q, got "
      .. "\"bfloat16\"", c.dtype)
  end
  if c.dt == 0 then
    options.raise("hgn: dt: expected a number other than 0, got 0")
  end
  frames.check_background("hgn", c.background, c.channels)
  complete_phase(c, config or {})
  complete_latent(c)
  check_prior(c)
  complete_method(c)
  -- Encoder, f_psi and decoder, K and V.
  sizes.check("hgn", sizes.stack(c.channels * (c.context or c.frames), c.width, 16,
    c.z + 2 * c.state, 9) + 2 * (c.phase == "vector"
      and sizes.stack(c.dimension, c.energy_width or 64, c.energy_layers or 2, 1)
      or sizes.stack(c.state, 64, c.energy_layers or 6, 1, 9)), c.dtype)
  return c
end

return M
