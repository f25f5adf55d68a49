--- Batches of the user's own tensors.
-- @module torus.data.tensors
local Order = require "torus.data.order"
local engine = require "torus.engine"
local options = require "torus.options"
local signature = require "torus.signature"
local unknown = require "torus.unknown"

local M = {}

--- Tensors whose first dimension counts samples; torus.data.tensors makes it. #set is
-- the number of batches in an epoch, set.size the number of samples, and set.tensors the
-- list of the tensors.
-- @type Tensors
local Tensors = {}
Tensors.__index = Tensors
Tensors.__name = "torus.data.tensors"

local RULES = {
  batch = { default = 32, type = "integer", min = 1 },
  shuffle = { default = true, type = "boolean" },
  seed = { default = 0, type = "integer" },
  last = { default = "keep", choices = { "keep", "drop" } },
}

-- Separates the list and the options in a table.
local function parted(spec)
  if type(spec) ~= "table" then
    options.raise("data.tensors: expected a table of tensors and options, got %s",
      options.show(spec))
  end
  local list, named = {}, {}
  for key, value in pairs(spec) do
    if math.type(key) == "integer" then list[key] = value else named[key] = value end
  end
  if #list == 0 then options.raise("data.tensors: expected at least one tensor, got none") end
  for i, x in ipairs(list) do
    if not engine.is_tensor(x) or x:dim() == 0 then
      options.raise("data.tensors: expected a tensor with a first dimension as tensor %d, "
        .. "got %s", i, options.show(x))
    end
    if x:size(1) ~= list[1]:size(1) then
      options.raise("data.tensors: expected tensors of the same first size, got %s and %s",
        options.show(list[1]), options.show(x))
    end
  end
  return list, options.resolve("data.tensors", named, RULES)
end

--- Serves tensors in batches. Every epoch has a different order, which depends only on the
-- seed and the number of the epoch.
-- @function torus.data.tensors
-- @tparam table spec the tensors, each with samples along its first dimension, and
-- @tparam[opt=32] integer spec.batch samples per batch
-- @tparam[opt=true] boolean spec.shuffle false keeps them in order
-- @tparam[opt=0] integer spec.seed
-- @tparam[opt="keep"] string spec.last "drop" skips the last samples of an epoch if they
-- don't fill a batch
-- @treturn Tensors
-- @raise for tensors of different first sizes, and, with last = "drop", for a batch larger
-- than that size
-- @usage
-- x, y = torus.randn(100, 2), torus.randn(100, 1)
-- set = torus.data.tensors { x, y, batch = 30, seed = 1 }
-- for epoch = 1, 2 do
--   for a, b in set:batches() do print(epoch, a:size(1), b:size(1)) end -- 30 30 30 10
-- end
function M.new(spec)
  local list, o = parted(spec)
  local count = list[1]:size(1)
  if count == 0 then
    options.raise("data.tensors: expected at least one sample, got %s", options.show(list[1]))
  end
  if o.last == "drop" and o.batch > count then
    options.raise("data.tensors: option \"batch\": expected at most %d, the number of "
      .. "samples, got %d", count, o.batch)
  end
  return setmetatable({ tensors = list, size = count,
    order = Order.new { count = count, batch = o.batch, seed = o.seed, shuffle = o.shuffle,
      drop_last = o.last == "drop" } }, Tensors)
end

function Tensors:__len()
  local order = self.order
  return order.drop_last and self.size // order.batch or (self.size - 1) // order.batch + 1
end

function Tensors.__call()
  options.raise("data.tensors: expected its batches in a loop: for x, y in set:batches() do")
end

function Tensors:__tostring()
  return string.format("data.tensors(%d tensors, %d samples, %d batches)", #self.tensors,
    self.size, #self)
end

local function rows(self, index)
  local list = {}
  for i, x in ipairs(self.tensors) do list[i] = engine.index_select(x, 1, index) end
  return table.unpack(list)
end

local function is_through(order)
  local left = order.count - order.used
  return left <= 0 or (order.drop_last and left < order.batch)
end

--- Returns the next batch; after the last one of an epoch, the first one of the next.
-- @treturn tensor,... the samples of each tensor, as copies
-- @usage
-- set = torus.data.tensors { torus.arange(5), batch = 2, shuffle = false }
-- print(set:next())   -- [1., 2.]
function Tensors:next()
  return rows(self, (self.order:next()))
end

--- Iterates over the batches of an epoch. After a loop that was left early, and after
-- load_state, it continues with the remaining batches of that epoch.
-- @treturn function an iterator over the samples of each tensor, as copies
-- @usage
-- set = torus.data.tensors { torus.arange(5), batch = 2, shuffle = false }
-- for x in set:batches() do print(x) end   -- [1., 2.], [3., 4.], [5.]
function Tensors:batches()
  local order = self.order
  if is_through(order) then order:set_state { epoch = order.epoch + 1, used = 0 } end
  local epoch = order.epoch
  return function()
    if order.epoch ~= epoch or is_through(order) then return nil end
    return rows(self, (order:next()))
  end
end

--- Returns the state, to be saved for resuming.
-- @treturn table integers epoch and used, the number of its samples already visited
-- @usage
-- set = torus.data.tensors { torus.arange(5), batch = 2 }
-- set:next()
-- print(set:state().epoch, set:state().used)   -- 1  2
function Tensors:state() return self.order:state() end

--- Restores a state.
-- @tparam table state as returned by state()
-- @usage
-- set = torus.data.tensors { torus.arange(5), batch = 2, shuffle = false }
-- set:load_state { epoch = 1, used = 2 }
-- print(set:next())   -- [3., 4.]
function Tensors:load_state(state) self.order:set_state(state) end

signature.methods("Tensors", Tensors, { load_state = "state: table" })
unknown.fields("a set of batches", Tensors, {}, "batches")

return M
