--- The Hamiltonian Generative Network (section 3.2 and appendix A.1 of the
-- paper): a variational auto-encoder of image sequences whose latent state
-- moves by a learned Hamiltonian.
--
--     local model = torus.models.hgn{ width = 32 }
--     local q, p = model:infer(frames)          -- (batch, size, size, state)
--     local trajectory = model:rollout(q, p, { dt = -0.125 })
--     local images = model:decode(trajectory.q) -- (31, batch, 32, 32, 3)
--
-- Frames are (batch, frames, height, width, channels) in [0, 1]. A trajectory
-- is a table of q and p with time first, (steps + 1, batch, size, size, state),
-- as returned by torus.integrate; size is 4 for frames of 32x32 and 64x64; for frames
-- of 32x48 a state is (batch, 4, 6, state). With phase = "vector", a state is a vector:
-- (batch, dimension) instead of (batch, size, size, state) in the following.
--
-- The networks are in torus.models.hgn.networks, the options in
-- torus.models.hgn.config, the training objective in
-- torus.models.hgn.objective.
-- @module torus.models.hgn
local Module = require "torus.nn.module"
local chunks = require "torus.models.parts.chunks"
local checks = require "torus.models.hgn.checks"
local configuration = require "torus.models.hgn.config"
local coordinates = require "torus.models.hgn.coordinates"
local engine = require "torus.engine"
local friction = require "torus.models.parts.friction"
local inspect = require "torus.models.hgn.inspect"
local integrate = require "torus.integrate"
local mixture = require "torus.models.parts.mixture"
local networks = require "torus.models.hgn.networks"
local objective = require "torus.models.hgn.objective"
local refine = require "torus.models.hgn.refine"
local options = require "torus.options"
local sides = require("torus.models.parts.frames").sides
local signature = require "torus.signature"
local states = require "torus.models.parts.states"
local windows = require "torus.models.hgn.windows"

local M = {}

--- A Hamiltonian Generative Network; torus.models.hgn makes it.
-- @type HGN
local HGN = Module.class("HGN")

local COUNT = { type = "integer", min = 1 }

--- The options of a configuration, in the form that torus.options reads; `doc` explains each.
M.rules = configuration.rules

--- Makes a model with random weights. `torus.models.hgn(config, generator)` does the same.
-- @tparam[opt] table config options of torus.models.hgn.config; the defaults
-- are the paper's
-- @tparam[opt] generator generator source of the initial weights; the global generator by
-- default
-- @treturn Module an HGN, whose `config` is the full configuration
-- @raise for unknown options and for inconsistent values
-- @usage
-- model = torus.models.hgn.new({ width = 8, frames = 5 },
--   torus.generator(1))
-- print(model, model.config.dt)
function M.new(config, generator)
  local c = configuration.resolve(config)
  local self = Module.instance(HGN, { config = c })
  self.steps, self.frame_time = c.frames - 1, c.dt
  self.background = c.background
    and engine.tensor(c.background, { dtype = c.dtype })
  self.size = networks.map_size(c)
  self:register("encoder", networks.encoder(c, generator))
  local f_psi = networks.state(c, generator)
  if f_psi then self:register("f_psi", f_psi) end
  local energies
  self.hamiltonian, energies = networks.hamiltonian(c, generator)
  for _, entry in ipairs(energies) do self:register(entry[1], entry[2]) end
  local damping = friction.new(c.friction, c.dimension,
    { dtype = c.dtype, generator = generator })
  if damping then self:register("friction", damping) end
  for _, name in ipairs { "chart", "projection" } do
    local net = networks[name](c, generator)
    if net then self:register(name, net) end
  end
  local constants = networks.constants(c)
  if constants then self:register("constants", constants) end
  self:register("decoder", networks.decoder(c, generator))
  if c.prior == "mixture" then
    self:register("prior", mixture.new { dimension = c.z, dtype = c.dtype })
  end
  windows.register(self)
  return self
end

function HGN:convert_rest(dtype)
  Module.convert_rest(self, dtype)
  self.background = self.background and self.background:to(dtype)
end

-- --- from frames to a state -------------------------------------------------

--- Returns the posterior q(z | x_a..x_b), a diagonal normal density. z determines the
-- state at frame `anchor` of these, by default the first.
-- @tparam tensor frames (batch, context, height, width, channels); the context
-- is all frames of a sequence by default
-- @treturn tensor mean (batch, size, size, z); for a latent vector
-- (batch, 1, 1, z)
-- @treturn tensor logarithm of the variance, the same shape
-- @raise for frames whose shape differs from the configuration
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4, z = 6 }
-- mean, logvar = model:encode(torus.rand(2, 4, 32, 32, 3))
-- print(table.unpack(mean.shape))   -- 2 4 4 6, like logvar
function HGN:encode(frames)
  checks.frames(self, "encode", frames, self.config.context)
  local c = self.config
  if self.background then frames = frames - self.background end
  if c.input_gain ~= 1 then frames = frames * c.input_gain end
  local stacked = frames:permute { 1, 3, 4, 2, 5 }
    :reshape(frames:size(1), frames:size(3), frames:size(4), frames:size(2) * frames:size(5))
  local out = self.encoder(stacked)
  return out:narrow(-1, 1, c.z), out:narrow(-1, c.z + 1, c.z)
end

--- Returns the initial state s_0 = f_psi(z), split into position and momentum.
-- @tparam tensor z like the mean that encode returns
-- @treturn tensor q (batch, size, size, state)
-- @treturn tensor p, the same shape
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4, z = 6 }
-- q, p = model:state_of(torus.randn(2, 4, 4, 6))
-- print(table.unpack(q.shape))   -- 2 4 4 16, like p
function HGN:state_of(z)
  checks.latents(self, "state_of", "z", z)
  local vector = self.config.phase == "vector"
  if vector then z = z:reshape(z:size(1), self.config.z) end
  local s = self.f_psi and self.f_psi(z) or z
  local n = vector and self.config.dimension or self.config.state
  return s:narrow(-1, 1, n), s:narrow(-1, n + 1, n)
end

--- Returns the shape of the latents z of sequences.
-- @tparam integer count number of sequences
-- @treturn {integer,...} count, size, size, z; for a latent vector count, 1, 1, z
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4, z = 6 }
-- print(table.concat(model:latent_shape(2), " "))   -- 2 4 4 6
function HGN:latent_shape(count)
  local c = self.config
  local h, w = table.unpack(c.latent == "vector" and { 1, 1 } or self.size)
  return { count, h, w, c.z }
end

-- The state at frame `anchor` of those that the encoder sees.
local function anchor_state(self, method, frames, first)
  first = options.argument("hgn:" .. method, "first", first or 1, COUNT)
  checks.context(self, method, frames, first)
  return self:state_of((self:encode(frames:narrow(2, first, self.config.context))))
end

--- The state at a frame of a sequence, from the mean of the posterior.
-- @tparam tensor frames (batch, frames, height, width, channels), at least as
-- many as the encoder sees
-- @tparam[opt] integer first index of the first frame that the encoder sees,
-- to which the state belongs. By default the state is that at the first frame, after
-- HGN:calibrate from as many windows as the configuration has `windows`; of more than
-- one no gradient is recorded
-- @treturn tensor q (batch, size, size, state)
-- @treturn tensor p, the same shape
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4 }
-- q, p = model:infer(torus.rand(2, 4, 32, 32, 3))
-- print(table.unpack(q.shape))   -- 2 4 4 16, like p
function HGN:infer(frames, first)
  if not first and self.config.windows > 1 and windows.calibrated(self) then
    return windows.infer(self, frames)
  end
  return self:to_first(anchor_state(self, "infer", frames, first))
end

--- Infers the state at frame `anchor` of those that the encoder sees, from the mean of
-- the posterior. It does not depend on the Hamiltonian.
-- @tparam tensor frames as in infer
-- @tparam[opt=1] integer first index of the first frame that the encoder sees
-- @treturn tensor q (batch, size, size, state)
-- @treturn tensor p, the same shape
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4, anchor = 2 }
-- q, p = model:infer_anchor(torus.rand(2, 4, 32, 32, 3))
-- print(table.unpack(q.shape))   -- 2 4 4 16, like p
function HGN:infer_anchor(frames, first)
  return anchor_state(self, "infer_anchor", frames, first)
end

--- Integrates the state at frame `anchor` of those that the encoder saw backward in time to
-- the first of them.
-- @tparam tensor q (batch, size, size, state)
-- @tparam tensor p the same shape
-- @treturn tensor q
-- @treturn tensor p
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4, anchor = 2 }
-- q, p = model:to_first(torus.randn(2, 4, 4, 16), torus.randn(2, 4, 4, 16))
function HGN:to_first(q, p)
  checks.state(self, "to_first", q, p)
  local steps = self.config.anchor - 1
  if steps == 0 then return q, p end
  local before = self:rollout(q, p, { steps = steps, dt = -self.config.dt })
  return before.q[-1], before.p[-1]
end

-- --- motion -----------------------------------------------------------------

-- Raises unless q and p are states of this model; torus.integrate and torus.rk45 call it.
function HGN:_expect_state(where, q, p)
  local shape = checks.state_shape(self)
  table.insert(shape, 1, "batch")
  states.check(where .. ": hgn", self.config.dtype, shape, { "q", "p" }, q, p)
end

-- torus.integrate checks the values.
local ROLLOUT = { steps = {}, dt = {}, method = {}, fused = {} }

--- Integrates the learned motion from a state.
-- @tparam tensor q (batch, size, size, state)
-- @tparam tensor p the same shape
-- @tparam[opt] table opts
-- @tparam[opt] integer opts.steps frames - 1 by default
-- @tparam[opt] number opts.dt positive or negative; the configuration's by default
-- @tparam[opt] string opts.method scheme; the configuration's by default
-- @tparam[opt] boolean opts.fused as in torus.integrate
-- @treturn table trajectory: q and p (steps + 1, batch, size, size, state)
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4 }
-- q, p = torus.randn(2, 4, 4, 16), torus.randn(2, 4, 4, 16)
-- backward = model:rollout(q, p, { steps = 10, dt = -0.125 })
-- print(table.unpack(backward.q.shape))   -- 11 2 4 4 16
function HGN:rollout(q, p, opts)
  local o = options.resolve("hgn:rollout", opts, ROLLOUT)
  checks.state(self, "rollout", q, p)
  return integrate.integrate { H = self.hamiltonian, q = q, p = p,
    steps = o.steps or self.steps, dt = o.dt or self.config.dt,
    method = o.method or self.config.method, fused = o.fused,
    friction = self.friction }
end

--- Continues the motion from the last state of a trajectory.
-- @tparam table trajectory as returned by rollout
-- @tparam[opt] table opts as in rollout
-- @treturn table a trajectory whose first state is the last state of the given one
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4 }
-- q, p = torus.randn(2, 4, 4, 16), torus.randn(2, 4, 4, 16)
-- forward = model:rollout(q, p)
-- back = model:continue(forward, { dt = -0.125 })
-- print((back.q[-1] - q):abs():max():item() < 1e-4)   -- true
function HGN:continue(trajectory, opts)
  checks.trajectory(self, "continue", trajectory)
  return self:rollout(trajectory.q[-1], trajectory.p[-1], opts)
end

--- Returns the learned energy H(q, p).
-- @tparam tensor q (batch, size, size, state)
-- @tparam tensor p the same shape
-- @treturn tensor one number per sample (batch)
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4 }
-- print(model:energy(torus.randn(2, 4, 4, 16), torus.randn(2, 4, 4, 16)))
function HGN:energy(q, p)
  checks.state(self, "energy", q, p)
  return self.hamiltonian(q, p)
end

--- Returns the energy along a trajectory.
-- @tparam table trajectory as returned by rollout
-- @treturn tensor (steps + 1, batch)
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4 }
-- q, p = torus.randn(2, 4, 4, 16), torus.randn(2, 4, 4, 16)
-- print(table.unpack(model:energies(model:rollout(q, p)).shape))   -- 4 2
function HGN:energies(trajectory)
  checks.trajectory(self, "energies", trajectory)
  local shape = trajectory.q.shape
  local function flat(x) return x:reshape(-1, table.unpack(shape, 3)) end
  return self:energy(flat(trajectory.q), flat(trajectory.p))
    :reshape(shape[1], shape[2])
end

-- --- from states to frames --------------------------------------------------

--- Returns the map that the decoder begins with.
-- @tparam tensor q (images, size, size, state)
-- @treturn tensor q itself; for a vector phase space, (images, dimension), the
-- projection of its coordinates (images, size, size, state); followed by constant
-- channels, if there are any
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4, phase = "vector" }
-- print(table.unpack(model:project(torus.randn(5, 1)).shape))   -- 5 4 4 16
function HGN:project(q)
  checks.states(self, "project", "q", q, { "images" })
  return self:decoder_map(self:coordinates(q))
end

--- Returns the map that the decoder begins with, from the decoder's own coordinates.
-- @tparam tensor x (images, size, size, state); for a vector phase space (images,
-- dimension)
-- @treturn tensor (images, size, size, state + constant_channels)
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4, phase = "vector",
--   constant_channels = 2 }
-- print(table.unpack(model:decoder_map(torus.randn(5, 1)).shape))   -- 5 4 4 18
function HGN:decoder_map(x)
  checks.states(self, "decoder_map", "x", x, { "images" })
  if self.projection then x = self.projection(x) end
  if not self.constants then return x end
  return engine.cat({ x, self.constants:expand(x:size(1), -1, -1, -1) }, -1)
end

--- Converts positions of a vector phase space to the decoder's coordinates.
-- @tparam tensor q (..., dimension)
-- @treturn tensor (..., dimension); q itself in a model without a chart
-- @usage
-- local torus = require "torus"
-- local model = torus.models.hgn { width = 8, frames = 4, phase = "vector",
--   chart = 16 }
-- print(table.unpack(model:coordinates(torus.randn(5, 1)).shape))   -- 5 1
function HGN:coordinates(q)
  checks.states(self, "coordinates", "q", q, { "..." })
  return self.chart and self.chart(q) or q
end

--- Decodes images from positions, eq. (11).
-- @tparam tensor q (..., size, size, state)
-- @tparam[opt] integer chunk images per call of the network, which bounds the
-- memory while no gradient is recorded; all at once by default
-- @treturn tensor (..., height, width, channels) in (0, 1)
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4 }
-- print(table.unpack(model:decode(torus.randn(3, 2, 4, 4, 16), 4).shape))   -- 3 2 32 32 3
function HGN:decode(q, chunk)
  checks.states(self, "decode", "q", q, { "..." })
  chunk = chunk and options.argument("hgn:decode", "chunk", chunk, COUNT)
  local shape = q.shape
  local n = #shape - #checks.state_shape(self)
  local images = chunks.apply(
    function(part) return self.decoder(self:project(part)) end,
    q:reshape(-1, table.unpack(shape, n + 1)), chunk)
  local leading = table.move(shape, 1, n, 1, {})
  return images:reshape(table.move(images.shape, 2, 4, n + 1, leading))
end

--- Decodes the images along a trajectory; no gradient is recorded.
-- @tparam table trajectory as returned by rollout
-- @tparam[opt=16] integer chunk images per call of the decoder
-- @treturn tensor (batch, steps + 1, height, width, channels)
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4 }
-- q, p = torus.randn(2, 4, 4, 16), torus.randn(2, 4, 4, 16)
-- print(table.unpack(model:images(model:rollout(q, p)).shape))   -- 2 4 32 32 3
function HGN:images(trajectory, chunk)
  checks.trajectory(self, "images", trajectory)
  return engine.no_grad(function()
    return self:decode(trajectory.q, chunk or chunks.SIZE):transpose(1, 2)
  end)
end

local FILM = { steps = {}, dt = {}, chunk = COUNT }
local RECONSTRUCT = options.joined(FILM,
  { refine = { type = "integer", min = 0 } })
local SAMPLE = options.joined(FILM, { generator = {},
  prior = { choices = { "normal", "mixture" } } })

-- The images along the motion from a state, and the trajectory.
local function film(self, q, p, opts)
  local trajectory = self:rollout(q, p, { steps = opts.steps, dt = opts.dt })
  return self:images(trajectory, opts.chunk), trajectory
end

--- Reconstructs sequences from the mean of the posterior, given their first
-- frames; no gradient is recorded.
-- @tparam tensor frames (batch, frames, height, width, channels), at least as
-- many as the encoder sees
-- @tparam[opt] table opts
-- @tparam[opt] integer opts.steps as in rollout
-- @tparam[opt] number opts.dt as in rollout
-- @tparam[opt=16] integer opts.chunk images per call of the decoder
-- @tparam[opt=0] integer opts.refine number of refinement iterations of the initial state
-- on all frames, see refine
-- @treturn tensor (batch, steps + 1, height, width, channels)
-- @treturn table trajectory
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4 }
-- frames = torus.rand(2, 4, 32, 32, 3)
-- slower = model:reconstruct(frames, { dt = 0.0625, steps = 6 })
-- print(table.unpack(slower.shape))   -- 2 7 32 32 3
function HGN:reconstruct(frames, opts)
  opts = options.resolve("hgn:reconstruct", opts, RECONSTRUCT)
  checks.context(self, "reconstruct", frames, 1)
  return engine.no_grad(function()
    local q, p = self:infer(frames)
    if opts.refine and opts.refine > 0 then
      q, p = self:refine(q, p, frames, { rounds = opts.refine })
    end
    return film(self, q, p, opts)
  end)
end

--- Fits the mixture that `sample` draws from, in a model with prior = "mixture", to the
-- posteriors of sequences. Training does this at its end.
-- @tparam tensor mean (count, 1, 1, z), as returned by encode
-- @tparam tensor logvar the same shape
-- @tparam[opt] generator generator torus's own by default
-- @raise for a model without a mixture
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4, latent = "vector", z = 2,
--   prior = "mixture" }
-- model:fit_prior(model:encode(torus.rand(40, 4, 32, 32, 3)))
-- print(model.prior:is_fitted())   -- true
function HGN:fit_prior(mean, logvar, generator)
  if not self.prior then
    options.raise("hgn:fit_prior: expected a model with prior = \"mixture\", got one "
      .. "with prior = \"normal\"")
  end
  checks.latents(self, "fit_prior", "mean", mean)
  options.tensor("hgn:fit_prior", "logvar", logvar, mean.shape, self.config.dtype)
  engine.no_grad(function()
    local noise = engine.randn(mean.shape, { dtype = mean.dtype, generator = generator })
    local z = mean + (logvar * 0.5):exp() * noise
    self.prior:fit(z:reshape(z:size(1), -1), generator)
  end)
end

-- Draws z of new sequences.
local function draw_latents(self, count, opts)
  local prior = opts.prior or self.config.prior
  if prior == "mixture" and not self.prior then
    options.raise("hgn:sample: prior: expected \"normal\" for a model with prior = "
      .. "\"normal\", got \"mixture\"")
  end
  if prior == "mixture" and self.prior:is_fitted() then
    return self.prior:sample(count, opts.generator):reshape(self:latent_shape(count))
  end
  return engine.randn(self:latent_shape(count),
    { dtype = self.config.dtype, generator = opts.generator })
end

--- Samples new sequences: z from the prior, f_psi, rollout, decode.
-- @tparam integer count number of sequences
-- @tparam[opt] table opts
-- @tparam[opt] generator opts.generator draws z; torus's own by default
-- @tparam[opt] string opts.prior "normal" for z ~ N(0, I); the configuration's by
-- default, whose mixture is N(0, I) as long as it is not fitted
-- @tparam[opt] integer opts.steps as in rollout
-- @tparam[opt] number opts.dt as in rollout
-- @tparam[opt=16] integer opts.chunk images per call of the decoder
-- @treturn tensor (count, steps + 1, height, width, channels)
-- @treturn table trajectory
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4 }
-- print(table.unpack(model:sample(3, { generator = torus.generator(1) }).shape))
-- -- 3 4 32 32 3
function HGN:sample(count, opts)
  options.argument("hgn:sample", "count", count, COUNT)
  opts = options.resolve("hgn:sample", opts, SAMPLE)
  return engine.no_grad(function()
    local q, p = self:state_of(draw_latents(self, count, opts))
    return film(self, q, p, opts)
  end)
end

-- --- training and diagnosis -------------------------------------------------

HGN.loss = objective.loss
HGN.gradients = objective.gradients
HGN.draws = objective.draws
HGN.draws_part = objective.draws_part
HGN.decoder_gradients = objective.decoder_gradients
HGN.first_bad = inspect.first_bad
HGN.refine = refine.refine
HGN.calibrate = windows.calibrate
HGN.locate = coordinates.locate
HGN.coordinate_loss = coordinates.loss

function HGN:describe()
  local c = self.config
  local height, width = sides(c)
  return string.format("HGN(%s, %s, %d frames of %dx%d, width %d)", c.variant,
    c.hamiltonian, c.frames, height, width, c.width)
end

signature.methods("HGN", HGN, {
  state_of = "z: tensor", to_first = "q: tensor, p: tensor",
  energy = "q: tensor, p: tensor", project = "q: tensor", decoder_map = "x: tensor",
  coordinates = "q: tensor", locate = "frames: tensor", calibrate = "frames: tensor",
  fit_prior = "mean: tensor, logvar: tensor", sample = "count: integer, opts?: table",
  latent_shape = "count: integer",
  draws = "batch: integer, opts?: table",
  draws_part = "draws: table, first: integer, count: integer",
  decoder_gradients = "states: tensor, targets: tensor, weight: number, opts?: table",
  coordinate_loss = "states: tensor, coordinates: tensor, metric: tensor",
})

return setmetatable(M, { __call = function(_, config, generator)
  return M.new(config, generator)
end })
