--- The order in which training visits the sequences: a new permutation every epoch, which
-- depends only on the seed and the epoch, so that the state to save is a few integers.
-- @module torus.data.order
local options = require "torus.options"
local signature = require "torus.signature"
local random = require "torus.random"
local engine = require "torus.engine"
local unknown = require "torus.unknown"

--- An order of training; torus.data.order makes it.
-- @type Order
local Order = {}
Order.__index = Order
Order.__name = "torus.data.order"

local RULES = {
  count = { required = true, type = "integer", min = 1 },
  batch = { required = true, type = "integer", min = 1 },
  seed = { default = 0, type = "integer" },
  shuffle = { default = true, type = "boolean" },
  drop_last = { default = true, type = "boolean" },
}

--- Makes the order in which training goes through a data set.
-- @function torus.data.order
-- @tparam table opts
-- @tparam integer opts.count number of sequences
-- @tparam integer opts.batch sequences per batch
-- @tparam[opt=0] integer opts.seed
-- @tparam[opt=true] boolean opts.shuffle false keeps them in order
-- @tparam[opt=true] boolean opts.drop_last skips the last sequences of an epoch if they
-- don't fill a batch
-- @treturn Order
-- @raise for a batch larger than count, unless drop_last is false
-- @usage
-- order = torus.data.order { count = 10, batch = 4, seed = 1 }
-- for _ = 1, 3 do print(order:next()) end   -- the third is of epoch 2
function Order.new(opts)
  local o = options.resolve("data.order", opts, RULES)
  if o.drop_last and o.count < o.batch then
    options.raise("data.order: batch: expected at most %d, the number of "
      .. "sequences, got %d", o.count, o.batch)
  end
  return setmetatable({ count = o.count, batch = o.batch, seed = o.seed,
    shuffle = o.shuffle, drop_last = o.drop_last, epoch = 1, used = 0 }, Order)
end

local function permutation(self)
  if self.permuted == self.epoch then return self.indices end
  if self.shuffle then
    self.indices = random.permutation(self.count,
      random.key(self.seed, "order", tostring(self.epoch)))
  else
    self.indices = engine.arange(self.count, { dtype = "int64" })
  end
  self.permuted = self.epoch
  return self.indices
end

--- Returns the indices of the sequences of the next batch.
-- @treturn tensor (batch) int64, from 1
-- @treturn integer epoch that it belongs to, from 1
-- @usage
-- order = torus.data.order { count = 4, batch = 2, shuffle = false }
-- print(order:next())   -- [1, 2] and 1
function Order:next()
  local left = self.count - self.used
  if left <= 0 or (self.drop_last and left < self.batch) then
    self.epoch, self.used = self.epoch + 1, 0
    left = self.count
  end
  local n = math.min(left, self.batch)
  local indices = permutation(self):narrow(1, self.used + 1, n):contiguous()
  self.used = self.used + n
  return indices, self.epoch
end

--- Returns the state, to be saved for resuming.
-- @treturn table integers epoch and used, the number of its sequences already visited
-- @usage
-- order = torus.data.order { count = 4, batch = 2 }
-- order:next()
-- print(order:state().epoch, order:state().used)   -- 1 2
function Order:state() return { epoch = self.epoch, used = self.used } end

--- Restores a state.
-- @tparam table state as returned by state()
-- @usage
-- order = torus.data.order { count = 4, batch = 2, shuffle = false }
-- order:set_state { epoch = 1, used = 2 }
-- print(order:next())   -- [3, 4] and 1
function Order:set_state(state)
  local o = options.resolve("order:set_state", state, {
    epoch = { required = true, type = "integer", min = 1 },
    used = { required = true, type = "integer", min = 0, max = self.count },
  })
  self.epoch, self.used = o.epoch, o.used
end

signature.methods("Order", Order, {}, { new = "" })
unknown.fields("an order", Order, { "permuted", "indices" })

return Order
