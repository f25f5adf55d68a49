--- The options that a function accepts, as far as they can be determined without calling it:
-- from the declarations that it checks them against, or from its documentation.
-- @module torus.repl.keys
local files = require "torus.files"
local help = require "torus.help"

local M = {}

local RULE_KEYS = { default = true, required = true, type = true, choices = true,
  min = true, max = true, above = true, items = true, words = true, doc = true }
-- Maximum number of calls from a public function to the one that checks its options.
local MAX_DEPTH = 3
local LIBRARY = debug.getinfo(1, "S").source:gsub("repl/keys%.lua$", "")

-- A table like {steps = {default = 1, type = "integer"}, ...}.
local function are_rules(value)
  if type(value) ~= "table" or debug.getmetatable(value) or next(value) == nil then
    return false
  end
  for key, rule in next, value do
    if type(key) ~= "string" or type(rule) ~= "table" or debug.getmetatable(rule) then
      return false
    end
    for name in next, rule do
      if not RULE_KEYS[name] then return false end
    end
  end
  return true
end

-- The source code of a function of the library.
local function source_of(f)
  local info = debug.getinfo(f, "S")
  if info.source:sub(1, #LIBRARY) ~= LIBRARY then return nil end
  local text = info.source:sub(1, 1) == "@" and files.read(info.source:sub(2))
  if not text then return nil end
  local lines, number = {}, 0
  for line in text:gmatch("([^\n]*)\n?") do
    number = number + 1
    if number >= info.linedefined and number <= info.lastlinedefined then
      lines[#lines + 1] = line
    end
  end
  return table.concat(lines, "\n")
end

-- The keys of a declaration written within the call: resolve("name", opts, { ... }).
local function written_rules(source)
  local list = source:match("options%.resolve%([^{}()]-,%s*(%b{})")
  if not list then return nil end
  local rules = {}
  for key in list:sub(2, -2):gsub("%b{}", "{}"):gmatch("([%a_][%w_]*)%s*=") do
    rules[key] = {}
  end
  return next(rules) and rules
end

local function joined(list)
  local all = {}
  for _, rules in ipairs(list) do
    for key, rule in next, rules do all[key] = rule end
  end
  return next(all) and all
end

local function upvalues_of(f)
  local list, by_name = {}, {}
  for i = 1, 255 do
    local name, value = debug.getupvalue(f, i)
    if not name then break end
    list[i] = { name = name, value = value }
    by_name[name] = value
  end
  return list, by_name
end

-- The declaration that a call refers to: resolve("name", opts, M.rules).
local function named_rules(source, by_name)
  local found = {}
  for path in source:gmatch("options%.resolve%([^\n]-,%s*([%a_][%w_.]*)%)") do
    local value = by_name
    for part in path:gmatch("[%w_]+") do
      value = type(value) == "table" and rawget(value, part) or nil
    end
    if are_rules(value) then found[#found + 1] = value end
  end
  return joined(found)
end

-- The library functions that a function may call: its upvalues and, for a module or class
-- among these, the functions that its source calls, as in M.integrate(opts).
local function callees_of(source, list)
  local functions = {}
  for _, upvalue in ipairs(list) do
    local value = upvalue.value
    if type(value) == "function" then
      functions[#functions + 1] = value
    elseif type(value) == "table" then
      local call = "%f[%w_]" .. upvalue.name .. "[.:]([%a_][%w_]*)%s*%("
      for field in source:gmatch(call) do
        local item = rawget(value, field)
        if type(item) == "function" then functions[#functions + 1] = item end
      end
    end
  end
  return functions
end

local function closed_over(list)
  local found = {}
  for _, upvalue in ipairs(list) do
    if are_rules(upvalue.value) then found[#found + 1] = upvalue.value end
  end
  return joined(found)
end

local function rules_of_function(f, depth)
  if depth > MAX_DEPTH then return nil end
  local source = source_of(f)
  if not source then return nil end
  local list, by_name = upvalues_of(f)
  local rules = written_rules(source) or named_rules(source, by_name) or closed_over(list)
  local callees = rules and {} or callees_of(source, list)
  for i = 1, #callees do
    rules = rules or rules_of_function(callees[i], depth + 1)
  end
  return rules
end

-- The keys listed in the documentation of a parameter: "dtype="float32", ...;
-- requires_grad=false".
local function documented(value)
  local entry = help.entry(value)
  local rules = {}
  for _, parameter in ipairs(entry and entry.params or {}) do
    if (parameter.type or ""):find("table", 1, true) then
      for part in (parameter.text .. ";"):gmatch("%s*([^;]*);") do
        local key = part:match("^([%a_][%w_]*)")
        if key then rules[key] = {} end
      end
    end
  end
  return next(rules) and rules
end

--- Returns the declaration of the options of a function or class.
-- @param value a function or anything callable
-- @treturn ?table rules by key, in the form of torus.options; nil if none are known
function M.of(value)
  local f = value
  if type(f) ~= "function" then
    local meta = debug.getmetatable(value)
    f = type(meta) == "table" and meta.__call
    if type(value) == "table" and type(rawget(value, "new")) == "function" then
      f = rawget(value, "new")
    end
  end
  if type(f) ~= "function" then return nil end
  return rules_of_function(f, 1) or documented(value)
end

return M
