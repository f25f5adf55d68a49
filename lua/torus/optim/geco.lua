--- GECO (Rezende & Viola 2018, "Taming VAEs"): a Lagrange multiplier for
-- "minimise something subject to error <= tolerance".
--
-- The constraint is the moving average of the error minus the tolerance; the
-- multiplier is the exponential of an accumulated, bounded update, so it
-- grows while the error is above the tolerance and shrinks below it.
-- @module torus.optim.geco
local options = require "torus.options"

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

--- GECO (Rezende & Viola 2018, "Taming VAEs", algorithm 1).
-- @function torus.optim.geco
-- @tparam table opts tolerance (in the error's units), initial=1 multiplier,
-- rate=1 (change of the multiplier's logarithm per step and unit of
-- constraint), bound=0.02 (largest such change), decay=0.99 of the moving
-- average, min=1e-3 and max=1e6 of the multiplier
-- @treturn Geco
-- @raise when the tolerance is missing or an option is out of range
-- @usage
-- geco = torus.optim.geco{ tolerance = 0.01 }
-- error, kl = 0.05, 3
-- multiplier = geco:update(error)
-- loss = kl + multiplier * error
function Geco.new(opts)
  opts = options.resolve("geco", opts, RULES)
  return setmetatable({ options = opts, exponent = math.log(opts.initial),
    moving = nil }, Geco)
end

local function clamp(x, low, high)
  return math.max(low, math.min(high, x))
end

--- The present multiplier.
-- @treturn number the multiplier to weigh the error with
-- @usage
-- geco = torus.optim.geco{ tolerance = 0.01 }
-- print(geco:multiplier())   -- 1.0
function Geco:multiplier()
  return math.exp(self.exponent)
end

--- Takes in the error of one step.
-- @tparam number reconstruction error, in the tolerance's units; not NaN, which
-- would stay in the moving average
-- @treturn number the new multiplier
-- @usage
-- geco = torus.optim.geco{ tolerance = 0.01 }
-- print(geco:update(0.05) > 1)   -- true: the error is above the tolerance
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

--- What a checkpoint needs.
-- @treturn table numbers, exact when written with "%a": exponent, the
-- multiplier's logarithm, and moving, nil before the first update
-- @usage
-- geco = torus.optim.geco{ tolerance = 0.01 }
-- print(geco:state().exponent)   -- 0.0
function Geco:state()
  return { exponent = self.exponent, moving = self.moving }
end

local STATE = {
  exponent = { required = true, type = "number" },
  moving = { type = "number" },
}

--- Restores a state.
-- @tparam table state what state() returned
-- @usage
-- geco = torus.optim.geco{ tolerance = 0.01 }
-- geco:load_state(geco:state())
function Geco:load_state(state)
  state = options.resolve("geco:load_state", state, STATE)
  self.exponent, self.moving = state.exponent, state.moving
end

function Geco:__tostring()
  return string.format("geco(multiplier %g, moving error %s, tolerance %g)",
    self:multiplier(), tostring(self.moving), self.options.tolerance)
end

return Geco
