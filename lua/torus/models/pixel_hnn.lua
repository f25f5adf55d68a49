--- PixelHNN: an HNN on the latent space of an auto-encoder of frame pairs
-- (appendix A.3 of the paper, eqs. (12)-(15)).
--
--     local model = torus.models.pixel_hnn{ latent = 2 }
--     local z = model:encode(pairs)       -- (batch, 2): q, then p
--     local film = model:film(pairs, { steps = 100 })
--
-- A pair is (batch, 2, height, width, channels), two frames in a row; the
-- unit of time is the distance of frames, as eq. (13) makes the momentum the
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
local engine = require "torus.engine"

local M = {}

--- What a configuration may say. kind "mlp" has dense encoder and decoder of
-- four layers; "conv" HGN's, of `conv_width` channels, with a linear layer on
-- either side of the latent vector. `latent` is the size of (q, p) together.
-- `step`: the latent motion that L_HNN compares is "euler", the derivative by
-- finite differences as in the original, or one step of "rk4". Frames are
-- encoded as their difference from `centre`, an image that is not learned but
-- set to the mean of the data, times `input_gain`, and the dense decoder adds
-- it again: without this (set_centre never called, init "default",
-- input_gain 1: the paper's form) the dense auto-encoder stays at a constant
-- image.
-- `background` are the colours, a number in [0, 1] per channel, that the
-- convolutional decoder starts near.
M.rules = {
  kind = { default = "mlp", choices = { "mlp", "conv" } },
  latent = { default = 2, type = "integer", min = 2 },
  resolution = { default = 32, type = "integer", min = 8 },
  channels = { default = 3, type = "integer", min = 1 },
  width = { default = 200, type = "integer", min = 1 },
  conv_width = { default = 64, type = "integer", min = 2 },
  hnn_weight = { default = 0.1, type = "number", min = 0 },
  cc_weight = { default = 1, type = "number", min = 0 },
  step = { default = "euler", choices = { "euler", "rk4" } },
  background = { type = "table" },
  input_gain = { default = 4, type = "number", above = 0 },
  init = { default = "kaiming", choices = initialise.schemes },
  dtype = { default = "float32", choices = { "float32", "float64" } },
}

--- A PixelHNN; torus.models.pixel_hnn makes it.
-- @type PixelHNN
local PixelHNN = Module.class("PixelHNN")

-- Channels of q as HGN's decoder takes them, and of the encoder's last layer.
local STATE, Z = 16, 48

local function register_dense(self, c, o)
  local pixels = 2 * c.resolution * c.resolution * c.channels
  local w = c.width
  self:register("encoder", MLP.new { sizes = { pixels, w, w, w, c.latent },
    activation = "relu", dtype = o.dtype, generator = o.generator,
    init = c.init })
  local decoder = self:register("decoder", MLP.new {
    sizes = { c.latent, w, w, w, pixels }, activation = "relu",
    dtype = o.dtype, generator = o.generator, init = c.init })
  -- The untrained output is the centre, nearly.
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
  frame_checks.check_resolution("pixel_hnn", c.resolution)
  local halvings = frame_checks.halvings(c.resolution)
  self.size = c.resolution >> halvings
  local cells = self.size * self.size
  self:register("encoder", conv_encoder.new(2 * c.channels, Z, {
    resolution = c.resolution, width = c.conv_width,
    layer = options.joined(o, { init = c.init }) }))
  self:register("to_latent", Linear.new(cells * Z, c.latent, o))
  self:register("from_latent", Linear.new(c.latent, cells * STATE, o))
  self:register("decoder", conv_decoder.new(STATE, { blocks = halvings,
    width = c.conv_width, channels = 2 * c.channels, skip = true, closing = "none",
    layer = o, background = c.background and twice(c.background) }))
end

--- A PixelHNN (appendix A.3).
-- @tparam[opt] table config see rules; kind="mlp", latent=2, resolution=32,
-- channels=3, width=200, conv_width=64, hnn_weight=0.1, cc_weight=1,
-- step="euler", background, input_gain=4, init="kaiming" of the auto-encoder,
-- dtype="float32"
-- @tparam[opt] generator generator draws the initial weights
-- @treturn Module
-- @raise when latent is odd, or an option is unknown
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- pairs_ = torus.rand(4, 2, 16, 16, 3)
-- z = model:encode(pairs_)   -- (4, 2)
function M.new(config, generator)
  local c = options.resolve("pixel_hnn", config, M.rules)
  if c.latent % 2 ~= 0 then
    options.raise("pixel_hnn: expected an even latent size, half of it q and "
      .. "half p, got %d", c.latent)
  end
  frame_checks.check_background("pixel_hnn", c.background, c.channels)
  local self = Module.instance(PixelHNN, { config = c, frame_time = 1 })
  self:register("centre", engine.zeros({ 1, 2, c.resolution, c.resolution,
    c.channels }, { dtype = c.dtype, requires_grad = true }))
  local o = { dtype = c.dtype, generator = generator }
  if c.kind == "mlp" then register_dense(self, c, o)
  else register_conv(self, c, o) end
  self:register("energy_net", MLP.new {
    sizes = { c.latent, c.width, c.width, 1 }, activation = "tanh",
    scalar = true, dtype = c.dtype, generator = generator })
  self.hamiltonian = hamiltonian.joint(self.energy_net)
  return self
end

local function check_frames(self, frames, count)
  local c = self.config
  options.tensor("pixel_hnn", "frames", frames,
    { "batch", count, c.resolution, c.resolution, c.channels })
end

local function check_latent(self, z)
  options.tensor("pixel_hnn", "z", z, { "batch", self.config.latent })
end

--- Sets the image that frames are encoded relative to.
-- @tparam tensor pairs (n, 2, height, width, channels), whose mean it becomes
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- pairs_ = torus.rand(4, 2, 16, 16, 3)
-- model:set_centre(pairs_)
function PixelHNN:set_centre(pairs)
  check_frames(self, pairs, 2)
  engine.no_grad(function()
    self.centre:copy_(pairs:to(self.config.dtype):mean(1, true))
  end)
end

--- The latent state of pairs of frames.
-- @tparam tensor pairs (batch, 2, height, width, channels)
-- @treturn tensor (batch, latent), the first half q, the other p
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- pairs_ = torus.rand(4, 2, 16, 16, 3)
-- print(table.unpack(model:encode(pairs_).shape))   -- 4  2
function PixelHNN:encode(pairs)
  check_frames(self, pairs, 2)
  local batch = pairs:size(1)
  pairs = (pairs - self.centre:detach()) * self.config.input_gain
  if self.config.kind == "mlp" then
    return self.encoder(pairs:reshape(batch, -1))
  end
  local c = self.config
  local stacked = pairs:permute { 1, 3, 4, 2, 5 }:reshape(batch, c.resolution,
    c.resolution, 2 * c.channels)
  return self.to_latent(self.encoder(stacked):reshape(batch, -1))
end

--- Pairs of frames from latent states.
-- @tparam tensor z (batch, latent)
-- @treturn tensor (batch, 2, height, width, channels)
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- pairs_ = torus.rand(4, 2, 16, 16, 3)
-- print(table.unpack(model:decode(torus.zeros(4, 2)).shape))   -- 4  2  16  16  3
function PixelHNN:decode(z)
  check_latent(self, z)
  local c, batch = self.config, z:size(1)
  local side = c.resolution
  if c.kind == "mlp" then
    return self.decoder(z):reshape(batch, 2, side, side, c.channels)
      + self.centre:detach()
  end
  local maps = self.from_latent(z):reshape(batch, self.size, self.size, STATE)
  return self.decoder(maps):reshape(batch, side, side, 2, c.channels)
    :permute { 1, 4, 2, 3, 5 }
end

--- The positions and momenta of latent states.
-- @tparam tensor z (batch, latent)
-- @treturn tensor q (batch, latent / 2)
-- @treturn tensor p (batch, latent / 2)
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- pairs_ = torus.rand(4, 2, 16, 16, 3)
-- q, p = model:split(model:encode(pairs_))   -- (4, 1) each
function PixelHNN:split(z)
  check_latent(self, z)
  local half = self.config.latent // 2
  return z:narrow(2, 1, half), z:narrow(2, half + 1, half)
end

-- Where the HNN takes a latent state in one frame's time.
local function advanced(self, z)
  local q, p = self:split(z)
  if self.config.step == "rk4" then
    local way = integrate { H = self.hamiltonian, q = q, p = p, dt = 1,
      steps = 1, method = "rk4" }
    return engine.cat({ way.q[2], way.p[2] }, 2)
  end
  local dq, dp = field.motion(self.hamiltonian, q, p)
  return z + engine.cat({ dq, dp }, 2)
end

--- The losses on three frames in a row; every one is a mean over the batch
-- and over numbers.
-- @tparam tensor frames (batch, 3, height, width, channels)
-- @treturn table autoencoder, eq. (14) for both pairs; canonical, eq. (13);
-- hnn, eq. (12) with finite differences; total, eq. (15) without the weight
-- decay, which is the optimiser's
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- pairs_ = torus.rand(4, 2, 16, 16, 3)
-- losses = model:losses(torus.rand(4, 3, 16, 16, 3))
-- losses.total:backward()
function PixelHNN:losses(frames)
  check_frames(self, frames, 3)
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

--- The latent motion, by Runge-Kutta 4.
-- @tparam tensor z (batch, latent)
-- @tparam[opt] table opts steps=30, one for each frame; substeps=2 in each;
-- dt=1 frame, of either sign
-- @treturn table q and p (steps + 1, batch, latent / 2)
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- pairs_ = torus.rand(4, 2, 16, 16, 3)
-- trajectory = model:rollout(model:encode(pairs_), { steps = 5 })
-- print(table.unpack(trajectory.q.shape))   -- 6  4  1
function PixelHNN:rollout(z, opts)
  local o = options.resolve("pixel_hnn:rollout", opts, ROLLOUT)
  local q, p = self:split(z)
  local way = integrate { H = self.hamiltonian, q = q, p = p,
    dt = o.dt / o.substeps, steps = o.steps * o.substeps, method = "rk4" }
  if o.substeps == 1 then return way end
  local places = engine.arange(1, o.steps * o.substeps + 1, o.substeps,
    { dtype = "int64" })
  return { q = way.q:index_select(1, places),
    p = way.p:index_select(1, places) }
end

-- The states of a rollout as latent vectors, (steps + 1, batch, latent).
local function latents(self, way)
  if type(way) ~= "table" then
    options.raise("pixel_hnn: expected a rollout {q=, p=}, got %s",
      options.show(way))
  end
  local shape = { "steps + 1", "batch", self.config.latent // 2 }
  options.tensor("pixel_hnn", "q", way.q, shape)
  options.tensor("pixel_hnn", "p", way.p, shape)
  return engine.cat({ way.q, way.p }, 3)
end

--- On from the last state of a rollout.
-- @tparam table way a rollout
-- @tparam[opt] table opts as of rollout
-- @treturn table the next one, which starts where `way` ends
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- pairs_ = torus.rand(4, 2, 16, 16, 3)
-- trajectory = model:rollout(model:encode(pairs_), { steps = 5 })
-- back = model:continue(trajectory, { steps = 5, dt = -1 })
function PixelHNN:continue(way, opts)
  return self:rollout(latents(self, way)[-1], opts)
end

--- The images along a rollout, the first frame of every decoded pair; nothing
-- is recorded.
-- @tparam table way a rollout
-- @treturn tensor (batch, steps + 1, height, width, channels)
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- pairs_ = torus.rand(4, 2, 16, 16, 3)
-- trajectory = model:rollout(model:encode(pairs_), { steps = 5 })
-- print(table.unpack(model:images(trajectory).shape))   -- 4  6  16  16  3
function PixelHNN:images(way)
  return engine.no_grad(function()
    local z, frames = latents(self, way), {}
    for t = 1, z:size(1) do frames[t] = self:decode(z[t]):select(2, 1) end
    return engine.stack(frames, 2)
  end)
end

--- The frames that follow a pair, the pair's first one included.
-- @tparam tensor pairs (batch, 2, height, width, channels)
-- @tparam[opt] table opts as of rollout
-- @treturn tensor (batch, steps + 1, height, width, channels)
-- @treturn table the rollout
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- pairs_ = torus.rand(4, 2, 16, 16, 3)
-- film = model:film(pairs_, { steps = 5 })   -- (4, 6, 16, 16, 3)
function PixelHNN:film(pairs, opts)
  return engine.no_grad(function()
    local way = self:rollout(self:encode(pairs), opts)
    return self:images(way), way
  end)
end

-- Their values are for rollout to check.
local FILM = { steps = {}, dt = {}, substeps = {} }

--- Sequences as the model sees them, which looks at their first pair alone.
-- @tparam tensor frames (batch, frames, height, width, channels), two or more
-- @tparam[opt] table opts as of rollout; as many steps as there are by default
-- @treturn tensor (batch, steps + 1, height, width, channels)
-- @treturn table the rollout
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- pairs_ = torus.rand(4, 2, 16, 16, 3)
-- frames, trajectory = model:reconstruct(torus.rand(4, 6, 16, 16, 3))
function PixelHNN:reconstruct(frames, opts)
  local o = options.resolve("pixel_hnn:reconstruct", opts, FILM)
  check_frames(self, frames, "frames")
  return self:film(frames:narrow(2, 1, 2), { dt = o.dt,
    steps = o.steps or frames:size(2) - 1, substeps = o.substeps })
end

--- The learned energy of latent states.
-- @tparam tensor z (batch, latent)
-- @treturn tensor (batch)
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- pairs_ = torus.rand(4, 2, 16, 16, 3)
-- print(table.unpack(model:energy(model:encode(pairs_)).shape))   -- 4
function PixelHNN:energy(z)
  check_latent(self, z)
  return self.energy_net(z)
end

--- The energy along a rollout.
-- @tparam table way a rollout
-- @treturn tensor (steps + 1, batch)
-- @usage
-- model = torus.models.pixel_hnn{ width = 16, resolution = 16 }
-- pairs_ = torus.rand(4, 2, 16, 16, 3)
-- trajectory = model:rollout(model:encode(pairs_), { steps = 5 })
-- print(table.unpack(model:energies(trajectory).shape))   -- 6  4
function PixelHNN:energies(way)
  local z = latents(self, way)
  return self:energy(z:reshape(-1, z:size(3))):reshape(z:size(1), z:size(2))
end

function PixelHNN:describe()
  local c = self.config
  return string.format("PixelHNN(%s, %dx%d, latent %d)", c.kind, c.resolution,
    c.resolution, c.latent)
end

return setmetatable(M, { __call = function(_, config, generator)
  return M.new(config, generator)
end })
