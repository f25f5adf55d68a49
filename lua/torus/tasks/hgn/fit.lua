--- The second stage of an HGN's training: the Hamiltonian and the chart are fitted to the
-- coordinates of training sequences, together with the initial state of each sequence. The
-- encoder is not involved.
-- @module torus.tasks.hgn.fit
local progress = require "torus.progress"
local training = require "torus.tasks.training"
local chart_prior = require "torus.models.hgn.chart_prior"
local coordinates = require "torus.models.hgn.coordinates"
local engine = require "torus.engine"
local flatten = require "torus.models.hgn.flatten"
local gauss_newton = require "torus.models.hgn.gauss_newton"
local least_squares = require "torus.models.hgn.least_squares"
local lists = require "torus.tasks.lists"
local Located = require "torus.tasks.hgn.located"
local motion = require "torus.models.hgn.motion"
local objective = require "torus.models.hgn.objective"
local stages = require "torus.tasks.hgn.stages"

local Fit = {}
Fit.__index = Fit

-- Number of latents, at least, from which f_psi learns the fitted states.
local TAUGHT = 4096
-- Frames per segment for the first steps, each up to a share of the stage. Over many frames
-- an orbit with a wrong period would be out of phase.
local HORIZONS = { { share = 0.1, frames = 4 }, { share = 0.2, frames = 8 },
  { share = 0.35, frames = 16 } }
-- With the Gauss-Newton method the number of frames doubles from FIRST_FRAMES on: the initial
-- potential was fitted to three frames at a time. Each number has at most the share EACH of the
-- stage's steps, all but the last together at most BEFORE.
local FIRST_FRAMES, EACH, BEFORE = 8, 0.175, 0.6

-- The horizons of the Gauss-Newton method.
local function doubled(frames)
  local list, segment_frames = {}, FIRST_FRAMES
  while segment_frames < frames do
    list[#list + 1] = { frames = segment_frames }
    segment_frames = 2 * segment_frames
  end
  for i, entry in ipairs(list) do entry.share = i * math.min(EACH, BEFORE / #list) end
  return list
end

-- The number of frames per segment at a step of the stage.
local function horizon(config, within)
  local all = config.fit_frames
  if not stages.flattens(config) then return all end
  local share = within / config.fit_steps
  for _, entry in ipairs(config.fit_method == "adam" and HORIZONS or doubled(all)) do
    if share <= entry.share and entry.frames < all then return entry.frames end
  end
  return all
end

-- The number of segments, end to end, that a sequence consists of.
local function segments(config, segment_frames)
  return (config.fit_frames - 1) // (segment_frames - 1)
end

-- The number of sequences that are fitted.
local function fitted_count(config, data) return math.min(config.fit_size, data.train.size) end

--- Returns the states to fit, as a parameter of the training: one at the first frame of
-- every segment, beginning with the first segment of every sequence.
-- @tparam table config
-- @tparam Dataset data
-- @tparam integer dimension of the model's phase space
-- @treturn tensor (sequences * segments, 2 dimension), zeros until the stage begins
function Fit.parameter(config, data, dimension)
  local count = fitted_count(config, data)
  return engine.zeros({ count * segments(config, horizon(config, 1)),
    2 * dimension }, { dtype = config.dtype, requires_grad = true })
end

--- Returns the flat coordinates of all frames of the fitted sequences, which a checkpoint stores
-- if the chart has a prior: the motion's positions, when the stage or a continuation of it began.
-- @tparam table config
-- @tparam Dataset data
-- @tparam integer dimension of the model's phase space
-- @treturn ?tensor (frames, sequences, dimension), zeros until the stage begins
function Fit.flat_buffer(config, data, dimension)
  if config.chart_prior == 0 then return nil end
  return engine.zeros({ config.fit_frames, fitted_count(config, data), dimension },
    { dtype = config.dtype })
end

-- The options of fits of networks to points; the same each time.
local function regression(config)
  return { steps = config.flatten_steps, generator = engine.generator(config.seed),
    on_step = function(done, total)
      progress.within("short fits of chart and energy", done, total)
    end }
end

--- Makes the stage, after finding the coordinates of the training sequences.
-- @tparam Module model an HGN
-- @tparam table config
-- @tparam Dataset data
-- @tparam Located located
-- @tparam table state
-- @tparam tensor state.states as returned by `parameter`
-- @tparam[opt] tensor state.flat_positions as returned by `flat_buffer`
-- @tparam[opt] number state.damping of the Gauss-Newton method, if the stage is resumed
-- @treturn Fit
function Fit.new(model, config, data, located, state)
  local self = setmetatable({ model = model, config = config, data = data,
    states = state.states, flat_positions = state.flat_positions,
    damping = state.damping or gauss_newton.DAMPING, count = fitted_count(config, data) }, Fit)
  located:find(model)
  self.located = located
  return self
end

--- Returns the fitted states at the first frames of the sequences.
-- @tparam table config
-- @tparam Dataset data
-- @tparam tensor states as returned by `parameter`, after the stage
-- @treturn tensor (sequences, 2 dimension)
function Fit.first_states(config, data, states)
  return states:detach():narrow(1, 1, fitted_count(config, data)):contiguous()
end

-- The initial states inferred by the model of the first stage.
local function inferred(self)
  local found = {}
  engine.no_grad(function()
    local some = { count = self.count, frames = self.config.frames }
    Located.each_block(self.config, self.data, some,
      function(frames)
        local q, p = self.model:infer(frames)
        found[#found + 1] = engine.cat({ q, p }, 2)
      end)
  end)
  return engine.cat(found, 1)
end

-- Cuts a tensor over all frames, (frames, sequences, ...), into segments:
-- (segment_frames, sequences * segments, ...).
local function cut(self, x, segment_frames)
  local parts = {}
  for i = 1, segments(self.config, segment_frames) do
    parts[i] = x:narrow(1, (i - 1) * (segment_frames - 1) + 1, segment_frames)
  end
  return #parts == 1 and parts[1] or engine.cat(parts, 2)
end

-- The coordinates, metrics or errors left of the fitted sequences, by name.
local function of_fitted(self, name) return self.located[name]:narrow(2, 1, self.count) end

-- All three, each changed by a function.
local function all_of_fitted(self, change)
  local all = {}
  for _, name in ipairs { "coordinates", "metrics", "left" } do
    all[name] = change(of_fitted(self, name))
  end
  return all
end

-- Switches to segments of `segment_frames` frames.
local function set_segments(self, segment_frames)
  self.segment_frames = segment_frames
  self.segments = all_of_fitted(self, function(x) return cut(self, x, segment_frames) end)
end

-- Estimates the states at the first frames of segments from flat coordinates.
local function states_of(self, flat, segment_frames)
  local q = cut(self, flat, segment_frames)
  return engine.cat({ q[1], (q[2] - q[1]) / self.config.dt }, 2)
end

-- The states at the first frames of longer segments, from rollouts of the shorter segments
-- that contain these frames.
local function rolled_states(self, before, segment_frames)
  local c, found = self.config, {}
  local last = segments(c, before) - 1
  for i = 1, segments(c, segment_frames) do
    local offset = (i - 1) * (segment_frames - 1)
    local segment = math.min(offset // (before - 1), last)
    local states = self.states:detach()
      :narrow(1, segment * self.count + 1, self.count)
    local q, p = states:chunk(2, 2)
    found[i] = motion.states_around(self.model, q:contiguous(), p:contiguous(), 0,
      offset - segment * (before - 1))[-1]
  end
  return engine.cat(found, 1)
end

-- Sets the states to those near the given ones that fit the segments best.
local function fit_segment_states(self, states)
  local some = self.segments
  engine.no_grad(function()
    local fitted = coordinates.fit_states(self.model, states, some.coordinates,
      some.metrics)
    self.states:narrow(1, 1, fitted:size(1)):copy_(fitted)
  end)
end

-- Begins the stage: if possible, with a newly fitted chart and potential.
local function begin(self)
  if not stages.flattens(self.config) then return fit_segment_states(self, inferred(self)) end
  local o = regression(self.config)
  local flat = flatten.chart(self.model, of_fitted(self, "coordinates"),
    of_fitted(self, "metrics"), o)
  if self.flat_positions then self.flat_positions:copy_(flat) end
  flatten.potential(self.model, flat, o)
  fit_segment_states(self, states_of(self, flat, self.segment_frames))
end

-- The prior on the chart.
local function prior_of(self)
  if not self.flat_positions then return nil end
  self.prior = self.prior or chart_prior.new(self.flat_positions,
    all_of_fitted(self, function(x) return x end), self.config.chart_prior)
  return self.prior
end

-- A step of the Levenberg-Marquardt method, which changes networks and states in place; with
-- several processes, each computes all of it. Returns the loss.
local function gauss_newton_step(self)
  local c, some = self.config, self.segments
  local count = some.coordinates:size(2)
  -- Shares the elements of the parameter, without its graph.
  local now = self.states:detach():narrow(1, 1, count)
  local states, damping, loss = gauss_newton.step(self.model, now:contiguous(),
    some.coordinates, some.metrics, some.left, self.damping, { prior = prior_of(self),
      -- Not in short sequences, whose noise would be fitted.
      far = self.segment_frames == c.fit_frames and c.fit_frames > c.frames })
  now:copy_(states)
  self.damping = damping
  return loss
end

--- Prepares a step of the stage: its beginning, or segments of more frames.
-- @tparam integer within the step of the stage, from 1
function Fit:prepare(within)
  local c = self.config
  local segment_frames = horizon(c, within)
  if segment_frames ~= self.segment_frames then set_segments(self, segment_frames) end
  if within == 1 then
    begin(self)
  elseif segment_frames ~= horizon(c, within - 1) then
    fit_segment_states(self, engine.no_grad(rolled_states, self, horizon(c, within - 1),
      segment_frames))
  end
end

-- Finds the coordinates again near the motion, whose positions are the flat ones from now on.
local function find_again(self, all)
  local model, states = self.model, Fit.first_states(self.config, self.data, self.states)
  local q = engine.no_grad(least_squares.positions, model, states, 1, self.config.fit_frames)
  if self.flat_positions then self.flat_positions:copy_(q) end
  self.prior = nil
  self.located:find_again(model, engine.no_grad(model.coordinates, model, q), all)
end

--- Prepares a step of a continuation of the stage, which fits whole sequences.
-- @tparam boolean first true: the decoder has been trained, so that coordinates are found again
-- @tparam boolean all true: of all sequences and not only of the fitted ones
function Fit:continue(first, all)
  local c = self.config
  if first then find_again(self, all) end
  if first or not self.segment_frames then set_segments(self, c.fit_frames) end
end

--- Draws a batch of sequences, or as many frames of segments. With the Gauss-Newton method,
-- performs the step, on all of them.
-- @tparam generator generator draws the batch
-- @treturn table
function Fit:draw(generator)
  local c = self.config
  local count = self.segments.coordinates:size(2)
  if c.fit_method == "gauss_newton" then
    return { size = count, whole = true, loss = gauss_newton_step(self) }
  end
  local batch = math.min(c.fit_batch * segments(c, self.segment_frames), count)
  local indices = engine.randperm(count, { generator = generator })
    :narrow(1, 1, batch):totable()
  return { size = batch, indices = indices }
end

--- Returns the gradients of part of a batch.
-- @tparam table batch as returned by draw
-- @tparam integer first
-- @tparam integer count
-- @tparam {tensor,...} parameters
-- @treturn {tensor,...} gradients; nil for a parameter that the error does not depend on
-- @treturn table numbers for the log: loss, as a mean squared pixel error
function Fit:share(batch, first, count, parameters)
  if batch.loss then return {}, { loss = batch.loss } end
  local indices = lists.part(batch.indices, first, count)
  local function of_batch(name)
    return self.segments[name]:index_select(2, indices)
  end
  local loss = self.model:coordinate_loss(
    self.states:index_select(1, indices), of_batch "coordinates",
    of_batch "metrics", of_batch "left")
  return training.gradients(loss * coordinates.LOSS_SCALE, parameters), { loss = loss:item() }
end

-- The first frames of windows of `context` frames, spread over those of the fit.
local function starts_of(config, context, count)
  local last, list = config.fit_frames - context + 1, {}
  local windows = math.min(last, math.ceil(TAUGHT / count))
  for i = 1, windows do
    list[i] = windows == 1 and 1 or 1 + math.floor((i - 1) * (last - 1) / (windows - 1) + 0.5)
  end
  return list
end

--- Teaches f_psi the fitted states before the encoder's training continues, if the stage began
-- with flat coordinates, which are others than those that f_psi was trained with.
-- @tparam Module model an HGN
-- @tparam table config
-- @tparam Dataset data
-- @tparam tensor states as returned by `parameter`, after the stage
function Fit.translate(model, config, data, states)
  if not (stages.flattens(config) and model.f_psi) then return end
  local o = regression(config)
  local first = Fit.first_states(config, data, states)
  local count, context = first:size(1), model.config.context
  local latents, wanted = {}, {}
  engine.no_grad(function()
    local q, p = first:chunk(2, 2)
    local trajectory = motion.states_around(model, q:contiguous(), p:contiguous(), 0,
      config.fit_frames - 1)
    local starts = starts_of(config, context, count)
    local some = { count = count, frames = config.fit_frames }
    Located.each_block(config, data, some, function(frames, before)
      for _, start in ipairs(starts) do
        local z = objective.draw(model, "fit", frames:narrow(2, start, context), o)
        latents[#latents + 1] = z:reshape(frames:size(1), -1)
        wanted[#wanted + 1] = trajectory[start + model.config.anchor - 1]
          :narrow(1, before + 1, frames:size(1))
      end
    end)
  end)
  flatten.state(model, engine.cat(latents, 1), engine.cat(wanted, 1), o)
end

return Fit
