--- Plots as PNG, PDF or SVG files, drawn by gnuplot, which only this module needs.
--
--     torus.plot.lines { path = "loss.png", title = "loss", log = "y",
--       series = { { x = steps, y = losses, label = "train" } } }
--
-- The file extension determines the format: .png (the default), .pdf or .svg. Numbers
-- are given as lists or tensors; the legend says if nothing of a series can be drawn, and
-- characters that no font has appear as question marks. Logarithmic axes are labelled
-- like 1e-5. Every function returns true, or nil and a message if gnuplot is missing or
-- fails.
-- @module torus.plot
local core = require "torus.core"
local files = require "torus.files"
local gnuplot = require "torus.plot.gnuplot"
local image = require "torus.image"
local options = require "torus.options"
local panels = require "torus.plot.panels"
local portrait = require "torus.plot.portrait"
local terminal = require "torus.image.terminal"

local add, list_of, quoted = gnuplot.add, gnuplot.list_of, gnuplot.quoted

local M = {}

--- The command that runs gnuplot.
M.program = "gnuplot"

local FIGURE = {
  path = { required = true, type = "path" },
  panels = { required = true, type = "table", items = panels.rules },
  columns = { type = "integer", min = 1 },
  widths = { type = "table" },
  title = { type = "string" },
  width = { type = "integer", min = 50, max = 16384 },
  height = { type = "integer", min = 50, max = 16384 },
  font_size = { default = 11, type = "integer", min = 4, max = 72 },
}

local TITLE = 0.03 -- fraction of a figure's height used for its title
local INSET = 0.04 -- fraction of a column's width: gnuplot's maps leave no margin for labels

-- Approximate width of a character relative to the font size.
local CHARACTER = 0.7

-- The size of a figure in pixels.
local function picture_size(o, rows, columns)
  return o.width or (columns == 1 and 720 or 480 * columns),
    o.height or (rows == 1 and 480 or 400 * rows)
end

-- The number of characters that fit in panel i, see panels.add.
local function characters_of(o, i, rows, columns)
  local width, height = picture_size(o, rows, columns)
  local share, total = 1 / columns, 0
  if o.widths then
    for _, w in ipairs(o.widths) do total = total + w end
    share = o.widths[(i - 1) % columns + 1] / total
  end
  local character = CHARACTER * o.font_size
  return { columns = width * share // character, rows = height / rows // character }
end

-- Positions panel i when the columns have the relative widths `widths`.
local function put_panel(script, o, i, rows)
  local columns, total, left = #o.widths, 0, 0
  local column = (i - 1) % columns + 1
  for c, width in ipairs(list_of("plot.figure: widths", o.widths)) do
    if c < column then left = left + width end
    total = total + width
  end
  local height = (1 - (o.title and TITLE or 0)) / rows
  local width = o.widths[column] / total
  add(script, "set origin %.6g,%.6g", left / total + INSET * width,
    (rows - 1 - (i - 1) // columns) * height)
  add(script, "set size %.6g,%.6g", (1 - INSET) * width, height)
end

local function begin(script, o, rows, columns)
  local width, height = picture_size(o, rows, columns)
  add(script, gnuplot.terminal(script.format, width, height, o.font_size))
  add(script, "set encoding utf8\n" .. panels.MISSING)
  add(script, "set palette defined (0 '#352a87', 1 '#0f5cdd', 2 '#1481d6', "
    .. "3 '#06a4ca', 4 '#2eb7a4', 5 '#87bf77', 6 '#d1bb59', 7 '#fec832', "
    .. "8 '#f9fb0e')")
  add(script, panels.FRAME)
  local layout = o.widths and ""
    or string.format("layout %d,%d ", rows, columns)
  add(script, "set multiplot %stitle %s", layout, quoted(o.title or ""))
end

-- Converts a phase portrait to the contour plot that it computes.
local function expanded(panel)
  if type(panel) ~= "table" or panel.kind ~= "phase_portrait" then return panel end
  return portrait.panel(panel)
end

-- The contents of a figure's file.
local function picture_of(o)
  local count = #o.panels
  if count == 0 then options.raise("plot.figure: panels: expected at least one, got none") end
  local columns = o.widths and #o.widths or o.columns
    or math.ceil(math.sqrt(count))
  if columns == 0 then
    options.raise("plot.figure: widths: expected at least one number, got none")
  end
  local rows = (count + columns - 1) // columns
  local script = { images = {}, format = o.format }
  begin(script, o, rows, columns)
  for i, given in ipairs(o.panels) do
    local where = count == 1 and "plot" or "plot: panel " .. i
    local panel = options.resolve(where, expanded(given), panels.rules)
    if o.widths then put_panel(script, o, i, rows) end
    panels.add(script, where, panel, characters_of(o, i, rows, columns))
  end
  add(script, "unset multiplot")
  return gnuplot.run(script, M.program)
end

--- Draws several plots in one figure.
-- @tparam table opts path; panels, a list of option tables as for the functions of these
-- names, with kind = "lines", "contour", "surface", "heat_map", "histogram",
-- "phase_portrait" or "image" (a picture, as image = (height, width, 3)); columns, by
-- default for a roughly square layout, or widths, a list of the relative widths of the
-- columns; title; width and height in pixels; font_size=11
-- @treturn ?boolean true
-- @treturn ?string message
-- @raise for unknown options, no panels, data that are not numbers or differ in
-- length, and a path with another extension than .png, .pdf or .svg
-- @usage
-- torus.plot.figure { path = "two.png", columns = 2, panels = {
--   { title = "sine", series = { { y = torus.linspace(0, 6, 50):sin() } } },
--   { kind = "image", image = torus.rand(32, 32, 3) } } }
function M.figure(opts)
  local o = options.resolve("plot.figure", opts, FIGURE)
  o.format = gnuplot.format_of("plot.figure", o.path)
  local picture, message = picture_of(o)
  if not picture then return nil, message end
  local ok
  ok, message = files.write(o.path, picture)
  if not ok then return nil, "plot: cannot write " .. message end
  return true
end

local KINDS = { lines = panels.rules, contour = panels.rules, surface = panels.rules,
  heat_map = panels.rules, histogram = panels.rules,
  phase_portrait = options.joined(panels.rules, portrait.rules) }

-- Splits options into those of the figure and those of its one panel.
local function split(opts, kind, figure_rules, panel_rules)
  local figure, panel = {}, { kind = kind }
  for key, value in pairs(opts) do
    local of_figure = figure_rules[key] and not panel_rules[key]
    if of_figure then figure[key] = value else panel[key] = value end
  end
  figure.panels = { panel }
  return figure
end

local function single(kind)
  local rules = KINDS[kind]
  return function(opts)
    options.argument("plot." .. kind, "options", opts, { type = "table" })
    return M.figure(split(opts, kind, FIGURE, rules))
  end
end

--- Plots lines, points, error bars, and bands around lines.
-- @function torus.plot.lines
-- @tparam table opts path; series = {{y =, x = 1.., label =, style = "lines",
-- "points", "linespoints", "dots", "dashes", "filled" (a polygon) or "arrows" (from
-- each point, by dx and dy), colour = "#rrggbb" or a name, width=1.5, low =, high =
-- (a band), errors = (bars of this length up and down), sizes = (size of each point, or of
-- all, 1 being normal), values = (a number for each point, shown as its colour)}, ...};
-- colour_label and colour_range =
-- {low, high} of the colour bar; labels =
-- {{x =, y =, text =, align = "left", "center" or "right", colour =}, ...};
-- title, xlabel, ylabel; log = "x", "y" or "xy"; xrange, yrange = {low, high};
-- xtics, the spacing of the tick labels on x;
-- legend = "top right", in the form gnuplot's key accepts; square=true, equal units on
-- both axes; width, height in pixels; font_size
-- @treturn ?boolean true
-- @treturn ?string message, if gnuplot is missing or fails
-- @raise for unknown options, and data that are not numbers or differ in length
-- @usage
-- torus.plot.lines { path = "loss.png", title = "loss", log = "y", series = {
--   { y = {1, 0.5, 0.2, 0.1}, label = "train" },
--   { y = {1.1, 0.7, 0.4, 0.3}, label = "test", style = "dashes" } } }
M.lines = single("lines")

--- Plots points: like lines, with style = "points" for series without a style.
-- @tparam table opts as in lines
-- @treturn ?boolean true
-- @treturn ?string message, if gnuplot is missing or fails
-- @raise for unknown options, and data that are not numbers or differ in length
-- @usage
-- x = torus.randn(200, 2)
-- torus.plot.scatter { path = "samples.png", square = true, xlabel = "q", ylabel = "p",
--   series = { { x = x:select(2, 1), y = x:select(2, 2), sizes = torus.rand(200) } } }
function M.scatter(opts)
  options.argument("plot.scatter", "options", opts, { type = "table" })
  if type(opts.series) ~= "table" then return M.lines(opts) end
  local series = {}
  for i, one in ipairs(opts.series) do
    series[i] = type(one) == "table"
      and options.joined({ style = "points" }, one) or one
  end
  return M.lines(options.joined(opts, { series = series }))
end

--- Plots values on a grid as colours with contour lines, with series on top.
-- @function torus.plot.contour
-- @tparam table opts path; z (#y, #x); x and y, ascending, by default 1, 2, ...; levels=12;
-- filled=true, false draws
-- only the lines, in grey if the series have colours; series and the rest as in lines
-- @treturn ?boolean true
-- @treturn ?string message, if gnuplot is missing or fails
-- @raise for unknown options, and data that are not numbers or differ in length
-- @usage
-- x = torus.linspace(-2, 2, 30)
-- z = x:reshape(1, 30):square() + x:reshape(30, 1):square()
-- torus.plot.contour { path = "bowl.png", x = x, y = x, z = z, levels = 8 }
M.contour = single("contour")

--- Plots a surface, seen obliquely from above.
-- @function torus.plot.surface
-- @tparam table opts path; x, y and z (#y, #x), and the rest as in lines
-- @treturn ?boolean true
-- @treturn ?string message, if gnuplot is missing or fails
-- @raise for unknown options, and data that are not numbers or differ in length
-- @usage
-- x = torus.linspace(-2, 2, 30)
-- z = -(x:reshape(1, 30):square() + x:reshape(30, 1):square())
-- torus.plot.surface { path = "hill.png", x = x, y = x, z = z:exp() }
M.surface = single("surface")

--- Plots numbers on a grid as the colours of its cells; a NaN leaves its cell empty.
-- @function torus.plot.heat_map
-- @tparam table opts path; z (rows, columns), the first row at the bottom; x and y,
-- the centres of the cells, evenly spaced (default: 1, 2, ...); colour_label and
-- colour_range; series and the rest as in lines
-- @treturn ?boolean true
-- @treturn ?string message, if gnuplot is missing or fails
-- @raise for unknown options, data that are not numbers or differ in length, and
-- axes that are not evenly spaced
-- @usage
-- torus.plot.heat_map { path = "covariance.png", z = torus.rand(6, 8),
--   xlabel = "column", ylabel = "row", colour_label = "value" }
M.heat_map = single("heat_map")

--- Plots histograms; all series share the same bins.
-- @function torus.plot.histogram
-- @tparam table opts path; series = {{y = samples, label =, colour =}, ...}; bins
-- (default: by the rule of Freedman and Diaconis); density=false, true makes the
-- area of each series 1; the rest as in lines
-- @treturn ?boolean true
-- @treturn ?string message, if gnuplot is missing or fails
-- @raise for unknown options, no series, and data that are not numbers
-- @usage
-- torus.plot.histogram { path = "normal.png", density = true, xlabel = "x",
--   series = { { y = torus.randn(1000), label = "samples" } } }
M.histogram = single("histogram")

--- Plots the energy of one degree of freedom as colours and contours over q and p, with
-- arrows along the motion and trajectories on top.
-- @function torus.plot.phase_portrait
-- @tparam table opts path; H, a system or any Hamiltonian that torus.field accepts; qrange
-- and prange={-2, 2}; trajectories = {{q = (states, batch, 1), p =}, ...}, as
-- returned by torus.integrate; arrows=15 per row, 0 for none; points=81 of the
-- grid in each direction; levels=12, and the rest as in contour
-- @treturn ?boolean true
-- @treturn ?string message, if gnuplot is missing or fails
-- @raise for unknown options, and an H of several degrees of freedom
-- @usage
-- H = torus.systems.pendulum
-- orbit = torus.integrate { H = H:hamiltonian(), q = torus.tensor{{1}, {2}},
--   p = torus.zeros(2, 1), steps = 60 }
-- torus.plot.phase_portrait { path = "pendulum.png", H = H, qrange = {-4, 4},
--   prange = {-3, 3}, trajectories = { orbit } }
M.phase_portrait = single("phase_portrait")

-- --- in a terminal --------------------------------------------------------------

local function is_text(panel)
  local kind = type(panel) == "table" and panel.kind or "lines"
  return kind == "lines" or kind == "histogram"
end

-- Lines and histograms are legible as text; everything else needs a low-resolution image.
local function as_text(o)
  for _, panel in ipairs(o.panels) do
    if not is_text(panel) then return false end
  end
  local columns, rows = terminal.room("blocks")
  local across = o.columns or math.ceil(math.sqrt(#o.panels))
  local down = (#o.panels + across - 1) // across
  o.width = math.max(40, columns - 1)
  o.height = math.max(12, math.min(rows // 2 - 1, 26 * down))
  o.format = "text"
  return true
end

-- The pixels of a figure, read back from its file.
local function pixels_of(picture)
  return files.in_temporary("plot.show", function(folder)
    local path = folder .. "/plot.png"
    local ok, message = files.write(path, picture)
    if not ok then return nil, message end
    return image.read(path, { channels = 3 })
  end)
end

--- Shows a figure in the terminal, also over ssh. If the terminal cannot show pixels,
-- lines and histograms are drawn with characters, everything else in half blocks
-- (see torus.image.show).
-- @tparam table opts as in figure, or a single panel with its kind, but without a path;
-- protocol = "kitty", "iterm2", "sixel" or "blocks" (default: detected)
-- @treturn ?boolean true
-- @treturn ?string message, if gnuplot is missing or fails, or if standard output is
-- not a terminal and no protocol was requested
-- @raise for unknown options, and data that are not numbers or differ in length
-- @usage
-- torus.plot.show { protocol = "blocks", xlabel = "t", ylabel = "q",
--   series = { { y = torus.linspace(0, 6, 50):sin(), label = "sine" } } }
function M.show(opts)
  options.argument("plot.show", "options", opts, { type = "table" })
  local protocol, message = terminal.protocol(opts.protocol)
  if not protocol then
    return nil, (message:gsub("^image", "plot"):gsub("use .*$", "write a file instead: "
      .. "torus.plot.lines { path = \"plot.png\", ... }, or figure, histogram and so on"))
  end
  options.argument("plot.show", "protocol", protocol, { choices = terminal.protocols })
  local given = options.joined(opts)
  given.protocol = nil
  if given.panels == nil then
    given = split(given, given.kind, FIGURE, KINDS[given.kind] or panels.rules)
  end
  given.path = given.path or "" -- figures shown have no path; giving one is an error
  if given.path ~= "" then options.raise("plot.show: unknown option \"path\"") end
  local o = options.resolve("plot.show", given, FIGURE)
  o.format = "png"
  local text = protocol == "blocks" and as_text(o)
  local picture
  picture, message = picture_of(o)
  if not picture then return nil, message end
  if text then
    io.stdout:write((picture:gsub("\f", "")), "\27[0m")
    return core.flush_output()
  end
  local x
  x, message = pixels_of(picture)
  if not x then return nil, message end
  return image.show(x, { protocol = protocol, scale = 1 })
end

return M
