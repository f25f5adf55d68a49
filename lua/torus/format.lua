--- How tensors print: values aligned in columns, the corners of large ones,
-- then shape and dtype.
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

local function number(v)
  if math.type(v) == "integer" then return tostring(v) end
  if v ~= v then return "nan" end
  if v == math.huge or v == -math.huge then return v > 0 and "inf" or "-inf" end
  if v == 0 then return "0." end
  local size = math.abs(v)
  if v == math.floor(v) and size < 1e6 then return ("%d."):format(v) end
  if size >= 1e-3 and size < 1e5 then return ("%.4f"):format(v) end
  return ("%.4e"):format(v)
end

-- Texts of the shown elements, row by row, and their greatest width.
local function cells(x)
  local width = 0
  local function walk(part)
    if part:dim() == 0 then
      local text = number(part:item())
      width = math.max(width, #text)
      return text
    end
    local row = {}
    for _, i in ipairs(places(part:size(1))) do
      row[#row + 1] = i and walk(part[i]) or "..."
    end
    return row
  end
  return walk(x), width
end

local function gap_width(width) return math.max(width, 3) end

local function render(node, width, depth, lines, prefix, suffix)
  local flat = type(node[1]) ~= "table"
  if flat then
    local row = {}
    for i, text in ipairs(node) do
      row[i] = (" "):rep(gap_width(width) - #text) .. text
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
  if #shape == 0 then return number(x:item()) .. "  " .. tail(x) end
  if x:numel() == 0 then return "[]  " .. tail(x) end
  local nested, width = core.no_grad(cells, x:detach())
  -- A gap in an outer dimension is a string among tables: keep rows uniform.
  local lines = {}
  render(nested, width, 0, lines, "", "")
  lines[#lines + 1] = tail(x)
  return table.concat(lines, "\n")
end

return M
