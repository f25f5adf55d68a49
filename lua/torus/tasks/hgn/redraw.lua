--- The decoder's own stage of an HGN's training: it learns to draw the frames of the fitted
-- sequences at the positions of their fitted motion. In the first stage it had to draw them at
-- positions inferred by the encoder, which are off, so that its images are blurred and the
-- coordinates found with it uncertain. Neither encoder nor rollout takes part.
-- @module torus.tasks.hgn.redraw
local coordinates = require "torus.models.hgn.coordinates"
local engine = require "torus.engine"
local training = require "torus.tasks.training"
local windows = require "torus.data.windows"

local Redraw = {}
Redraw.__index = Redraw

-- The share of the sequences that are learned from, those that the motion fits best: where it
-- is wrong, the decoder would learn to draw the frames in wrong places.
local SHARE = 0.95

-- Indices of the sequences that the motion fits best, by the median error of their frames.
local function best(model, states, located)
  local count = states:size(1)
  local errors = coordinates.frame_losses(model, states,
    located.coordinates:narrow(2, 1, count), located.metrics:narrow(2, 1, count))
  local order = errors:median(1):argsort(1):totable()
  return table.move(order, 1, math.max(1, math.floor(SHARE * count)), 1, {})
end

--- Makes the stage.
-- @tparam Module model an HGN whose motion has been fitted
-- @tparam table config
-- @tparam Dataset data
-- @tparam Located located coordinates of training sequences
-- @tparam tensor states (sequences, 2 dimension), the fitted ones
-- @treturn Redraw
function Redraw.new(model, config, data, located, states)
  local self = setmetatable({ model = model, config = config, data = data }, Redraw)
  engine.no_grad(function()
    self.sequences = best(model, states, located)
    self.positions = coordinates.motion(model, states, config.fit_frames)
  end)
  return self
end

--- Draws the frames of a step.
-- @tparam generator generator
-- @treturn table for `share`
function Redraw:draw(generator)
  local c = self.config
  local chosen = engine.randint(1, #self.sequences + 1, { c.decoder_batch },
    { generator = generator }):totable()
  local batch = { size = c.decoder_batch, indices = {},
    times = windows.random_starts(c.decoder_batch, c.fit_frames, 1, generator) }
  for i, k in ipairs(chosen) do batch.indices[i] = self.sequences[k] end
  return batch
end

-- The positions of some frames, (count, n).
local function positions_of(self, indices, times)
  local rows, count = {}, self.positions:size(2)
  for i, b in ipairs(indices) do rows[i] = (times[i] - 1) * count + b end
  return self.positions:reshape(-1, self.positions:size(3))
    :index_select(1, engine.tensor(rows, { dtype = "int64" }))
end

--- Returns the gradients of part of a batch.
-- @tparam table batch as returned by draw
-- @tparam integer first
-- @tparam integer count
-- @tparam {tensor,...} parameters
-- @treturn {tensor,...} gradients; nil for a parameter that the images do not depend on
-- @treturn table numbers for the log: loss and mse, a mean squared pixel error
function Redraw:share(batch, first, count, parameters)
  local model, c = self.model, self.config
  local indices = table.move(batch.indices, first, first + count - 1, 1, {})
  local times = table.move(batch.times, first, first + count - 1, 1, {})
  local frames = self.data.train:windows(indices, times, 1):select(2, 1):contiguous()
    :to(c.dtype)
  local map = model:decoder_map(positions_of(self, indices, times))
  local weight = 1 / frames:numel()
  local squares, by_map, by_decoder = model:decoder_gradients(map:detach(), frames, weight,
    { chunk = c.chunk })
  local gradients = training.gradients((map * by_map):sum(), parameters)
  local at = {}
  for i, parameter in ipairs(parameters) do at[parameter] = i end
  for i, parameter in ipairs(model.decoder:parameters()) do
    gradients[at[parameter]] = by_decoder[i]
  end
  return gradients, { loss = squares * weight, mse = squares * weight }
end

return Redraw
