--- How tensors print: values aligned in columns, the corners of large ones,
-- then dtype and shape; all on one line where there is only one. Of more than
-- three dimensions that would make a long text, the first and the last
-- matrices, each under its index.
-- @module torus.format

local core = require "torus.core"

local M = {}

local EDGE = 3 -- elements shown at either end of a long dimension
local LONG = 8 -- a dimension longer than this is cut
local LINES = 60 -- a text longer than this shows single matrices

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

-- The format of numbers that are shown together: integers, with four decimals or, where
-- these would hide the small ones or crowd out the large ones, as powers.
local function style(smallest, largest, integers)
  if integers and largest < 1e6 then return "%.0f." end
  if smallest >= 1e-3 and largest < 1e5 then return "%.4f" end
  return "%.4e"
end

local function number(v, form)
  if type(v) == "boolean" or math.type(v) == "integer" then return tostring(v) end
  if v ~= v then return "nan" end
  if v == math.huge or v == -math.huge then return v > 0 and "inf" or "-inf" end
  return form:format(v == 0 and 0 or v) -- without the sign of -0
end

-- What style() needs to know of a list of numbers.
local function extent(values)
  local smallest, largest, integers = math.huge, 0, true
  if type(values[1]) == "boolean" then return 0, 0, true end
  for _, v in ipairs(values) do
    local size = math.abs(v)
    if size > 0 and size < math.huge then
      smallest, largest = math.min(smallest, size), math.max(largest, size)
      integers = integers and v == math.floor(v)
    end
  end
  return smallest, largest, integers
end

-- Texts of the shown elements of tensors, row by row, and their greatest
-- width. Rows hold the positions of texts until all of them are known.
local function cells(tensors)
  local values, width, gap = {}, 0, false
  local function collect(part)
    if part:dim() == 0 then
      values[#values + 1] = part:item()
      return #values
    end
    local row = {}
    for _, i in ipairs(shown_indices(part:size(1))) do
      row[#row + 1] = i and collect(part[i]) or "..."
      gap = gap or not i
    end
    return row
  end
  local nested = {}
  for i, x in ipairs(tensors) do nested[i] = collect(x) end
  local form = style(extent(values))
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

local function render(node, width, depth, lines, prefix, suffix)
  local flat = type(node[1]) ~= "table"
  if flat then
    local row = {}
    for i, text in ipairs(node) do
      row[i] = (" "):rep(width - #text) .. text
    end
    lines[#lines + 1] = prefix .. "[" .. table.concat(row, ", ") .. "]" .. suffix
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

-- How many lines the nested form of a shape has.
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

local function add_nested(x, lines)
  local nested, width = cells { x }
  render(nested[1], width, 0, lines, "", "")
end

local function tail(x)
  local text = ("%s (%s)"):format(x.dtype, table.concat(x.shape, ","))
  if x.requires_grad then text = text .. " requires_grad" end
  return text
end

--- A tensor as text.
-- @tparam tensor x
-- @treturn string
function M.tensor(x)
  local alive, shape = pcall(function() return x.shape end)
  if not alive then return "tensor (released)" end
  if #shape == 0 then
    local v = x:item()
    return number(v, style(extent { v })) .. "  " .. tail(x)
  end
  if x:numel() == 0 then return "[]  " .. tail(x) end
  local lines = {}
  if #shape > 3 and line_count(shape) > LINES then
    core.no_grad(add_matrices, x:detach(), shape, lines)
  else
    core.no_grad(add_nested, x:detach(), lines)
  end
  if #lines == 1 then return lines[1] .. "  " .. tail(x) end
  lines[#lines + 1] = tail(x)
  return table.concat(lines, "\n")
end

return M
