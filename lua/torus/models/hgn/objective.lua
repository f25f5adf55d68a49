--- The training objective of an HGN, eq. (4) of the paper, and its gradients.
-- The functions are methods of the model.
-- @module torus.models.hgn.objective
local checks = require "torus.models.hgn.checks"
local decoder = require "torus.models.parts.decoder"
local engine = require "torus.engine"
local motion = require "torus.models.hgn.motion"
local options = require "torus.options"
local sides = require("torus.models.parts.frames").sides

local M = {}

-- --- the posterior sample ---------------------------------------------------

-- KL(N(mean, exp logvar) || N(0, 1)), summed over z, averaged over the batch.
local function divergence(mean, logvar)
  local each = mean * mean + logvar:exp() - logvar - 1
  return each:sum() * (0.5 / mean:size(1))
end

--- Draws a sample of the posterior, or returns its mean for variant "determ".
-- @tparam Module model an HGN
-- @tparam string method that is called, for messages
-- @tparam tensor frames (batch, context, height, width, channels)
-- @tparam table opts epsilon, standard normal noise like z, or generator
-- @treturn tensor z
-- @treturn ?tensor KL(q(z|x) || N(0, I)), nats, the mean over the batch; nil
-- for "determ"
function M.draw(model, method, frames, opts)
  local mean, logvar = model:encode(frames)
  if model.config.variant == "determ" then return mean, nil end
  local epsilon = opts.epsilon
  if epsilon then
    options.tensor("hgn:" .. method, "epsilon", epsilon, mean.shape, mean.dtype)
  end
  epsilon = epsilon or engine.randn(mean.shape, { dtype = mean.dtype,
    generator = opts.generator })
  return mean + epsilon * (logvar * 0.5):exp(), divergence(mean, logvar)
end

--- Returns the factor of the divergence on the scale of a mean over the values of a frame:
-- with a multiplier of 1/2 the loss is eq. (4) divided by the number of values.
-- @tparam Module model an HGN
-- @tparam number kl_weight
-- @treturn number
function M.divergence_scale(model, kl_weight)
  local c = model.config
  local height, width = sides(c)
  return kl_weight / (height * width * c.channels)
end

-- --- the loss in one piece --------------------------------------------------

local LOSS = {
  epsilon = {}, generator = {},
  multiplier = { default = 1, type = "number" },
  kl_weight = { default = 1, type = "number" },
  fused = { type = "boolean" },
}

--- Returns the loss as one tensor, for gradients of any order:
-- multiplier * mean squared error + kl_weight * KL / (values of a frame). The
-- encoder sees the first `context` frames, and the rollout covers all.
-- @function HGN:loss
-- @tparam tensor frames (batch, frames, height, width, channels)
-- @tparam[opt] table opts
-- @tparam[opt] tensor opts.epsilon the noise of the posterior sample, like z
-- @tparam[opt] generator opts.generator draws it otherwise
-- @tparam[opt=1] number opts.multiplier GECO's multiplier of the error
-- @tparam[opt=1] number opts.kl_weight
-- @tparam[opt] boolean opts.fused as in torus.integrate
-- @treturn tensor loss, a scalar
-- @treturn table mse and kl (nil for variant "determ"), scalar tensors, and q
-- and p of the trajectory
-- @raise for frames of another shape than the configuration's
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4 }
-- loss, parts = model:loss(torus.rand(2, 4, 32, 32, 3))
-- loss:backward()
-- print(parts.mse:item(), parts.kl:item())
function M.loss(model, frames, opts)
  local o = options.resolve("hgn:loss", opts, LOSS)
  local c = model.config
  checks.frames(model, "loss", frames, c.frames)
  local z, kl = M.draw(model, "loss", frames:narrow(2, 1, c.context), o)
  local q, p = model:to_first(model:state_of(z))
  local trajectory = model:rollout(q, p, { fused = o.fused })
  local difference = model:decode(trajectory.q) - frames:transpose(1, 2)
  local mse = (difference * difference):mean()
  local loss = mse * o.multiplier
  if kl then loss = loss + kl * M.divergence_scale(model, o.kl_weight) end
  return loss, { mse = mse, kl = kl, q = trajectory.q, p = trajectory.p }
end

-- --- the decoder, a few images at a time ------------------------------------

-- One operation, for decoders whose blocks have no closing activation.
local function fused_decoder(model, states, targets, weight)
  local c, parameters = model.config, model.decoder:parameters()
  return engine.enable_grad(function()
    local q = engine.variable(states:detach())
    local squares = engine.decoder_error(q, targets, { parameters = parameters,
      blocks = model.decoder.blocks, width = c.width, skip = c.skip,
      slope = decoder.SLOPE, weight = weight, precision = c.precision })
    local gradients = engine.grad(squares,
      table.move(parameters, 1, #parameters, 2, { q }),
      { grad_output = engine.tensor(weight, { dtype = "float64" }) })
    return squares:item(), table.remove(gradients, 1), gradients
  end)
end

-- Any decoder, by tensor operations.
local function general_decoder(model, states, targets, weight, chunk)
  local parameters = model.decoder:parameters()
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
    local difference = model.decoder(q) - targets:narrow(1, first, n)
    local squares = (difference * difference):sum()
    local grads = engine.grad(squares * weight, wanted)
    total = total + squares:item()
    state_grads:narrow(1, first, n):copy_(grads[1])
    for i, sum in ipairs(sums) do sum:add_(grads[i + 1]) end
  end
  return total, state_grads, sums
end

local CHUNK = { default = 4, type = "integer", min = 1 }
local DECODER = { fused = LOSS.fused, chunk = CHUNK }

--- Decodes states and compares them with images: forward pass, error and
-- backward pass for a few images at a time, so that the memory does not grow with
-- their number.
-- @function HGN:decoder_gradients
-- @tparam tensor states (images, size, size, state + constant_channels), as returned by
-- project, detached
-- @tparam tensor targets (images, height, width, channels)
-- @tparam number weight of the sum of squared errors in the loss
-- @tparam[opt] table opts
-- @tparam[opt=4] integer opts.chunk images at a time of the general path
-- @tparam[opt] boolean opts.fused false forces the general path, which is also
-- used for decoders without a fused kernel
-- @treturn number sum of squared errors
-- @treturn tensor gradient with respect to the states
-- @treturn {tensor,...} gradients in the order of decoder:parameters()
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4 }
-- squares, state_gradient, gradients = model:decoder_gradients(
--   torus.randn(5, 4, 4, 16), torus.rand(5, 32, 32, 3), 0.5)
-- print(squares, #gradients, table.unpack(state_gradient.shape))
function M.decoder_gradients(model, states, targets, weight, opts)
  local o = options.resolve("hgn:decoder_gradients", opts, DECODER)
  local c, size = model.config, model.size
  options.tensor("hgn:decoder_gradients", "states", states,
    { "images", size[1], size[2], c.state + c.constant_channels }, c.dtype)
  checks.images(model, "decoder_gradients", "targets", targets, states:size(1))
  if o.fused ~= false and c.closing == "none" then
    return fused_decoder(model, states, targets, weight)
  end
  return general_decoder(model, states, targets, weight, o.chunk)
end

-- --- which images are compared ----------------------------------------------

-- `count` frames of every sequence, drawn at random: lists of times, from 1.
local function draw_times(count, steps, batch, generator)
  local times = {}
  for b = 1, batch do
    times[b] = engine.randperm(steps + 1, { generator = generator })
      :narrow(1, 1, count):totable()
  end
  return times
end

-- The indices of the drawn frames among the states, which have time first, and among the
-- frames, which have the batch first.
local function indices_of(times, frames)
  local batch, length = frames:size(1), frames:size(2)
  local of_states, of_frames = {}, {}
  for b = 1, batch do
    for _, t in ipairs(times[b]) do
      of_states[#of_states + 1] = (t - 1) * batch + b
      of_frames[#of_frames + 1] = (b - 1) * length + t
    end
  end
  return of_states, of_frames
end

local function flattened(x)
  return x:reshape(-1, table.unpack(x.shape, 3))
end

-- States and the corresponding frames, both (images, ...).
local function pairs_of_images(states, frames, times)
  if not times then
    return flattened(states),
      flattened(frames:transpose(1, 2):narrow(1, 1, states:size(1)))
  end
  local of_states, of_frames = indices_of(times, frames)
  return flattened(states):index_select(1, of_states),
    flattened(frames):index_select(1, of_frames)
end

-- --- the gradients of the loss ----------------------------------------------

local DRAWS = { generator = {}, epsilon = {},
  decode_frames = { type = "integer", min = 1 },
  horizon = { type = "integer", min = 0 } }
local GRADIENTS = options.joined(LOSS, DRAWS, {
  chunk = CHUNK, draws = { type = "table" },
  mark = { default = function() end, type = "callable" },
})

-- The gradients of `scalar` by name, for all parameters outside the decoder, and those of
-- the decoder.
local function gradients_by_name(model, scalar, decoder_grads)
  local by_name, names, others = {}, {}, {}
  for i, entry in ipairs(model.decoder:named_parameters()) do
    by_name["decoder." .. entry[1]] = decoder_grads[i]
  end
  for _, entry in ipairs(model:named_parameters()) do
    if not by_name[entry[1]] then
      names[#names + 1], others[#others + 1] = entry[1], entry[2]
    end
  end
  local gradients = engine.grad(scalar, others, { allow_unused = true })
  for i, name in ipairs(names) do by_name[name] = gradients[i] end
  return by_name
end

-- Draws the first of the frames that the encoder sees.
local function draw_first(model, o)
  local spare = model.config.frames - model.config.context
  if spare == 0 then return 1 end
  if model.config.context_start == "ends" then
    return engine.randperm(2, { generator = o.generator })[1]:item() == 1 and 1
      or spare + 1
  end
  return engine.randperm(spare + 1, { generator = o.generator })[1]:item()
end

-- The steps of the rollout forward and backward from frame `first`.
local function reach(model, first, horizon)
  horizon = horizon or model.steps
  return math.min(horizon, model.config.frames - first), math.min(horizon, first - 1)
end

-- The random numbers of `gradients` for a batch, in this order: `first`, the first frame
-- that the encoder sees; epsilon, the noise of the posterior sample; `times`, for each
-- sequence a list of the frames that are decoded.
local function draws_of(model, batch, o)
  local c = model.config
  local first, epsilon, times = draw_first(model, o), o.epsilon, nil
  if not epsilon and c.variant ~= "determ" then
    epsilon = engine.randn(model:latent_shape(batch),
      { dtype = c.dtype, generator = o.generator })
  end
  local forward, backward = reach(model, first + c.anchor - 1, o.horizon)
  if o.decode_frames and o.decode_frames <= forward + backward then
    times = draw_times(o.decode_frames, forward + backward, batch, o.generator)
  end
  return { first = first, epsilon = epsilon, times = times }
end

--- Draws the random numbers of `gradients` for a batch in advance, so that parts of a batch
-- use the same numbers as the whole batch.
-- @function HGN:draws
-- @tparam integer batch number of sequences
-- @tparam[opt] table opts generator, epsilon, decode_frames and horizon, as in gradients
-- @treturn table for the option `draws` of gradients; opaque
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4 }
-- frames = torus.rand(2, 4, 32, 32, 3)
-- draws = model:draws(2, { generator = torus.generator(1) })
-- _, both = model:gradients(frames, { draws = draws })
-- _, second = model:gradients(frames:narrow(1, 2, 1), { draws = model:draws_part(draws, 2, 1) })
function M.draws(model, batch, opts)
  return draws_of(model, batch, options.resolve("hgn:draws", opts, DRAWS))
end

--- Returns the part of draws for consecutive sequences of the batch.
-- @function HGN:draws_part
-- @tparam table draws as returned by draws
-- @tparam integer first sequence, from 1
-- @tparam integer count
-- @treturn table
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4 }
-- draws = model:draws(4, { generator = torus.generator(1) })
-- print(model:draws_part(draws, 3, 2).epsilon:size(1))   -- 2
function M.draws_part(_, draws, first, count)
  return { first = draws.first,
    epsilon = draws.epsilon and draws.epsilon:narrow(1, first, count),
    times = draws.times and table.move(draws.times, first, first + count - 1, 1, {}) }
end

-- The positions, (states, batch, ...) in temporal order, around frame `first`, to which q
-- and p belong, and the corresponding frames.
local function roll_both_ways(model, q, p, frames, first, o)
  local forward, backward = reach(model, first, o.horizon)
  local states = motion.around(model, q, p, backward, forward, o.fused)
  return states, frames:narrow(2, first - backward, forward + backward + 1)
end

--- Computes the gradients of the loss in bounded memory: the decoder processes a few images
-- at a time, followed by one backward pass through rollout and encoder. If the encoder sees
-- fewer frames than a sequence has, these begin at a random frame (with context_start =
-- "ends", at the first or the last possible one), the same for all sequences, and the
-- rollout runs forward and backward from there.
-- @function HGN:gradients
-- @tparam tensor frames (batch, frames, height, width, channels)
-- @tparam[opt] table opts as in loss, and
-- @tparam[opt=4] integer opts.chunk images at a time of the decoder's general
-- path
-- @tparam[opt] integer opts.decode_frames number of randomly drawn frames of each sequence
-- on which the error is computed, which is then an unbiased estimate; all by default
-- @tparam[opt] integer opts.horizon maximum number of steps of the rollout in either
-- direction, which limits the frames compared; all by default
-- @tparam[opt] table opts.draws random numbers from HGN:draws for the same horizon, instead of
-- drawing them; generator, epsilon and decode_frames then have no effect
-- @tparam[opt] function opts.mark called with the name of each phase of the computation
-- when it is done
-- @treturn {tensor,...} in the order of parameters(); nil for a parameter that the loss does not
-- depend on, such as friction without rollout steps
-- @treturn table numbers: loss, mse, kl (0 for variant "determ")
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4 }
-- optimiser = torus.optim.adam(model:parameters(), { lr = 1.5e-4 })
-- gradients, numbers = model:gradients(torus.rand(2, 4, 32, 32, 3))
-- optimiser:step(gradients)
-- print(numbers.loss, numbers.mse, numbers.kl)
function M.gradients(model, frames, opts)
  local o = options.resolve("hgn:gradients", opts, GRADIENTS)
  local c = model.config
  checks.frames(model, "gradients", frames, c.frames)
  local draws = o.draws or draws_of(model, frames:size(1), o)
  local first = draws.first
  local z, kl = M.draw(model, "gradients", frames:narrow(2, first, c.context), draws)
  local q, p = model:state_of(z)
  local positions, shown = roll_both_ways(model, q, p, frames,
    first + c.anchor - 1, o)
  local states, targets = pairs_of_images(positions, shown, draws.times)
  states = model:project(states)
  o.mark("forward to the states")

  local count = targets:numel()
  local squares, state_grads, decoder_grads = model:decoder_gradients(
    states:detach(), targets, o.multiplier / count,
    { fused = o.fused, chunk = o.chunk })
  local mse = squares / count
  o.mark("decoder, forward and backward")

  -- Its gradients are those of the loss: here the decoder's term is linear in the states,
  -- with the gradient just computed.
  local surrogate = (states * state_grads):sum()
  local loss, kl_value = o.multiplier * mse, 0
  if kl then
    local scale = M.divergence_scale(model, o.kl_weight)
    kl_value = kl:item()
    loss = loss + scale * kl_value
    surrogate = surrogate + kl * scale
  end
  local by_name = gradients_by_name(model, surrogate, decoder_grads)
  o.mark("backward from the states")
  local gradients = {}
  for i, entry in ipairs(model:named_parameters()) do
    gradients[i] = by_name[entry[1]]
  end
  return gradients, { loss = loss, mse = mse, kl = kl_value }
end

return M
