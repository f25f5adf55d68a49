--- Variants of systems as the suite of Botev et al. (2021) has them: with
-- friction, and with constants of each trajectory. A trajectory's masses show as
-- the sizes of its discs, which are at a random place of a wider canvas and have
-- random, different colours out of six.
-- @module torus.systems.parts.variant
local engine = require "torus.engine"
local options = require "torus.options"

local M = {}

--- The suite's friction: dp/dt = -dH/dq - 0.05 dH/dp.
M.FRICTION = 0.05

-- How far the middle of a canvas moves, in units of its half-width, which
-- grows by as much.
local SHIFT = 0.4

local HUES = 6

--- A definition with changes.
-- @tparam table definition of a system
-- @tparam table changes to it; constants are added to its own
-- @treturn table
-- @usage
-- variant = require "torus.systems.parts.variant"
-- heavy = variant.of(require "torus.systems.pendulum",
--   { name = "heavy", constants = { m = 4 } })
-- print(heavy.constants.m, heavy.constants.l)   -- 4 1
function M.of(definition, changes)
  return options.joined(definition, changes,
    { constants = options.joined(definition.constants, changes.constants or {}) })
end

--- A definition with friction, and "_friction" at the end of its name.
-- @tparam table definition of a system
-- @treturn table
-- @usage
-- variant = require "torus.systems.parts.variant"
-- print(variant.with_friction(require "torus.systems.pendulum").name)
-- -- pendulum_friction
function M.with_friction(definition)
  return M.of(definition, { name = definition.name .. "_friction",
    constants = { friction = M.FRICTION } })
end

local function floor(x)
  return type(x) == "number" and math.floor(x) or x:floor()
end

-- The first body's hue, and for a second one how many hues it is further, from 1.
local function hues_of(bodies)
  return function(c)
    local first = floor(c.hue)
    local hues = { first / HUES }
    if bodies == 2 then hues[2] = (first + floor(c.hue_gap)) / HUES end
    return hues
  end
end

--- A definition whose constants vary from trajectory to trajectory, and with
-- them the colours of its bodies; "_colours" is at the end of its name.
-- @tparam table definition of a system of one or two bodies
-- @tparam table o varying, {name = {lowest, highest}, ...} of its constants;
-- bodies; extent, the largest distance of a disc's edge from the centre;
-- shift=true, whether the centre varies too; and changes of the definition
-- @treturn table
-- @usage
-- variant = require "torus.systems.parts.variant"
-- print(variant.with_colours(require "torus.systems.pendulum", { bodies = 1,
--   varying = { l = { 0.5, 1 } }, extent = 1.4 }).name)   -- pendulum_colours
function M.with_colours(definition, o)
  local reach = o.shift == false and 0 or SHIFT * o.extent
  local varying = options.joined(o.varying, { hue = { 0, HUES } })
  local constants = { hue = 0 }
  if o.bodies == 2 then varying.hue_gap, constants.hue_gap = { 1, HUES }, 2 end
  if reach > 0 then
    varying.x, varying.y = { -reach, reach }, { -reach, reach }
    constants.x, constants.y = 0, 0
  end
  local more = o.changes or {}
  local changes = { name = definition.name .. "_colours", varying = varying,
    starts = {}, hues = hues_of(o.bodies),
    half_width = o.extent + reach }
  if reach > 0 then
    function changes.positions(q, c)
      local at = definition.positions(q, c)
      local shift = type(c.x) == "number"
        and engine.tensor({ { { c.x, c.y } } }, { dtype = at.dtype })
        or engine.stack({ c.x, c.y }, 3)
      return at + shift
    end
  end
  return M.of(definition, options.joined(changes, more,
    { constants = options.joined(constants, more.constants or {}) }))
end

return M
