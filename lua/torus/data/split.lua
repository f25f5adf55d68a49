--- A part of a data set, train or test: sequences of frames, accessed by their indices.
--
-- There are two types, States and Frames, which have the same fields and
-- methods. `size` is the number of sequences, `length` that of frames in each;
-- indices, a list or an int64 tensor, count from 1. Frames are (batch, length,
-- height, width, channels), float32 in [0, 1], with three channels of States.
-- `clean_unknown` is true where `clean` can only return the observed frames.
-- @module torus.data.split
local options = require "torus.options"
local signature = require "torus.signature"
local engine = require "torus.engine"
local unknown = require "torus.unknown"
local windows = require "torus.data.windows"

local M = {}

-- The indices as a list, checked to be within 1..size. where: the name of the method.
local function list_of(where, indices, size)
  if options.is_live(indices) then
    if indices.dtype ~= "int64" or indices:dim() ~= 1 then
      options.raise("%s: indices: expected a tensor (n) int64, got a tensor "
        .. "%s %s", where, options.shape_text(indices), indices.dtype)
    end
    indices = indices:totable()
  elseif type(indices) ~= "table" then
    options.raise("%s: indices: expected a list or an int64 tensor, got %s", where,
      options.show(indices))
  end
  local list = {}
  for i, index in ipairs(indices) do
    list[i] = type(index) == "number" and math.tointeger(index) or nil
    if not list[i] then
      options.raise("%s: indices: expected integers, got %s at position %d", where,
        options.show(index), i)
    end
    if list[i] < 1 or list[i] > size then
      options.raise("%s: indices: expected 1 to %d, got %d at position %d", where,
        size, list[i], i)
    end
  end
  if #list == 0 then options.raise("%s: indices: expected at least one", where) end
  return list
end

-- --- states, rendered when asked for ----------------------------------------

--- Sequences of simulated states, rendered on demand: a data set's `train` or `test`.
-- Fields: size, length; constants (size, varying constants) float64, if the system has
-- varying constants.
-- @type States
local States = {}
States.__index = States
States.__name = "torus.data.states"

--- Makes a part from states, whose frames are rendered on demand.
-- @tparam System system
-- @tparam tensor noisy observed states (size, length, 2, d) float32
-- @tparam tensor clean noise-free states, the same shape
-- @tparam[opt] table drawing options of System:render
-- @tparam[opt] tensor constants (size, varying constants) of the trajectories
-- @treturn States
-- @usage
-- splits = require "torus.data.split"
-- pendulum = torus.systems.pendulum
-- noisy, clean = torus.data.trajectories { system = pendulum, count = 3 }
-- print(splits.states(pendulum, noisy, clean).size)   -- 3
function M.states(system, noisy, clean, drawing, constants)
  return setmetatable({ system = system, noisy = noisy, clean_states = clean,
    constants = constants, size = noisy:size(1), length = noisy:size(2),
    drawing = drawing or {} }, States)
end

function States:__len() return self.size end

-- The states of sequences, and their indices as a tensor.
local function chosen(self, where, indices, clean)
  local index = engine.tensor(list_of(where, indices, self.size), { dtype = "int64" })
  return (clean and self.clean_states or self.noisy):index_select(1, index), index
end

--- Returns the states of sequences.
-- @tparam {integer,...}|tensor indices of the sequences
-- @tparam[opt=false] boolean clean without noise
-- @treturn tensor (batch, length, 2, d) float32: q is [.., 1, ..], p [.., 2, ..]
-- @raise for indices outside of 1 to size
-- @usage
-- set = torus.data.simulate("two_body", { train = 4, test = 2 })
-- print(table.unpack(set.train:states({ 1, 3 }, true).shape))   -- 2 31 2 4
function States:states(indices, clean)
  return (chosen(self, "states", indices, clean))
end

-- The frames of states (batch, frames, 2, d) of sequences, whose indices are a tensor.
local function draw(self, index, states)
  local drawing = self.drawing
  if self.constants then
    local own = self.constants:index_select(1, index)
    drawing = options.joined(drawing, { constants = own:unsqueeze(2) })
  end
  return self.system:render(states:select(3, 1), drawing)
end

local function render(self, where, indices, clean)
  local states, index = chosen(self, where, indices, clean)
  return draw(self, index, states)
end

--- Returns the observed frames, which show the noisy states.
-- @tparam {integer,...}|tensor indices of the sequences
-- @treturn tensor (batch, length, height, width, 3) float32
-- @raise for indices outside of 1 to size
-- @usage
-- set = torus.data.simulate("two_body", { train = 4, test = 2 })
-- print(table.unpack(set.train:batch({ 1, 3 }).shape))   -- 2 31 32 32 3
function States:batch(indices) return render(self, "batch", indices, false) end

--- Returns the noise-free frames.
-- @tparam {integer,...}|tensor indices of the sequences
-- @treturn tensor (batch, length, height, width, 3) float32
-- @raise for indices outside of 1 to size
-- @usage
-- set = torus.data.simulate("two_body", { train = 4, test = 2 })
-- print((set.train:batch({ 1 }) - set.train:clean({ 1 })):abs():max())
function States:clean(indices) return render(self, "clean", indices, true) end

--- Returns windows of the observed frames; only these are rendered.
-- @tparam {integer,...}|tensor indices of the sequences
-- @tparam {integer,...} starts index of each window's first frame, from 1
-- @tparam integer count frames of a window
-- @treturn tensor (batch, count, height, width, 3) float32
-- @usage
-- set = torus.data.simulate("two_body", { train = 4, test = 2 })
-- print(table.unpack(set.train:windows({ 1, 3 }, { 5, 20 }, 3).shape))
-- -- 2 3 32 32 3
function States:windows(indices, starts, count)
  local states, index = chosen(self, "windows", indices, false)
  return draw(self, index, windows.cut(states, starts, count))
end

-- --- frames that are there --------------------------------------------------

--- Sequences of given frames: `train` or `test` of torus.data.frames. Fields:
-- size, length, clean_unknown.
-- @type Frames
local Frames = {}
Frames.__index = Frames
Frames.__name = "torus.data.frames"

--- Makes a part from the user's own frames.
-- @tparam table source as returned by torus.data.video: shape {total, length,
-- height, width, channels} and rows(indices) -> tensor, uint8 or float32
-- @tparam integer first index of the first sequence of this part
-- @tparam integer size number of sequences
-- @tparam[opt] integer length number of frames of a sequence, from its first; all by
-- default
-- @treturn Frames
-- @usage
-- splits = require "torus.data.split"
-- video = require "torus.data.video"
-- source = assert(video.from_tensor(torus.rand(10, 5, 16, 16, 3)))
-- print(splits.frames(source, 1, 8).length)   -- 5
function M.frames(source, first, size, length)
  return setmetatable({ source = source, before = first - 1, size = size,
    length = length or source.shape[2] }, Frames)
end

function Frames:__len() return self.size end

-- The stored sequences, (batch, length, height, width, channels), uint8 or float32.
local function rows_of(self, where, indices)
  local list = list_of(where, indices, self.size)
  for i, index in ipairs(list) do list[i] = index + self.before end
  return self.source:rows(list):narrow(2, 1, self.length)
end

-- Pixels from 0 to 1.
local function from_bytes(frames)
  return frames.dtype == "uint8" and frames:to("float32") / 255 or frames
end

--- Returns the frames of sequences.
-- @tparam {integer,...}|tensor indices of the sequences
-- @treturn tensor (batch, length, height, width, channels) float32
-- @raise for indices outside of 1 to size
-- @usage
-- set = assert(torus.data.frames(torus.rand(10, 5, 16, 16, 3)))
-- print(table.unpack(set.train:batch({ 1, 3 }).shape))   -- 2 5 16 16 3
function Frames:batch(indices)
  return from_bytes(rows_of(self, "batch", indices))
end

--- Returns windows of the frames.
-- @tparam {integer,...}|tensor indices of the sequences
-- @tparam {integer,...} starts index of each window's first frame, from 1
-- @tparam integer count frames of a window
-- @treturn tensor (batch, count, height, width, channels) float32
-- @usage
-- set = assert(torus.data.frames(torus.rand(10, 5, 16, 16, 3)))
-- print(table.unpack(set.train:windows({ 1, 3 }, { 2, 1 }, 3).shape))
-- -- 2 3 16 16 3
function Frames:windows(indices, starts, count)
  -- Cut before they are converted: a window may be a single frame of a long sequence.
  return from_bytes(windows.cut(rows_of(self, "windows", indices), starts, count))
end

--- Returns the same frames as batch: the user's frames may be noisy, and noise-free ones are
-- not known.
Frames.clean, Frames.clean_unknown = Frames.batch, true

-- --- errors to compare with ------------------------------------------------------

local function squared(x) return (x * x):sum():item() end

--- Computes mean squared pixel errors to compare a model's error with. Also a method of
-- States and Frames.
-- @tparam States|Frames split
-- @tparam[opt] table opts
-- @tparam[opt=1000] integer opts.count number of sequences
-- @tparam[opt=16] integer opts.chunk sequences per chunk
-- @treturn table floor, the error of the observed frames against the noise-free ones,
-- which no model can beat on observed frames (nil if noise-free frames are not known);
-- own_mean, that of each sequence's own mean image, and constant, that of the mean
-- image of all, both against the noise-free frames; count
-- @usage
-- set = torus.data.simulate("pendulum", { train = 32, test = 2 })
-- errors = set.train:measure()
-- print(errors.floor, errors.own_mean, errors.constant)
function M.measure(split, opts)
  if getmetatable(split) ~= States and getmetatable(split) ~= Frames then
    options.raise("data.measure: expected a part of a data set, got %s",
      options.show(split))
  end
  local o = options.resolve("data.measure", opts, {
    count = { default = 1000, type = "integer", min = 1 },
    chunk = { default = 16, type = "integer", min = 1 },
  })
  local count = math.min(o.count, split.size)
  return engine.no_grad(function()
    local floor, own, squares, numbers, image = 0, 0, 0, 0, nil
    for first = 1, count, o.chunk do
      local indices = engine.arange(first, math.min(first + o.chunk - 1, count),
        { dtype = "int64" })
      local clean = split:clean(indices)
      floor = floor + squared(split:batch(indices) - clean)
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

-- list_of checks the indices.
signature.methods("States", States, {
  windows = "indices: {integer,...}|tensor, starts: {integer,...}, count: integer",
  measure = "opts?: table",
})
signature.methods("Frames", Frames, {
  windows = "indices: {integer,...}|tensor, starts: {integer,...}, count: integer",
  measure = "opts?: table",
})
for _, class in ipairs { States, Frames } do
  unknown.fields("a part of a data set", class, { "system", "noisy", "clean_states",
    "constants", "drawing", "source", "before", "clean_unknown" }, "part")
end

return M
