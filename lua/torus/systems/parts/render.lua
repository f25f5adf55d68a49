--- Pictures of states: every body a disc with a soft edge on a grey ground.
-- @module torus.systems.parts.render
local core = require "torus.core"
local options = require "torus.options"
local engine = require "torus.engine"

local M = {}

--- The ground that bodies are drawn on.
M.grey = { 0.321, 0.349, 0.368 }

-- The constants of the paper's authors' later public suite.
local RULES = {
  resolution = { default = 32, type = "integer", min = 1, max = 4096 },
  background = { default = M.grey, type = "table" },
  sharpness = { default = 80, type = "number", above = 0 },
  colours = { type = "table" },
  radii = { type = "table" },
  half_width = { type = "number", above = 0 },
}

--- The names of the options.
M.rules = RULES

-- Vector code treats the last rows of an odd count in another way, which can
-- change a position in its last bit. A multiple of this leaves no such rows.
local ROWS = 64

--- Fully saturated colours of evenly spaced hues: red for one body, red and
-- green for two, red, green and blue for three; n hues for more.
-- @tparam integer n
-- @treturn {{r,g,b},...} each in [0, 1]
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

local function check_colour(name, colour)
  for i = 1, 3 do
    local value = type(colour) == "table" and #colour == 3 and colour[i]
    if type(value) ~= "number" or not (value >= 0 and value <= 1) then
      options.raise("render: expected %s as three numbers from 0 to 1", name)
    end
  end
end

-- One number for each body: a list, or one for all.
local function check_radii(radii, bodies)
  if #radii ~= bodies then
    options.raise("render: expected %d radii, got %d", bodies, #radii)
  end
  for i, radius in ipairs(radii) do
    if type(radius) ~= "number" or not (radius > 0) then
      options.raise("render: expected radii above 0, got %s for body %d",
        tostring(radius), i)
    end
  end
end

--- What the renderer needs to know beside positions.
-- @tparam table defaults colours, radii and half_width, of a system
-- @tparam integer bodies
-- @tparam ?table opts resolution=32, background, sharpness=80, colours,
-- radii, half_width
-- @treturn table scene
function M.scene(defaults, bodies, opts)
  local o = options.resolve("render", opts, RULES)
  local colours = o.colours or defaults.colours or M.palette(bodies)
  local radii = o.radii or defaults.radii
  if #colours ~= bodies then
    options.raise("render: expected %d colours, got %d", bodies, #colours)
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

--- Draws discs.
-- @tparam tensor positions (images, bodies, 2) float32, x and y in the world,
-- y up
-- @tparam table scene what scene() returned
-- @treturn tensor (images, resolution, resolution, 3) float32 in [0, 1]
function M.discs(positions, scene) return core.raster(positions, scene) end

--- Positions of bodies for states, each with the same bits wherever it
-- stands among the others.
-- @tparam function positions of q (rows, d), gives (rows, bodies, 2)
-- @tparam tensor q (rows, d)
-- @treturn tensor (rows, bodies, 2) float32
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
