--- Embeddings: lookup tables of vectors.
-- @module torus.nn.embedding
-- @public torus.nn
local Module = require "torus.nn.module"
local engine = require "torus.engine"
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

local Embedding = Module.class("Embedding")

local SIZE = { type = "integer", min = 1 }

--- An embedding: a learned vector for each of `count` items, initially normal. Its
-- gradient has the shape of the whole table.
-- @tparam integer count number of items
-- @tparam integer size of each vector
-- @tparam[opt] table opts
-- @tparam[opt="float32"] string opts.dtype or "float64"
-- @tparam[opt] generator opts.generator source of the initial values
-- @treturn Module (...) integers, from 1 -> (..., size)
-- @usage
-- words = torus.nn.Embedding(10, 3)
-- index = torus.tensor({ { 1, 5 }, { 10, 1 } }, { dtype = "int64" })
-- print(table.unpack(words(index).shape))   -- 2 2 3
function M.Embedding(count, size, opts)
  count = options.argument("Embedding", "count", count, SIZE)
  size = options.argument("Embedding", "size", size, SIZE)
  local o = options.resolve("Embedding", opts, { generator = {},
    dtype = { default = "float32", choices = { "float32", "float64" } } })
  local self = Module.instance(Embedding, { count = count, size = size })
  self:register("weight", engine.randn({ count, size }, { dtype = o.dtype,
    generator = o.generator, requires_grad = true }))
  return self
end

local function check_range(self, index)
  if index:numel() == 0 then return end
  local low, high = index:min():item(), index:max():item()
  if low < 1 or high > self.count then
    options.raise("Embedding: expected indices from 1 to %d, got %d", self.count,
      low < 1 and low or high)
  end
end

function Embedding:forward(index)
  options.tensor("Embedding", "index", index, { "..." })
  if index.dtype:find("^float") then
    options.raise("Embedding: expected integers as the index, got %s", options.show(index))
  end
  index = index:to("int64")
  check_range(self, index)
  local shape = index.shape
  shape[#shape + 1] = self.size
  return engine.index_select(self.weight, 1, index:reshape(-1)):reshape(shape)
end

function Embedding:describe()
  return string.format("Embedding(%d, %d)", self.count, self.size)
end

signature.methods("Embedding", Embedding, {})

return M
