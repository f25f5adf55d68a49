--- Windows: short runs of consecutive frames from longer sequences.
-- @module torus.data.windows
local engine = require "torus.engine"
local options = require "torus.options"

local M = {}

--- Cuts a window out of every sequence.
-- @tparam tensor x (n, length, ...)
-- @tparam {integer,...} starts index of each window's first element, from 1
-- @tparam integer count elements of a window
-- @treturn tensor (n, count, ...)
-- @usage
-- windows = require "torus.data.windows"
-- x = torus.tensor { { 1, 2, 3, 4 }, { 5, 6, 7, 8 } }
-- print(windows.cut(x, { 1, 3 }, 2))   -- {{1, 2}, {7, 8}}
function M.cut(x, starts, count)
  options.tensor("windows", "x", x, { "n", "length", "..." })
  local n, length, rest = x:size(1), x:size(2), { table.unpack(x.shape, 3) }
  options.argument("windows", "count", count, { type = "integer", min = 1,
    max = length })
  if #starts ~= n then
    options.raise("windows: starts: expected one start for each of %d sequences, got %d",
      n, #starts)
  end
  local start = { type = "integer", min = 1, max = length - count + 1 }
  local indices = {}
  for i = 1, n do
    options.argument("windows", "start " .. i, starts[i], start)
    for k = 0, count - 1 do
      indices[#indices + 1] = (i - 1) * length + starts[i] + k
    end
  end
  return x:reshape(n * length, table.unpack(rest))
    :index_select(1, engine.tensor(indices, { dtype = "int64" }))
    :reshape(n, count, table.unpack(rest))
end

--- Draws random starts of windows, uniform over all that fit; none is drawn where only one
-- does.
-- @tparam integer n number of starts
-- @tparam integer length of a sequence
-- @tparam integer count elements of a window
-- @tparam[opt] generator generator
-- @treturn {integer,...} from 1 to length - count + 1
-- @usage
-- windows = require "torus.data.windows"
-- starts = windows.random_starts(5, 31, 3, torus.generator(1))
-- print(table.concat(starts, " "))
function M.random_starts(n, length, count, generator)
  local starts = {}
  if length == count then
    for i = 1, n do starts[i] = 1 end
    return starts
  end
  for i, u in ipairs(engine.rand({ n }, { generator = generator,
    dtype = "float64" }):totable()) do
    starts[i] = 1 + math.floor(u * (length - count + 1))
  end
  return starts
end

--- Returns the first observed frames of sequences.
-- @tparam States|Frames split
-- @tparam {integer,...}|tensor indices of the sequences
-- @tparam integer count frames of each
-- @treturn tensor (batch, count, height, width, 3) float32
-- @usage
-- windows = require "torus.data.windows"
-- set = torus.data.simulate("pendulum", { train = 4, test = 2 })
-- print(table.unpack(windows.first(set.train, { 2 }, 3).shape))   -- 1 3 32 32 3
function M.first(split, indices, count)
  if split.length <= count then return split:batch(indices) end
  local starts = {}
  for i = 1, engine.is_tensor(indices) and indices:numel() or #indices do
    starts[i] = 1
  end
  return split:windows(indices, starts, count)
end

return M
