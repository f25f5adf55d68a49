--- The base class of everything with parameters.
--
-- A class is made with `Module.class("Name")`; its instances keep parameters
-- and sub-modules in the order in which they were registered, which fixes the
-- order of `parameters()` and the dotted names (`encoder.3.weight`).
-- @module torus.nn.module
local options = require "torus.options"
local signature = require "torus.signature"
local duplicate = require "torus.nn.duplicate"
local engine = require "torus.engine"
local unknown = require "torus.unknown"

--- Anything with parameters: a layer, a network, a model. It is called like a
-- function, which runs its `forward`.
-- @type Module
local Module = {}
Module.__index = Module

--- Returns true if a value is a module.
-- @function torus.nn.Module.is_module
-- @param value anything
-- @treturn boolean
-- @usage print(torus.nn.Module.is_module(torus.nn.Linear(2, 1)))   -- true
function Module.is_module(value) return options.is_module(value) end

local is_module = options.is_module

-- Raises if a member's field has been assigned: forward would use the new value, and
-- parameters(), files and optimisers the registered one.
local function check_members(self)
  for _, member in ipairs(self.members) do
    local value, name = member[2], member[3]
    local now = self[name]
    if not rawequal(now, value) then
      local what = member.buffer and "buffer" or is_module(value) and "module"
        or type(value) == "function" and "function" or "parameter"
      options.raise("%s: the registered %s %s has been assigned %s; expected %sself:%s(%s, ...) "
        .. "to replace it", getmetatable(self).__name, what, tostring(name), options.show(now),
        type(value) == "userdata" and "copy_ in torus.no_grad to write to it, or " or "",
        member.buffer and "register_buffer" or "register", options.show(name))
    end
  end
end

--- Makes a class derived from Module. Define `forward(self, ...)` on it, and
-- `describe(self)` for a one-line description.
-- @function torus.nn.Module.class
-- @tparam string name that its instances print
-- @treturn table
-- @usage
-- Scale = torus.nn.Module.class("Scale")
-- function Scale:forward(x) return x * self.factor end
-- scale = torus.nn.Module.instance(Scale)
-- scale:register("factor", torus.full({ 1 }, 2, { requires_grad = true }))
-- print(scale(torus.ones(3)))   -- [2., 2., 2.]
function Module.class(name)
  local class = setmetatable({}, Module)
  class.__index = class
  class.__name = name
  class.is_module = true
  class.__call = function(self, ...)
    check_members(self)
    return self:forward(...)
  end
  class.__tostring = Module.__tostring
  return class
end

local MAX_LISTED = 12

-- The names of the methods that a class adds to those of every module.
local function own_methods(class)
  local names = {}
  for name, value in pairs(class) do
    if type(value) == "function" and not name:find "^_" and rawget(Module, name) == nil then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

--- Computes the module's output; calling the module calls it. Every class defines its
-- own.
-- @param ... tensors
-- @treturn tensor
-- @usage
-- net = torus.nn.Linear(2, 1)
-- y = net(torus.ones(4, 2))   -- net:forward(...), (4, 1)
function Module:forward(...) -- luacheck: ignore ...
  local class = getmetatable(self)
  local names = own_methods(class)
  local count = math.min(#names, MAX_LISTED)
  options.raise("%s has no forward, so it cannot be called; %s%s", class.__name, count > 0
    and "it has the methods " .. table.concat(names, ", ", 1, count)
    or ("define function %s:forward(...)"):format(class.__name),
    #names > count and (" and %d more"):format(#names - count) or "")
end

--- Makes an instance of a class.
-- @function torus.nn.Module.instance
-- @tparam table class
-- @tparam[opt] table fields initial fields; this table becomes the instance
-- @treturn Module without parameters or sub-modules
-- @usage
-- Scale = torus.nn.Module.class("Scale")
-- print(torus.nn.Module.instance(Scale, { factor = 2 }).factor)   -- 2
function Module.instance(class, fields)
  if type(class) ~= "table" or rawget(class, "is_module") ~= true then
    options.raise("Module.instance: class: expected one of Module.class, got %s",
      options.show(class))
  end
  local self = fields or {}
  if getmetatable(self) ~= nil then
    options.raise("Module.instance: fields: expected a plain table, got %s",
      options.show(self))
  end
  self.members, self.training = {}, true
  return setmetatable(self, class)
end

-- True if a module is another one or contains it.
local function contains(module, other)
  if module == other then return true end
  for _, member in ipairs(module.members) do
    if is_module(member[2]) and contains(member[2], other) then return true end
  end
  return false
end

-- Adds a member, or replaces the one of the same name.
local function add_member(self, member)
  local at = #self.members + 1
  for i, other in ipairs(self.members) do
    if other[1] == member[1] then at = i end
  end
  self.members[at] = member
  self[member[3]] = member[2]
end

--- Adds a parameter or a sub-module, which also becomes the field `name`; another one of that
-- name is replaced.
-- @tparam string|integer name integers for the members of a list
-- @tparam tensor|Module|function value a function is called, but has no parameters
-- @return value
-- @usage
-- net = torus.nn.Module.instance(torus.nn.Module.class("Net"))
-- net:register("layer", torus.nn.Linear(2, 3))
-- print(net.layer, net:count())   -- Linear(2, 3), 9 parameters  9
function Module:register(name, value)
  if is_module(value) and contains(value, self) then
    options.raise("register: %s: expected a module that does not contain %s itself, got %s",
      options.show(name), getmetatable(self).__name, getmetatable(value).__name)
  end
  add_member(self, { tostring(name), value, name })
  return value
end

--- Adds a buffer, which also becomes the field `name`: a tensor that belongs to the
-- module but is not learned, such as a running mean. It is saved, loaded and converted
-- with the parameters.
-- @tparam string name
-- @tparam tensor value without requires_grad
-- @return value
-- @usage
-- net = torus.nn.Module.instance(torus.nn.Module.class("Net"))
-- net:register_buffer("mean", torus.zeros(3))
-- print(#net:parameters(), net:named().mean)   -- 0  [0., 0., 0.]
function Module:register_buffer(name, value)
  options.tensor("register_buffer", "value", value, { "..." })
  add_member(self, { tostring(name), value, name, buffer = true })
  return value
end

-- Fields that hold parameters which nobody would find, because they were assigned instead of
-- registered, are a mistake. A module may keep others' modules in a table.
local function check_registered(self)
  local registered
  for key, value in next, self do
    local holds = is_module(value)
      or engine.is_tensor(value) and options.is_live(value) and value.requires_grad
      and value.is_leaf
    if holds then
      if not registered then
        registered = {}
        for _, member in ipairs(self.members) do registered[member[2]] = true end
      end
      if not registered[value] then
        options.raise("%s: the field %s is %s that is not registered, so its parameters would "
          .. "not be found; expected self:register(%q, ...)", getmetatable(self).__name,
          tostring(key), is_module(value) and "a module" or "a parameter", tostring(key))
      end
    end
  end
end

-- Names and tensors: parameters, or buffers, or with nil both.
local function collect(self, prefix, found, buffers)
  check_members(self)
  check_registered(self)
  for _, member in ipairs(self.members) do
    local name, value = prefix .. member[1], member[2]
    if is_module(value) then
      collect(value, name .. ".", found, buffers)
    elseif type(value) ~= "function"
      and (buffers == nil or buffers == (member.buffer or false)) then
      found[#found + 1] = { name, value }
    end
  end
  return found
end

-- One entry for each parameter, and the further names of those that have some.
local function distinct(entries)
  local seen, kept, aliases = {}, {}, {}
  for _, entry in ipairs(entries) do
    if seen[entry[2]] then
      aliases[#aliases + 1] = entry[1]
    else
      seen[entry[2]] = true
      kept[#kept + 1] = entry
    end
  end
  return kept, aliases
end

--- Returns dotted names and parameters. A shared parameter appears once, under its
-- first name.
-- @treturn {{string,tensor},...} in the order of registration
-- @usage
-- net = torus.nn.MLP { sizes = { 2, 4, 1 } }
-- for _, entry in ipairs(net:named_parameters()) do
--   print(entry[1], table.concat(entry[2].shape, " "))
-- end
function Module:named_parameters()
  return (distinct(collect(self, "", {}, false)))
end

--- Returns dotted names and buffers, see register_buffer.
-- @treturn {{string,tensor},...} in the order of registration
-- @usage
-- for _, entry in ipairs(torus.nn.BatchNorm1d(3):named_buffers()) do print(entry[1]) end
function Module:named_buffers()
  return (distinct(collect(self, "", {}, true)))
end

--- Returns all parameters, for optimisers and gradients.
-- @treturn {tensor,...} in the order of named_parameters
-- @usage
-- net = torus.nn.Linear(2, 3)
-- grads = torus.grad(net(torus.ones(1, 2)):sum(), net:parameters())
-- print(#grads)   -- 2
function Module:parameters()
  local list = {}
  for i, entry in ipairs(self:named_parameters()) do list[i] = entry[2] end
  return list
end

--- Returns the parameters and buffers by dotted name, in the form torus.save accepts.
-- @treturn {[string]=tensor}
-- @usage
-- print(torus.nn.Linear(2, 3):named().bias.shape[1])   -- 3
function Module:named()
  local table_ = {}
  for _, entry in ipairs((distinct(collect(self, "", {})))) do
    table_[entry[1]] = entry[2]
  end
  return table_
end

--- Returns the total number of elements of the parameters.
-- @treturn integer
-- @usage
-- print(torus.nn.Linear(2, 3):count())   -- 9
function Module:count()
  local total = 0
  for _, p in ipairs(self:parameters()) do total = total + p:numel() end
  return total
end

--- Copies values into the parameters and buffers. All are checked before the first
-- is written.
-- @tparam ?{[string]=tensor} values by dotted name; names that don't begin with
-- the prefix are ignored
-- @tparam[opt=""] string|table prefix put before every name. What torus.load returns can be
-- passed on as it is: its second result, a table, or a message if there are no values
-- @treturn ?boolean true; nil if a name is missing or unknown, or if a shape does not
-- match
-- @treturn ?string message
-- @usage
-- a, b = torus.nn.Linear(2, 3), torus.nn.Linear(2, 3)
-- assert(a:load_parameters(b:named()))
-- assert(torus.save("linear.safetensors", a))
-- assert(b:load_parameters(torus.load("linear.safetensors")))
function Module:load_parameters(values, prefix)
  if values == nil and type(prefix) == "string" then return nil, prefix end
  if type(prefix) == "table" then prefix = nil end
  options.argument("load_parameters", "values", values, { type = "table" })
  prefix = options.argument("load_parameters", "prefix", prefix or "",
    { type = "string" })
  local known = {}
  local entries, aliases = distinct(collect(self, "", {}))
  for _, name in ipairs(aliases) do known[prefix .. name] = true end
  for _, entry in ipairs(entries) do
    local name = prefix .. entry[1]
    local value = values[name]
    known[name] = true
    if value == nil then
      return nil, string.format("load_parameters: %s is missing", name)
    end
    local expected = options.shape_text(entry[2])
    local got = engine.is_tensor(value) and options.shape_text(value)
      or options.show(value)
    if expected ~= got then
      return nil, string.format(
        "load_parameters: %s: expected shape %s, got %s", name, expected, got)
    end
  end
  for name in pairs(values) do
    local text = tostring(name)
    if text:sub(1, #prefix) == prefix and not known[name] then
      return nil, "load_parameters: the module has no parameter " .. text
    end
  end
  engine.no_grad(function()
    for _, entry in ipairs(entries) do
      local value = values[prefix .. entry[1]]
      entry[2]:copy_(value:to(entry[2].dtype))
    end
  end)
  return true
end

local DTYPE = { choices = { "float32", "float64" } }

local function converted(value, dtype, buffer)
  if buffer then
    return value.dtype:find("^float") and value:detach():to(dtype):copy() or value
  end
  local leaf = engine.zeros(value.shape, { dtype = dtype, requires_grad = true })
  engine.no_grad(function() leaf:copy_(value:to(dtype)) end)
  return leaf
end

-- done: what a module or parameter that is used more than once has become.
local function convert(self, dtype, done)
  if done[self] then return end
  done[self] = self
  check_members(self)
  for _, member in ipairs(self.members) do
    local value = member[2]
    if is_module(value) then
      convert(value, dtype, done)
    elseif type(value) ~= "function" then
      done[value] = done[value] or converted(value, dtype, member.buffer)
      member[2] = done[value]
      self[member[3]] = member[2]
    end
  end
  self:convert_rest(dtype)
end

--- Converts everything of a class that depends on the dtype besides its parameters: `to`
-- calls it on every module after its members. By default it sets `config.dtype`, if
-- there is one.
-- @tparam string dtype "float32" or "float64"
-- @usage
-- Module = torus.nn.Module
-- Shift = Module.class("Shift")
-- function Shift:convert_rest(dtype) self.offset = self.offset:to(dtype) end
-- shift = Module.instance(Shift, { offset = torus.ones(1) }):to("float64")
-- print(shift.offset.dtype)   -- float64
function Module:convert_rest(dtype)
  options.argument("Module:convert_rest", "dtype", dtype, DTYPE)
  local config = self.config
  if type(config) == "table" and config.dtype then config.dtype = dtype end
end

--- Converts every parameter in place; they become new leaves, so convert a module
-- before making its optimiser.
-- @tparam string dtype "float32" or "float64"
-- @return self
-- @usage
-- print(torus.nn.Linear(2, 3):to("float64").weight.dtype)   -- float64
function Module:to(dtype)
  options.argument("Module:to", "dtype", dtype, DTYPE)
  convert(self, dtype, {})
  return self
end

--- Returns a copy with parameters, buffers, sub-modules and tables of its own, which have
-- equal values and no gradients. What is shared inside the module is shared inside the copy.
-- Functions, generators, systems, data sets and optimisers are those of the module.
-- @treturn Module of the same class
-- @raise for a function that refers to the module: the copy would depend on it
-- @usage
-- net = torus.nn.Sequential { torus.nn.Linear(2, 3), torus.nn.ReLU() }
-- best = net:copy()
-- torus.no_grad(function() net[1].weight:zero_() end)
-- print(best[1].weight:eq(0):any():item())   -- false
function Module:copy()
  return (duplicate.of(self))
end

--- Replaces what a copy would share with the original: `copy` calls it on every module of the
-- copy, after everything has been copied. By default it does nothing.
-- @tparam Module original
-- @usage
-- Module = torus.nn.Module
-- Twice = Module.class("Twice")
-- function Twice:copy_rest() self.f = function(x) return self.layer(self.layer(x)) end end
-- twice = Module.instance(Twice)
-- twice:register("layer", torus.nn.Linear(2, 2))
-- twice:copy_rest(twice)
-- print(twice:copy().f ~= twice.f)   -- true
function Module:copy_rest(original) -- luacheck: ignore original
end

--- Switches the module and its members between training and evaluation. Dropout and
-- batch normalisation behave differently in the two; everything begins in training.
-- @tparam[opt=true] boolean on
-- @return self
-- @usage
-- net = torus.nn.Sequential { torus.nn.Linear(2, 2), torus.nn.Dropout(0.5) }
-- net:train(false)   -- the same as net:eval()
-- print(net[2].training)   -- false
function Module:train(on)
  if on == nil then on = true end
  options.argument("Module:train", "on", on, { type = "boolean" })
  self.training = on
  for _, member in ipairs(self.members) do
    if is_module(member[2]) then member[2]:train(on) end
  end
  return self
end

--- Switches the module and its members to evaluation; the inverse of train().
-- @return self
-- @usage
-- net = torus.nn.Dropout(0.5):eval()
-- print(net(torus.ones(3)))   -- [1., 1., 1.]
function Module:eval()
  return self:train(false)
end

--- Sets the gradient of every parameter to nil.
-- @usage
-- net = torus.nn.Linear(2, 3)
-- net(torus.ones(1, 2)):sum():backward()
-- net:zero_grad()
-- print(net.weight.grad)   -- nil
function Module:zero_grad()
  for _, p in ipairs(self:parameters()) do p.grad = nil end
end

--- Returns one line describing this module without its members; classes override it.
-- @treturn string
-- @usage
-- print(torus.nn.Linear(2, 3):describe())   -- Linear(2, 3)
function Module:describe()
  return getmetatable(self).__name
end

local function lines(self, name, indent, out)
  out[#out + 1] = indent .. name .. self:describe()
  for _, member in ipairs(self.members) do
    if is_module(member[2]) then
      lines(member[2], member[1] .. ": ", indent .. "  ", out)
    end
  end
  return out
end

function Module:__tostring()
  local out = lines(self, "", "", {})
  if #out > 1 then
    out[1] = string.format("%s, %d parameters", out[1], self:count())
  end
  return table.concat(out, "\n")
end

signature.methods("Module", Module, {
  register = "name: string|integer, value: tensor|Module|function",
  convert_rest = "dtype: string", copy_rest = "original: Module",
}, {
  class = "name: string", instance = "class: table, fields?: table",
  is_module = "",
})
unknown.methods("a module", Module, "module")

return Module
