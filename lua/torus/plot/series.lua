--- Series of a panel: points, lines, bands, arrows.
-- @module torus.plot.series
local gnuplot = require "torus.plot.gnuplot"
local options = require "torus.options"

local add_block, is_finite = gnuplot.add_block, gnuplot.is_finite
local list_of, number, quoted = gnuplot.list_of, gnuplot.number, gnuplot.quoted

local M = {}

--- The options of a series.
M.rules = {
  x = {}, y = { required = true }, low = {}, high = {}, errors = {}, values = {},
  sizes = {}, dx = {}, dy = {},
  label = { type = "string" },
  style = { default = "lines",
    choices = { "lines", "points", "linespoints", "dots", "dashes",
      "filled", "arrows" } },
  colour = { type = "string" },
  width = { default = 1.5, type = "number", above = 0 },
}

local STYLES = { lines = "lines", points = "points pt 7 ps ",
  linespoints = "linespoints pt 7 ps ", dots = "dots",
  dashes = "lines dashtype 2",
  filled = "filledcurves closed",
  arrows = "vectors head size graph 0.008,25 filled" }
local POINT_SIZE = { points = "0.7", linespoints = "0.6" }
local HAS_WIDTH = { lines = true, linespoints = true, dashes = true, arrows = true }
-- After the colour, as a colour after "border" would apply to the border only.
local FILL = { filled = " fs transparent solid 0.35 border" }

local function repeated(value, count)
  local list = {}
  for i = 1, count do list[i] = value end
  return list
end

-- Raises for a tensor of several columns, which one line would join end to end. A size of 1
-- adds none.
local function check_column(where, name, x)
  if not options.is_live(x) then return end
  local long = 0
  for _, size in ipairs(x.shape) do long = long + (size > 1 and 1 or 0) end
  if long < 2 then return end
  options.raise("%s: expected %s of shape (n), got %s; a series has one column, for example "
    .. "%s:select(%d, 1), and %s:reshape(-1) is all of them", where, name,
    options.shape_text(x), name, x:dim(), name)
end

-- The lists that accompany y, with one number for each of its elements.
local function columns_of(where, s)
  check_column(where, "y", s.y)
  local y = list_of(where .. ": y", s.y)
  local all = { y = y }
  for _, name in ipairs { "x", "low", "high", "errors", "values", "sizes", "dx", "dy" } do
    local given = s[name]
    check_column(where, name, given)
    if name == "sizes" and type(given) == "number" then given = repeated(given, #y) end
    local list = given and list_of(where .. ": " .. name, given)
    all[name] = list
    if list and #list ~= #y and (name == "x" or name == "sizes" or name == "errors") then
      options.raise("%s: %s: expected %d numbers, as in y, got %d", where,
        name, #y, #list)
    end
  end
  return all
end

local function check_together(where, c, one, other)
  if (c[one] == nil) ~= (c[other] == nil)
    or c[one] and (#c[one] ~= #c.y or #c[other] ~= #c.y) then
    options.raise("%s: expected %s and %s together, each of as many numbers as y "
      .. "has, %d", where, one, other, #c.y)
  end
end

local function check_columns(where, s, c)
  check_together(where, c, "low", "high")
  check_together(where, c, "dx", "dy")
  if (s.style == "arrows") ~= (c.dx ~= nil) then
    options.raise("%s: expected dx and dy with style = \"arrows\", and only with it",
      where)
  end
  if c.errors and (s.style == "filled" or s.style == "arrows") then
    options.raise("%s: errors: expected a style with lines or points, got %q", where, s.style)
  end
  if c.values and (c.low or c.dx or s.colour or #c.values ~= #c.y) then
    options.raise("%s: values: expected %d numbers, as in y, and "
      .. "neither low, high nor colour next to them, got %d", where, #c.y,
      #c.values)
  end
  if c.sizes and not POINT_SIZE[s.style] then
    options.raise("%s: sizes: expected a style with points, got %q", where, s.style)
  end
  for i, size in ipairs(c.sizes or {}) do
    if not (size >= 0 and is_finite(size)) then
      options.raise("%s: sizes: expected finite numbers of at least 0, got %s at %d",
        where, size, i)
    end
  end
end

-- The reason why none of the points can be drawn, or nil.
local function fault_of(c, log)
  local finite = false
  for i = 1, #c.y do
    local x, y = c.x and c.x[i] or i, c.y[i]
    if is_finite(x) and is_finite(y) then
      finite = true
      local x_drawn = not log:find("x", 1, true) or x > 0
      if x_drawn and (not log:find("y", 1, true) or y > 0) then return nil end
    end
  end
  if #c.y == 0 then return "no numbers" end
  return finite and "no positive numbers" or "no finite numbers"
end

local function band_command(block, colour)
  return block .. " using 1:2:3 with filledcurves fs transparent solid 0.2 noborder"
    .. colour .. " notitle"
end

local function bars_command(block, colour)
  return block .. " using 1:2:3 with yerrorbars pt -1 ps 0" .. colour .. " notitle"
end

-- The columns of a point in the order in which the style reads them.
local function line_of(c, i)
  local fields = { number(c.x and c.x[i] or i), number(c.y[i]) }
  for _, name in ipairs { "dx", "dy", "sizes", "values" } do
    if c[name] then fields[#fields + 1] = number(c[name][i]) end
  end
  return table.concat(fields, " ")
end

local function lines_of(c, each)
  local lines = {}
  for i = 1, #c.y do lines[i] = each(c, i) end
  return lines
end

-- The columns that the style reads; maps have a third coordinate.
local function using(c, flat)
  local columns = flat and { "1", "2", "(0)" } or { "1", "2" }
  local next_column = 3
  if c.dx then
    columns[#columns + 1], columns[#columns + 2] = "3", "4"
    if flat then columns[#columns + 1] = "(0)" end
    next_column = 5
  end
  for _, name in ipairs { "sizes", "values" } do
    if c[name] then
      columns[#columns + 1] = tostring(next_column)
      next_column = next_column + 1
    end
  end
  return table.concat(columns, ":")
end

--- Returns true if a series is drawn as several parts, which gnuplot would give one colour
-- each.
-- @param given the series
-- @treturn boolean
function M.has_parts(given)
  return type(given) == "table" and (given.low ~= nil or given.errors ~= nil)
end

--- Returns the parts of a plot command that draw a series, beginning with its band from
-- low to high and its error bars. What belongs to one series has one colour.
-- @tparam table script
-- @tparam string where for messages
-- @tparam table given the series
-- @tparam boolean flat true on a map
-- @tparam string log the axes that are logarithmic
-- @tparam ?integer palette number of gnuplot's colour for a series without one; nil: gnuplot counts
-- @treturn {string,...} commands
-- @treturn ?string the reason why nothing of it can be drawn
function M.commands(script, where, given, flat, log, palette)
  local s = options.resolve(where, given, M.rules)
  local c = columns_of(where, s)
  check_columns(where, s, c)
  local colour = s.colour and " lc rgb " .. quoted(s.colour)
    or c.values and " lc palette" or palette and " lc " .. palette or ""
  local commands = {}
  if c.low then
    commands[1] = band_command(add_block(script, lines_of(c, function(_, i)
      return number(c.x and c.x[i] or i) .. " " .. number(c.low[i]) .. " "
        .. number(c.high[i])
    end)), colour)
  end
  if c.errors then
    commands[#commands + 1] = bars_command(add_block(script, lines_of(c, function(_, i)
      return number(c.x and c.x[i] or i) .. " " .. number(c.y[i]) .. " " .. number(c.errors[i])
    end)), c.values and " lc rgb 'grey50'" or colour)
  end
  local fault = fault_of(c, log)
  if fault then
    -- gnuplot omits the legend of a series without points.
    local label = (s.label or where:match("series %d+$")) .. ": " .. fault
    return { "keyentry with lines" .. (s.colour and colour or "") .. " title "
      .. quoted(label) }, fault
  end
  local block = add_block(script, lines_of(c, line_of))
  commands[#commands + 1] = string.format("%s using %s with %s%s%s%s%s %s",
    block, using(c, flat), STYLES[s.style],
    POINT_SIZE[s.style] and (c.sizes and "variable" or POINT_SIZE[s.style]) or "",
    HAS_WIDTH[s.style] and " lw " .. number(s.width) or "", colour,
    FILL[s.style] or "", s.label and "title " .. quoted(s.label) or "notitle")
  return commands
end

return M
