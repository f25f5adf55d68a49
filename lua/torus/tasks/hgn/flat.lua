--- Rounds of an HGN's training that flatten the decoder's coordinates: those that it learned
-- in the first stage are stretched and bent, or even cut open at an angle, and where they are,
-- its images are wrong and no Hamiltonian fits. Each round finds a map to coordinates in which
-- the metric of the frames is nearly constant (torus.models.hgn.flatten) and trains the
-- decoder to draw the frames at the mapped coordinates. The coordinates that are then found are
-- flatter, and the next round continues with these.
-- @module torus.tasks.hgn.flat
local coordinates = require "torus.models.hgn.coordinates"
local engine = require "torus.engine"
local flatten = require "torus.models.hgn.flatten"
local progress = require "torus.progress"
local Redraw = require "torus.tasks.hgn.redraw"

local Flat = {}
Flat.__index = Flat

--- Makes the stage, after finding the coordinates of the training sequences.
-- @tparam Module model an HGN
-- @tparam table config
-- @tparam Dataset data
-- @tparam Located located
-- @treturn Flat
function Flat.new(model, config, data, located)
  located:find(model)
  return setmetatable({ model = model, config = config, data = data, located = located,
    count = math.min(config.flatten_size, located.count) }, Flat)
end

-- The flat coordinates of all located sequences, (frames, sequences, n). They are the same
-- each time, as long as the located ones are, so that a resumed round continues with them.
local function mapped(self)
  local c, located = self.config, self.located
  if not self.positions then
    local function some(x) return x:narrow(2, 1, self.count) end
    self.positions = flatten.map(some(located.coordinates), some(located.metrics), {
      steps = c.flatten_steps, generator = engine.generator(c.seed),
      on_step = function(done, total) progress.within("flat coordinates", done, total) end,
    })(located.coordinates)
  end
  return self.positions
end

--- Finds the coordinates again, after the decoder has been trained at flat ones.
-- @tparam boolean all true: of all sequences, and not only of those that are learned from; the
-- others' are mapped
function Flat:locate(all)
  local near = mapped(self)
  self.located.coordinates:copy_(near)
  self.located:find_near(self.model, all and near or near:narrow(2, 1, self.count))
  self.positions, self.redraw = nil, nil
end

--- Draws the frames of a step.
-- @tparam generator generator
-- @treturn table for `share`
function Flat:draw(generator)
  self.redraw = self.redraw or Redraw.new(self.model, self.config, self.data,
    mapped(self):narrow(2, 1, self.count):contiguous(),
    coordinates.trust(self.located.left:narrow(2, 1, self.count)))
  return self.redraw:draw(generator)
end

--- Returns the gradients of part of a batch, as torus.tasks.hgn.redraw does.
function Flat:share(...) return self.redraw:share(...) end

return Flat
