--- Option tables: one declaration provides the defaults, the checks and the messages.
-- @module torus.options
local core = require "torus.core"

-- Errors are raised at the script's line: the first one outside this folder.
core.set_library((debug.getinfo(1, "S").source:gsub("options%.lua$", "")))

local M = {}

--- Raises an error at the line that called into the library, regardless of how many of
-- the library's own functions are in between.
-- @tparam string message a format when more arguments follow
function M.raise(message, ...)
  if select("#", ...) > 0 then message = string.format(message, ...) end
  core.raise(message)
end

--- Calls a function whose arguments come from the outside world, such as a file or a
-- command line: misuse is returned as a message, without the line at which it was raised.
-- Any other error is propagated.
-- @tparam function f
-- @param ... its arguments
-- @return[1] the function's first result
-- @treturn[2] nil
-- @treturn[2] string message
function M.attempt(f, ...)
  local ok, result = pcall(f, ...)
  if ok then return result end
  local raised, text = core.raised()
  if result ~= raised then error(result, 0) end
  return nil, text
end

--- Returns true if a value is a tensor that has not been released.
-- @param value anything
-- @treturn boolean
-- @usage
-- options = require "torus.options"
-- x = torus.ones(2)
-- x:release()
-- print(options.is_live(torus.ones(2)), options.is_live(x))   -- true  false
function M.is_live(value)
  return debug.getmetatable(value) == core.metatable and not core.is_released(value)
end

--- Returns true if a value is a module of torus.nn.
-- @param value anything
-- @treturn boolean
-- @usage
-- options = require "torus.options"
-- print(options.is_module(torus.nn.Linear(2, 1)))   -- true
function M.is_module(value)
  local meta = type(value) == "table" and getmetatable(value)
  -- Other classes may raise for names that they lack.
  return type(meta) == "table" and rawget(meta, "is_module") == true
end

--- Formats a shape for messages.
-- @param x a tensor, or a shape
-- @treturn string "(2,3)"; anything else as in show
function M.shape_text(x)
  local shape = M.is_live(x) and x.shape or x
  if type(shape) ~= "table" then return M.show(x) end
  for i = 1, #shape do
    local size = shape[i]
    if type(size) ~= "number" and type(size) ~= "string" then return M.show(x) end
  end
  return "(" .. table.concat(shape, ",") .. ")"
end

--- Returns the keys of a table as text, sorted.
-- @tparam table t
-- @treturn {string,...}
-- @usage
-- options = require "torus.options"
-- print(table.concat(options.sorted_keys { b = 1, a = 2 }, " "))   -- a b
function M.sorted_keys(t)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = tostring(k) end
  table.sort(keys)
  return keys
end

--- Raises if a list has gaps or keys by name: what follows a gap would be ignored.
-- @tparam string where name of the operation, for messages
-- @tparam table list
-- @usage
-- options = require "torus.options"
-- print(pcall(options.list, "example", { 1, nil, 3 }))
function M.list(where, list)
  local count = 0
  for k in pairs(list) do
    if math.type(k) ~= "integer" then
      M.raise("%s: expected a plain list, got one with the key %s", where, M.show(k))
    end
    count = count + 1
  end
  for i = 1, count do
    if list[i] == nil then
      M.raise("%s: expected a list without gaps, got nil as entry %d", where, i)
    end
  end
end

--- Formats a value for messages, on one line: `3`, `"abc"`, `nil`,
-- `tensor (3,4) float32`, `{1, 2}`, `a function`; for an object, the name of its type.
-- @function show
-- @param value anything
-- @treturn string
M.show = core.describe

local show = M.show

--- Returns true if a value can be called.
-- @param value anything
-- @treturn boolean
function M.is_callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or meta ~= nil and meta.__call ~= nil
end

--- Returns the number of letters to insert, delete, replace or swap with a neighbour to
-- turn one word into another (Levenshtein distance with transpositions), ignoring case;
-- 1000 for words of more than 64 letters.
-- @function distance
-- @tparam string a
-- @tparam string b
-- @treturn integer
M.distance = core.word_distance

--- Returns the known name most similar to a wrong one: at most a third of its letters
-- differ, or it contains the wrong one.
-- @function nearest
-- @tparam string name
-- @tparam {string,...} known
-- @treturn ?string
M.nearest = core.nearest

--- Returns the part of a message that suggests the most similar known name.
-- @param name what was given
-- @tparam {string,...} known
-- @treturn string `, did you mean "dt"?`, or an empty string if none is similar
function M.did_you_mean(name, known)
  local near = type(name) == "string" and M.nearest(name, known)
  return near and string.format(", did you mean %q?", near) or ""
end

-- Only the first of many names, so that a message is one line.
local LISTED = 400

local function listed(known)
  local length = 0
  for i, name in ipairs(known) do
    length = length + #name + 2
    if length > LISTED then
      return ("%s, ... and %d more"):format(table.concat(known, ", ", 1, i - 1), #known - i + 1)
    end
  end
  return table.concat(known, ", ")
end

--- Returns the message about an unknown name.
-- @tparam string noun what it names: "option", "preset"
-- @param name what was given
-- @tparam {string,...} known
-- @treturn string `unknown option "dtt", did you mean "dt"? (known: ...)`
function M.unknown(noun, name, known)
  return string.format("unknown %s %s%s (known: %s)", noun, M.show(name),
    M.did_you_mean(name, known), listed(known))
end

-- The operating system reads a path up to its first zero byte, which may name another file.
local function is_path(value)
  return type(value) == "string" and not value:find("\0", 1, true)
end

local function matches(value, kind)
  if kind == "path" then return is_path(value) end
  if kind == "integer" then return math.type(value) == "integer" end
  if kind == "number" then
    return type(value) == "number" and value == value
  end
  if kind == "callable" then return M.is_callable(value) end
  return type(value) == kind
end

local function choices_text(choices)
  local shown = {}
  for i, choice in ipairs(choices) do shown[i] = show(choice) end
  return table.concat(shown, ", ")
end

--- Returns the name of a type for messages.
-- @tparam string name as in a rule
-- @treturn string
-- @usage
-- options = require "torus.options"
-- print(options.type_text "integer")   -- an integer
function M.type_text(name)
  if name == "path" then return "a path (a string without zero bytes)" end
  return (name == "integer" and "an " or "a ") .. name
end

--- Returns true if a value is of a type.
-- @function matches
-- @param value anything
-- @tparam string name as in a rule
-- @treturn boolean
-- @usage
-- options = require "torus.options"
-- print(options.matches("runs/mine", "path"), options.matches("a\0b", "path"))
-- -- true  false
M.matches = matches

--- Returns what is wrong with a value, or nil.
-- An integer given as a float (3.0) is accepted as an integer.
-- @param value what was given
-- @tparam table rule fields type, choices, min, max, above (exclusive lower
-- limit), words (strings that stand for values of the type), all optional
-- @treturn ?string "expected ..., got ..."
-- @return the value, converted to an integer if the rule requires one
function M.check(value, rule)
  if rule.type == "integer" and math.type(value) == "float"
    and math.tointeger(value) then
    value = math.tointeger(value)
  end
  if rule.words and type(value) == "string" then
    for _, word in ipairs(rule.words) do
      if word == value then return nil, value end
    end
    return "expected a " .. rule.type .. " or " .. choices_text(rule.words) .. "; got "
      .. show(value) .. M.did_you_mean(value, rule.words)
  end
  if rule.type and not matches(value, rule.type) then
    return "expected " .. M.type_text(rule.type) .. ", got " .. show(value)
  end
  if rule.choices then
    for _, choice in ipairs(rule.choices) do
      if choice == value then return nil, value end
    end
    return "expected one of " .. choices_text(rule.choices) .. "; got "
      .. show(value) .. M.did_you_mean(value, rule.choices)
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

--- Checks one argument against a rule and raises if it is violated.
-- @tparam string where name of the operation, for messages
-- @tparam string name of the argument
-- @param value what was given
-- @tparam table rule as in check
-- @return the value, as returned by check
function M.argument(where, name, value, rule)
  local problem, checked = M.check(value, rule)
  if problem then M.raise("%s: %s: %s", where, name, problem) end
  return checked
end

local function fits_shape(given, wanted)
  local front, back = wanted[1] == "...", wanted[#wanted] == "..."
  local more = #given - #wanted
  if more < ((front or back) and -1 or 0) then return false end
  if more > 0 and not (front or back) then return false end
  for i, size in ipairs(wanted) do
    if type(size) == "number" and given[front and i + more or i] ~= size then
      return false
    end
  end
  return true
end

--- Raises unless a value is a tensor of a shape.
-- @tparam string where name of the operation, for the message
-- @tparam string name of the value
-- @param value what was given
-- @tparam {integer|string,...} shape a string stands for any size, "..." at
-- either end for any number of them: { "batch", 3 }, { "...", "inputs" }
-- @tparam[opt] string dtype that of a module's parameters, which the tensor must have
function M.tensor(where, name, value, shape, dtype)
  local is_tensor = M.is_live(value)
  if is_tensor and fits_shape(value.shape, shape) then
    if not dtype or value.dtype == dtype then return end
    M.raise("%s: expected %s of dtype %s, as its parameters, got %s; convert it by "
      .. "%s:to(%q)%s", where, name, dtype, show(value), name, dtype,
      value.dtype:find("^float") and (" or the module by :to(%q)"):format(value.dtype) or "")
  end
  M.raise("%s: expected %s of shape %s, got %s", where, name,
    M.shape_text(shape),
    is_tensor and M.shape_text(value) or show(value))
end

--- Checks an option table against its declaration and fills in the defaults.
-- @tparam string where name of the operation, for messages
-- @tparam ?table given the table passed by the caller
-- @tparam table rules by key: {default=, required=, type=, choices=, min=,
-- max=, above=}, and doc, a sentence about it
-- @treturn table a new table
function M.resolve(where, given, rules)
  if given ~= nil and type(given) ~= "table" then
    M.raise(where .. ": expected a table of options, got " .. show(given))
  end
  given = given or {}
  for key in pairs(given) do
    if rules[key] == nil then
      M.raise("%s: %s", where, M.unknown("option", key, M.sorted_keys(rules)))
    end
  end
  local resolved = {}
  for _, key in ipairs(M.sorted_keys(rules)) do
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

--- Raises unless a function was called with its table of options alone, for example with the
-- values in the order in which they are documented.
-- @tparam string where name of the operation, for the message
-- @tparam string keys of the table, for the message
-- @param given first argument
-- @param ... the other arguments
-- @usage
-- options = require "torus.options"
-- print(pcall(options.alone, "example", "{ q =, p = }", torus.ones(1), torus.ones(1)))
function M.alone(where, keys, given, ...)
  local count = 1 + select("#", ...)
  if count == 1 and type(given) == "table" and not M.is_callable(given) then return end
  M.raise("%s: expected one table %s, got %s", where, keys,
    count > 1 and count .. " arguments" or show(given))
end

--- Merges tables of options into a new one.
-- @tparam table ... later ones take precedence
-- @treturn table
function M.joined(...)
  local all = {}
  for _, part in ipairs { ... } do
    for key, value in pairs(part) do all[key] = value end
  end
  return all
end

return M
