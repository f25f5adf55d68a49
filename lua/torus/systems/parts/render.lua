--- Rendering of states: every body is a disc with a soft edge on a grey background
-- (appendix A.4 of the paper), with the constants of the authors' later public suite.
-- @module torus.systems.parts.render
local core = require "torus.core"
local options = require "torus.options"
local engine = require "torus.engine"

local M = {}

--- The background's red, green and blue, in [0, 1].
M.grey = { 0.321, 0.349, 0.368 }

local RULES = {
  resolution = { default = 32, type = "integer", min = 1, max = 4096 },
  background = { default = M.grey, type = "table" },
  sharpness = { default = 80, type = "number", above = 0 },
  colours = { type = "table" },
  radii = { type = "table" },
  half_width = { type = "number", above = 0 },
}

--- The options of `scene`, as torus.options reads them.
M.rules = RULES

-- Vectorised code computes the remaining rows of a count differently, which can
-- change the last bit of a position. Multiples of this leave no remaining rows.
local ROWS = 64

--- Returns fully saturated colours of evenly spaced hues: red for one body, red and
-- green for two, red, green and blue for three; n hues for more.
-- @tparam integer n
-- @treturn {{r,g,b},...} each in [0, 1]
-- @usage
-- render = require "torus.systems.parts.render"
-- print(table.unpack(render.palette(2)[2]))   -- 0 1 0, or nearly
function M.palette(n)
  local colours = {}
  for i = 1, n do
    local hue = 6 * (i - 1) / math.max(n, 3)
    local function channel(shift)
      local k = (hue + shift) % 6
      return 1 - math.max(0, math.min(k, 4 - k, 1))
    end
    colours[i] = { channel(5), channel(3), channel(1) }
  end
  return colours
end

--- Returns one channel of the fully saturated colour of a hue.
-- @tparam number|tensor hue in turns of the colour circle: 0 is red, 1/3 green
-- @tparam integer channel 1 is red, 2 green, 3 blue
-- @treturn number|tensor in [0, 1], like hue
-- @usage
-- render = require "torus.systems.parts.render"
-- print(render.channel(1 / 3, 2))   -- 1.0
function M.channel(hue, channel)
  local shift = 7 - 2 * channel
  if type(hue) == "number" then
    local k = (6 * hue + shift) % 6
    return 1 - math.max(0, math.min(k, 4 - k, 1))
  end
  local x = hue * 6 + shift
  local k = x - (x / 6):floor() * 6
  return 1 - engine.minimum(k, 4 - k):clamp { min = 0, max = 1 }
end

--- Returns the fully saturated colours of hues.
-- @tparam {number,...} hues in turns of the colour circle
-- @treturn {{r,g,b},...}
-- @usage
-- render = require "torus.systems.parts.render"
-- print(table.unpack(render.colours({ 2 / 3 })[1]))   -- 0 0 1, or nearly
function M.colours(hues)
  local colours = {}
  for i, hue in ipairs(hues) do
    colours[i] = {}
    for c = 1, 3 do colours[i][c] = M.channel(hue, c) end
  end
  return colours
end

local function check_colour(name, colour)
  for i = 1, 3 do
    local value = type(colour) == "table" and #colour == 3 and colour[i]
    if type(value) ~= "number" or not (value >= 0 and value <= 1) then
      options.raise("render: %s: expected three numbers from 0 to 1, got %s",
        name, options.show(colour))
    end
  end
end

local function check_radii(radii, bodies)
  if #radii ~= bodies then
    options.raise("render: radii: expected %d, one for each body, got %d",
      bodies, #radii)
  end
  for i, radius in ipairs(radii) do
    if type(radius) ~= "number" or not (radius > 0) then
      options.raise("render: radii: expected numbers above 0, got %s for body "
        .. "%d", options.show(radius), i)
    end
  end
end

--- Returns everything the renderer needs besides positions.
-- @tparam table defaults colours, radii and half_width of a system
-- @tparam integer bodies
-- @tparam[opt] table opts as in System:render
-- @treturn table scene
-- @raise for lists whose length is not the number of bodies, and for values out of
-- range
-- @usage
-- render = require "torus.systems.parts.render"
-- scene = render.scene({ radii = { 0.2 }, half_width = 1 }, 1,
--   { resolution = 16 })
-- print(scene.resolution, scene.sharpness)   -- 16 80
function M.scene(defaults, bodies, opts)
  local o = options.resolve("render", opts, RULES)
  local colours = o.colours or defaults.colours or M.palette(bodies)
  local radii = o.radii or defaults.radii
  if #colours ~= bodies then
    options.raise("render: colours: expected %d, one for each body, got %d",
      bodies, #colours)
  end
  check_radii(radii, bodies)
  check_colour("background", o.background)
  local flat = {}
  for i, colour in ipairs(colours) do
    check_colour("colour " .. i, colour)
    for c = 1, 3 do flat[3 * i - 3 + c] = colour[c] end
  end
  return { resolution = o.resolution, background = o.background,
    sharpness = o.sharpness, colours = flat, radii = radii,
    half_width = o.half_width or defaults.half_width }
end

--- Draws discs: a disc of radius R covers the fraction sigmoid(sharpness (R - d)) of a pixel
-- at the distance d, in units of the canvas's side.
-- @tparam tensor positions (images, bodies, 2) float32, x and y in the world,
-- y up
-- @tparam table scene what scene() returned
-- @treturn tensor (images, resolution, resolution, 3) float32 in [0, 1]
-- @usage
-- render = require "torus.systems.parts.render"
-- scene = render.scene({ radii = { 0.2 }, half_width = 1 }, 1)
-- print(table.unpack(render.discs(torus.zeros(5, 1, 2), scene).shape))
-- -- 5 32 32 3
function M.discs(positions, scene) return core.raster(positions, scene) end

--- Returns the positions of the bodies at states. The bits of a result depend on neither its
-- row nor the number of rows.
-- @tparam function positions q (rows, d) -> (rows, bodies, 2)
-- @tparam tensor q (rows, d)
-- @treturn tensor (rows, bodies, 2) float32
-- @usage
-- render = require "torus.systems.parts.render"
-- gravity = require "torus.systems.parts.gravity"
-- print(table.unpack(render.positions(gravity.positions, torus.ones(5, 4)).shape))
-- -- 5 2 2
function M.positions(positions, q)
  local rows = q:size(1)
  local padding = -rows % ROWS
  q = q:to("float64")
  if padding > 0 then
    q = engine.cat({ q, engine.zeros({ padding, q:size(2) },
      { dtype = "float64" }) }, 1)
  end
  return positions(q):narrow(1, 1, rows):contiguous():to("float32")
end

return M
