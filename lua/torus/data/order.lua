--- The order in which training sees the sequences: every epoch a new
-- permutation, which depends on the seed and the epoch alone, so that the
-- state to save is a few integers.
-- @module torus.data.order
local options = require "torus.options"
local random = require "torus.random"
local engine = require "torus.engine"

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

--- The order in which training goes through a data set.
-- @function torus.data.order
-- @tparam table opts count of sequences; batch, how many at a time; seed=0;
-- shuffle=true; drop_last=true leaves out what doesn't fill a batch
-- @treturn Order
-- @raise when drop_last is set and no batch can be filled
-- @usage
-- order = torus.data.order{ count = 100, batch = 16, seed = 1 }
-- indices, epoch = order:next()
-- print(indices:numel(), epoch)   -- 16  1
function Order.new(opts)
  local o = options.resolve("data.order", opts, RULES)
  if o.drop_last and o.count < o.batch then
    options.raise("data.order: %d sequences don't fill a batch of %d", o.count,
      o.batch)
  end
  return setmetatable({ count = o.count, batch = o.batch, seed = o.seed,
    shuffle = o.shuffle, drop_last = o.drop_last, epoch = 1, used = 0 }, Order)
end

local function permutation(self)
  if self.permuted == self.epoch then return self.places end
  if self.shuffle then
    self.places = random.permutation(self.count,
      random.key(self.seed, "order", tostring(self.epoch)))
  else
    self.places = engine.arange(self.count, { dtype = "int64" })
  end
  self.permuted = self.epoch
  return self.places
end

--- The places of the next batch.
-- @treturn tensor int64, from 1
-- @treturn integer epoch that it belongs to, from 1
-- @usage
-- order = torus.data.order{ count = 100, batch = 16, seed = 1 }
-- for _ = 1, 7 do indices, epoch = order:next() end
-- print(epoch)   -- 2: six batches make an epoch
function Order:next()
  local left = self.count - self.used
  if left <= 0 or (self.drop_last and left < self.batch) then
    self.epoch, self.used = self.epoch + 1, 0
    left = self.count
  end
  local n = math.min(left, self.batch)
  local places = permutation(self):narrow(1, self.used + 1, n):contiguous()
  self.used = self.used + n
  return places, self.epoch
end

--- What to save to go on from here.
-- @treturn table epoch and used, integers
-- @usage
-- order = torus.data.order{ count = 100, batch = 16, seed = 1 }
-- order:next()
-- print(order:state().used)   -- 16
function Order:state() return { epoch = self.epoch, used = self.used } end

--- Goes on from a saved state.
-- @tparam table state what state() returned
-- @usage
-- order = torus.data.order{ count = 100, batch = 16, seed = 1 }
-- order:set_state{ epoch = 3, used = 0 }
function Order:set_state(state)
  local o = options.resolve("order:set_state", state, {
    epoch = { required = true, type = "integer", min = 1 },
    used = { required = true, type = "integer", min = 0, max = self.count },
  })
  self.epoch, self.used = o.epoch, o.used
end

return Order
