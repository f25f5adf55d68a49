--- The second stage of an HGN's training: Hamiltonian and chart are fitted to
-- the coordinates of training sequences, together with each sequence's initial
-- state, which no encoder has to guess here.
-- @module torus.tasks.hgn.fit
local training = require "torus.tasks.training"
local coordinates = require "torus.models.hgn.coordinates"
local engine = require "torus.engine"
local flatten = require "torus.models.hgn.flatten"
local lists = require "torus.tasks.lists"
local objective = require "torus.models.hgn.objective"
local windows = require "torus.data.windows"

local Fit = {}
Fit.__index = Fit

-- Sequences whose coordinates are found at a time.
local BLOCK = 16
-- Adam's eps is small against gradients of this scale of the loss; the limit of
-- the gradients' norm is meant for that of images.
local SCALE = 20
-- Frames of the segments that the first steps fit, up to a share of the stage:
-- an orbit whose period is wrong is out of phase after many.
local HORIZONS = { { share = 0.1, frames = 4 }, { share = 0.2, frames = 8 },
  { share = 0.35, frames = 16 } }

-- Whether the stage can begin with flat coordinates; see
-- torus.models.hgn.flatten.
local function flattens(config)
  return config.flatten_steps > 0 and config.chart > 0
    and config.kinetic == "quadratic" and config.hamiltonian == "separable"
end

-- The frames of the segments that a step of the stage fits.
local function horizon(config, within)
  if not flattens(config) then return config.frames end
  local share = within / config.fit_steps
  for _, entry in ipairs(HORIZONS) do
    if share <= entry.share and entry.frames < config.frames then
      return entry.frames
    end
  end
  return config.frames
end

-- How many segments of so many frames a sequence has, end to end.
local function segments(config, shown)
  return (config.frames - 1) // (shown - 1)
end

--- The states that are fitted, as a parameter of the training: those at the
-- first frames of all segments, first those of every sequence's first segment.
-- @tparam table config
-- @tparam Dataset data
-- @tparam integer dimension of the model's phase space
-- @treturn tensor (sequences * segments, 2 dimension), zeros until the stage
-- begins
function Fit.parameter(config, data, dimension)
  local count = math.min(config.fit_size, data.train.size)
  return engine.zeros({ count * segments(config, horizon(config, 1)),
    2 * dimension }, { dtype = config.dtype, requires_grad = true })
end

-- Calls f with the frames of one block of sequences after the other.
local function each_block(data, count, config, f)
  for first = 1, count, BLOCK do
    local indices = lists.range(first, math.min(first + BLOCK - 1, count))
    f(windows.first(data.train, indices, config.frames):to(config.dtype))
  end
end

-- How a network is fitted to points; the same whenever it is done.
local function regression(config)
  return { steps = config.flatten_steps,
    generator = engine.generator(config.seed) }
end

--- Finds the coordinates of the training sequences.
-- @tparam Module model an HGN
-- @tparam table config
-- @tparam Dataset data
-- @tparam tensor states as `parameter` makes it
-- @treturn Fit
function Fit.new(model, config, data, states)
  local self = setmetatable({ model = model, config = config, data = data,
    states = states, count = math.min(config.fit_size, data.train.size) }, Fit)
  local found, metrics, left = {}, {}, {}
  each_block(data, self.count, config, function(frames)
    local i = #found + 1
    found[i], metrics[i], left[i] = model:locate(frames, { charted = false })
  end)
  self.coordinates = engine.cat(found, 2)
  self.metrics = engine.cat(metrics, 2)
  self.left = engine.cat(left, 2)
  return self
end

-- The states that encoder and Hamiltonian of the first stage say.
local function inferred(self)
  local found = {}
  engine.no_grad(function()
    each_block(self.data, self.count, self.config,
      function(frames)
        local q, p = self.model:infer(frames)
        found[#found + 1] = engine.cat({ q, p }, 2)
      end)
  end)
  return engine.cat(found, 1)
end

-- The segments of a tensor of all frames (frames, sequences, ...):
-- (shown, sequences * segments, ...).
local function cut(self, x, shown)
  local parts = {}
  for i = 1, segments(self.config, shown) do
    parts[i] = x:narrow(1, (i - 1) * (shown - 1) + 1, shown)
  end
  return #parts == 1 and parts[1] or engine.cat(parts, 2)
end

-- Looks at segments of so many frames from now on.
local function look_at(self, shown)
  self.shown = shown
  self.segments = { coordinates = cut(self, self.coordinates, shown),
    metrics = cut(self, self.metrics, shown), left = cut(self, self.left, shown) }
end

-- Puts the states of the segments where their coordinates say.
local function place_states(self)
  local some, states = self.segments, nil
  if flattens(self.config) then
    states = coordinates.first_states(self.model, some.coordinates, some.metrics)
  else
    states = coordinates.fit_states(self.model, inferred(self),
      some.coordinates, some.metrics)
  end
  engine.no_grad(function()
    self.states:narrow(1, 1, states:size(1)):copy_(states)
  end)
end

-- The chart and the potential that the stage begins with, where it can.
local function begin(self)
  if not flattens(self.config) then return end
  local o = regression(self.config)
  local q = flatten.chart(self.model, self.coordinates, self.metrics, o)
  flatten.potential(self.model, q, o)
end

--- The gradients of one batch of sequences, or of as many frames of segments.
-- @tparam integer within the step of the stage, from 1
-- @tparam {tensor,...} parameters
-- @tparam generator generator draws the batch
-- @treturn {tensor,...} gradients; nil where the error does not depend on one
-- @treturn table numbers for the log: loss, as a mean squared error of a pixel
function Fit:step(within, parameters, generator)
  local c = self.config
  local shown = horizon(c, within)
  if shown ~= self.shown then look_at(self, shown) end
  if within == 1 then begin(self) end
  if within == 1 or shown ~= horizon(c, within - 1) then place_states(self) end
  local count = self.segments.coordinates:size(2)
  local batch = math.min(c.fit_batch * segments(c, shown), count)
  local indices = engine.randperm(count, { generator = generator })
    :narrow(1, 1, batch):totable()
  local function of_batch(name)
    return self.segments[name]:index_select(2, indices)
  end
  local loss = self.model:coordinate_loss(
    self.states:index_select(1, indices), of_batch "coordinates",
    of_batch "metrics", of_batch "left")
  return training.gradients(loss * SCALE, parameters), { loss = loss:item() }
end

--- Teaches f_psi the coordinates of the fitted Hamiltonian, before the encoder
-- is trained on; where the stage began with flat coordinates.
-- @tparam Module model an HGN
-- @tparam table config
-- @tparam Dataset data
function Fit.translate(model, config, data)
  if not (flattens(config) and model.f_psi) then return end
  local o = regression(config)
  local count = math.min(config.fit_size, data.train.size)
  local latents = {}
  engine.no_grad(function()
    each_block(data, count, config, function(frames)
      local spare = config.frames - model.config.context
      for _, first in ipairs { 1, spare // 2 + 1, spare + 1 } do
        latents[#latents + 1] = (objective.draw(model, "fit",
          frames:narrow(2, first, model.config.context), o))
          :reshape(frames:size(1), -1)
      end
    end)
  end)
  local z = engine.cat(latents, 1)
  -- As many of the prior, from which states are sampled.
  z = engine.cat({ z, engine.randn(z.shape, { dtype = z.dtype,
    generator = o.generator }) }, 1)
  flatten.state(model, z, o)
end

return Fit
