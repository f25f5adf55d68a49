--- Axis plots as PNG files, by gnuplot, which is only needed for these.
--
--     torus.plot.lines { path = "loss.png", title = "loss", log = "y",
--       series = { { x = steps, y = losses, label = "train" } } }
--
-- Numbers come as lists or tensors. Every function returns true, or nil and a
-- message when gnuplot is missing or refuses.
-- @module torus.plot
local core = require "torus.core"
local files = require "torus.files"
local image = require "torus.image"
local options = require "torus.options"
local engine = require "torus.engine"

local M = {}

-- --- data -------------------------------------------------------------------

local function list_of(where, values)
  if engine.is_tensor(values) then values = values:detach():reshape(-1):totable() end
  if type(values) ~= "table" then
    options.raise("%s: expected a list of numbers or a tensor, got %s", where,
      options.show(values))
  end
  for i, value in ipairs(values) do
    if type(value) ~= "number" then
      options.raise("%s: expected numbers, got %s at %d", where,
        options.show(value), i)
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

local FRAME = "set grid lc rgb '#e0e0e0'\nset border 31 lc rgb '#606060'"

local PANEL = {
  kind = { default = "lines",
    choices = { "lines", "contour", "surface", "image" } },
  title = { type = "string" },
  xlabel = { type = "string" },
  ylabel = { type = "string" },
  log = { choices = { "x", "y", "xy" } },
  xrange = { type = "table" },
  yrange = { type = "table" },
  xtics = { type = "number", above = 0 },
  series = { default = {}, type = "table" },
  legend = { default = "top right", type = "string" },
  square = { default = false, type = "boolean" },
  x = {}, y = {}, z = {},
  levels = { default = 12, type = "integer", min = 1, max = 200 },
  filled = { default = true, type = "boolean" },
  colour_label = { type = "string" },
  colour_range = { type = "table" },
  labels = { default = {}, type = "table" },
  image = {},
}

local SERIES = {
  x = {}, y = { required = true }, low = {}, high = {}, values = {},
  label = { type = "string" },
  style = { default = "lines",
    choices = { "lines", "points", "linespoints", "dots", "dashes",
      "filled" } },
  colour = { type = "string" },
  width = { default = 1.5, type = "number", above = 0 },
}

local STYLES = { lines = "lines", points = "points pt 7 ps 0.7",
  linespoints = "linespoints pt 7 ps 0.6", dots = "dots",
  dashes = "lines dashtype 2",
  filled = "filledcurves closed" }
local HAS_WIDTH = { lines = true, linespoints = true, dashes = true }
-- After the colour: what follows "border" would be the colour of that alone.
local FILL = { filled = " fs transparent solid 0.35 border" }

-- The part of a plot command that draws a series; its band, from low to high,
-- comes first.
local function series_commands(script, where, given, flat)
  local s = options.resolve(where, given, SERIES)
  local y = list_of(where .. ": y", s.y)
  local x = s.x and list_of(where .. ": x", s.x)
  if x and #x ~= #y then
    options.raise("%s: x: expected %d numbers, as many as y has, got %d", where,
      #y, #x)
  end
  local low = s.low and list_of(where .. ": low", s.low)
  local high = s.high and list_of(where .. ": high", s.high)
  if (low == nil) ~= (high == nil) or low and (#low ~= #y or #high ~= #y) then
    options.raise("%s: expected low and high together, each of as many numbers "
      .. "as y has, %d", where, #y)
  end
  local values = s.values and list_of(where .. ": values", s.values)
  if values and (low or s.colour or #values ~= #y) then
    options.raise("%s: values: expected %d numbers, as many as y has, and "
      .. "neither low, high nor colour next to them, got %d", where, #y,
      #values)
  end
  local colour = s.colour and " lc rgb " .. quoted(s.colour)
    or values and " lc palette" or ""
  local lines, commands = {}, {}
  for i = 1, #y do
    lines[i] = table.concat({ number(x and x[i] or i), number(y[i]),
      low and number(low[i]) or values and number(values[i]) or "",
      high and number(high[i]) or "" }, " ")
  end
  if #lines == 0 then lines[1] = "NaN NaN" end
  local block = add_block(script, lines)
  if low then
    commands[1] = block .. " using 1:3:4 with filledcurves fs transparent "
      .. "solid 0.2 noborder" .. colour .. " notitle"
  end
  commands[#commands + 1] = string.format("%s using 1:2%s%s with %s%s%s%s %s",
    block, flat and ":(0)" or "", values and ":3" or "", STYLES[s.style],
    HAS_WIDTH[s.style] and " lw " .. number(s.width) or "", colour,
    FILL[s.style] or "",
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

local LABEL = {
  x = { required = true, type = "number" },
  y = { required = true, type = "number" },
  text = { required = true, type = "string" },
  align = { default = "left", choices = { "left", "center", "right" } },
  colour = { default = "#303030", type = "string" },
}

local function add_labels(script, panel, where)
  add(script, "unset label")
  for i, given in ipairs(panel.labels) do
    local l = options.resolve(where .. ": label " .. i, given, LABEL)
    add(script, "set label %d %s at %s,%s %s front tc rgb %s", i,
      quoted(l.text), number(l.x), number(l.y), l.align, quoted(l.colour))
  end
end

-- The range of an axis; without one what the data need, exactly where `tight`.
local function add_range(script, where, name, axis, range, tight)
  if not range then
    add(script, "set %srange [*:*]", axis)
    if tight then add(script, "set autoscale %sfix", axis) end
    return
  end
  local r = list_of(where .. ": " .. name, range)
  if #r ~= 2 then
    options.raise("%s: expected two numbers as %s, got %d", where, name, #r)
  end
  add(script, "set %srange [%s:%s]", axis, number(r[1]), number(r[2]))
end

local function add_axes(script, panel, where)
  add(script, "set title %s", quoted(panel.title or ""))
  add(script, "set xlabel %s", quoted(panel.xlabel or ""))
  add(script, "set ylabel %s", quoted(panel.ylabel or ""))
  add(script, "unset logscale")
  if panel.log then add(script, "set logscale %s", panel.log) end
  if not panel.legend:match("^[%w. ]+$") then
    options.raise("%s: expected a position like \"top left\" as legend, got %q",
      where, panel.legend)
  end
  add(script, "set key default\nset key %s", panel.legend)
  add(script, panel.square and "set size ratio -1" or "set size noratio")
  for _, axis in ipairs { "x", "y" } do
    local name = axis .. "range"
    add_range(script, where, name, axis, panel[name])
  end
  add(script, "set xtics %s", panel.xtics and number(panel.xtics)
    or "autofreq")
  add(script, "set cblabel %s", quoted(panel.colour_label or ""))
  add_range(script, where, "colour_range", "cb", panel.colour_range, true)
end

local function add_lines(script, panel, where)
  local commands = all_series(script, panel, where, false)
  if #commands == 0 then options.raise("%s: series: expected at least one, got none", where) end
  add(script, "plot " .. table.concat(commands, ", \\\n  "))
end

-- z (rows for y, columns for x) as blocks of lines that gnuplot's grids need.
local function add_grid(script, panel, where)
  local z = engine.is_tensor(panel.z) and panel.z:detach() or panel.z
  if not engine.is_tensor(z) or z:dim() ~= 2 then
    options.raise("%s: expected z as a tensor (y, x), got %s", where,
      options.show(panel.z))
  end
  local x, y = list_of(where .. ": x", panel.x), list_of(where .. ": y", panel.y)
  if #y ~= z:size(1) or #x ~= z:size(2) or #x < 2 or #y < 2 then
    options.raise("%s: expected z of shape (%d,%d), as long as y and x, each at "
      .. "least 2, got %s", where, #y, #x, options.shape_text(z))
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

-- Axes that end where the grid does.
local function fit_axis(script, panel, where, axis)
  if panel[axis .. "range"] then return end
  local values = list_of(where .. ": " .. axis, panel[axis])
  add(script, "set %srange [%s:%s]", axis, number(values[1]),
    number(values[#values]))
end

local function add_contour(script, panel, where)
  local grid = add_grid(script, panel, where)
  fit_axis(script, panel, where, "x")
  fit_axis(script, panel, where, "y")
  local commands = all_series(script, panel, where, true)
  table.insert(commands, 1, string.format(
    "%s using 1:2:3 with lines lw 0.7 lc rgb '%s' nosurface notitle", grid,
    panel.filled and "#404040" or "#b0b0b0"))
  if panel.filled then
    table.insert(commands, 1, grid .. " using 1:2:3 with pm3d notitle nocontour")
  end
  add(script, "set view map")
  add(script, "set contour base\nset cntrparam levels auto %d", panel.levels)
  add(script, "set cntrlabel onecolor")
  add(script, "set autoscale zfix")
  add(script, "splot " .. table.concat(commands, ", \\\n  "))
  add(script, "unset contour\nunset view\nset view 60,30")
end

local function add_surface(script, panel, where)
  local grid = add_grid(script, panel, where)
  add(script, "unset contour\nset view 60,30\nset hidden3d front\n"
    .. "set ticslevel 0\nset autoscale zfix")
  add(script, "splot %s using 1:2:3 with pm3d notitle", grid)
  add(script, "unset hidden3d")
end

-- The picture reaches gnuplot as a file, which is there while it runs.
local function add_image(script, panel, where)
  local x = panel.image
  if not engine.is_tensor(x) or x:dim() ~= 3 or x:size(3) ~= 3 then
    options.raise("%s: expected image as a tensor (height, width, 3), got %s",
      where, options.show(x))
  end
  if x.dtype == "int64" then
    options.raise("%s: expected image as floats from 0 to 1 or uint8, got %s",
      where, options.show(x))
  end
  local name = string.format("image%d.png", #script.images + 1)
  script.images[#script.images + 1] = { name = name, pixels = x }
  add(script, "set size ratio -1\nunset border\nunset tics\nunset grid")
  add(script, "set lmargin 0\nset rmargin 0\nset bmargin 0")
  add(script, "plot %s binary filetype=png with rgbimage notitle",
    quoted(name))
  add(script, "unset lmargin\nunset rmargin\nunset bmargin\nset tics")
  add(script, FRAME)
end

local ADD = { lines = add_lines, contour = add_contour, surface = add_surface,
  image = add_image }

-- --- running gnuplot --------------------------------------------------------

local function shell_quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

M.program = "gnuplot"

local function write_images(script, folder)
  for _, one in ipairs(script.images) do
    local ok, message = image.write(folder .. "/" .. one.name, one.pixels)
    if not ok then return nil, "plot: cannot write " .. message end
  end
  return true
end

-- A PNG file ends with an empty chunk IEND and its checksum.
local PNG_START, PNG_END = "\x89PNG\r\n\x1a\n", "\0\0\0\0IEND\xaeB`\x82"

-- gnuplot has no status for a picture that it could not write.
local function complete(picture, said)
  if picture:sub(1, #PNG_START) == PNG_START
    and picture:sub(-#PNG_END) == PNG_END then
    return picture
  end
  return nil, "plot: gnuplot wrote no complete picture: is the disk full? "
    .. said
end

-- Runs gnuplot in a folder of its own, where all its files have plain names: to
-- gnuplot a name can be a command, and a shared folder can have a link in its
-- place.
local function execute(script, folder)
  local ok, message = files.write(folder .. "/plot.gp", "set output 'plot.png'\n"
    .. table.concat(script, "\n") .. "\nset output\n")
  if not ok then return nil, "plot: cannot write " .. message end
  local _, status
  ok, _, status = os.execute(string.format("cd %s && %s plot.gp >errors 2>&1",
    shell_quoted(folder), M.program))
  local said = (files.read(folder .. "/errors") or ""):gsub("^%s+", "")
    :gsub("%s+", " ")
  if status == 127 then
    return nil, "plot: gnuplot is not installed (apt-get install gnuplot-nox)"
  end
  if not ok then return nil, "plot: gnuplot failed: " .. said end
  return complete(files.read(folder .. "/plot.png") or "", said)
end

local function draw(script, folder)
  local ok, message = write_images(script, folder)
  if not ok then return nil, message end
  return execute(script, folder)
end

-- Makes the picture, atomically.
local function run(script)
  local folder, message = core.temporary_folder()
  if not folder then return nil, "plot: " .. message end
  local called, picture
  called, picture, message = pcall(draw, script, folder)
  core.remove_temporary(folder)
  if not called then error(picture, 0) end
  if not picture then return nil, message end
  local ok
  ok, message = files.write(script.path, picture)
  if not ok then return nil, "plot: cannot write " .. message end
  return true
end

local FIGURE = {
  path = { required = true, type = "string" },
  panels = { required = true, type = "table" },
  columns = { type = "integer", min = 1 },
  widths = { type = "table" },
  title = { type = "string" },
  width = { type = "integer", min = 50, max = 16384 },
  height = { type = "integer", min = 50, max = 16384 },
  font_size = { default = 11, type = "integer", min = 4, max = 72 },
}

local TITLE = 0.03 -- the part of a figure's height that its title takes
local INSET = 0.04 -- of a column's width: gnuplot's maps leave none for labels

-- Puts panel i where its column is as wide as `widths` says.
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
  add(script, "set terminal pngcairo noenhanced size %d,%d font ',%d'",
    o.width or (columns == 1 and 720 or 480 * columns),
    o.height or (rows == 1 and 480 or 400 * rows), o.font_size)
  add(script, "set encoding utf8\nset datafile missing 'NaN'")
  add(script, "set palette defined (0 '#352a87', 1 '#0f5cdd', 2 '#1481d6', "
    .. "3 '#06a4ca', 4 '#2eb7a4', 5 '#87bf77', 6 '#d1bb59', 7 '#fec832', "
    .. "8 '#f9fb0e')")
  add(script, FRAME)
  local layout = o.widths and ""
    or string.format("layout %d,%d ", rows, columns)
  add(script, "set multiplot %stitle %s", layout, quoted(o.title or ""))
end

--- Several plots in one picture.
-- @tparam table opts path; panels, a list of what lines, contour or surface
-- take, with kind = "lines", "contour", "surface" or "image" (a picture, as
-- image = (height, width, 3)); columns, by default about a square, or widths,
-- a list of how wide the columns are relative to each other; title; width and
-- height in pixels; font_size=11
-- @treturn ?boolean true
-- @treturn ?string message
-- @raise for unknown options, no panels, and data that are not numbers or
-- differ in length
-- @usage
-- torus.plot.figure { path = "two.png", columns = 2, panels = {
--   { title = "sine", series = { { y = torus.linspace(0, 6, 50):sin() } } },
--   { kind = "image", image = torus.rand(32, 32, 3) } } }
function M.figure(opts)
  local o = options.resolve("plot.figure", opts, FIGURE)
  local count = #o.panels
  if count == 0 then options.raise("plot.figure: panels: expected at least one, got none") end
  local columns = o.widths and #o.widths or o.columns
    or math.ceil(math.sqrt(count))
  if columns == 0 then
    options.raise("plot.figure: widths: expected at least one number, got none")
  end
  local rows = (count + columns - 1) // columns
  local script = { path = o.path, images = {} }
  begin(script, o, rows, columns)
  for i, given in ipairs(o.panels) do
    local where = count == 1 and "plot" or "plot: panel " .. i
    local panel = options.resolve(where, given, PANEL)
    if o.widths then put_panel(script, o, i, rows) end
    add_axes(script, panel, where)
    add_labels(script, panel, where)
    ADD[panel.kind](script, panel, where)
  end
  add(script, "unset multiplot")
  return run(script)
end

-- Splits options into those of the figure and those of its one panel.
local function single(kind)
  return function(opts)
    options.argument("plot." .. kind, "options", opts, { type = "table" })
    local figure, panel = {}, { kind = kind }
    for key, value in pairs(opts) do
      if FIGURE[key] and key ~= "title" then figure[key] = value
      else panel[key] = value end
    end
    figure.panels = { panel }
    return M.figure(figure)
  end
end

--- Lines, points, and bands around lines.
-- @function torus.plot.lines
-- @tparam table opts path; series = {{y =, x = 1.., label =, style = "lines",
-- "points", "linespoints", "dots", "dashes" or "filled" (a polygon), colour =
-- "#rrggbb" or a name, width=1.5, low =, high = (a band), values = (a number
-- for each point, shown as its colour)}, ...}; colour_label and colour_range =
-- {low, high} of the bar with these colours; labels =
-- {{x =, y =, text =, align = "left", "center" or "right", colour =}, ...};
-- title, xlabel, ylabel; log = "x", "y" or "xy"; xrange, yrange = {low, high};
-- xtics, the distance of the numbers on x;
-- legend = "top right", as gnuplot's key takes it; square, equal units on both
-- axes; width, height in pixels; font_size
-- @treturn ?boolean true
-- @treturn ?string message, when gnuplot is missing or refuses
-- @raise for unknown options, and data that are not numbers or differ in length
-- @usage
-- torus.plot.lines { path = "loss.png", title = "loss", log = "y", series = {
--   { y = {1, 0.5, 0.2, 0.1}, label = "train" },
--   { y = {1.1, 0.7, 0.4, 0.3}, label = "test", style = "dashes" } } }
M.lines = single("lines")

--- Points: lines with style = "points" where a series has none.
-- @tparam table opts as of lines
-- @treturn ?boolean true
-- @treturn ?string message, when gnuplot is missing or refuses
-- @raise for unknown options, and data that are not numbers or differ in length
-- @usage
-- x = torus.randn(200, 2)
-- torus.plot.scatter { path = "samples.png", square = true,
--   series = { { x = x:select(2, 1), y = x:select(2, 2) } } }
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

--- Heights as colours with contour lines, and series on top.
-- @function torus.plot.contour
-- @tparam table opts path; x, y and z (#y, #x); levels=12; filled=true, or
-- only the lines, in grey, where series have colours; series and the rest as
-- of lines
-- @treturn ?boolean true
-- @treturn ?string message, when gnuplot is missing or refuses
-- @raise for unknown options, and data that are not numbers or differ in length
-- @usage
-- x = torus.linspace(-2, 2, 30)
-- z = x:reshape(1, 30):square() + x:reshape(30, 1):square()
-- torus.plot.contour { path = "bowl.png", x = x, y = x, z = z, levels = 8 }
M.contour = single("contour")

--- A surface seen from above at an angle.
-- @function torus.plot.surface
-- @tparam table opts path; x, y and z (#y, #x), and the rest as of lines
-- @treturn ?boolean true
-- @treturn ?string message, when gnuplot is missing or refuses
-- @raise for unknown options, and data that are not numbers or differ in length
-- @usage
-- x = torus.linspace(-2, 2, 30)
-- z = -(x:reshape(1, 30):square() + x:reshape(30, 1):square())
-- torus.plot.surface { path = "hill.png", x = x, y = x, z = z:exp() }
M.surface = single("surface")

return M
