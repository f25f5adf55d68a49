--- How tensors print: values aligned in columns, the corners of large ones,
-- then dtype and shape; all on one line where there is only one.
-- @module torus.format

local core = require "torus.core"

local M = {}

local EDGE = 3 -- elements shown at either end of a long dimension
local LONG = 8 -- a dimension longer than this is cut

-- The places of a dimension to show; false stands for the gap.
local function places(size)
  local list = {}
  if size <= LONG then
    for i = 1, size do list[i] = i end
    return list
  end
  for i = 1, EDGE do list[i] = i end
  list[EDGE + 1] = false
  for i = size - EDGE + 1, size do list[#list + 1] = i end
  return list
end

-- The texts of numbers that stand together: whole, with four decimals or, where
-- these would hide the small ones or crowd out the large ones, as powers.
local function style(smallest, largest, whole)
  if whole and largest < 1e6 then return "%.0f." end
  if smallest >= 1e-3 and largest < 1e5 then return "%.4f" end
  return "%.4e"
end

local function number(v, form)
  if math.type(v) == "integer" then return tostring(v) end
  if v ~= v then return "nan" end
  if v == math.huge or v == -math.huge then return v > 0 and "inf" or "-inf" end
  return form:format(v == 0 and 0 or v) -- without the sign of -0
end

-- What style() asks about a list of numbers.
local function extent(values)
  local smallest, largest, whole = math.huge, 0, true
  for _, v in ipairs(values) do
    local size = math.abs(v)
    if size > 0 and size < math.huge then
      smallest, largest = math.min(smallest, size), math.max(largest, size)
      whole = whole and v == math.floor(v)
    end
  end
  return smallest, largest, whole
end

-- Texts of the shown elements, row by row, and their greatest width.
local function cells(x)
  local values, width, gap = {}, 0, false
  local function collect(part)
    if part:dim() == 0 then
      values[#values + 1] = part:item()
      return #values
    end
    local row = {}
    for _, i in ipairs(places(part:size(1))) do
      row[#row + 1] = i and collect(part[i]) or "..."
      gap = gap or not i
    end
    return row
  end
  local nested = collect(x)
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
  local nested, width = core.no_grad(cells, x:detach())
  -- A gap in an outer dimension is a string among tables: keep rows uniform.
  local lines = {}
  render(nested, width, 0, lines, "", "")
  if #lines == 1 then return lines[1] .. "  " .. tail(x) end
  lines[#lines + 1] = tail(x)
  return table.concat(lines, "\n")
end

return M
