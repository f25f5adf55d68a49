--- Formats values for the prompt.
--
-- Plain tables are written in Lua syntax, sorted by key, on one line if it fits; values with
-- `__tostring` are converted by that.
-- @module torus.repl.show
local M = {}

local WIDTH = 78
local MAX_DEPTH = 3
local MAX_ITEMS = 50

local function is_name(key)
  return type(key) == "string" and key:match("^[%a_][%w_]*$") ~= nil
end

-- Orders keys: numbers, then strings, then all others.
local RANKS = { number = 1, string = 2 }
local function key_before(a, b)
  local rank_a, rank_b = RANKS[type(a)] or 3, RANKS[type(b)] or 3
  if rank_a ~= rank_b then return rank_a < rank_b end
  if rank_a == 3 then return tostring(a) < tostring(b) end
  return a < b
end

local function quote(text)
  return (("%q"):format(text):gsub("\\\n", "\\n"):gsub("\\9", "\\t"))
end

-- A value inside a table takes one line only.
local function summary(value, text)
  if not text:find("\n") then return text end
  local ok, line = pcall(function()
    return ("<%s (%s)>"):format(value.dtype, table.concat(value:size(), ","))
  end)
  return ok and line or text:match("^[^\n]*") .. " ..."
end

local show

-- The parts that a module loads on first use (see torus.repl.complete).
local function parts_of(value)
  local meta = debug.getmetatable(value)
  local parts = type(meta) == "table" and meta.__parts
  return type(parts) == "table" and parts or {}
end

local function show_table(value, depth, seen)
  if seen[value] then return "<cycle>" end
  local parts = parts_of(value)
  if next(value) == nil and next(parts) == nil then return "{}" end
  if depth >= MAX_DEPTH then return "{...}" end
  seen[value] = true
  local items = {}
  local listed = 0
  while listed < MAX_ITEMS and rawget(value, listed + 1) ~= nil do
    listed = listed + 1
    items[listed] = show(rawget(value, listed), depth + 1, seen)
  end
  local keys = {}
  for key in next, value do
    local in_list = math.type(key) == "integer" and key >= 1 and key <= listed
    if not in_list then keys[#keys + 1] = key end
  end
  for key in next, parts do
    if rawget(value, key) == nil then keys[#keys + 1] = key end
  end
  table.sort(keys, key_before)
  for i, key in ipairs(keys) do
    if #items >= MAX_ITEMS then
      items[#items + 1] = ("... %d more"):format(#keys - i + 1)
      break
    end
    local name = is_name(key) and key or "[" .. show(key, depth + 1, seen) .. "]"
    local item = rawget(value, key)
    items[#items + 1] = name .. " = "
      .. (item == nil and "<part>" or show(item, depth + 1, seen))
  end
  seen[value] = nil
  local line = "{" .. table.concat(items, ", ") .. "}"
  if #line + 2 * depth <= WIDTH and not line:find("\n") then return line end
  local indent = ("  "):rep(depth + 1)
  return "{\n" .. indent .. table.concat(items, ",\n" .. indent) .. "\n"
    .. ("  "):rep(depth) .. "}"
end

function show(value, depth, seen)
  local kind = type(value)
  if kind == "string" then return quote(value) end
  local meta = debug.getmetatable(value)
  local speaks = type(meta) == "table" and (meta.__tostring or meta.__name)
  if kind == "table" and not speaks then
    return show_table(value, depth, seen)
  end
  if kind == "function" and depth > 0 then return "function" end
  local text = tostring(value)
  return depth > 0 and summary(value, text) or text
end

--- Formats a value.
-- @param value anything
-- @treturn string one or more lines, without a newline at the end
function M.show(value)
  local ok, text = pcall(show, value, 0, {})
  return ok and text or ("<%s that cannot be shown: %s>"):format(type(value), text)
end

return M
