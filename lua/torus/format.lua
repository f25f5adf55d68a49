--- Printing of tensors: in full up to a thousand numbers, the corners of larger ones,
-- with values aligned in columns, then dtype and shape; on a single line if there is only
-- one. For more than three dimensions, if the text would be long, the first and the last
-- matrices, each under its index.
-- @module torus.format

local core = require "torus.core"
local options = require "torus.options"

local M = {}

local EDGE = 3 -- elements shown at either end of a long dimension
local LONG = 8 -- a dimension longer than this is cut
local LINES = 60 -- a text longer than this shows single matrices
local DIGITS = 15 -- significant decimal digits of every float64

local RULES = {
  precision = { default = "default" },
  threshold = { default = 1000, type = "integer", min = 0 },
  width = { default = 80, type = "integer", min = 1 },
}
local current = options.resolve("print_options", nil, RULES)

--- Sets how tensors are printed.
-- @function torus.print_options
-- @tparam[opt] table opts options that are not given keep their values
-- @tparam[opt="default"] integer|string opts.precision decimals, from 0 to 17; by default 4
-- for float32, and as many as needed, up to 15 digits, for float64
-- @tparam[opt=1000] integer opts.threshold larger tensors show only their corners
-- @tparam[opt=80] integer opts.width column at which rows are broken
-- @treturn table the previous options, which can be passed to restore them
-- @raise for an unknown option or a precision out of range
-- @usage
-- before = torus.print_options { precision = 2, width = 60 }
-- print(torus.rand(3, 4))
-- torus.print_options(before)
function M.print_options(opts)
  options.resolve("print_options", opts, RULES)
  local changed = {}
  for key, value in pairs(current) do changed[key] = value end
  for key in pairs(opts or {}) do changed[key] = opts[key] end
  changed = options.resolve("print_options", changed, RULES)
  local p = changed.precision
  if p ~= "default" and not (math.type(p) == "integer" and p >= 0 and p <= 17) then
    options.raise('print_options: option "precision": expected 0 to 17 or "default", got %s',
      options.show(p))
  end
  local before = current
  current = changed
  return before
end

-- The indices of a dimension to show; false marks the gap.
local function shown_indices(size, long)
  local list = {}
  if size <= (long or LONG) then
    for i = 1, size do list[i] = i end
    return list
  end
  for i = 1, EDGE do list[i] = i end
  list[EDGE + 1] = false
  for i = size - EDGE + 1, size do list[#list + 1] = i end
  return list
end

-- The maximum number of digits after the point, without trailing zeros, in a format with
-- `most` digits; at least 1.
local function needed(values, most, letter)
  local form, count = "%." .. most .. letter, 1
  for _, v in ipairs(values) do
    if math.type(v) == "float" and v - v == 0 then
      local digits = form:format(v):match("%.(%d-)0*e") or form:format(v):match("%.(%d-)0*$")
      count = math.max(count, #(digits or ""))
    end
  end
  return count
end

-- The properties of a list of numbers that style() needs.
local function extent(values)
  local smallest, largest, integers = math.huge, 0, true
  for _, v in ipairs(values) do
    local size = type(v) == "number" and math.abs(v) or 0
    if size > 0 and size < math.huge then
      smallest, largest = math.min(smallest, size), math.max(largest, size)
      integers = integers and v == math.floor(v)
    end
  end
  return smallest, largest, integers
end

-- The common format of numbers that are shown together: integers, decimals or, if these
-- would lose small numbers or be too wide for large ones, exponents.
local function style(values, dtype)
  local smallest, largest, integers = extent(values)
  local exact = dtype == "float64"
  if integers and largest < (exact and 1e15 or 1e6) then return "%.0f." end
  local precision = current.precision
  if smallest >= 1e-3 and largest < 1e5 then
    if precision ~= "default" then return "%." .. precision .. "f" end
    local before = math.max(1, #("%.0f"):format(math.floor(largest)))
    return exact and "%." .. needed(values, DIGITS - before, "f") .. "f" or "%.4f"
  end
  if precision ~= "default" then return "%." .. precision .. "e" end
  return exact and "%." .. needed(values, DIGITS - 1, "e") .. "e" or "%.4e"
end

local function number(v, form)
  if math.type(v) ~= "float" then return tostring(v) end
  if v ~= v then return "nan" end
  if v == math.huge or v == -math.huge then return v > 0 and "inf" or "-inf" end
  return form:format(v == 0 and 0 or v) -- without the sign of -0
end

-- The texts of the shown elements of tensors, row by row, and their maximum
-- width. Rows hold the positions of texts until all of them are known.
local function cells(tensors, whole)
  local values, width, gap = {}, 0, false
  local function take(nested)
    if type(nested) ~= "table" then
      values[#values + 1] = nested
      return #values
    end
    for i, child in ipairs(nested) do nested[i] = take(child) end
    return nested
  end
  local function collect(part)
    if part:dim() == 0 or whole then return take(part:totable()) end
    local row = {}
    for _, i in ipairs(shown_indices(part:size(1))) do
      row[#row + 1] = i and collect(part[i]) or "..."
      gap = gap or not i
    end
    return row
  end
  local nested = {}
  for i, x in ipairs(tensors) do nested[i] = collect(x) end
  local form = style(values, tensors[1].dtype)
  for i, v in ipairs(values) do
    values[i] = number(v, form)
    width = math.max(width, #values[i])
  end
  local function write(node)
    for i, child in ipairs(node) do
      if type(child) == "table" then write(child)
      elseif child ~= "..." then node[i] = values[child] end
    end
    return node
  end
  return write(nested), gap and math.max(width, 3) or width
end

-- Adds one row, broken if it would be too wide; continuation lines are indented to its
-- brackets.
local function add_row(texts, width, depth, lines, prefix, suffix)
  local line = prefix .. "["
  for i, text in ipairs(texts) do
    local cell = (" "):rep(width - #text) .. text .. (i < #texts and "," or "]" .. suffix)
    if i > 1 and #line + 1 + #cell > current.width then
      lines[#lines + 1] = line
      line = (" "):rep(depth + 1) .. cell
    else
      line = line .. (i > 1 and " " or "") .. cell
    end
  end
  lines[#lines + 1] = line
end

local function render(node, width, depth, lines, prefix, suffix)
  if type(node[1]) ~= "table" then
    add_row(node, width, depth, lines, prefix, suffix)
    return
  end
  for i, child in ipairs(node) do
    local before = i == 1 and prefix .. "[" or (" "):rep(depth + 1)
    local after = i == #node and "]" .. suffix or ","
    if type(child) == "table" then
      render(child, width, depth + 1, lines, before, after)
    else
      lines[#lines + 1] = before .. "..." .. after
    end
  end
end

-- The number of lines of the nested form of a shape.
local function line_count(shape)
  local lines = 1
  for d = #shape - 1, 1, -1 do
    local shown = 0
    for _, i in ipairs(shown_indices(shape[d])) do shown = shown + (i and lines or 1) end
    lines = shown
  end
  return lines
end

-- The indices of the matrices of a tensor by their position in row-major order, from 1.
local function index_of(shape, position)
  local index, left = {}, position - 1
  for d = #shape - 2, 1, -1 do
    index[d], left = left % shape[d] + 1, left // shape[d]
  end
  return index
end

-- The first and the last matrices, each after a line with its index.
local function add_matrices(x, shape, lines)
  local count = x:numel() // (shape[#shape - 1] * shape[#shape])
  local shown, indices, matrices = shown_indices(count, 2 * EDGE), {}, {}
  for _, position in ipairs(shown) do
    if position then
      indices[#indices + 1] = index_of(shape, position)
      matrices[#matrices + 1] = x[indices[#indices]]
    end
  end
  local nested, width = cells(matrices)
  local n = 0
  for _, position in ipairs(shown) do
    if position then
      n = n + 1
      lines[#lines + 1] = "[{" .. table.concat(indices[n], ",") .. "}]"
      render(nested[n], width, 0, lines, "", "")
    else
      lines[#lines + 1] = "..."
    end
  end
end

local function add_nested(x, lines, whole)
  local nested, width = cells({ x }, whole)
  render(nested[1], width, 0, lines, "", "")
end

local function tail(x)
  local text = ("%s (%s)"):format(x.dtype, table.concat(x.shape, ","))
  if x.requires_grad then text = text .. " requires_grad" end
  return text
end

--- Converts a tensor to text.
-- @tparam tensor x
-- @treturn string
function M.tensor(x)
  local alive, shape = pcall(function() return x.shape end)
  if not alive then return "tensor (released)" end
  if #shape == 0 then
    local v = x:item()
    return number(v, style({ v }, x.dtype)) .. "  " .. tail(x)
  end
  if x:numel() == 0 then return "[]  " .. tail(x) end
  local lines = {}
  local whole = x:numel() <= current.threshold
  if not whole and #shape > 3 and line_count(shape) > LINES then
    core.no_grad(add_matrices, x:detach(), shape, lines)
  else
    core.no_grad(add_nested, x:detach(), lines, whole)
  end
  if #lines == 1 then return lines[1] .. "  " .. tail(x) end
  lines[#lines + 1] = tail(x)
  return table.concat(lines, "\n")
end

return M
