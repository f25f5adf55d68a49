--- Trains an HGN's decoder alone: it learns to draw frames of training sequences at given
-- positions. In the first stage of the training it had to draw them at positions inferred by
-- the encoder, which are off, so that its images are blurred and the coordinates found with it
-- uncertain. Neither encoder nor rollout takes part.
-- @module torus.tasks.hgn.redraw
local coordinates = require "torus.models.hgn.coordinates"
local engine = require "torus.engine"
local lists = require "torus.tasks.lists"
local training = require "torus.tasks.training"

local Redraw = {}
Redraw.__index = Redraw

-- The share of the sequences that are learned from, those that the motion fits best: where it
-- is wrong, the decoder would learn to draw the frames in wrong places.
local SHARE = 0.95

--- Makes the training.
-- @tparam Module model an HGN with a vector phase space
-- @tparam table config
-- @tparam Dataset data
-- @tparam tensor positions (frames, sequences, n), in the decoder's coordinates
-- @tparam tensor weights (frames, sequences), to which the frequencies are proportional with
-- which frames are drawn
-- @treturn Redraw
function Redraw.new(model, config, data, positions, weights)
  return setmetatable({ model = model, config = config, data = data,
    positions = positions:reshape(-1, positions:size(3)), sequences = positions:size(2),
    weights = weights:reshape(-1) }, Redraw)
end

--- Makes the training at the positions of a fitted motion.
-- @tparam Module model an HGN whose motion has been fitted
-- @tparam table config
-- @tparam Dataset data
-- @tparam Located located coordinates of training sequences
-- @tparam tensor states (sequences, 2 dimension), the fitted ones
-- @treturn Redraw
function Redraw.at_motion(model, config, data, located, states)
  return engine.no_grad(function()
    local count = states:size(1)
    local errors = coordinates.frame_losses(model, states,
      located.coordinates:narrow(2, 1, count), located.metrics:narrow(2, 1, count)):median(1)
    local kept = errors:le(errors:quantile(SHARE)):to("float64")
    return Redraw.new(model, config, data,
      coordinates.motion(model, states, config.fit_frames),
      kept:expand(config.fit_frames, count))
  end)
end

--- Draws the frames of a step.
-- @tparam generator generator
-- @treturn table for `share`
function Redraw:draw(generator)
  local count = self.config.decoder_batch
  local batch = { size = count, indices = {}, times = {}, rows = engine.multinomial(
    self.weights, count, true, { generator = generator }):totable() }
  for i, row in ipairs(batch.rows) do
    batch.times[i] = (row - 1) // self.sequences + 1
    batch.indices[i] = (row - 1) % self.sequences + 1
  end
  return batch
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
  local function part(list) return lists.part(list, first, count) end
  local frames = self.data.train:windows(part(batch.indices), part(batch.times), 1)
    :select(2, 1):contiguous():to(c.dtype)
  local map = model:decoder_map(self.positions
    :index_select(1, engine.tensor(part(batch.rows), { dtype = "int64" })))
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
