--- Panels of a figure: axes, and the content of each kind of panel.
-- @module torus.plot.panels
local gnuplot = require "torus.plot.gnuplot"
local options = require "torus.options"
local series = require "torus.plot.series"
local engine = require "torus.engine"

local add, add_block, is_finite = gnuplot.add, gnuplot.add_block, gnuplot.is_finite
local list_of, number, quoted = gnuplot.list_of, gnuplot.number, gnuplot.quoted
local wrapped = gnuplot.wrapped

local M = {}

--- The frame of a plot: a light grid and a grey border.
M.FRAME = "set grid lc rgb '#e0e0e0'\nset border 31 lc rgb '#606060'"

local LABEL = {
  x = { required = true, type = "number" },
  y = { required = true, type = "number" },
  text = { required = true, type = "string" },
  align = { default = "left", choices = { "left", "center", "right" } },
  colour = { default = "#303030", type = "string" },
}

--- NaN is a missing value and leaves a gap in a line.
M.MISSING = "set datafile missing 'NaN'"

--- The options of a panel.
M.rules = {
  kind = { default = "lines",
    choices = { "lines", "contour", "surface", "heat_map", "histogram", "image" } },
  title = { type = "string" },
  xlabel = { type = "string" },
  ylabel = { type = "string" },
  log = { choices = { "x", "y", "xy" } },
  xrange = { type = "table" },
  yrange = { type = "table" },
  xtics = { type = "number", above = 0 },
  series = { default = {}, type = "table", items = series.rules },
  legend = { default = "top right", type = "string" },
  square = { default = false, type = "boolean" },
  x = {}, y = {}, z = {},
  levels = { default = 12, type = "integer", min = 1, max = 200 },
  filled = { default = true, type = "boolean" },
  colour_label = { type = "string" },
  colour_range = { type = "table" },
  bins = { type = "integer", min = 1, max = 10000 },
  density = { default = false, type = "boolean" },
  labels = { default = {}, type = "table", items = LABEL },
  image = {},
}

-- --- axes -------------------------------------------------------------------

local function add_labels(script, panel, where)
  add(script, "unset label")
  for i, given in ipairs(panel.labels) do
    local l = options.resolve(where .. ": label " .. i, given, LABEL)
    add(script, "set label %d %s at %s,%s %s front tc rgb %s", i,
      quoted(l.text), number(l.x), number(l.y), l.align, quoted(l.colour))
  end
end

-- Sets the range of an axis; by default that of the data, exactly if `tight`.
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

-- Writes powers of ten like 1e-5: without a range, gnuplot ends axes at them. In a given
-- range that contains no power of ten, the tick labels need another digit.
local function add_number_format(script, panel, axis)
  if not (panel.log and panel.log:find(axis, 1, true)) then
    add(script, "set format %s", axis)
    return
  end
  local range, digits = panel[axis .. "range"], 0
  if range then
    local low, high = math.min(range[1], range[2]), math.max(range[1], range[2])
    if low > 0 and 10.0 ^ math.ceil(math.log(low, 10) + 1) > high then digits = 1 end
  end
  add(script, "set format %s '%%.%dte%%T'", axis, digits)
end

-- Number of characters of a panel's width or height taken up by margins.
local MARGIN = 8

local function add_axes(script, panel, where, size)
  local across = math.max(10, size.columns - MARGIN)
  add(script, "set title %s", wrapped(panel.title or "", across))
  add(script, "set xlabel %s", wrapped(panel.xlabel or "", across))
  add(script, "set ylabel %s", wrapped(panel.ylabel or "", math.max(10, size.rows - MARGIN)))
  add(script, "unset logscale")
  if panel.log then add(script, "set logscale %s", panel.log) end
  if not panel.legend:match("^[%w. ]+$") then
    options.raise("%s: expected a position like \"top left\" as legend, got %q",
      where, panel.legend)
  end
  -- Otherwise a legend below would touch the axis label.
  add(script, "set key default\nset key %s%s", panel.legend,
    panel.legend:find("below") and " height 1" or "")
  add(script, panel.square and "set size ratio -1" or "set size noratio")
  for _, axis in ipairs { "x", "y" } do
    local name = axis .. "range"
    add_range(script, where, name, axis, panel[name])
    add_number_format(script, panel, axis)
  end
  add(script, "set xtics %s", panel.xtics and number(panel.xtics)
    or "autofreq")
  add(script, "set cblabel %s", quoted(panel.colour_label or ""))
  add_range(script, where, "colour_range", "cb", panel.colour_range, true)
end

-- Sets the ranges of axes without any data to draw.
local function add_empty_ranges(script, panel)
  for _, axis in ipairs { "x", "y" } do
    if not panel[axis .. "range"] then
      local is_log = panel.log and panel.log:find(axis, 1, true)
      add(script, "set %srange [%s:1]", axis, is_log and "0.1" or "0")
    end
  end
end

local function all_series(script, panel, where, flat)
  local commands, drawn, parts = {}, 0, false
  for _, given in ipairs(panel.series) do parts = parts or series.has_parts(given) end
  for i, given in ipairs(panel.series) do
    local own, fault = series.commands(script, where .. ": series " .. i, given, flat,
      panel.log or "", parts and i or nil)
    if not fault then drawn = drawn + 1 end
    table.move(own, 1, #own, #commands + 1, commands)
  end
  return commands, drawn
end

-- --- lines ------------------------------------------------------------------

local function add_lines(script, panel, where)
  local commands, drawn = all_series(script, panel, where, false)
  if #commands == 0 then
    options.raise("%s: series: expected at least one, got none", where)
  end
  if drawn == 0 then
    add_empty_ranges(script, panel)
    commands[#commands + 1] = "NaN notitle"
  end
  add(script, "plot " .. table.concat(commands, ", \\\n  "))
end

-- --- grids ------------------------------------------------------------------

local function grid_of(panel, where)
  local z = options.is_live(panel.z) and panel.z:detach() or panel.z
  if not options.is_live(z) or z:dim() ~= 2 then
    options.raise("%s: expected z as a tensor (y, x), got %s", where,
      options.show(panel.z))
  end
  local function axis(name, size)
    if panel[name] ~= nil then
      return list_of(where .. ": " .. name, panel[name])
    end
    return engine.arange(1, size, 1, { dtype = "float64" }):totable()
  end
  local x, y = axis("x", z:size(2)), axis("y", z:size(1))
  local least = panel.kind == "heat_map" and 1 or 2
  if #y ~= z:size(1) or #x ~= z:size(2) or #x < least or #y < least then
    options.raise("%s: expected z of shape (%d,%d), as long as y and x, each at "
      .. "least %d, got %s", where, #y, #x, least, options.shape_text(z))
  end
  return x, y, z:totable()
end

local function any_finite(rows)
  for _, row in ipairs(rows) do
    for _, value in ipairs(row) do
      if is_finite(value) then return true end
    end
  end
  return false
end

-- Writes z (rows for y, columns for x) as the blocks of lines that gnuplot's grids need.
-- Here NaN does not count as missing, so that the grid keeps its shape.
local function add_grid(script, x, y, rows)
  add(script, "set datafile missing '?'")
  local lines = {}
  for i, row in ipairs(rows) do
    for k, value in ipairs(row) do
      lines[#lines + 1] = number(x[k]) .. " " .. number(y[i]) .. " "
        .. number(value)
    end
    lines[#lines + 1] = ""
  end
  return add_block(script, lines)
end

-- Replaces a grid without finite numbers.
local function add_nothing(script, panel, x, y)
  add(script, "set label 1000 'no finite numbers' at graph 0.5,0.5 center front")
  for axis, values in pairs { x = x, y = y } do
    if not panel[axis .. "range"] then
      local low, high = values[1], values[#values]
      if low == high then high = low + 1 end
      add(script, "set %srange [%s:%s]", axis, number(low), number(high))
    end
  end
  add(script, "plot NaN notitle")
end

-- Ends an axis where the grid does.
local function fit_axis(script, panel, axis, values)
  if panel[axis .. "range"] then return end
  add(script, "set %srange [%s:%s]", axis, number(values[1]),
    number(values[#values]))
end

local function add_contour(script, panel, where)
  local x, y, rows = grid_of(panel, where)
  if not any_finite(rows) then return add_nothing(script, panel, x, y) end
  local grid = add_grid(script, x, y, rows)
  fit_axis(script, panel, "x", x)
  fit_axis(script, panel, "y", y)
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
  local x, y, rows = grid_of(panel, where)
  if not any_finite(rows) then return add_nothing(script, panel, x, y) end
  local grid = add_grid(script, x, y, rows)
  add(script, "unset contour\nset view 60,30\nset hidden3d front\n"
    .. "set ticslevel 0\nset autoscale zfix")
  add(script, "splot %s using 1:2:3 with pm3d notitle", grid)
  add(script, "unset hidden3d")
end

-- Half the spacing of the values, which must be uniform.
local function half_step(where, name, values)
  local step = #values > 1 and values[2] - values[1] or 1
  for i = 2, #values do
    local off = math.abs(values[i] - values[i - 1] - step)
    if not (off <= 1e-2 * math.abs(step)) or step == 0 then
      options.raise("%s: %s: expected evenly spaced numbers, got %s after %s at %d",
        where, name, number(values[i]), number(values[i - 1]), i)
    end
  end
  return #values > 1 and (values[#values] - values[1]) / (#values - 1) / 2 or step / 2
end

local function add_heat_map(script, panel, where)
  local x, y, rows = grid_of(panel, where)
  if not any_finite(rows) then return add_nothing(script, panel, x, y) end
  for axis, values in pairs { x = x, y = y } do
    local half = half_step(where, axis, values)
    if not panel[axis .. "range"] then
      add(script, "set %srange [%s:%s]", axis, number(values[1] - half),
        number(values[#values] + half))
    end
  end
  -- gnuplot needs two rows and two columns: single ones are drawn twice.
  if #rows == 1 then rows, y = { rows[1], rows[1] }, { y[1] - 0.25, y[1] + 0.25 } end
  if #x == 1 then
    x = { x[1] - 0.25, x[1] + 0.25 }
    for i, row in ipairs(rows) do rows[i] = { row[1], row[1] } end
  end
  local commands = all_series(script, panel, where, false)
  table.insert(commands, 1, add_grid(script, x, y, rows)
    .. " using 1:2:3 with image pixels notitle")
  add(script, "unset grid\nplot " .. table.concat(commands, ", \\\n  "))
  add(script, M.FRAME)
end

-- --- histograms -------------------------------------------------------------

-- The Freedman-Diaconis rule: the width of a bin is twice the interquartile range over
-- the cube root of the count.
local function bins_for(values)
  table.sort(values)
  local n = #values
  local spread = values[math.ceil(0.75 * n)] - values[math.max(1, math.ceil(0.25 * n))]
  local width = 2 * spread / n ^ (1 / 3)
  local range = values[n] - values[1]
  if not (width > 0) then return math.min(n, 20) end
  return math.max(5, math.min(200, math.ceil(range / width)))
end

local HISTOGRAM = {
  y = { required = true }, label = series.rules.label, colour = series.rules.colour,
}

-- Heights of the bins from `low` on.
local function heights_of(values, low, width, bins, density)
  local heights = {}
  for i = 1, bins do heights[i] = 0 end
  for _, value in ipairs(values) do
    local bin = math.min(bins, math.max(1, math.floor((value - low) / width) + 1))
    heights[bin] = heights[bin] + (density and 1 / (#values * width) or 1)
  end
  return heights
end

-- The finite numbers of each series, and all of them.
local function samples_of(panel, where)
  local each, all = {}, {}
  for i, given in ipairs(panel.series) do
    local name = where .. ": series " .. i
    local s = options.resolve(name, given, HISTOGRAM)
    local finite = {}
    for _, value in ipairs(list_of(name .. ": y", s.y)) do
      if is_finite(value) then
        finite[#finite + 1], all[#all + 1] = value, value
      end
    end
    local label = s.label
    if #finite == 0 then label = (label or "series " .. i) .. ": no finite numbers" end
    each[i] = { values = finite, label = label, colour = s.colour }
  end
  if #each == 0 then
    options.raise("%s: series: expected at least one, got none", where)
  end
  return each, all
end

local function add_histogram(script, panel, where)
  local each, all = samples_of(panel, where)
  if #all == 0 then
    all = { 0, 1 }
    add_empty_ranges(script, panel)
  end
  local bins = panel.bins or bins_for(all)
  local low, high = math.huge, -math.huge
  for _, value in ipairs(all) do low, high = math.min(low, value), math.max(high, value) end
  if low == high then low, high = low - 0.5, high + 0.5 end
  local width = (high - low) / bins
  if not panel.ylabel then
    add(script, "set ylabel '%s'", panel.density and "density" or "count")
  end
  if not panel.xrange then
    add(script, "set xrange [%s:%s]", number(low - width / 2), number(high + width / 2))
  end
  if not (panel.yrange or panel.log and panel.log:find("y")) then
    add(script, "set yrange [0:*]")
  end
  local commands, least = {}, math.huge
  for i, s in ipairs(each) do
    local lines = {}
    local heights = heights_of(s.values, low, width, bins, panel.density)
    for _, height in ipairs(heights) do
      if height > 0 then least = math.min(least, height) end
    end
    for k = 1, bins do
      lines[k] = number(low + (k - 0.5) * width) .. " " .. number(heights[k])
    end
    commands[i] = string.format("%s using 1:2:(%s) with boxes fs transparent solid 0.5%s %s",
      add_block(script, lines), number(width),
      s.colour and " lc rgb " .. quoted(s.colour) or "",
      s.label and "title " .. quoted(s.label) or "notitle")
  end
  -- On a logarithmic axis that began at 1, a bin of one sample would have no height.
  if not panel.yrange and panel.log and panel.log:find("y") and least < math.huge then
    add(script, "set yrange [%s:*]", number(least / 2))
  end
  add(script, "plot " .. table.concat(commands, ", \\\n  "))
end

-- --- pictures ---------------------------------------------------------------

-- Images are passed to gnuplot as temporary files.
local function add_image(script, panel, where)
  local x = panel.image
  if not options.is_live(x) or x:dim() ~= 3 or x:size(3) ~= 3 then
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
  add(script, M.FRAME)
end

local ADD = { lines = add_lines, contour = add_contour, surface = add_surface,
  heat_map = add_heat_map, histogram = add_histogram, image = add_image }

--- Adds a panel to a script.
-- @tparam table script
-- @tparam string where for messages
-- @tparam table panel resolved options
-- @tparam {[string]=number} size number of characters that fit in the panel: columns
-- along its width and rows along its height
function M.add(script, where, panel, size)
  add_axes(script, panel, where, size)
  add_labels(script, panel, where)
  ADD[panel.kind](script, panel, where)
  add(script, M.MISSING)
end

return M
