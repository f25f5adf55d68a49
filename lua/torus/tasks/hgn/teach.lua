--- The third stage of an HGN's training, from coordinates: from any window of a training
-- sequence, the encoder learns the state whose motion passes through the coordinates of the
-- sequence. No image is decoded, so a step covers more sequences, and all of their frames.
-- @module torus.tasks.hgn.teach
local coordinates = require "torus.models.hgn.coordinates"
local engine = require "torus.engine"
local lists = require "torus.tasks.lists"
local objective = require "torus.models.hgn.objective"
local training = require "torus.tasks.training"
local windows = require "torus.data.windows"

local Teach = {}
Teach.__index = Teach

--- Makes the stage.
-- @tparam Module model an HGN whose motion has been fitted
-- @tparam table config
-- @tparam Dataset data
-- @tparam Located located coordinates of training sequences
-- @treturn Teach
function Teach.new(model, config, data, located)
  return setmetatable({ model = model, config = config, data = data,
    located = located }, Teach)
end

--- Draws the sequences of a step, the window that the encoder sees, and noise.
-- @tparam generator generator
-- @treturn table for `share`
function Teach:draw(generator)
  local c, count = self.config, self.located.count
  local batch = math.min(c.teach_batch, count)
  local indices = engine.randperm(count, { generator = generator }):narrow(1, 1, batch)
    :totable()
  return { size = batch, indices = indices,
    starts = windows.random_starts(batch, c.fit_frames, c.frames, generator),
    draws = self.model:draws(batch, { generator = generator }) }
end

--- Returns the gradients of part of a batch: those of the error of the motion in
-- coordinates and of the divergence, each with its weight.
-- @tparam table batch as returned by draw
-- @tparam integer first
-- @tparam integer count
-- @tparam {tensor,...} parameters
-- @tparam table weights multiplier and kl_weight
-- @treturn {tensor,...} gradients; nil for a parameter that the loss does not depend on
-- @treturn table numbers for the log: loss, mse, kl
function Teach:share(batch, first, count, parameters, weights)
  local model, c = self.model, self.config
  local indices = lists.part(batch.indices, first, count)
  local starts = lists.part(batch.starts, first, count)
  local some = self.located:windows(indices, starts)
  local draws = model:draws_part(batch.draws, first, count)
  local frames = self.data.train:windows(indices, starts, c.frames):to(c.dtype)
  local z, kl = objective.draw(model, "gradients",
    frames:narrow(2, draws.first, c.context), draws)
  local q, p = model:state_of(z)
  local mse = coordinates.frame_losses(model, engine.cat({ q, p }, 2), some.coordinates,
    some.metrics, some.left, draws.first + c.anchor - 1):mean()
  local loss = mse * weights.multiplier
  if kl then
    loss = loss + kl * objective.divergence_scale(model, weights.kl_weight)
  end
  return training.gradients(loss * coordinates.LOSS_SCALE, parameters), { loss = loss:item(),
    mse = mse:item(), kl = kl and kl:item() or 0 }
end

return Teach
