--- The second stage of an HGN's training: Hamiltonian and chart are fitted to
-- the coordinates of training sequences, together with each sequence's initial
-- state, which no encoder has to guess here.
-- @module torus.tasks.hgn.fit
local training = require "torus.tasks.training"
local coordinates = require "torus.models.hgn.coordinates"
local engine = require "torus.engine"
local lists = require "torus.tasks.lists"
local windows = require "torus.data.windows"

local Fit = {}
Fit.__index = Fit

-- Sequences whose coordinates are found at a time.
local BLOCK = 16
-- Adam's eps is small against gradients of this scale of the loss; the limit of
-- the gradients' norm is meant for that of images.
local SCALE = 20

--- The states that are fitted, as a parameter of the training.
-- @tparam table config
-- @tparam Dataset data
-- @tparam integer dimension of the model's phase space
-- @treturn tensor (sequences, 2 dimension), zeros until the stage begins
function Fit.parameter(config, data, dimension)
  local count = math.min(config.fit_size, data.train.size)
  return engine.zeros({ count, 2 * dimension },
    { dtype = config.dtype, requires_grad = true })
end

-- Calls f with the frames of one block of sequences after the other.
local function each_block(data, count, config, f)
  for first = 1, count, BLOCK do
    local indices = lists.range(first, math.min(first + BLOCK - 1, count))
    f(windows.first(data.train, indices, config.frames):to(config.dtype))
  end
end

--- Finds the coordinates of the training sequences.
-- @tparam Module model an HGN
-- @tparam table config
-- @tparam Dataset data
-- @tparam tensor states as `parameter` makes it
-- @treturn Fit
function Fit.new(model, config, data, states)
  local self = setmetatable({ model = model, config = config, data = data,
    states = states }, Fit)
  local found, metrics = {}, {}
  each_block(data, states:size(1), config, function(frames)
    found[#found + 1], metrics[#metrics + 1] = model:locate(frames)
  end)
  self.coordinates = engine.cat(found, 2)
  self.metrics = engine.cat(metrics, 2)
  return self
end

--- Puts the states where the encoder and the first stage's Hamiltonian say.
function Fit:begin()
  local found = {}
  engine.no_grad(function()
    each_block(self.data, self.states:size(1), self.config,
      function(frames)
        local q, p = self.model:infer(frames)
        found[#found + 1] = engine.cat({ q, p }, 2)
      end)
    self.states:copy_(coordinates.fit_states(self.model, engine.cat(found, 1),
      self.coordinates, self.metrics))
  end)
end

--- The gradients of one batch of sequences.
-- @tparam {tensor,...} parameters
-- @tparam generator generator draws the batch
-- @treturn {tensor,...} gradients; nil where the error does not depend on one
-- @treturn table numbers for the log: loss, as a mean squared error of a pixel
function Fit:step(parameters, generator)
  local count = self.states:size(1)
  local batch = math.min(self.config.fit_batch, count)
  local indices = engine.randperm(count, { generator = generator })
    :narrow(1, 1, batch):totable()
  local loss = self.model:coordinate_loss(
    self.states:index_select(1, indices),
    self.coordinates:index_select(2, indices),
    self.metrics:index_select(2, indices))
  return training.gradients(loss * SCALE, parameters), { loss = loss:item() }
end

return Fit
