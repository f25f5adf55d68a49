--- Drawing of systems: radii, colours and canvas from the definition, for constants that
-- are common to all trajectories or differ between them.
-- @module torus.systems.parts.drawing
local engine = require "torus.engine"
local options = require "torus.options"
local render = require "torus.systems.parts.render"

local M = {}

--- Raises an error that begins with the name of a system.
-- @tparam table o a definition or a system
-- @tparam string message a format
-- @param ... its arguments
-- @usage
-- drawing = require "torus.systems.parts.drawing"
-- print(pcall(drawing.complain, { name = "quartic" }, "no %s", "colours"))
function M.complain(o, message, ...)
  options.raise("system %s: " .. message, o.name, ...)
end

local complain = M.complain

local function evaluated(value, constants)
  if type(value) == "function" then return value(constants) end
  return value
end

--- Returns true if a value is a finite number above a minimum.
-- @param value anything
-- @tparam number minimum
-- @treturn boolean
-- @usage
-- drawing = require "torus.systems.parts.drawing"
-- print(drawing.is_above(1, 0), drawing.is_above(1 / 0, 0))   -- true false
function M.is_above(value, minimum)
  return type(value) == "number" and value > minimum and value < math.huge
end

-- A list with one number above 0 for each body, or nil.
local function list_of(o, name, constants)
  local list = evaluated(o[name], constants)
  if list == nil then return nil end
  if type(list) ~= "table" or #list == 0 then
    complain(o, "%s: expected a list with a number for each body, got %s", name,
      type(list) == "table" and "an empty list" or options.show(list))
  end
  for i, value in ipairs(list) do
    if not M.is_above(value, 0) then
      complain(o, "%s: expected numbers above 0, got %s for body %d", name,
        options.show(value), i)
    end
  end
  return list
end

local function radii_of(o, constants)
  local radii = list_of(o, "radii", constants)
  if radii then return radii end
  local masses = list_of(o, "masses", constants)
  if not masses then
    complain(o, "positions: expected radii or masses as well, a list with one for "
      .. "each body")
  end
  radii = {}
  for i, m in ipairs(masses) do radii[i] = math.sqrt(m / math.pi) end
  return radii
end

local function half_width_of(o, constants, radii)
  local width = evaluated(o.half_width, constants)
  if width == nil then
    local extent = evaluated(o.extent, constants)
    if type(extent) ~= "number" then
      complain(o, "positions: expected half_width as well, or extent, the largest "
        .. "distance from the centre")
    end
    width = extent + math.max(table.unpack(radii))
  end
  if not M.is_above(width, 0) then
    complain(o, "half_width: expected a number above 0, got %s",
      options.show(width))
  end
  return width
end

--- Returns radii, colours and the half-width of the canvas for given constants.
-- @tparam table o a definition
-- @tparam {[string]=number} constants
-- @treturn ?table radii, colours, half_width; nil for a system without positions
-- @usage
-- drawing = require "torus.systems.parts.drawing"
-- pendulum = require "torus.systems.pendulum"
-- print(drawing.resolve(pendulum, pendulum.constants).half_width)   -- 1.3989...
function M.resolve(o, constants)
  if not o.positions then return nil end
  local radii = radii_of(o, constants)
  return { radii = radii,
    colours = o.colours or o.hues and render.colours(o.hues(constants)),
    half_width = half_width_of(o, constants, radii) }
end

-- Radii (rows, bodies) and colours (rows, 3 bodies) for constants that differ between
-- rows; values given by the caller apply to all rows.
local function own_discs(self, scene, constants, rows, opts)
  local o = self.definition
  local function number(x)
    return engine.is_tensor(x) and x:to("float64")
      or engine.full({ rows, 1 }, x, { dtype = "float64" })
  end
  local radii, colours = {}, {}
  local given = not opts.radii and evaluated(o.radii, constants)
  local masses = not opts.radii and not given and evaluated(o.masses, constants)
  local hues = not opts.colours and o.hues and o.hues(constants)
  for i = 1, self.bodies do
    radii[i] = masses and (number(masses[i]) / math.pi):sqrt()
      or number(given and given[i] or scene.radii[i])
    for channel = 1, 3 do
      local k = 3 * i - 3 + channel
      colours[k] = number(hues and render.channel(hues[i], channel)
        or scene.colours[k])
    end
  end
  return options.joined(scene, { radii = engine.cat(radii, 2):to("float32"),
    colours = engine.cat(colours, 2):to("float32") })
end

-- The positions of bodies for rows of states and, next to them, of constants.
local function positions_of(self, own)
  local o, d = self.definition, self.dimension
  if not own then
    return function(x) return o.positions(x, self.constants) end
  end
  return function(x)
    return o.positions(x:narrow(2, 1, d),
      self:constants_of(x:narrow(2, d + 1, own:size(2))))
  end
end

-- A row of constants for every state of q.
local function spread(self, own, q, rows)
  if not own then return nil end
  self:constants_of(own:reshape(-1, own:size(-1)))
  local shape = q.shape
  shape[#shape] = own:size(-1)
  return own:expand(shape):reshape(rows, own:size(-1)):to("float64")
end

--- Draws the bodies at every state of q.
-- @tparam System system
-- @tparam tensor q (..., d)
-- @tparam[opt] table opts as in System:render
-- @treturn tensor (states, resolution, resolution, 3) float32
-- @treturn integer resolution
-- @usage
-- drawing = require "torus.systems.parts.drawing"
-- frames, side = drawing.draw(torus.systems.pendulum, torus.zeros(2, 3, 1))
-- print(table.unpack(frames.shape))   -- 6 32 32 3
function M.draw(system, q, opts)
  opts = options.joined(opts or {})
  local own = opts.constants
  opts.constants = nil
  local scene = render.scene(system.drawing, system.bodies, opts)
  local count = q:numel() // system.dimension
  local rows = q:detach():reshape(count, system.dimension)
  own = spread(system, own, q, count)
  if own then
    scene = own_discs(system, scene, system:constants_of(own), count, opts)
    rows = engine.cat({ rows:to("float64"), own }, 2)
  end
  return render.discs(render.positions(positions_of(system, own), rows), scene),
    scene.resolution
end

return M
