--- GECO (Rezende & Viola 2018, "Taming VAEs"): a Lagrange multiplier for
-- "minimise something subject to error <= tolerance".
--
-- The constraint is the moving average of the error minus the tolerance; the
-- multiplier is the exponential of an accumulated, bounded update, so it
-- grows while the error is above the tolerance and shrinks below it.
-- @module torus.optim.geco
local options = require "torus.options"
local signature = require "torus.signature"

--- A Lagrange multiplier that keeps an error below a tolerance; torus.optim.geco
-- makes it.
-- @type Geco
local Geco = {}
Geco.__index = Geco
Geco.__name = "torus.optim.geco"

local RULES = {
  tolerance = { required = true, type = "number", min = 0 },
  initial = { default = 1, type = "number", above = 0 },
  rate = { default = 1, type = "number", min = 0 },
  bound = { default = 0.02, type = "number", min = 0 },
  decay = { default = 0.99, type = "number", min = 0, max = 1 },
  min = { default = 1e-3, type = "number", above = 0 },
  max = { default = 1e6, type = "number", above = 0 },
}

--- Makes a multiplier for "minimise something subject to error <= tolerance" (GECO,
-- Rezende & Viola 2018).
-- @function torus.optim.geco
-- @tparam table opts
-- @tparam number opts.tolerance in the error's units
-- @tparam[opt=1] number opts.initial multiplier
-- @tparam[opt=1] number opts.rate change of the multiplier's logarithm per
-- update and unit of constraint
-- @tparam[opt=0.02] number opts.bound largest such change
-- @tparam[opt=0.99] number opts.decay of the moving average, in [0, 1]
-- @tparam[opt=0.001] number opts.min of the multiplier
-- @tparam[opt=1e6] number opts.max of the multiplier
-- @treturn Geco
-- @usage
-- geco = torus.optim.geco { tolerance = 0.01 }
-- for _ = 1, 10 do geco:update(0.5) end
-- print(geco:multiplier() > 1)   -- true
function Geco.new(opts)
  opts = options.resolve("geco", opts, RULES)
  return setmetatable({ options = opts, exponent = math.log(opts.initial),
    moving = nil }, Geco)
end

local function clamp(x, low, high)
  return math.max(low, math.min(high, x))
end

--- Returns the multiplier, which is the weight of the error in the loss.
-- @treturn number
-- @usage
-- print(torus.optim.geco({ tolerance = 0.01, initial = 2 }):multiplier())
function Geco:multiplier()
  return math.exp(self.exponent)
end

--- Updates the multiplier by the error of one training step.
-- @tparam number reconstruction error, in the units of the tolerance; NaN, which would
-- persist in the moving average, raises an error
-- @treturn number the new multiplier
-- @usage
-- geco = torus.optim.geco { tolerance = 0.01 }
-- print(geco:update(0.5))   -- 1.0202013400268
function Geco:update(reconstruction)
  options.argument("geco:update", "reconstruction", reconstruction,
    { type = "number" })
  local o = self.options
  self.moving = self.moving
    and o.decay * self.moving + (1 - o.decay) * reconstruction
    or reconstruction
  local constraint = self.moving - o.tolerance
  local change = clamp(o.rate * constraint, -o.bound, o.bound)
  self.exponent = clamp(self.exponent + change, math.log(o.min),
    math.log(o.max))
  return self:multiplier()
end

--- Returns the state, to be saved for resuming.
-- @treturn table of numbers, exact if written with "%a": exponent, the logarithm of the
-- multiplier, and moving, the moving average of the error, nil before the first update
-- @usage
-- print(torus.optim.geco({ tolerance = 0.01 }):state().exponent)   -- 0.0
function Geco:state()
  return { exponent = self.exponent, moving = self.moving }
end

local STATE = {
  exponent = { required = true, type = "number" },
  moving = { type = "number" },
}

--- Restores a state.
-- @tparam table state as returned by state()
-- @usage
-- first = torus.optim.geco { tolerance = 0.01 }
-- second = torus.optim.geco { tolerance = 0.01 }
-- first:update(0.5)
-- second:load_state(first:state())
-- print(second:multiplier() == first:multiplier())   -- true
function Geco:load_state(state)
  state = options.resolve("geco:load_state", state, STATE)
  self.exponent, self.moving = state.exponent, state.moving
end

function Geco:__tostring()
  return string.format("geco(multiplier %g, moving error %s, tolerance %g)",
    self:multiplier(), tostring(self.moving), self.options.tolerance)
end

signature.methods("Geco", Geco, {}, { new = "" })

return Geco
