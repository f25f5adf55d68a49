--- GECO (Rezende & Viola 2018, "Taming VAEs"): a Lagrange multiplier for
-- "minimise something subject to error <= tolerance".
--
-- The constraint is the moving average of the error minus the tolerance; the
-- multiplier is the exponential of an accumulated, bounded update, so it
-- grows while the error is above the tolerance and shrinks below it.
-- @module torus.optim.geco
local options = require "torus.options"

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

--- @tparam table opts tolerance (in the error's units), initial=1 multiplier,
-- rate=1 (change of the multiplier's logarithm per step and unit of
-- constraint), bound=0.02 (largest such change), decay=0.99 of the moving
-- average, min=1e-3 and max=1e6 of the multiplier
-- @treturn Geco
function Geco.new(opts)
  opts = options.resolve("geco", opts, RULES)
  return setmetatable({ options = opts, exponent = math.log(opts.initial),
    moving = nil }, Geco)
end

local function clamp(x, low, high)
  return math.max(low, math.min(high, x))
end

--- @treturn number the multiplier to weigh the error with
function Geco:multiplier()
  return math.exp(self.exponent)
end

--- Takes in the error of one step.
-- @tparam number reconstruction error, in the tolerance's units; not NaN, which
-- would stay in the moving average
-- @treturn number the new multiplier
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

--- @treturn table numbers, exact when written with "%a": exponent, the
-- multiplier's logarithm, and moving, nil before the first update
function Geco:state()
  return { exponent = self.exponent, moving = self.moving }
end

local STATE = {
  exponent = { required = true, type = "number" },
  moving = { type = "number" },
}

--- @tparam table state what state() returned
function Geco:load_state(state)
  state = options.resolve("geco:load_state", state, STATE)
  self.exponent, self.moving = state.exponent, state.moving
end

function Geco:__tostring()
  return string.format("geco(multiplier %g, moving error %s, tolerance %g)",
    self:multiplier(), tostring(self.moving), self.options.tolerance)
end

return Geco
