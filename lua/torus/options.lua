--- Option tables: one declaration of what is allowed gives the defaults, the
-- checks and the messages.
-- @module torus.options
local core = require "torus.core"

local M = {}

--- Raises an error at the line that called into the library, however many of
-- the library's own functions lie between.
-- @tparam string message a format when more arguments follow
function M.raise(message, ...)
  if select("#", ...) > 0 then message = string.format(message, ...) end
  core.raise(message)
end

local function sorted_keys(t)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = tostring(k) end
  table.sort(keys)
  return keys
end

local function show(value)
  if type(value) == "string" then return string.format("%q", value) end
  return tostring(value)
end

local function matches(value, kind)
  if kind == "integer" then return math.type(value) == "integer" end
  if kind == "number" then
    return type(value) == "number" and value == value
  end
  if kind == "callable" then
    local meta = getmetatable(value)
    return type(value) == "function" or meta ~= nil and meta.__call ~= nil
  end
  return type(value) == kind
end

local function choices_text(choices)
  local shown = {}
  for i, choice in ipairs(choices) do shown[i] = show(choice) end
  return table.concat(shown, ", ")
end

--- What is wrong with a value, or nil.
-- A whole number given as a float (3.0) passes as an integer.
-- @param value what was given
-- @tparam table rule fields type, choices, min, max, above (exclusive lower
-- limit), all optional
-- @treturn ?string "expected ..., got ..."
-- @return the value, an integer where one is asked for
function M.check(value, rule)
  if rule.type == "integer" and math.type(value) == "float"
    and math.tointeger(value) then
    value = math.tointeger(value)
  end
  if rule.type and not matches(value, rule.type) then
    local article = rule.type == "integer" and "an " or "a "
    return "expected " .. article .. rule.type .. ", got " .. show(value)
  end
  if rule.choices then
    for _, choice in ipairs(rule.choices) do
      if choice == value then return nil, value end
    end
    return "expected one of " .. choices_text(rule.choices) .. "; got "
      .. show(value)
  end
  if rule.min and value < rule.min then
    return string.format("expected at least %s, got %s", rule.min, value)
  end
  if rule.above and value <= rule.above then
    return string.format("expected more than %s, got %s", rule.above, value)
  end
  if rule.max and value > rule.max then
    return string.format("expected at most %s, got %s", rule.max, value)
  end
  return nil, value
end

--- Raises an error unless a value fits a rule.
-- @tparam string where name of the operation and of the value, for the message
-- @param value what was given
-- @tparam table rule as check's
-- @return the value
function M.expect(where, value, rule)
  local problem, checked = M.check(value, rule)
  if problem then M.raise("%s: %s", where, problem) end
  return checked
end

--- Checks an option table against its declaration and fills in the defaults.
-- @tparam string where name of the operation, for messages
-- @tparam ?table given what the caller passed
-- @tparam table rules by key: {default=, required=, type=, choices=, min=,
-- max=, above=}
-- @treturn table a new table
function M.resolve(where, given, rules)
  if given ~= nil and type(given) ~= "table" then
    M.raise(where .. ": expected a table of options, got " .. show(given))
  end
  given = given or {}
  for key in pairs(given) do
    if rules[key] == nil then
      M.raise("%s: unknown option %s (known: %s)", where,
        show(key), table.concat(sorted_keys(rules), ", "))
    end
  end
  local resolved = {}
  for _, key in ipairs(sorted_keys(rules)) do
    local rule, value = rules[key], given[key]
    if value == nil then
      if rule.required then
        M.raise("%s: option %q is missing", where, key)
      end
      resolved[key] = rule.default
    else
      local problem, checked = M.check(value, rule)
      if problem then
        M.raise("%s: option %q: %s", where, key, problem)
      end
      resolved[key] = checked
    end
  end
  return resolved
end

--- Several tables of options as one new one.
-- @tparam table ... later ones win
-- @treturn table
function M.joined(...)
  local all = {}
  for _, part in ipairs { ... } do
    for key, value in pairs(part) do all[key] = value end
  end
  return all
end

return M
