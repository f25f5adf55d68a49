--- Variants of systems as in the suite of Botev et al. (2021): with friction, and with
-- constants that differ between trajectories. The masses determine the sizes of the
-- discs; the scene is at a random position on a wider canvas, and the discs have random,
-- distinct colours out of six.
-- @module torus.systems.parts.variant
local engine = require "torus.engine"
local options = require "torus.options"

local M = {}

--- The suite's friction: dp/dt = -dH/dq - 0.05 dH/dp.
M.FRICTION = 0.05

-- Maximum shift of the centre of a canvas in units of its half-width, which grows by the
-- same amount.
local SHIFT = 0.4

local HUES = 6

--- Returns a copy of a definition with changes.
-- @tparam table definition of a system
-- @tparam table changes replace entries; constants are merged with the existing ones
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

--- Returns a definition with friction, with "_friction" appended to its name.
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

-- The hue of the first body and, for a second one, the number of hues it is further on,
-- from 1.
local function hues_of(bodies)
  return function(c)
    local first = floor(c.hue)
    local hues = { first / HUES }
    if bodies == 2 then hues[2] = (first + floor(c.hue_gap)) / HUES end
    return hues
  end
end

--- Returns a definition in which constants and the colours of the bodies differ between
-- trajectories, with "_colours" appended to its name.
-- @tparam table definition of a system of one or two bodies
-- @tparam table o varying, {name = {lowest, highest}, ...} of its constants;
-- bodies; extent, the largest distance of a disc's edge from the centre;
-- shift=true varies the centre too; and changes of the definition
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
