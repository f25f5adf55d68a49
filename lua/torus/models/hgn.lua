--- The Hamiltonian Generative Network: a variational auto-encoder of image
-- sequences whose latent state moves by a learned Hamiltonian.
--
--     local model = torus.models.hgn{ width = 32 }
--     local q, p = model:infer(frames)          -- (batch, size, size, state)
--     local way = model:rollout(q, p, { dt = -0.125 })
--     local images = model:decode(way.q)        -- (31, batch, 32, 32, 3)
--
-- Frames are (batch, frames, height, width, 3) in [0, 1]; a rollout has time
-- first, as torus.integrate returns it.
-- @module torus.models.hgn
local core = require "torus.core"
local engine = require "torus.engine"
local hamiltonian = require "torus.hamiltonian"
local integrate = require "torus.integrate"
local options = require "torus.options"
local Module = require "torus.nn.module"
local initialise = require "torus.nn.initialise"
local parts = require "torus.models.parts"

local HGN = Module.class("HGN")

local M = {}

--- What a configuration may say. `resolution` is that of square frames, a
-- multiple of 8 below 64 and of 16 from there; `z` is the number of latent
-- channels, by default 48 (twice `state` without f_psi), of a `latent` "map",
-- which the paper's is: that many numbers at each place of the state. Of a
-- "vector" it is all there are: the last convolution of the encoder spans the
-- map, and f_psi begins with a dense layer back to one. `state` is the channels
-- of q, and as many of p; `dt` is the time between frames, of either sign;
-- `energy_gain` scales the initial weights of the Hamiltonian, `energy_init`
-- is as in torus.models.parts.energy, `init` that of all other networks, as in
-- torus.nn.initialise. `background` are the colours, a number
-- in [0, 1] per channel, that the untrained decoder's output starts near (0.01
-- from black and white) and that the encoder sees as zero exactly,
-- `input_gain` times the difference being what enters it: a moving disc is a
-- small part of a frame. `posterior_logvar` is what the logarithm of the
-- posterior's variance starts near: noise as large as the prior's drowns what
-- an untrained encoder says. `method` replaces the integrator that the variant
-- names.
M.rules = {
  variant = { default = "leapfrog",
    choices = { "leapfrog", "euler", "determ", "no_fpsi" } },
  method = { choices = integrate.methods },
  hamiltonian = { default = "separable", choices = { "separable", "joint" } },
  resolution = { default = 32, type = "integer", min = 8 },
  channels = { default = 3, type = "integer", min = 1 },
  frames = { default = 31, type = "integer", min = 2 },
  dt = { default = 0.125, type = "number" },
  width = { default = 64, type = "integer", min = 2 },
  z = { type = "integer", min = 1 },
  latent = { default = "map", choices = { "map", "vector" } },
  state = { default = 16, type = "integer", min = 1 },
  energy_layers = { default = 6, type = "integer", min = 1 },
  closing = { default = "none",
    choices = { "none", "sigmoid", "leaky_relu", "tanh" } },
  skip = { default = true, type = "boolean" },
  init = { default = "default", choices = initialise.schemes },
  energy_gain = { default = 1, type = "number", above = 0 },
  energy_init = { default = "default", choices = parts.energy_inits },
  background = { type = "table" },
  input_gain = { default = 1, type = "number", above = 0 },
  posterior_logvar = { default = 0, type = "number" },
  dtype = { default = "float32", choices = { "float32", "float64" } },
}

local function check_config(c)
  parts.check_resolution("hgn", c.resolution)
  if c.dt == 0 then
    options.raise("hgn: expected a dt other than 0, by which nothing moves")
  end
  parts.check_background("hgn", c.background, c.channels)
  local none = c.variant == "no_fpsi"
  c.z = c.z or (none and 2 * c.state or 48)
  if none and c.z ~= 2 * c.state then
    options.raise("hgn: without f_psi z is the state itself: expected z = %d "
      .. "(twice state), got %d", 2 * c.state, c.z)
  end
  if none and c.latent == "vector" then
    options.raise("hgn: without f_psi z is the state itself: expected latent "
      .. "map, got vector")
  end
  c.method = c.method or (c.variant == "euler" and "euler" or "leapfrog")
  if c.hamiltonian == "joint" and c.method ~= "euler" and c.method ~= "rk4"
  then
    options.raise("hgn: %s needs a separable Hamiltonian; a joint one takes "
      .. "method euler or rk4", c.method)
  end
end

-- The bias of the layer that gives the logarithm of the posterior's variance.
local function start_posterior(self)
  local c = self.config
  if c.posterior_logvar == 0 then return end
  engine.no_grad(function()
    self.encoder[self.encoder.depth].bias:narrow(1, c.z + 1, c.z)
      :fill_(c.posterior_logvar)
  end)
end

-- The numbers of z per sample, as encode gives them and sample draws them.
local function latent_shape(self)
  local n = self.config.latent == "vector" and 1 or self.size
  return n, n, self.config.z
end

-- The posterior's network, and the one from z to the initial state.
local function register_latent(self, layer)
  local c, w = self.config, self.config.width
  local vector = c.latent == "vector"
  self:register("encoder", parts.encoder(c.frames * c.channels, 2 * c.z,
    { resolution = c.resolution, width = w, layer = layer,
      last = vector and { kernel = self.size, padding = 0 } }))
  start_posterior(self)
  if c.variant == "no_fpsi" then return end
  local inside = { activation = "relu", layer = layer }
  self:register("f_psi", vector
    and parts.spread(c.z, self.size, { w, w, 2 * c.state }, inside)
    or parts.stack({ c.z, w, w, 2 * c.state }, inside))
end

--- @tparam[opt] table config see rules; the defaults are the paper's
-- @tparam[opt] generator generator draws the initial weights
-- @treturn Module
function M.new(config, generator)
  local c = options.resolve("hgn", config, M.rules)
  check_config(c)
  local self = Module.instance(HGN, { config = c })
  self.steps, self.frame_time = c.frames - 1, c.dt
  self.background = c.background
    and engine.tensor(c.background, { dtype = c.dtype })
  local halvings = parts.halvings(c.resolution)
  self.size = c.resolution >> halvings
  local w = c.width
  local layer = { dtype = c.dtype, init = c.init, generator = generator }
  register_latent(self, layer)
  local energy = { width = w, layers = c.energy_layers, size = self.size,
    init = c.energy_init, layer = { dtype = c.dtype, generator = generator } }
  if c.hamiltonian == "joint" then
    self.hamiltonian = self:register("H", parts.joint_energy(c.state, energy))
    parts.scale_weights(self.H, c.energy_gain)
  else
    self:register("K", parts.energy(c.state, energy))
    self:register("V", parts.energy(c.state, energy))
    parts.scale_weights(self.K, c.energy_gain)
    parts.scale_weights(self.V, c.energy_gain)
    self.hamiltonian = hamiltonian.separable(self.K, self.V)
  end
  self:register("decoder", parts.decoder(c.state, {
    blocks = halvings, width = w, channels = c.channels,
    skip = c.skip, closing = c.closing, layer = layer,
    background = c.background,
  }))
  return self
end

function HGN:convert_rest(dtype)
  Module.convert_rest(self, dtype)
  self.background = self.background and self.background:to(dtype)
end

-- --- the pieces of a forward pass -------------------------------------------

local function check_frames(self, frames)
  local c = self.config
  options.tensor("hgn", "frames", frames,
    { "batch", c.frames, c.resolution, c.resolution, c.channels })
end

-- States at places as `lead` says: a batch, or times and a batch.
local function check_states(self, name, x, lead)
  local shape = table.move({ self.size, self.size, self.config.state }, 1, 3,
    #lead + 1, lead)
  options.tensor("hgn", name, x, shape)
end

local function check_way(self, way)
  if type(way) ~= "table" then
    options.raise("hgn: expected a rollout {q=, p=}, got %s",
      options.show(way))
  end
  check_states(self, "q", way.q, { "steps + 1", "batch" })
  check_states(self, "p", way.p, { "steps + 1", "batch" })
end

--- The posterior over z.
-- @tparam tensor frames (batch, frames, height, width, channels)
-- @treturn tensor mean (batch, size, size, z), of a latent vector
-- (batch, 1, 1, z)
-- @treturn tensor logarithm of the variance, the same shape
function HGN:encode(frames)
  check_frames(self, frames)
  local c = self.config
  if self.background then frames = frames - self.background end
  if c.input_gain ~= 1 then frames = frames * c.input_gain end
  local stacked = frames:permute { 1, 3, 4, 2, 5 }
    :reshape(frames:size(1), c.resolution, c.resolution, -1)
  local out = self.encoder(stacked)
  return out:narrow(-1, 1, c.z), out:narrow(-1, c.z + 1, c.z)
end

--- The initial state of a latent z.
-- @tparam tensor z as encode's mean
-- @treturn tensor q (batch, size, size, state)
-- @treturn tensor p, the same shape
function HGN:state_of(z)
  local s = self.f_psi and self.f_psi(z) or z
  local n = self.config.state
  return s:narrow(-1, 1, n), s:narrow(-1, n + 1, n)
end

--- The initial state of a sequence, from the mean of the posterior.
-- @tparam tensor frames as encode's
-- @treturn tensor q (batch, size, size, state)
-- @treturn tensor p, the same shape
function HGN:infer(frames)
  return self:state_of((self:encode(frames)))
end

-- Their values are for torus.integrate to check.
local ROLLOUT = { steps = {}, dt = {}, method = {}, fused = {} }

--- The learned motion from a state.
-- @tparam tensor q (batch, size, size, state)
-- @tparam tensor p the same shape
-- @tparam[opt] table opts steps (default: frames - 1), dt (the model's),
-- method (the model's), fused: as torus.integrate's
-- @treturn table q and p, (steps + 1, batch, size, size, state)
function HGN:rollout(q, p, opts)
  local o = options.resolve("hgn:rollout", opts, ROLLOUT)
  check_states(self, "q", q, { "batch" })
  check_states(self, "p", p, { "batch" })
  return integrate.integrate { H = self.hamiltonian, q = q, p = p,
    steps = o.steps or self.steps, dt = o.dt or self.config.dt,
    method = o.method or self.config.method, fused = o.fused }
end

--- On from the last state of a rollout.
-- @tparam table way a rollout
-- @tparam[opt] table opts as rollout's
-- @treturn table the next one, which starts where `way` ends
function HGN:continue(way, opts)
  check_way(self, way)
  return self:rollout(way.q[-1], way.p[-1], opts)
end

local COUNT = { type = "integer", min = 1 }

--- Images of states.
-- @tparam tensor q (..., size, size, state)
-- @tparam[opt] integer chunk images per call of the network when no gradient
-- is recorded; the default does all at once
-- @treturn tensor (..., height, width, channels) in (0, 1)
function HGN:decode(q, chunk)
  check_states(self, "q", q, { "..." })
  chunk = chunk and options.argument("hgn:decode", "chunk", chunk, COUNT)
  local lead = {}
  for i = 1, q:dim() - 3 do lead[i] = q:size(i) end
  local flat = q:reshape(-1, q:size(-3), q:size(-2), q:size(-1))
  local count = flat:size(1)
  local images
  if chunk and chunk < count then
    local pieces = {}
    for first = 1, count, chunk do
      pieces[#pieces + 1] = self.decoder(
        flat:narrow(1, first, math.min(chunk, count - first + 1)))
    end
    images = engine.cat(pieces, 1)
  else
    images = self.decoder(flat)
  end
  local shape = images.shape
  table.move(shape, 2, 4, #lead + 1, lead)
  return images:reshape(lead)
end

--- @tparam tensor q (batch, size, size, state)
-- @tparam tensor p the same shape
-- @treturn tensor energy per sample (batch)
function HGN:energy(q, p)
  return self.hamiltonian(q, p)
end

--- The energy along a rollout.
-- @tparam table way a rollout
-- @treturn tensor (steps + 1, batch)
function HGN:energies(way)
  check_way(self, way)
  local shape = way.q.shape
  local function flat(x) return x:reshape(-1, table.unpack(shape, 3)) end
  return self:energy(flat(way.q), flat(way.p)):reshape(shape[1], shape[2])
end

-- --- objective --------------------------------------------------------------

-- KL(N(mean, exp logvar) || N(0, 1)), summed over z, averaged over the batch.
local function divergence(mean, logvar)
  local each = mean * mean + logvar:exp() - logvar - 1
  return each:sum() * (0.5 / mean:size(1))
end

-- z, and the divergence or nil.
local function draw(self, frames, opts)
  local mean, logvar = self:encode(frames)
  if self.config.variant == "determ" then return mean, nil end
  local epsilon = opts.epsilon
  if epsilon then options.tensor("hgn", "epsilon", epsilon, mean.shape) end
  epsilon = epsilon or engine.randn(mean.shape, { dtype = mean.dtype,
    generator = opts.generator })
  return mean + epsilon * (logvar * 0.5):exp(), divergence(mean, logvar)
end

local LOSS = {
  epsilon = {}, generator = {},
  multiplier = { default = 1, type = "number" },
  kl_weight = { default = 1, type = "number" },
  fused = { type = "boolean" },
}

local GRADIENTS = options.joined(LOSS, {
  chunk = { default = 4, type = "integer", min = 1 },
  decode_frames = { type = "integer", min = 1 },
  horizon = { type = "integer", min = 0 },
  mark = { default = function() end, type = "callable" },
})

-- The divergence is put on the scale of a mean over the numbers of a frame:
-- with a multiplier of 1/2 the loss is eq. (4) divided by that many.
local function divergence_scale(self, o)
  local c = self.config
  return o.kl_weight / (c.resolution * c.resolution * c.channels)
end

--- The loss in one piece, for gradients of any order:
-- multiplier * mean squared error + kl_weight * KL / (numbers in a frame).
-- @tparam tensor frames (batch, frames, height, width, channels)
-- @tparam[opt] table opts epsilon (the noise of the posterior sample, like z)
-- or generator; multiplier=1; kl_weight=1; fused as torus.integrate's
-- @treturn tensor loss, a scalar
-- @treturn table mse and kl (nil for determ), scalar tensors, and the
-- rollout's q and p (frames, batch, size, size, state)
function HGN:loss(frames, opts)
  local o = options.resolve("hgn:loss", opts, LOSS)
  local z, kl = draw(self, frames, o)
  local q, p = self:state_of(z)
  local way = self:rollout(q, p, { fused = o.fused })
  local difference = self:decode(way.q) - frames:transpose(1, 2)
  local mse = (difference * difference):mean()
  local loss = mse * o.multiplier
  if kl then loss = loss + kl * divergence_scale(self, o) end
  return loss, { mse = mse, kl = kl, q = way.q, p = way.p }
end

-- The fused kernel knows decoders whose blocks are not closed by anything.
local function fused_decoder(self, states, targets, weight)
  local c = self.config
  return core.decoder_gradients(states:contiguous(), targets:contiguous(),
    self.decoder:parameters(), { blocks = self.decoder.blocks,
      width = c.width, skip = c.skip, slope = parts.SLOPE, weight = weight })
end

-- Any decoder, a few images at a time, by the operations of tensors.
local function general_decoder(self, states, targets, weight, chunk)
  local parameters = self.decoder:parameters()
  local sums, state_grads = {}, engine.zeros_like(states)
  for i, parameter in ipairs(parameters) do
    sums[i] = engine.zeros_like(parameter)
  end
  local wanted = table.move(parameters, 1, #parameters, 2, {})
  local count, total = states:size(1), 0
  for first = 1, count, chunk do
    local n = math.min(chunk, count - first + 1)
    local q = engine.variable(states:narrow(1, first, n))
    wanted[1] = q
    local difference = self.decoder(q) - targets:narrow(1, first, n)
    local squares = (difference * difference):sum()
    local grads = engine.grad(squares * weight, wanted)
    total = total + squares:item()
    state_grads:narrow(1, first, n):copy_(grads[1])
    for i, sum in ipairs(sums) do sum:add_(grads[i + 1]) end
  end
  return total, state_grads, sums
end

local DECODER = { fused = LOSS.fused, chunk = GRADIENTS.chunk }

--- Decodes states and compares with images: forward, error and backward of a
-- few images at a time, so that memory does not grow with their number.
-- @tparam tensor states (images, size, size, state), off the tape
-- @tparam tensor targets (images, height, width, channels)
-- @tparam number weight of the sum of squared errors in the loss
-- @tparam[opt] table opts chunk=4 images per piece of the general path;
-- fused=false forces that
-- @treturn number sum of squared errors
-- @treturn tensor gradient of the states
-- @treturn {tensor,...} gradients in the order of decoder:parameters()
function HGN:decoder_gradients(states, targets, weight, opts)
  local o = options.resolve("hgn:decoder_gradients", opts, DECODER)
  if o.fused ~= false and self.config.closing == "none" then
    return fused_decoder(self, states, targets, weight)
  end
  return general_decoder(self, states, targets, weight, o.chunk)
end

-- Which images to decode: `count` frames of every sequence, drawn at random.
-- Places among the states, time first, and among the frames, sequence first.
local function choose_images(count, steps, frames, generator)
  local batch, length = frames:size(1), frames:size(2)
  local of_states, of_frames = {}, {}
  for b = 1, batch do
    local times = engine.randperm(steps + 1, { generator = generator })
    for _, t in ipairs(times:narrow(1, 1, count):totable()) do
      of_states[#of_states + 1] = (t - 1) * batch + b
      of_frames[#of_frames + 1] = (b - 1) * length + t
    end
  end
  return of_states, of_frames
end

-- States and the frames they are to explain, (images, ...) both.
local function images(states, frames, o)
  local steps = states:size(1) - 1
  local flat = states:reshape(-1, table.unpack(states.shape, 3))
  local count = o.decode_frames
  if not count or count > steps then
    return flat, frames:transpose(1, 2):narrow(1, 1, steps + 1)
      :reshape(-1, table.unpack(frames.shape, 3))
  end
  local of_states, of_frames = choose_images(count, steps, frames,
    o.generator)
  return flat:index_select(1, of_states),
    frames:reshape(-1, table.unpack(frames.shape, 3))
      :index_select(1, of_frames)
end

--- The gradients of the loss, with little memory: the decoder is run over a
-- few images at a time, then one sweep goes through rollout and encoder.
-- @tparam tensor frames as loss's
-- @tparam[opt] table opts as loss's, and chunk=4 images per piece;
-- decode_frames: how many frames of each, drawn at random, the error is over
-- (an unbiased estimate; default: all); horizon: steps of the rollout, where
-- only the first horizon + 1 frames are to be explained (default: all); mark:
-- called with the name of each part of the work when it is done
-- @treturn {tensor,...} in the order of parameters()
-- @treturn table numbers: loss, mse, kl (0 for determ)
function HGN:gradients(frames, opts)
  local o = options.resolve("hgn:gradients", opts, GRADIENTS)
  local z, kl = draw(self, frames, o)
  local q, p = self:state_of(z)
  local steps = math.min(o.horizon or self.steps, self.steps)
  local states, targets = images(
    self:rollout(q, p, { steps = steps, fused = o.fused }).q, frames, o)

  o.mark("forward to the states")
  local numbers = targets:numel()
  local squares, state_grads, decoder_grads = self:decoder_gradients(
    states:detach(), targets, o.multiplier / numbers,
    { fused = o.fused, chunk = o.chunk })
  local mse = squares / numbers
  o.mark("decoder, forward and backward")

  local pulled = (states * state_grads):sum()
  local loss, kl_value = o.multiplier * mse, 0
  if kl then
    local scale = divergence_scale(self, o)
    kl_value = kl:item()
    loss = loss + scale * kl_value
    pulled = pulled + kl * scale
  end
  local others = {}
  for _, entry in ipairs(self:named_parameters()) do
    if not entry[1]:match("^decoder%.") then
      others[#others + 1] = entry[2]
    end
  end
  local grads = engine.grad(pulled, others)
  o.mark("backward from the states")
  table.move(decoder_grads, 1, #decoder_grads, #grads + 1, grads)
  return grads, { loss = loss, mse = mse, kl = kl_value }
end

-- --- use --------------------------------------------------------------------

--- The images along a rollout; nothing is recorded.
-- @tparam table way a rollout
-- @tparam[opt=64] integer chunk images per call of the decoder
-- @treturn tensor (batch, steps + 1, height, width, channels)
function HGN:images(way, chunk)
  check_way(self, way)
  return engine.no_grad(function()
    return self:decode(way.q, chunk or 64):transpose(1, 2)
  end)
end

-- A rollout and its images.
local FILM = { steps = {}, dt = {}, chunk = COUNT }
local SAMPLE = options.joined(FILM, { generator = {} })

--- Sequences as the model sees them, from the mean of the posterior; nothing
-- is recorded.
-- @tparam tensor frames as encode's
-- @tparam[opt] table opts steps, dt as rollout's; chunk=64 images per call of
-- the decoder
-- @treturn tensor (batch, steps + 1, height, width, channels)
-- @treturn table the rollout: q and p with time first
function HGN:reconstruct(frames, opts)
  opts = options.resolve("hgn:reconstruct", opts, FILM)
  return engine.no_grad(function()
    local q, p = self:infer(frames)
    local way = self:rollout(q, p, { steps = opts.steps, dt = opts.dt })
    return self:images(way, opts.chunk), way
  end)
end

--- New sequences: z ~ N(0, 1), f_psi, rollout, decode.
-- @tparam integer count
-- @tparam[opt] table opts generator; steps, dt, chunk as reconstruct's
-- @treturn tensor (count, steps + 1, height, width, channels)
-- @treturn table the rollout
function HGN:sample(count, opts)
  opts = options.resolve("hgn:sample", opts, SAMPLE)
  return engine.no_grad(function()
    local z = engine.randn({ count, latent_shape(self) },
      { dtype = self.config.dtype, generator = opts.generator })
    local q, p = self:state_of(z)
    local way = self:rollout(q, p, { steps = opts.steps, dt = opts.dt })
    return self:images(way, opts.chunk), way
  end)
end

local NOISE = { epsilon = {}, generator = {} }

local function is_finite(x)
  return (x * 0):sum():item() == 0
end

--- The first tensor of a forward pass that holds a NaN or an infinity.
-- @tparam tensor frames as encode's
-- @tparam[opt] table opts epsilon or generator
-- @treturn ?string its name, or nil when all is well
function HGN:first_bad(frames, opts)
  opts = options.resolve("hgn:first_bad", opts, NOISE)
  check_frames(self, frames)
  return engine.no_grad(function()
    for _, entry in ipairs(self:named_parameters()) do
      if not is_finite(entry[2]) then return entry[1] end
    end
    if not is_finite(frames) then return "the frames" end
    local mean, logvar = self:encode(frames)
    if not is_finite(mean) then return "the mean of z" end
    if not is_finite(logvar) then return "the log-variance of z" end
    local z = draw(self, frames, opts)
    if not is_finite(z) then return "z" end
    local q, p = self:state_of(z)
    local way = self:rollout(q, p)
    for t = 1, way.q:size(1) do
      if not is_finite(way.q[t]) then return "q at frame " .. t end
      if not is_finite(way.p[t]) then return "p at frame " .. t end
    end
    for t = 1, way.q:size(1) do
      if not is_finite(self:decode(way.q[t])) then
        return "the decoded frame " .. t
      end
    end
    return nil
  end)
end

function HGN:describe()
  local c = self.config
  return string.format("HGN(%s, %s, %d frames of %dx%d, width %d)", c.variant,
    c.hamiltonian, c.frames, c.resolution, c.resolution, c.width)
end

M.is_finite = is_finite

return setmetatable(M, { __call = function(_, config, generator)
  return M.new(config, generator)
end })
