--- Argument checks of public functions: one line declares the types that each accepts, in
-- the terms of its documentation.
--
--     signature.functions("statistics", M, { median = "list: {number,...}" })
--     signature.methods("Order", Order, { set_state = "state: table" })
--
-- Parameters are separated by commas; "?" after a name allows nil. A type is
-- one of those below or the name of a class; `{T,...}` is a list, `{[string]=T}` a
-- table with string keys, `{T,U}` a list of exactly these; "|" separates alternatives.
-- Misuse raises at the caller's line.
-- @module torus.signature
local options = require "torus.options"

local M = {}

local show = options.show

-- For each type: a test, and its name in messages.
local types = {
  any = { function() return true end, "anything" },
  tensor = { options.is_live, "a tensor" },
  number = { function(x) return type(x) == "number" end, "a number" },
  integer = { function(x)
    return type(x) == "number" and math.tointeger(x) ~= nil
  end, "an integer" },
  generator = { function(x)
    return type(x) == "userdata" and show(x) == "a generator"
  end, "a generator" },
  path = { function(x) return options.matches(x, "path") end, options.type_text "path" },
  ["function"] = { options.is_callable, "a function" },
}
for _, name in ipairs { "string", "boolean", "table" } do
  types[name] = { function(x) return type(x) == name end, "a " .. name }
end

-- --- types from their names --------------------------------------------------
--
-- A compiled type is {problem =, text =}: problem(value) returns nil for a value of
-- the type, else a description of the value for messages.

-- Splits at a character outside of braces.
local function split(text, separator)
  local parts, depth, part = {}, 0, ""
  for char in text:gmatch "." do
    if char == "{" then depth = depth + 1 elseif char == "}" then depth = depth - 1 end
    if char == separator and depth == 0 then
      parts[#parts + 1], part = part, ""
    else
      part = part .. char
    end
  end
  parts[#parts + 1] = part
  for i, found in ipairs(parts) do parts[i] = found:match "^%s*(.-)%s*$" end
  return parts
end

local compile

-- A class whose module has not been loaded has no instances.
local function simple(name)
  return {
    text = types[name] and types[name][2] or name:find "^[AEIOUH]" and "an " .. name
      or "a " .. name,
    problem = function(value)
      local known = types[name]
      if not (known and known[1](value)) then return show(value) end
    end,
  }
end

local function entries_of(item, text, length)
  return {
    text = text,
    problem = function(value)
      if type(value) ~= "table" then return show(value) end
      if length and #value ~= length then
        return ("a list of %d"):format(#value)
      end
      for i = 1, #value do
        local problem = item(i).problem(value[i])
        if problem then return ("%s at position %d"):format(problem, i) end
      end
    end,
  }
end

local function plural(text)
  local rest = text:match "^a list (of .*)$" or text:match "^a list ({.*)$"
  return rest and "lists " .. rest or text:gsub("^an? ", "") .. "s"
end

local function list_of(inner)
  local each = inner:match "^(.*),%s*%.%.%.$"
  if each then
    local item = compile(each)
    return entries_of(function() return item end, "a list of " .. plural(item.text))
  end
  local parts, texts = split(inner, ","), {}
  for i, part in ipairs(parts) do
    parts[i] = compile(part)
    texts[i] = parts[i].text
  end
  return entries_of(function(i) return parts[i] end,
    ("a list {%s}"):format(table.concat(texts, ", ")), #parts)
end

local function by_name(inner)
  local item = compile(inner)
  return {
    text = inner == "any" and "a table by name"
      or ("a table of %s by name"):format(plural(item.text)),
    problem = function(value)
      if type(value) ~= "table" then return show(value) end
      for key, entry in pairs(value) do
        if type(key) ~= "string" then return "the key " .. show(key) end
        local problem = item.problem(entry)
        if problem then return ("%s = %s"):format(key, problem) end
      end
    end,
  }
end

local function any_of(names)
  local list, texts = {}, {}
  for i, name in ipairs(names) do
    list[i] = compile(name)
    texts[i] = list[i].text
  end
  return {
    text = table.concat(texts, " or "),
    problem = function(value)
      local last
      for _, item in ipairs(list) do
        local problem = item.problem(value)
        if not problem then return nil end
        -- The problem of an entry is more informative than "a table".
        last = last and type(value) ~= "table" and last or problem
      end
      return last
    end,
  }
end

local compiled = {}

function compile(text)
  local type_ = compiled[text]
  if type_ then return type_ end
  local names = split(text, "|")
  if #names > 1 then
    type_ = any_of(names)
  elseif text:find "^{%[string%]=" then
    type_ = by_name((text:match "^{%[string%]=(.*)}$"):gsub(",%.%.%.$", ""))
  elseif text:find "^{" then
    type_ = list_of(text:match "^{(.*)}$")
  else
    type_ = simple(text)
  end
  compiled[text] = type_
  return type_
end

-- --- functions that check ----------------------------------------------------

local details = setmetatable({}, { __mode = "k" })

local function parse(text)
  local parameters = {}
  if text == "" then return parameters end
  for i, part in ipairs(split(text, ",")) do
    local name, optional, type_ = part:match "^([%w_]+)(%??):%s*(.+)$"
    if not name then error("signature: cannot read " .. part, 2) end
    parameters[i] = { name = name, optional = optional == "?", type_name = type_,
      type = compile(type_) }
  end
  return parameters
end

local function refuse(where, parameter, problem)
  if parameter.name == "self" then
    options.raise("%s: expected %s in front of the colon, got %s", where,
      parameter.type.text, problem)
  end
  options.raise("%s: %s: expected %s, got %s", where, parameter.name,
    parameter.type.text, problem)
end

local function checked(where, text, f, further)
  local parameters = parse(text)
  local count = #parameters
  local function g(...)
    for i = 1, count do
      local parameter, value = parameters[i], (select(i, ...))
      if value ~= nil or not parameter.optional then
        local problem = parameter.type.problem(value)
        if problem then refuse(where, parameter, problem) end
      end
    end
    if further then further(where, ...) end
    return f(...)
  end
  details[g] = { f = f, parameters = parameters }
  return g
end

--- Adds argument checks to functions of a module.
-- @tparam string where the module's name in messages
-- @tparam table module
-- @tparam {[string]=string} signatures by the functions' names
-- @tparam ?function further called with the function's name for messages and its
-- arguments, after their types have been checked; raises for any other misuse
-- @treturn table module
-- @usage
-- local signature = require "torus.signature"
-- local M = { half = function(x) return x / 2 end }
-- signature.functions("example", M, { half = "x: number" })
-- print(pcall(M.half, {}))   -- example.half: x: expected a number, got a table
function M.functions(where, module, signatures, further)
  for name, text in pairs(signatures) do
    module[name] = checked(where .. "." .. name, text, module[name], further)
  end
  return module
end

-- The classes of each type: {[class] = true} by name.
local classes = {}

local function is_instance(known)
  return function(value)
    local meta = type(value) == "table" and getmetatable(value)
    while type(meta) == "table" do
      if known[meta] then return true end
      meta = getmetatable(meta)
    end
    return false
  end
end

--- Adds a class to the type of a name.
-- @tparam string name of the type
-- @tparam table class the metatable of its instances
-- @usage
-- local signature = require "torus.signature"
-- local Cat = {}
-- signature.class("Cat", Cat)
-- signature.fields("example", { pet = setmetatable({}, Cat) }, "pet: Cat")
function M.class(name, class)
  local known = classes[name] or {}
  known[class] = true
  classes[name] = known
  types[name] = { is_instance(known), simple(name).text }
end

--- Adds a check of self to every method of a class, and checks of the other arguments to
-- those listed. The class also becomes a type.
-- @tparam string name of the class
-- @tparam table class the metatable of its instances
-- @tparam {[string]=string} signatures by the methods' names, without self
-- @tparam ?{[string]=string} functions of the class that are not methods; "" for
-- a function that checks its arguments itself
-- @treturn table class
-- @usage
-- local signature = require "torus.signature"
-- local Dog = { name = "Rex" }
-- Dog.__index = Dog
-- function Dog:call() return self.name end
-- signature.methods("Dog", Dog, {})
-- print(setmetatable({}, Dog):call())   -- Rex
function M.methods(name, class, signatures, functions)
  M.class(name, class)
  functions = functions or {}
  local found = {}
  for key, f in pairs(class) do
    if type(f) == "function" and not key:find "^__" then found[key] = f end
  end
  for key, f in pairs(found) do
    local text = functions[key]
    if not text then
      text = "self: " .. name
      if signatures[key] then text = text .. ", " .. signatures[key] end
    end
    if text ~= "" then class[key] = checked(name .. ":" .. key, text, f) end
  end
  return class
end

--- Raises unless the fields of a table are of their types.
-- @tparam string where name of the operation, for messages
-- @tparam table value
-- @tparam string text as in `functions`: "step: integer, config?: string"
-- @usage
-- local signature = require "torus.signature"
-- signature.fields("example", { step = 1 }, "step: integer, config?: string")
function M.fields(where, value, text)
  for _, parameter in ipairs(parse(text)) do
    local given = value[parameter.name]
    local problem = (given ~= nil or not parameter.optional)
      and parameter.type.problem(given)
    if problem then refuse(where, parameter, problem) end
  end
end

--- Returns the checks of a function.
-- @tparam function f
-- @treturn function the function without the checks, or f itself
-- @treturn ?{table,...} its parameters: {name =, type_name =, optional =}
-- @usage
-- local signature = require "torus.signature"
-- local f, parameters = signature.of(torus.measures.statistics.median)
-- print(parameters[1].name, parameters[1].type_name)   -- list {number,...}
function M.of(f)
  local known = details[f]
  if known then return known.f, known.parameters end
  return f
end

return M
