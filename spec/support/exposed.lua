--- Everything that a program can reach from `require "torus"`: functions of
-- the module and its parts, and methods of the objects that they return, each
-- with what its documentation lacks.
local core = require "torus.core"
local entries = require "torus.help.entries"
local options = require "torus.options"
local signature = require "torus.signature"
local torus = require "torus"

local M = {}

local function is_callable(value)
  local meta = type(value) == "table" and getmetatable(value)
  return type(value) == "function" or meta and meta.__call ~= nil
end

-- --- what there is -----------------------------------------------------------

local function is_module(value)
  for _, loaded in pairs(package.loaded) do
    if rawequal(loaded, value) then return true end
  end
  return false
end

local function keys_of(value)
  local keys = {}
  for key in next, value do
    if type(key) == "string" then keys[key] = true end
  end
  local meta = getmetatable(value)
  for key in pairs(meta and meta.__parts or {}) do keys[key] = true end
  return options.sorted_keys(keys)
end

-- Functions of a module and of the modules and classes in it.
local function walk(name, value, add, seen)
  if seen[value] then return end
  seen[value] = true
  for _, key in ipairs(keys_of(value)) do
    local item = value[key]
    local path = name .. "." .. key
    if key:sub(1, 1) ~= "_" then
      if is_callable(item) then add(path, item) end
      if type(item) == "table"
        and (is_module(item) or rawget(item, "__index") == item) then
        walk(path, item, add, seen)
      end
    end
  end
end

-- One object of each class.
local function objects()
  local pendulum = torus.systems.pendulum
  local data = torus.data.simulate(pendulum, { train = 2, test = 1, steps = 2 })
  local layer = torus.nn.Linear(2, 2)
  return {
    { "generator", debug.getmetatable(torus.generator(1)).__index },
    { "Adam", torus.optim.adam(layer:parameters()) },
    { "Geco", torus.optim.geco { tolerance = 1 } },
    { "Optimiser", torus.optim.sgd(layer:parameters()) },
    { "LBFGS", torus.optim.lbfgs(layer:parameters()) },
    { "Schedule", torus.optim.schedule.constant(torus.optim.sgd(layer:parameters())) },
    { "Plateau", torus.optim.schedule.plateau(torus.optim.sgd(layer:parameters())) },
    { "Module", layer }, { "System", pendulum }, { "Dataset", data },
    { "States", data.train },
    { "Frames", torus.data.frames(torus.zeros(2, 3, 4, 4, 3)).train },
    { "Tensors", torus.data.tensors { torus.zeros(2) } },
    { "Progress", (torus.progress(1)) },
    { "Order", torus.data.order { count = 2, batch = 1 } },
    { "Target", torus.data.targets.get "rings" },
    { "HGN", torus.models.hgn.new {} }, { "HNN", torus.models.hnn.new {} },
    { "NHF", torus.models.nhf.new {} },
    { "PixelHNN", torus.models.pixel_hnn.new {} },
  }
end

local function methods(name, object, add)
  local meta = getmetatable(object)
  local seen, source = {}, meta and meta.__index or object
  while type(source) == "table" and not seen[source] do
    seen[source] = true
    for _, key in ipairs(keys_of(source)) do
      if key:sub(1, 1) ~= "_" and type(source[key]) == "function" then
        add(name .. ":" .. key, source[key], object)
      end
    end
    meta = getmetatable(source)
    source = meta and meta.__index
  end
end

-- --- what is missing ---------------------------------------------------------

local by_position = {}
for _, entry in ipairs(entries.all()) do
  if entry.definition then
    by_position[entry.file:match("torus/.*$") .. ":" .. entry.definition] = entry
  end
end

local function position_of(f)
  f = signature.of(f)
  local info = type(f) == "function" and debug.getinfo(f, "S")
  local file = info and info.source:match("lua/(torus/[%w_/]+%.lua)$")
  return file and file .. ":" .. info.linedefined, info
end

local function entry_of(name, value)
  local position = position_of(value)
  local entry = entries.get(name) or position and by_position[position]
  if entry and entry.kind ~= "module" then return entry end
  if type(value) == "table" then
    -- A module that can be called does what one of its functions does.
    return entries.get(name .. ".new")
      or entries.get(name .. "." .. name:match("[%w_]+$"))
  end
  local method = name:match("^tensor:(.*)$")
  if not method then
    -- What a class defines anew is documented where it is first defined.
    return entries.get("Module:" .. name:match("[%w_]+$"))
  end
  -- x:view is another name of torus.reshape.
  for other, f in pairs(core.methods) do
    local same = entries.get("torus." .. other)
    if f == value and same then return same end
  end
end

-- Whether the text of a function returns something, at its own level.
local function returns_value(info)
  local file = io.open(info.source:sub(2))
  local number, last = 0, nil
  for line in file:lines() do
    number = number + 1
    if number == info.lastlinedefined - 1 then last = line end
    if number == info.lastlinedefined then
      if info.linedefined == info.lastlinedefined then
        last = line:match("%f[%w](return%s.*)%f[%w]end")
      end
      break
    end
  end
  file:close()
  return last ~= nil and last:match("^%s*return%s+[^;%s]") ~= nil
end

local function missing_in(entry, name, value)
  local list = {}
  if entry.summary == "" then list[#list + 1] = "a summary" end
  local documented = {}
  for _, p in ipairs(entry.params) do
    documented[p.name:match("^[^%.]+") or p.name] = true
  end
  local _, info = position_of(value)
  if info and not documented["..."] and not entry.operation
    and entry.definition == info.linedefined then
    local method = entry.name:find(":", 1, true)
    local f = signature.of(value)
    for i = method and 2 or 1, debug.getinfo(f, "u").nparams do
      local argument = debug.getlocal(f, i)
      if not documented[argument] then
        list[#list + 1] = "argument " .. argument
      end
    end
    if #entry.returns == 0 and returns_value(info) then
      list[#list + 1] = "what it returns"
    end
  end
  if #entry.usage == 0 then list[#list + 1] = "an example" end
  -- Names of older scripts lead to functions that are documented elsewhere.
  local module, key = entry.name:match("^(torus%..*)%.([%w_]+)$")
  local known, home = pcall(require, module)
  local public = entry.name == name or entry.name == name:gsub(":", ".")
    or known and type(home) == "table"
      and signature.of(home[key]) == signature.of(value)
    or entry.name:find(":", 1, true) or entries.get(name) ~= nil or name:find("^tensor:")
  if not public then
    list[#list + 1] = "its public name (it is documented as " .. entry.name .. ")"
  end
  return list
end

--- Walks all of it.
-- @treturn {table,...} {name =, value =, object = of a method, entry = its
-- documentation, missing = {what is missing, ...}, position =}
function M.all()
  local list, known = {}, {}
  local function add(name, value, object)
    local entry = entry_of(name, value)
    local id = entry or name
    if known[id] then return end
    known[id] = true
    list[#list + 1] = { name = name, value = value, object = object,
      entry = entry, position = position_of(value),
      missing = entry and missing_in(entry, name, value) or { "everything" } }
  end
  walk("torus", torus, add, {})
  for name, f in pairs(core.methods) do add("tensor:" .. name, f) end
  for _, object in ipairs(objects()) do methods(object[1], object[2], add) end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

return M
