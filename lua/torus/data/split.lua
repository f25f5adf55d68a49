--- One part of a data set, train or test: sequences of frames by their places.
--
-- Both kinds have `size`, the number of sequences, `length`, of frames in
-- each, batch(places) and clean(places), which give frames (batch, length,
-- height, width, 3), float32 in [0, 1]. Places are a list or an int64 tensor.
-- `clean_unknown` is true where clean() can only give what batch() does.
-- @module torus.data.split
local options = require "torus.options"
local engine = require "torus.engine"
local windows = require "torus.data.windows"

local M = {}

-- Places as a list, each within 1..size.
local function list_of(places, size)
  if engine.is_tensor(places) then
    if places.dtype ~= "int64" or places:dim() ~= 1 then
      options.raise("batch: expected int64 places of shape (n), got %s %s",
        places.dtype, options.shape_text(places))
    end
    places = places:totable()
  elseif type(places) ~= "table" then
    options.raise("batch: expected a list of places, got %s",
      tostring(places))
  end
  local list = {}
  for i, place in ipairs(places) do
    list[i] = type(place) == "number" and math.tointeger(place) or nil
    if not list[i] then
      options.raise("batch: expected whole numbers as places, got %s at %d",
        tostring(place), i)
    end
    if list[i] < 1 or list[i] > size then
      options.raise("batch: place %d is outside 1..%d", list[i], size)
    end
  end
  if #list == 0 then options.raise("batch: expected at least one place") end
  return list
end

-- --- states, rendered when asked for ----------------------------------------

--- Sequences of simulated states, rendered when they are asked for: a data
-- set's `train` or `test`. Fields: size, length.
-- @type States
local States = {}
States.__index = States
States.__name = "torus.data.states"

--- @tparam System system
-- @tparam tensor noisy (size, length, 2, d) float32
-- @tparam tensor clean the same without noise
-- @tparam ?table drawing options of system:render
-- @treturn States
function M.states(system, noisy, clean, drawing)
  return setmetatable({ system = system, noisy = noisy, clean_states = clean,
    size = noisy:size(1), length = noisy:size(2), drawing = drawing or {} },
    States)
end

function States:__len() return self.size end

--- States at places.
-- @tparam {integer,...}|tensor places
-- @tparam ?boolean clean without noise
-- @treturn tensor (batch, length, 2, d) float32: q is [.., 1, ..], p [.., 2, ..]
-- @usage
-- train = torus.data.simulate("pendulum", { train = 20, test = 5 }).train
-- x = train:states({1, 2}, true)
-- print(table.unpack(x.shape))   -- 2  31  2  1
function States:states(places, clean)
  local from = clean and self.clean_states or self.noisy
  return from:index_select(1,
    engine.tensor(list_of(places, self.size), { dtype = "int64" }))
end

local function render(self, places, clean)
  local states = self:states(places, clean)
  return self.system:render(states:select(3, 1), self.drawing)
end

--- Frames as they were observed, noise included.
-- @tparam {integer,...}|tensor places
-- @treturn tensor (batch, length, height, width, 3) float32
-- @usage
-- train = torus.data.simulate("pendulum", { train = 20, test = 5 }).train
-- print(table.unpack(train:batch{1, 2}.shape))   -- 2  31  32  32  3
function States:batch(places) return render(self, places, false) end

--- Frames without noise.
-- @tparam {integer,...}|tensor places
-- @treturn tensor (batch, length, height, width, 3) float32
-- @usage
-- train = torus.data.simulate("pendulum", { train = 20, test = 5 }).train
-- noise = train:batch{1} - train:clean{1}
function States:clean(places) return render(self, places, true) end

--- Windows of the observed frames; only these are rendered.
-- @tparam {integer,...}|tensor places of the sequences
-- @tparam {integer,...} starts index of each window's first frame, from 1
-- @tparam integer count frames of a window
-- @treturn tensor (batch, count, height, width, 3) float32
-- @usage
-- train = torus.data.simulate("pendulum", { train = 20, test = 5 }).train
-- x = train:windows({1, 2}, {1, 11}, 5)
-- print(table.unpack(x.shape))   -- 2  5  32  32  3
function States:windows(places, starts, count)
  local states = windows.cut(self:states(places), starts, count)
  return self.system:render(states:select(3, 1), self.drawing)
end

-- --- frames that are there --------------------------------------------------

--- Sequences of given frames: `train` or `test` of torus.data.frames. Fields:
-- size, length, clean_unknown.
-- @type Frames
local Frames = {}
Frames.__index = Frames
Frames.__name = "torus.data.frames"

--- @tparam table source with shape {all, length, height, width, 3} and
-- rows(list of places) -> tensor of them, uint8 or float32; see
-- torus.data.video
-- @tparam integer first sequence of this part
-- @tparam integer size of this part
-- @treturn Frames
function M.frames(source, first, size)
  return setmetatable({ source = source, before = first - 1, size = size,
    length = source.shape[2] }, Frames)
end

function Frames:__len() return self.size end

--- Frames at places.
-- @tparam {integer,...}|tensor places
-- @treturn tensor (batch, length, height, width, 3) float32
-- @usage
-- train = torus.data.frames(torus.rand(10, 31, 16, 16, 3), { test = 2 }).train
-- print(table.unpack(train:batch{1, 2}.shape))   -- 2  31  16  16  3
function Frames:batch(places)
  local list = list_of(places, self.size)
  for i, place in ipairs(list) do list[i] = place + self.before end
  local picked = self.source:rows(list)
  if picked.dtype == "uint8" then return picked:to("float32") / 255 end
  return picked
end

--- Windows of the frames.
-- @tparam {integer,...}|tensor places of the sequences
-- @tparam {integer,...} starts index of each window's first frame, from 1
-- @tparam integer count frames of a window
-- @treturn tensor (batch, count, height, width, 3) float32
-- @usage
-- train = torus.data.frames(torus.rand(10, 31, 16, 16, 3), { test = 2 }).train
-- print(table.unpack(train:windows({1}, {4}, 5).shape))   -- 1  5  16  16  3
function Frames:windows(places, starts, count)
  return windows.cut(self:batch(places), starts, count)
end

--- The same frames: what was before their noise is not known.
Frames.clean, Frames.clean_unknown = Frames.batch, true

-- --- what an error means ------------------------------------------------------

local function squared(x) return (x * x):sum():item() end

--- Mean squared pixel errors that a model's is to be compared with.
-- @tparam States|Frames split
-- @tparam ?table opts count=1000, of sequences; chunk=16
-- @treturn table floor, of the noisy frames against the clean ones, which no
-- model can beat on noisy data (nil where clean frames are not known);
-- own_mean, of each sequence's own mean image, and constant, of the mean image
-- of all, both against the clean frames
-- @usage
-- train = torus.data.simulate("pendulum", { train = 20, test = 5 }).train
-- print(train:measure{ count = 10 }.own_mean)
function M.measure(split, opts)
  local o = options.resolve("data.measure", opts, {
    count = { default = 1000, type = "integer", min = 1 },
    chunk = { default = 16, type = "integer", min = 1 },
  })
  local count = math.min(o.count, split.size)
  return engine.no_grad(function()
    local floor, own, squares, numbers, image = 0, 0, 0, 0, nil
    for first = 1, count, o.chunk do
      local places = engine.arange(first, math.min(first + o.chunk - 1, count),
        { dtype = "int64" })
      local clean = split:clean(places)
      floor = floor + squared(split:batch(places) - clean)
      own = own + squared(clean - clean:mean(2, true))
      squares = squares + squared(clean)
      numbers = numbers + clean:numel()
      local sum = clean:sum { 1, 2 }:to("float64")
      image = image and image + sum or sum
    end
    local frames = count * split.length
    return { floor = not split.clean_unknown and floor / numbers or nil,
      own_mean = own / numbers,
      constant = (squares - squared(image) / frames) / numbers,
      count = count }
  end)
end

States.measure, Frames.measure = M.measure, M.measure

return M
