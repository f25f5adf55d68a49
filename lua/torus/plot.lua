--- Axis plots as PNG files, by gnuplot, which is only needed for these.
--
--     torus.plot.lines { path = "loss.png", title = "loss", log = "y",
--       series = { { x = steps, y = losses, label = "train" } } }
--
-- Numbers come as lists or tensors. Every function returns true, or nil and a
-- message when gnuplot is missing or refuses.
-- @module torus.plot
local options = require "torus.options"
local torus = require "torus"

local M = {}

-- --- data -------------------------------------------------------------------

local function list_of(where, values)
  if torus.is_tensor(values) then values = values:detach():reshape(-1):totable() end
  if type(values) ~= "table" then
    options.raise("%s: expected a list of numbers or a tensor, got %s", where,
      tostring(values))
  end
  for i, value in ipairs(values) do
    if type(value) ~= "number" then
      options.raise("%s: expected numbers, got %s at %d", where,
        tostring(value), i)
    end
  end
  return values
end

-- gnuplot leaves out what it reads as NaN.
local function number(x)
  if x ~= x or x == math.huge or x == -math.huge then return "NaN" end
  return string.format("%.10g", x)
end

local function quoted(text)
  return "'" .. tostring(text):gsub("'", "''"):gsub("[\r\n]", " ") .. "'"
end

-- A script under construction: its lines, and how many data blocks it has.
local function add(script, text, ...)
  script[#script + 1] = select("#", ...) > 0 and text:format(...) or text
end

local function add_block(script, lines)
  script.blocks = (script.blocks or 0) + 1
  local name = "$data" .. script.blocks
  add(script, name .. " << END_OF_DATA")
  for _, line in ipairs(lines) do add(script, line) end
  add(script, "END_OF_DATA")
  return name
end

-- --- panels -----------------------------------------------------------------

local PANEL = {
  kind = { default = "lines", choices = { "lines", "contour", "surface" } },
  title = { type = "string" },
  xlabel = { type = "string" },
  ylabel = { type = "string" },
  log = { choices = { "x", "y", "xy" } },
  xrange = { type = "table" },
  yrange = { type = "table" },
  series = { default = {}, type = "table" },
  legend = { default = "top right", type = "string" },
  square = { default = false, type = "boolean" },
  x = {}, y = {}, z = {},
  levels = { default = 12, type = "integer", min = 1, max = 200 },
}

local SERIES = {
  x = {}, y = { required = true }, low = {}, high = {},
  label = { type = "string" },
  style = { default = "lines",
    choices = { "lines", "points", "linespoints", "dots", "dashes" } },
  colour = { type = "string" },
  width = { default = 1.5, type = "number", above = 0 },
}

local STYLES = { lines = "lines", points = "points pt 7 ps 0.7",
  linespoints = "linespoints pt 7 ps 0.6", dots = "dots",
  dashes = "lines dashtype 2" }
local HAS_WIDTH = { lines = true, linespoints = true, dashes = true }

-- The part of a plot command that draws a series; its band, from low to high,
-- comes first.
local function series_commands(script, where, given, flat)
  local s = options.resolve(where, given, SERIES)
  local y = list_of(where .. ": y", s.y)
  local x = s.x and list_of(where .. ": x", s.x)
  if x and #x ~= #y then
    options.raise("%s: x has %d numbers, y has %d", where, #x, #y)
  end
  local low = s.low and list_of(where .. ": low", s.low)
  local high = s.high and list_of(where .. ": high", s.high)
  if (low == nil) ~= (high == nil) or low and (#low ~= #y or #high ~= #y) then
    options.raise("%s: low and high come together and are as long as y", where)
  end
  local colour = s.colour and " lc rgb " .. quoted(s.colour) or ""
  local lines, commands = {}, {}
  for i = 1, #y do
    lines[i] = table.concat({ number(x and x[i] or i), number(y[i]),
      low and number(low[i]) or "", high and number(high[i]) or "" }, " ")
  end
  if #lines == 0 then lines[1] = "NaN NaN" end
  local block = add_block(script, lines)
  if low then
    commands[1] = block .. " using 1:3:4 with filledcurves fs transparent "
      .. "solid 0.2 noborder" .. colour .. " notitle"
  end
  commands[#commands + 1] = string.format("%s using 1:2%s with %s%s%s %s",
    block, flat and ":(0)" or "", STYLES[s.style],
    HAS_WIDTH[s.style] and " lw " .. number(s.width) or "", colour,
    s.label and "title " .. quoted(s.label) or "notitle")
  return commands
end

local function all_series(script, panel, where, flat)
  local commands = {}
  for i, given in ipairs(panel.series) do
    local own = series_commands(script, where .. ": series " .. i, given, flat)
    table.move(own, 1, #own, #commands + 1, commands)
  end
  return commands
end

local function add_axes(script, panel, where)
  add(script, "set title %s", quoted(panel.title or ""))
  add(script, "set xlabel %s", quoted(panel.xlabel or ""))
  add(script, "set ylabel %s", quoted(panel.ylabel or ""))
  add(script, "unset logscale")
  if panel.log then add(script, "set logscale %s", panel.log) end
  if not panel.legend:match("^[%a ]+$") then
    options.raise("%s: expected a place like \"top left\" as legend, got %q",
      where, panel.legend)
  end
  add(script, "set key %s", panel.legend)
  add(script, panel.square and "set size ratio -1" or "set size noratio")
  for _, axis in ipairs { "x", "y" } do
    local range = panel[axis .. "range"]
    if range then
      local r = list_of(where .. ": " .. axis .. "range", range)
      if #r ~= 2 then
        options.raise("%s: expected two numbers as %srange", where, axis)
      end
      add(script, "set %srange [%s:%s]", axis, number(r[1]), number(r[2]))
    else
      add(script, "set %srange [*:*]", axis)
    end
  end
end

local function add_lines(script, panel, where)
  local commands = all_series(script, panel, where, false)
  if #commands == 0 then options.raise("%s: there are no series", where) end
  add(script, "plot " .. table.concat(commands, ", \\\n  "))
end

-- z (rows for y, columns for x) as blocks of lines that gnuplot's grids need.
local function add_grid(script, panel, where)
  local z = torus.is_tensor(panel.z) and panel.z:detach() or panel.z
  if not torus.is_tensor(z) or z:dim() ~= 2 then
    options.raise("%s: expected z as a tensor (y, x)", where)
  end
  local x, y = list_of(where .. ": x", panel.x), list_of(where .. ": y", panel.y)
  if #y ~= z:size(1) or #x ~= z:size(2) or #x < 2 or #y < 2 then
    options.raise("%s: z is (%d,%d), y has %d numbers and x %d", where,
      z:size(1), z:size(2), #y, #x)
  end
  local lines = {}
  for i, row in ipairs(z:totable()) do
    for k, value in ipairs(row) do
      lines[#lines + 1] = number(x[k]) .. " " .. number(y[i]) .. " "
        .. number(value)
    end
    lines[#lines + 1] = ""
  end
  return add_block(script, lines)
end

local function add_contour(script, panel, where)
  local grid = add_grid(script, panel, where)
  local commands = all_series(script, panel, where, true)
  table.insert(commands, 1, grid .. " using 1:2:3 with lines lw 0.7 lc rgb "
    .. "'#404040' nosurface notitle")
  table.insert(commands, 1, grid .. " using 1:2:3 with pm3d notitle nocontour")
  add(script, "set view map")
  add(script, "set contour base\nset cntrparam levels auto %d", panel.levels)
  add(script, "set cntrlabel onecolor")
  add(script, "set autoscale zfix\nset autoscale cbfix")
  add(script, "splot " .. table.concat(commands, ", \\\n  "))
  add(script, "unset contour\nunset view\nset view 60,30")
end

local function add_surface(script, panel, where)
  local grid = add_grid(script, panel, where)
  add(script, "unset contour\nset view 60,30\nset hidden3d front\n"
    .. "set ticslevel 0\nset autoscale zfix\nset autoscale cbfix")
  add(script, "splot %s using 1:2:3 with pm3d notitle", grid)
  add(script, "unset hidden3d")
end

local ADD = { lines = add_lines, contour = add_contour, surface = add_surface }

-- --- running gnuplot --------------------------------------------------------

local function shell_quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function read_all(path)
  local file = io.open(path, "r")
  if not file then return "" end
  local text = file:read("a")
  file:close()
  return text
end

M.program = "gnuplot"

--- Runs a gnuplot script whose output goes to a file, whole or not at all.
local function run(script, path)
  local part = path .. ".part"
  local file, message = io.open(part, "w")
  if not file then return nil, "plot: cannot write " .. message end
  file:close()
  local source, errors = os.tmpname(), os.tmpname()
  file, message = io.open(source, "w")
  if not file then return nil, "plot: " .. message end
  file:write("set output ", quoted(part), "\n", table.concat(script, "\n"),
    "\nset output\n")
  file:close()
  local ok, _, status = os.execute(string.format("%s %s 2>%s", M.program,
    shell_quoted(source), shell_quoted(errors)))
  local said = read_all(errors):gsub("^%s+", ""):gsub("%s+", " ")
  os.remove(source)
  os.remove(errors)
  if not ok then
    os.remove(part)
    if status == 127 then
      return nil, "plot: gnuplot is not installed (apt-get install gnuplot-nox)"
    end
    return nil, "plot: gnuplot failed: " .. said
  end
  local renamed
  renamed, message = os.rename(part, path)
  if not renamed then return nil, "plot: cannot write " .. message end
  return true
end

local FIGURE = {
  path = { required = true, type = "string" },
  panels = { required = true, type = "table" },
  columns = { type = "integer", min = 1 },
  title = { type = "string" },
  width = { type = "integer", min = 50, max = 16384 },
  height = { type = "integer", min = 50, max = 16384 },
  font_size = { default = 11, type = "integer", min = 4, max = 72 },
}

--- Several plots in one picture.
-- @tparam table opts path; panels, a list of what lines, contour or surface
-- take, with kind = "lines", "contour" or "surface"; columns, by default
-- about a square; title; width and height in pixels; font_size=11
-- @treturn ?boolean true
-- @treturn ?string message
function M.figure(opts)
  local o = options.resolve("plot.figure", opts, FIGURE)
  local count = #o.panels
  if count == 0 then options.raise("plot.figure: there are no panels") end
  local columns = o.columns or math.ceil(math.sqrt(count))
  local rows = (count + columns - 1) // columns
  local script = {}
  add(script, "set terminal pngcairo noenhanced size %d,%d font ',%d'",
    o.width or (columns == 1 and 720 or 480 * columns),
    o.height or (rows == 1 and 480 or 400 * rows), o.font_size)
  add(script, "set encoding utf8\nset datafile missing 'NaN'\nset grid lc "
    .. "rgb '#e0e0e0'\nset border lc rgb '#606060'\nset palette defined "
    .. "(0 '#352a87', 1 '#0f5cdd', 2 '#1481d6', 3 '#06a4ca', 4 '#2eb7a4', "
    .. "5 '#87bf77', 6 '#d1bb59', 7 '#fec832', 8 '#f9fb0e')")
  add(script, "set multiplot layout %d,%d title %s", rows, columns,
    quoted(o.title or ""))
  for i, given in ipairs(o.panels) do
    local where = count == 1 and "plot" or "plot: panel " .. i
    local panel = options.resolve(where, given, PANEL)
    add_axes(script, panel, where)
    ADD[panel.kind](script, panel, where)
  end
  add(script, "unset multiplot")
  return run(script, o.path)
end

-- Splits options into those of the figure and those of its one panel.
local function single(kind)
  return function(opts)
    local figure, panel = {}, { kind = kind }
    for key, value in pairs(opts or {}) do
      if FIGURE[key] and key ~= "title" then figure[key] = value
      else panel[key] = value end
    end
    figure.panels = { panel }
    return M.figure(figure)
  end
end

--- Lines, points, and bands around lines.
-- @function lines
-- @tparam table opts path; series = {{y =, x = 1.., label =, style = "lines",
-- "points", "linespoints", "dots" or "dashes", colour = "#rrggbb" or a name,
-- width=1.5, low =, high = (a band)}, ...}; title, xlabel, ylabel; log = "x",
-- "y" or "xy"; xrange, yrange = {low, high}; legend = "top right"; square,
-- equal units on both axes; width, height in pixels; font_size
M.lines = single("lines")

--- Points: lines with style = "points" where a series has none.
-- @tparam table opts as of lines
function M.scatter(opts)
  local changed, series = {}, {}
  for key, value in pairs(opts or {}) do changed[key] = value end
  for i, one in ipairs(changed.series or {}) do
    series[i] = { style = "points" }
    for key, value in pairs(one) do series[i][key] = value end
  end
  changed.series = series
  return M.lines(changed)
end

--- Heights as colours with contour lines, and series on top.
-- @function contour
-- @tparam table opts path; x, y and z (#y, #x); levels=12; series and the
-- rest as of lines
M.contour = single("contour")

--- A surface seen from above at an angle.
-- @function surface
-- @tparam table opts path; x, y and z (#y, #x), and the rest as of lines
M.surface = single("surface")

return M
