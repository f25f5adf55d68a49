--- The configuration of a run: one flat table of plain values.
--
-- The rules of the model's task determine the keys, their types, limits and defaults. A
-- configuration consists of these defaults, a preset and changes, and is stored as JSON.
-- @module torus.runs.configuration
local json = require "dkjson"
local options = require "torus.options"
local signature = require "torus.signature"
local read_json = require "torus.json"
local explanation = require "torus.runs.explanation"
local tasks = require "torus.tasks"

local M = {}

-- The task of a model, by default of tasks.default. The name may be any value of a file.
local function task_of(model)
  if model ~= nil and type(model) ~= "string" then
    return nil, ("configuration: option \"model\": expected a string, got %s")
      :format(options.show(model))
  end
  return tasks.get(model or tasks.default)
end

--- Returns the rules of a model's configuration, in the form of torus.options.
-- @tparam[opt=tasks.default] string model
-- @treturn ?table
-- @treturn ?string message
-- @usage
-- configuration = torus.runs.configuration
-- print(configuration.rules_of("hnn").width.default)   -- 200
function M.rules_of(model)
  local task, message = task_of(model)
  if not task then return nil, message end
  return task.rules
end

--- Explains the keys of a model's configuration: default, permitted values, meaning, and the
-- values of presets that differ.
-- @tparam[opt=tasks.default] string model
-- @tparam[opt] string name of a key, or a part of names or explanations; all keys by default
-- @treturn ?string
-- @treturn ?string message for an unknown model or key
-- @usage
-- print(torus.runs.configuration.explain("hnn", "width"))
function M.explain(model, name) return explanation.of(model or tasks.default, name) end

--- Returns the names of a model's presets, sorted.
-- @tparam[opt=tasks.default] string model
-- @treturn {string,...}
-- @raise for an unknown model
-- @usage
-- configuration = torus.runs.configuration
-- print(table.concat(configuration.preset_names("hnn"), " "))
function M.preset_names(model)
  local task, message = task_of(model)
  if not task then options.raise("configuration: %s", message) end
  return options.sorted_keys(task.presets)
end

local BOOLEANS = { ["true"] = true, ["false"] = false }

-- Converts a text to the type of a rule. A rule without a type has choices, which are
-- strings.
local function parse(text, rule)
  local type_ = rule.type
  if type_ == "boolean" then return BOOLEANS[text] end
  if type_ == "integer" or type_ == "number" then return tonumber(text) end
  if type_ == "table" then
    local list = {}
    for item in text:gmatch("[^,%s]+") do
      local number = tonumber(item)
      if not number then return rule.words and text:match("^%a+$") end
      list[#list + 1] = number
    end
    return #list > 0 and list or nil
  end
  return text
end

local EXPECTED = { boolean = "a boolean", integer = "an integer",
  number = "a number", table = "numbers separated by commas" }

-- JSON has no infinity.
local function is_finite(value)
  if type(value) == "table" then
    for _, item in pairs(value) do
      if not is_finite(item) then return false end
    end
  end
  return type(value) ~= "number" or math.abs(value) < math.huge
end

--- Parses one change of the form key=value.
-- @tparam string text
-- @tparam[opt=tasks.default] string model that the key belongs to
-- @treturn ?string key
-- @return value, of the key's type, or the message if key is nil
-- @usage
-- configuration = torus.runs.configuration
-- print(configuration.parse_override("lr=1e-3"))      -- lr  0.001
-- print(configuration.parse_override("rate=1e-3"))    -- nil, and why
function M.parse_override(text, model)
  local rules, message = M.rules_of(model)
  if not rules then return nil, message end
  local key, value = text:match("^([%w_]+)=(.*)$")
  if not key then
    return nil, "expected key=value, got " .. options.show(text)
  end
  local rule = rules[key]
  if not rule then
    return nil, options.unknown("key", key, options.sorted_keys(rules))
  end
  local parsed = parse(value, rule)
  if parsed == nil or not is_finite(parsed) then
    return nil, string.format("%s: expected %s, got %s", key,
      EXPECTED[rule.type], options.show(value))
  end
  local problem, checked = options.check(parsed, rule)
  if problem then return nil, key .. ": " .. problem end
  return key, checked
end

-- The values of a preset that the changes don't override.
local function preset_values(task, preset, changes)
  if not preset then return {} end
  local values = task.presets[preset]
  if not values then
    return nil, options.unknown("preset", preset, options.sorted_keys(task.presets))
  end
  return task.adapt_preset and task.adapt_preset(values, changes) or values
end

--- Makes a complete configuration: the defaults, a preset, then changes.
-- @tparam ?string preset
-- @tparam ?{[string]=any} changes including `model`, by default tasks.default
-- @treturn ?table
-- @treturn ?string message
-- @usage
-- local config = assert(torus.runs.configuration.make("small", { model = "nhf",
--   target = "moons", steps = 500 }))
function M.make(preset, changes)
  changes = options.argument("configuration", "the changes", changes or {},
    { type = "table" })
  local task, message = task_of(changes.model)
  if not task then return nil, message end
  local values
  values, message = preset_values(task, preset, changes)
  if not values then return nil, message end
  local given = options.joined(values, changes)
  local result
  result, message = options.attempt(options.resolve, "configuration", given,
    task.rules)
  if not result then return nil, message end
  for _, key in ipairs(options.sorted_keys(result)) do
    if not is_finite(result[key]) then
      return nil, string.format("configuration: option %q: expected a finite "
        .. "value, got %s", key, options.show(result[key]))
    end
  end
  message = task.complete(result, given)
  if message then return nil, message end
  return result
end

-- The shortest decimal text that reads back as the same number.
local function exact(value)
  if math.type(value) == "integer" then return tostring(value) end
  for digits = 15, 17 do
    local text = string.format("%." .. digits .. "g", value)
    if tonumber(text) == value then return text end
  end
end

local function encode_value(value)
  if type(value) == "number" and is_finite(value) then return exact(value) end
  if type(value) == "string" or type(value) == "boolean" then
    return json.encode(value)
  end
  if type(value) ~= "table" then
    options.raise("configuration.encode: expected finite numbers, strings, booleans "
      .. "and lists of them, got %s", options.show(value))
  end
  local items = {}
  for i, item in ipairs(value) do items[i] = encode_value(item) end
  return "[" .. table.concat(items, ", ") .. "]"
end

--- Encodes a configuration as JSON, with sorted keys and exact numbers.
-- @tparam {[string]=any} config plain values and lists of them
-- @treturn string
-- @usage
-- configuration = torus.runs.configuration
-- config = assert(configuration.make("small", { model = "hnn",
--   system = "pendulum" }))
-- print(configuration.encode(config))
function M.encode(config)
  local lines = {}
  for i, key in ipairs(options.sorted_keys(config)) do
    lines[i] = string.format("  %s: %s", json.encode(key),
      encode_value(config[key]))
  end
  return "{\n" .. table.concat(lines, ",\n") .. "\n}\n"
end

--- Returns a message saying why a run cannot be resumed with another configuration, or nil:
-- its model, data and seed must not change.
-- @tparam {[string]=any} earlier the run's configuration
-- @tparam {[string]=any} config the new one
-- @treturn ?string message
-- @usage
-- configuration = torus.runs.configuration
-- config = assert(configuration.make("small", { model = "hnn",
--   system = "pendulum" }))
-- other = assert(configuration.make("small", { model = "hnn",
--   system = "mass_spring" }))
-- print(configuration.conflict(config, other))   -- what may not change
function M.conflict(earlier, config)
  local task, message = task_of(earlier.model)
  if not task then options.raise("configuration.conflict: %s", message) end
  local fixed = options.sorted_keys(task.model_rules)
  table.move({ "model", "seed" }, 1, 2, #fixed + 1, fixed)
  table.move(task.data_keys, 1, #task.data_keys, #fixed + 1, fixed)
  local function show(value)
    return value == nil and "nothing" or encode_value(value)
  end
  for _, key in ipairs(fixed) do
    local before, after = show(earlier[key]), show(config[key])
    if before ~= after then
      return string.format("%s: expected the run's %s, got %s; another value "
        .. "requires a new run", key, before, after)
    end
  end
end

--- Decodes a configuration, the inverse of encode; the result is checked like any other
-- configuration.
-- @tparam string text
-- @treturn ?table
-- @treturn ?string message
-- @usage
-- configuration = torus.runs.configuration
-- config = assert(configuration.make("small", { model = "hnn",
--   system = "pendulum" }))
-- again = assert(configuration.decode(configuration.encode(config)))
function M.decode(text)
  local given, message = read_json.decode(text)
  if type(given) ~= "table" then
    return nil, string.format("expected a configuration in JSON, got damaged "
      .. "text: %s", tostring(message))
  end
  return M.make(nil, setmetatable(given, nil))
end

signature.functions("configuration", M, {
  rules_of = "model?: string", explain = "model?: string, name?: string",
  preset_names = "model?: string",
  parse_override = "text: string, model?: string",
  make = "preset?: string, changes?: any",
  encode = "config: {[string]=any}", decode = "text: string",
  conflict = "earlier: {[string]=any}, config: {[string]=any}",
})

return M
