--- PixelHNN: an HNN on the latent space of an auto-encoder of frame pairs
-- (appendix A.3 of the paper, eqs. (12)-(15)).
--
--     local model = torus.models.pixel_hnn{ latent = 2 }
--     local z = model:encode(pairs)       -- (batch, 2): q, then p
--     local film = model:film(pairs, { steps = 100 })
--
-- A pair is (batch, 2, height, width, channels), two consecutive frames; the
-- unit of time is the time between frames, as eq. (13) makes the momentum the
-- change of position from frame to frame.
-- @module torus.models.pixel_hnn
local Linear = require "torus.nn.linear"
local MLP = require "torus.nn.mlp"
local Module = require "torus.nn.module"
local conv_decoder = require "torus.models.parts.decoder"
local conv_encoder = require "torus.models.parts.encoder"
local field = require "torus.models.parts.field"
local frame_checks = require "torus.models.parts.frames"
local hamiltonian = require "torus.hamiltonian"
local initialise = require "torus.nn.initialise"
local integrate = require "torus.integrate"
local options = require "torus.options"
local sides = frame_checks.sides
local signature = require "torus.signature"
local states = require "torus.models.parts.states"
local size = require "torus.models.parts.size"
local engine = require "torus.engine"

local M = {}

--- The options of a configuration, in the form that torus.options reads.
--
-- Frames are encoded as their difference from `centre`, an image that is not
-- learned but set to the mean of the data, and the dense decoder adds it again.
-- In the paper's form (set_centre never called, init "default", input_gain 1), the
-- dense auto-encoder gets stuck at a constant image.
M.rules = {
  kind = { default = "mlp", choices = { "mlp", "conv" },
    doc = "Encoder and decoder: \"mlp\", dense ones of four layers, or \"conv\", those of "
      .. "HGN with a linear layer on either side of the latent vector." },
  latent = { default = 2, type = "integer", min = 2, max = 4096,
    doc = "Total number of coordinates of q and p, even." },
  resolution = { default = 32, type = "integer", min = 8,
    doc = "Height and width of a frame in pixels; \"conv\" needs a multiple of 8 below 64 "
      .. "and of 16 from there." },
  frame_width = { type = "integer", min = 8,
    doc = "Width of a frame, if it differs from the height." },
  channels = { default = 3, type = "integer", min = 1, max = 64,
    doc = "Colour channels of a frame." },
  width = { default = 200, type = "integer", min = 1, max = 16384,
    doc = "Units of the dense hidden layers, including those of the energy." },
  conv_width = { default = 64, type = "integer", min = 2, max = 4096,
    doc = "Channels of the hidden convolutions." },
  hnn_weight = { default = 0.1, type = "number", min = 0,
    doc = "Weight of L_HNN, eq. (12), in eq. (15)." },
  cc_weight = { default = 1, type = "number", min = 0,
    doc = "Weight of L_CC, eq. (13), in eq. (15)." },
  step = { default = "euler", choices = { "euler", "rk4" },
    doc = "The latent motion that L_HNN compares: \"euler\", finite differences as in the "
      .. "original, or one step of \"rk4\"." },
  background = { type = "table",
    doc = "One number in [0, 1] per channel: the colour that the untrained convolutional "
      .. "decoder's output starts near." },
  input_gain = { default = 4, type = "number", above = 0,
    doc = "Factor of a frame's difference from the centre." },
  init = { default = "kaiming", choices = initialise.schemes,
    doc = "Initial weights of encoder and decoder (torus.nn.initialise)." },
  dtype = { default = "float32", choices = { "float32", "float64" },
    doc = "The dtype of the parameters and of all results." },
}

--- A PixelHNN; torus.models.pixel_hnn makes it.
-- @type PixelHNN
local PixelHNN = Module.class("PixelHNN")

-- Channels that the convolutional decoder accepts and the encoder returns, those
-- of HGN's q and z.
local STATE, Z = 16, 48

local function register_dense(self, c, o)
  local height, width = sides(c)
  local pixels = 2 * height * width * c.channels
  local w = c.width
  self:register("encoder", MLP.new { sizes = { pixels, w, w, w, c.latent },
    activation = "relu", dtype = o.dtype, generator = o.generator,
    init = c.init })
  local decoder = self:register("decoder", MLP.new {
    sizes = { c.latent, w, w, w, pixels }, activation = "relu",
    dtype = o.dtype, generator = o.generator, init = c.init })
  -- The untrained output is close to the centre.
  if c.init == "kaiming" then
    engine.no_grad(function() decoder[4].weight:mul_(0.1) end)
  end
end

local function twice(list)
  local n, both = #list, {}
  for i = 1, 2 * n do both[i] = list[(i - 1) % n + 1] end
  return both
end

local function register_conv(self, c, o)
  local height, width = sides(c)
  frame_checks.check_sides("pixel_hnn", height, width)
  local halvings = frame_checks.halvings(height, width)
  self.size = { height >> halvings, width >> halvings }
  local cells = self.size[1] * self.size[2]
  self:register("encoder", conv_encoder.new(2 * c.channels, Z, {
    resolution = math.min(height, width), width = c.conv_width,
    layer = options.joined(o, { init = c.init }) }))
  self:register("to_latent", Linear.new(cells * Z, c.latent, o))
  self:register("from_latent", Linear.new(c.latent, cells * STATE, o))
  self:register("decoder", conv_decoder.new(STATE, { blocks = halvings,
    width = c.conv_width, channels = 2 * c.channels, skip = true, closing = "none",
    layer = o, background = c.background and twice(c.background) }))
end

--- Makes a PixelHNN (appendix A.3).
-- @tparam[opt] table config
-- @tparam[opt="mlp"] string config.kind of encoder and decoder, "mlp" or "conv"
-- @tparam[opt=2] integer config.latent total number of coordinates of q and p
-- @tparam[opt=32] integer config.resolution height and width of a frame
-- @tparam[opt] integer config.frame_width width of a frame, if it differs from the height
-- @tparam[opt=3] integer config.channels of a frame
-- @tparam[opt=200] integer config.width units of the dense hidden layers
-- @tparam[opt=64] integer config.conv_width channels of the hidden convolutions
-- @tparam[opt=0.1] number config.hnn_weight of L_HNN, eq. (12)
-- @tparam[opt=1] number config.cc_weight of L_CC, eq. (13)
-- @tparam[opt="euler"] string config.step or "rk4": the motion in L_HNN
-- @tparam[opt] {number,...} config.background colour that the untrained
-- convolutional decoder's output starts near
-- @tparam[opt=4] number config.input_gain factor of a frame's difference from
-- the centre
-- @tparam[opt="kaiming"] string config.init of encoder and decoder, or "default"
-- @tparam[opt="float32"] string config.dtype or "float64"
-- @tparam[opt] generator generator source of the initial weights
-- @treturn Module
-- @raise when latent is odd, or an option is unknown
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- frames = torus.rand(4, 2, 16, 16, 3)
-- z = model:encode(frames)   -- (4, 2)
function M.new(config, generator)
  local c = options.resolve("pixel_hnn", config, M.rules)
  local height, width = sides(c)
  local pixels = height * width * 2 * c.channels
  size.check("pixel_hnn", c.kind == "conv"
    and 2 * size.stack(2 * c.channels, c.conv_width, 8, 64, 9)
    or 2 * size.stack(pixels, c.width, 3, c.latent), c.dtype)
  if c.latent % 2 ~= 0 then
    options.raise("pixel_hnn: latent: expected an even number, half for q and half "
      .. "for p, got %d", c.latent)
  end
  frame_checks.check_background("pixel_hnn", c.background, c.channels)
  local self = Module.instance(PixelHNN, { config = c, frame_time = 1 })
  self:register("centre", engine.zeros({ 1, 2, height, width, c.channels },
    { dtype = c.dtype, requires_grad = true }))
  local o = { dtype = c.dtype, generator = generator }
  if c.kind == "mlp" then register_dense(self, c, o)
  else register_conv(self, c, o) end
  self:register("energy_net", MLP.new {
    sizes = { c.latent, c.width, c.width, 1 }, activation = "tanh",
    scalar = true, dtype = c.dtype, generator = generator })
  self.hamiltonian = hamiltonian.joint(self.energy_net)
  return self
end

local function check_frames(self, method, name, frames, count)
  local height, width = sides(self.config)
  options.tensor("pixel_hnn:" .. method, name, frames,
    { "batch", count, height, width, self.config.channels },
    method ~= "set_centre" and self.config.dtype or nil) -- it converts them
end

local function check_latent(self, method, z)
  options.tensor("pixel_hnn:" .. method, "z", z, { "batch", self.config.latent },
    self.config.dtype)
end

-- Raises unless q and p are states of this model; torus.integrate and torus.rk45 call it.
function PixelHNN:_expect_state(where, q, p)
  states.check(where .. ": pixel_hnn", self.config.dtype, { "batch", self.config.latent // 2 },
    { "q", "p" }, q, p)
end

--- Sets the image that frames are encoded relative to, to the mean of some frames.
-- @tparam tensor pairs (n, 2, height, width, channels)
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- frames = torus.rand(4, 2, 16, 16, 3)
-- model:set_centre(frames)
function PixelHNN:set_centre(pairs)
  check_frames(self, "set_centre", "pairs", pairs, 2)
  engine.no_grad(function()
    self.centre:copy_(pairs:to(self.config.dtype):mean(1, true))
  end)
end

--- Encodes pairs of frames as latent states.
-- @tparam tensor pairs (batch, 2, height, width, channels)
-- @treturn tensor (batch, latent), the first half q, the other p
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- frames = torus.rand(4, 2, 16, 16, 3)
-- print(table.unpack(model:encode(frames).shape))   -- 4  2
function PixelHNN:encode(pairs)
  check_frames(self, "encode", "pairs", pairs, 2)
  local height, width = sides(self.config)
  local batch, channels = pairs:size(1), 2 * self.config.channels
  pairs = (pairs - self.centre:detach()) * self.config.input_gain
  if self.config.kind == "mlp" then
    return self.encoder(pairs:reshape(batch, height * width * channels))
  end
  local stacked = pairs:permute { 1, 3, 4, 2, 5 }:reshape(batch, height, width, channels)
  return self.to_latent(self.encoder(stacked)
    :reshape(batch, self.size[1] * self.size[2] * Z))
end

--- Decodes pairs of frames from latent states.
-- @tparam tensor z (batch, latent)
-- @treturn tensor (batch, 2, height, width, channels)
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- print(table.unpack(model:decode(torus.zeros(4, 2)).shape))   -- 4  2  16  16  3
function PixelHNN:decode(z)
  check_latent(self, "decode", z)
  local c, batch = self.config, z:size(1)
  local height, width = sides(c)
  if c.kind == "mlp" then
    return self.decoder(z):reshape(batch, 2, height, width, c.channels)
      + self.centre:detach()
  end
  local maps = self.from_latent(z):reshape(batch, self.size[1], self.size[2], STATE)
  return self.decoder(maps):reshape(batch, height, width, 2, c.channels)
    :permute { 1, 4, 2, 3, 5 }
end

--- Splits latent states into positions and momenta.
-- @tparam tensor z (batch, latent)
-- @treturn tensor q (batch, latent / 2)
-- @treturn tensor p (batch, latent / 2)
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- frames = torus.rand(4, 2, 16, 16, 3)
-- q, p = model:split(model:encode(frames))   -- (4, 1) each
function PixelHNN:split(z)
  check_latent(self, "split", z)
  local half = self.config.latent // 2
  return z:narrow(2, 1, half), z:narrow(2, half + 1, half)
end

-- Checks a batch of sequences, whose state the first two frames determine.
local function check_sequence(self, method, frames)
  check_frames(self, method, "frames", frames, "frames")
  if frames:size(2) < 2 then
    options.raise("pixel_hnn:%s: frames: expected at least two frames, got %d", method,
      frames:size(2))
  end
end

--- Infers the latent states of sequences from their first pairs of frames.
-- @tparam tensor frames (batch, frames, height, width, channels), two or more
-- @treturn tensor q (batch, latent / 2)
-- @treturn tensor p (batch, latent / 2)
-- @usage
-- local torus = require "torus"
-- local model = torus.models.pixel_hnn { latent = 4 }
-- local q, p = model:infer(torus.rand(3, 31, 32, 32, 3))
-- print(table.unpack(q.shape))   -- 3 2, like p
function PixelHNN:infer(frames)
  check_sequence(self, "infer", frames)
  return self:split(self:encode(frames:narrow(2, 1, 2)))
end

-- The latent state that the HNN predicts for the next frame.
local function advanced(self, z)
  local q, p = self:split(z)
  if self.config.step == "rk4" then
    local trajectory = integrate { H = self.hamiltonian, q = q, p = p, dt = 1,
      steps = 1, method = "rk4" }
    return engine.cat({ trajectory.q[2], trajectory.p[2] }, 2)
  end
  local dq, dp = field.motion(self.hamiltonian, q, p)
  return z + engine.cat({ dq, dp }, 2)
end

--- Computes the losses on three consecutive frames, each a mean over the batch and over
-- the elements of a sample.
-- @tparam tensor frames (batch, 3, height, width, channels)
-- @treturn table autoencoder, eq. (14) for both pairs; canonical, eq. (13);
-- hnn, eq. (12) with finite differences; total, eq. (15) without the weight
-- decay, which is the optimiser's
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- losses = model:losses(torus.rand(4, 3, 16, 16, 3))
-- losses.total:backward()
function PixelHNN:losses(frames)
  check_frames(self, "losses", "frames", frames, 3)
  local batch = frames:size(1)
  local first, second = frames:narrow(2, 1, 2), frames:narrow(2, 2, 2)
  local both = engine.cat({ first, second }, 1)
  local z = self:encode(both)
  local now, next_ = z:narrow(1, 1, batch), z:narrow(1, batch + 1, batch)
  local losses = { autoencoder = (self:decode(z) - both):square():mean() }
  local q, p = self:split(now)
  local next_q = self:split(next_)
  losses.canonical = (p - (next_q - q)):square():mean()
  losses.hnn = (next_ - advanced(self, now)):square():mean()
  losses.total = losses.autoencoder
    + losses.canonical * self.config.cc_weight
    + losses.hnn * self.config.hnn_weight
  return losses
end

local ROLLOUT = {
  steps = { default = 30, type = "integer", min = 0 },
  substeps = { default = 2, type = "integer", min = 1 },
  dt = { default = 1, type = "number" },
}

--- Integrates the latent motion by Runge-Kutta 4.
-- @tparam tensor z (batch, latent)
-- @tparam[opt] table opts
-- @tparam[opt=30] integer opts.steps number of states after the first
-- @tparam[opt=2] integer opts.substeps Runge-Kutta steps from one state to the
-- next
-- @tparam[opt=1] number opts.dt time between states in frames, of either sign
-- @treturn table trajectory: q and p (steps + 1, batch, latent / 2)
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- frames = torus.rand(4, 2, 16, 16, 3)
-- trajectory = model:rollout(model:encode(frames), { steps = 5 })
-- print(table.unpack(trajectory.q.shape))   -- 6  4  1
function PixelHNN:rollout(z, opts)
  local o = options.resolve("pixel_hnn:rollout", opts, ROLLOUT)
  check_latent(self, "rollout", z)
  local q, p = self:split(z)
  return integrate { H = self.hamiltonian, q = q, p = p, dt = o.dt / o.substeps,
    steps = o.steps * o.substeps, every = o.substeps, method = "rk4" }
end

-- The states of a trajectory as latent vectors, (steps + 1, batch, latent).
local function latents(self, method, trajectory)
  if type(trajectory) ~= "table" then
    options.raise("pixel_hnn:%s: expected a trajectory {q=, p=}, got %s", method,
      options.show(trajectory))
  end
  states.check("pixel_hnn:" .. method, self.config.dtype,
    { "steps + 1", "batch", self.config.latent // 2 }, { "q", "p" }, trajectory.q, trajectory.p)
  return engine.cat({ trajectory.q, trajectory.p }, 3)
end

--- Continues the motion from the last state of a trajectory.
-- @tparam table trajectory as returned by rollout
-- @tparam[opt] table opts as in rollout
-- @treturn table a trajectory whose first state is the last state of the given one
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- frames = torus.rand(4, 2, 16, 16, 3)
-- trajectory = model:rollout(model:encode(frames), { steps = 5 })
-- back = model:continue(trajectory, { steps = 5, dt = -1 })
function PixelHNN:continue(trajectory, opts)
  return self:rollout(latents(self, "continue", trajectory)[-1], opts)
end

--- Decodes the images along a trajectory, the first frame of every decoded pair; no
-- gradient is recorded.
-- @tparam table trajectory as returned by rollout
-- @treturn tensor (batch, steps + 1, height, width, channels)
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- frames = torus.rand(4, 2, 16, 16, 3)
-- trajectory = model:rollout(model:encode(frames), { steps = 5 })
-- print(table.unpack(model:images(trajectory).shape))   -- 4  6  16  16  3
function PixelHNN:images(trajectory)
  return engine.no_grad(function()
    local z, frames = latents(self, "images", trajectory), {}
    for t = 1, z:size(1) do frames[t] = self:decode(z[t]):select(2, 1) end
    return engine.stack(frames, 2)
  end)
end

--- Predicts a film from pairs of frames, beginning with the first frame of each; no
-- gradient is recorded.
-- @tparam tensor pairs (batch, 2, height, width, channels)
-- @tparam[opt] table opts as in rollout
-- @treturn tensor (batch, steps + 1, height, width, channels)
-- @treturn table trajectory
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- frames = torus.rand(4, 2, 16, 16, 3)
-- film = model:film(frames, { steps = 5 })   -- (4, 6, 16, 16, 3)
function PixelHNN:film(pairs, opts)
  check_frames(self, "film", "pairs", pairs, 2)
  return engine.no_grad(function()
    local trajectory = self:rollout(self:encode(pairs), opts)
    return self:images(trajectory), trajectory
  end)
end

-- rollout checks the values.
local FILM = { steps = {}, dt = {}, substeps = {} }

--- Predicts sequences from their first two frames; no gradient is recorded.
-- @tparam tensor frames (batch, frames, height, width, channels), two or more
-- @tparam[opt] table opts as in rollout; steps is frames - 1 by default
-- @treturn tensor (batch, steps + 1, height, width, channels)
-- @treturn table trajectory
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- frames, trajectory = model:reconstruct(torus.rand(4, 6, 16, 16, 3))
function PixelHNN:reconstruct(frames, opts)
  local o = options.resolve("pixel_hnn:reconstruct", opts, FILM)
  check_sequence(self, "reconstruct", frames)
  return self:film(frames:narrow(2, 1, 2), { dt = o.dt,
    steps = o.steps or frames:size(2) - 1, substeps = o.substeps })
end

--- Returns the learned energy of latent states.
-- @tparam tensor z (batch, latent)
-- @treturn tensor (batch)
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- frames = torus.rand(4, 2, 16, 16, 3)
-- print(table.unpack(model:energy(model:encode(frames)).shape))   -- 4
function PixelHNN:energy(z)
  check_latent(self, "energy", z)
  return self.energy_net(z)
end

--- Returns the energy along a trajectory.
-- @tparam table trajectory as returned by rollout
-- @treturn tensor (steps + 1, batch)
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- frames = torus.rand(4, 2, 16, 16, 3)
-- trajectory = model:rollout(model:encode(frames), { steps = 5 })
-- print(table.unpack(model:energies(trajectory).shape))   -- 6  4
function PixelHNN:energies(trajectory)
  local z = latents(self, "energies", trajectory)
  return self:energy(z:reshape(-1, z:size(3))):reshape(z:size(1), z:size(2))
end

function PixelHNN:describe()
  local c = self.config
  local height, width = sides(c)
  return string.format("PixelHNN(%s, %dx%d, latent %d)", c.kind, height, width,
    c.latent)
end

signature.methods("PixelHNN", PixelHNN, {})

return setmetatable(M, { __call = function(_, config, generator)
  return M.new(config, generator)
end })
