--- Help at the prompt and in programs, offline.
--
--     help(torus.integrate)      help "nn.Linear"      help "tensor:sum"
--
-- The texts are the comments in the source code, as in the HTML reference built by
-- `make docs`.
-- @module torus.help
local core = require "torus.core"
local elsewhere = require "torus.elsewhere"
local entries = require "torus.help.entries"
local options = require "torus.options"
local signature = require "torus.signature"
local text = require "torus.help.text"

local M = {}

local OVERVIEW = [[
What is typed is Lua; values print, `_` is the last one. Tab completes names:
after `torus.` what there is, after `x:` what x can do; in the table of a call its
options, in a string files.

  x = torus.tensor{{1, 2}, {3, 4}}       tensors; torus.grad(y, {x}) of any order
  torus.systems                          physical systems, and define your own
  torus.integrate, torus.rk45, torus.ode motion
  torus.data, torus.models, torus.runs   data sets, HGN and others, training
  torus.image, torus.plot                pictures; torus.image.show(x) and
                                         torus.plot.show{...} in the terminal

  help(torus.integrate)                  about a function, a module or an object
  help "tensor:sum", help "nn.Linear"    likewise by name
  help "nn"                              what a module holds
  help "singular values"                 the entries that mention these words

Programs to read are in examples/; scripts/torus SCRIPT runs one. `make docs`
writes the reference as HTML. Ctrl-C stops what runs, a second one leaves; so do
Ctrl-D, exit and quit. `;` at the end of a line silences its value; `:time`
before it tells how long it took.]]

local NEAREST, MENTIONS = 5, 12

-- --- by name --------------------------------------------------------------------

local function last_part(name) return name:match("([%w_]+)$") end

-- True if a program can reach an entry by its name, not only the library.
local function is_public(entry)
  local class = entry.name:match("^([%w_]+)[:.]") or entry.name
  if class ~= "torus" then
    local found = entries.get(class)
    return found ~= nil and found.kind == "class"
  end
  local value = package.loaded.torus
  for part in entry.name:gsub("^torus%.?", ""):gmatch("[%w_]+") do
    if type(value) ~= "table" then return false end
    -- modules raise for what they don't have
    local ok, found = pcall(function() return value[part] end)
    if not ok then return false end
    value = found
  end
  return value ~= nil
end

--- Returns the known names that are most similar to a wrong one, most similar first.
-- @tparam string name
-- @treturn {string,...} at most five, perhaps none
function M.nearest(name)
  local wanted = last_part(name) or name
  local owner = name:match("([%w_]+)[.:][%w_]+$")
  local found, limit = {}, math.max(1, #wanted // 3)
  for _, entry in ipairs(entries.all() or {}) do
    local part = last_part(entry.name)
    local d = options.distance(wanted:lower(), part:lower())
    if part:lower():find(wanted:lower(), 1, true) and #wanted > 2 then
      d = math.min(d, limit + 0.25)
    end
    -- Among equals, the one with the right owner.
    if owner and entry.name:lower():find(owner:lower(), 1, true) then d = d - 0.5 end
    if d <= limit + 0.25 and not found[entry.name] and is_public(entry) then
      found[#found + 1] = { name = entry.name, distance = d }
      found[entry.name] = true
    end
  end
  table.sort(found, function(a, b)
    if a.distance ~= b.distance then return a.distance < b.distance end
    return a.name < b.name
  end)
  local names = {}
  for i = 1, math.min(NEAREST, #found) do
    names[i] = (found[i].name:gsub("^torus%.", ""))
  end
  return names
end

-- x:view is an alias of torus.reshape.
local function entry_of_method(f)
  for name, method in pairs(core.methods) do
    if method == f then
      local entry = entries.get("tensor:" .. name) or entries.get("torus." .. name)
      if entry then return entry end
    end
  end
end

-- The entries that a name may mean: in full, without "torus.", a method of
-- tensors, or the last part alone.
local function matching(name)
  name = name:gsub("%s", ""):gsub("%(.*$", "")
  local exact = entries.get("torus." .. name) or entries.get(name)
  if exact then return { exact } end
  local owner, method = name:match("^([%w_]+)[:.]([%w_]+)$")
  if owner == "tensor" or owner == "x" then
    local entry = entries.get("tensor:" .. method)
      or core.methods[method] and (entries.get("torus." .. method)
        or entry_of_method(core.methods[method]))
    if entry then return { entry } end
  end
  local found, seen = {}, {}
  local lower = name:lower()
  for _, entry in ipairs(entries.all()) do
    local known = entry.name:lower()
    local ends = known == lower or last_part(known) == lower
      or known:sub(-#lower - 1):match("^[.:](.*)$") == lower
    if ends and not seen[entry.name] then
      seen[entry.name] = true
      found[#found + 1] = entry
    end
  end
  local public = {}
  for _, entry in ipairs(found) do
    if is_public(entry) then public[#public + 1] = entry end
  end
  return #public > 0 and public or found
end

-- --- by value ---------------------------------------------------------------------

-- The value of a full name, without loading modules that have not been used yet.
local function loaded_value(name)
  local value = package.loaded.torus
  for part in name:gmatch("[%w_]+") do
    if part ~= "torus" then
      if type(value) ~= "table" then return nil end
      value = rawget(value, part)
    end
  end
  return value
end

local function entry_of_definition(f)
  local info = debug.getinfo((signature.of(f)), "S")
  local file = info.source:match("(torus/[%w_/]+%.lua)$")
  if not file then return nil end
  for _, entry in ipairs(entries.all()) do
    if entry.definition == info.linedefined and entry.file:match(
      "(torus/[%w_/]+%.lua)$") == file then
      return entry
    end
  end
end

-- The entry of an object, by its class: "torus.optim.adam" and "Linear" map to adam, Linear.
local function entry_of_class(value)
  local meta = debug.getmetatable(value)
  local name = type(meta) == "table" and meta.__name
  if type(name) ~= "string" then return nil end
  local class = last_part(name):lower()
  for _, kind in ipairs { "class", "function" } do
    for _, entry in ipairs(entries.all()) do
      if entry.kind == kind and last_part(entry.name):lower() == class then
        return entry
      end
    end
  end
end

local function entry_of(value)
  if type(value) == "function" then
    local entry = entry_of_definition(value)
    if entry then return entry end
  end
  for _, entry in ipairs(entries.all()) do
    if entry.name:find("^torus") and rawequal(loaded_value(entry.name), value) then
      return entries.get(entry.name)
    end
  end
  return type(value) == "function" and entry_of_method(value)
    or entry_of_class(value)
end

--- Returns the documentation entry of a value, or nil.
-- @param value a function, module or object of the library
-- @treturn ?table as in torus.help.entries
function M.entry(value)
  return entries.all() and entry_of(value) or nil
end

-- --- text -------------------------------------------------------------------------

-- The members of a module, or the methods of a class.
local function members_of(entry)
  local mark = entry.kind == "class" and ":" or "."
  local prefix = entry.name .. mark
  local found, seen = {}, {}
  for _, other in ipairs(entries.all()) do
    local rest = other.name:sub(1, #prefix) == prefix and other.name:sub(#prefix + 1)
    if rest and not rest:find("[.:]") and other.kind ~= "module"
      and not seen[rest] then
      seen[rest] = true
      found[#found + 1] = other
    end
  end
  return found
end

local function described(entry)
  local out = text.of(entry)
  local module = entry.kind == "function" and entries.module(entry.name)
  if module then out = out .. "\n\n" .. text.body(module) end
  if entry.kind == "module" or entry.kind == "class" then
    local members = members_of(entry)
    if #members > 0 then out = out .. "\n\n" .. text.table_of(members) end
  end
  return out
end

-- The entry of a function that the sources describe under another name: torus.rk45 is
-- also torus.rk45.solve.
local function entry_of_path(name)
  local value = package.loaded.torus
  for part in name:gsub("^torus%.", ""):gmatch("[%w_]+") do
    if type(value) ~= "table" then return nil end
    local ok, found = pcall(function() return value[part] end)
    if not ok then return nil end
    value = found
  end
  return type(value) == "function" and entry_of(value) or nil
end

-- What is compared of a text: small letters without accents.
local function plain(words)
  return (words:lower():gsub("é", "e"):gsub("É", "e"):gsub("%s+", " "))
end

--- Returns the entries whose descriptions contain some words, those first whose first sentence
-- does.
-- @tparam string words
-- @treturn {table,...} at most twelve entries
-- @usage
-- local help = require "torus.help"
-- print(help.mentions("singular values")[1].name)
function M.mentions(words)
  local wanted, first, others, seen = plain(words), {}, {}, {}
  if #wanted < 3 then return {} end
  for _, entry in ipairs(entries.all() or {}) do
    local summary, rest = plain(entry.summary or ""), { entry.text }
    for _, field in ipairs(entry.params or {}) do rest[#rest + 1] = field.text end
    local list = summary:find(wanted, 1, true) and first
      or plain(table.concat(rest, " ")):find(wanted, 1, true) and others
    -- Functions of two names have one summary.
    if list and not seen[summary] and is_public(entry) then
      seen[summary] = true
      list[#list + 1] = entry
    end
  end
  table.move(others, 1, #others, #first + 1, first)
  return { table.unpack(first, 1, MENTIONS) }
end

-- The owners whose names elsewhere are looked up without their name.
local PARTS_ELSEWHERE = { "torus", "nn", "optim", "module", "optimiser", "schedule", "data" }

-- What another library calls otherwise.
local function name_elsewhere(name)
  local owner, last = name:match("([%w_]+)[.:]([%w_]+)$")
  local hint = owner and elsewhere.hint(owner == "x" and "tensor" or owner, last)
  for _, part in ipairs(hint and {} or PARTS_ELSEWHERE) do
    hint = hint or elsewhere.hint(part, last or name)
  end
  return hint
end

-- A key of a model's configuration, such as hgn.width.
local function key_of_model(name)
  local model, key = name:match("^([%w_]+)%.([%w_]+)$")
  local configuration = model and package.loaded.torus.runs.configuration
  local rules = model and configuration.rules_of(model)
  return rules and rules[key] and configuration.explain(model, key) or nil
end

local function by_name(name)
  local found = matching(name)
  if #found == 0 and name:find("^[%w_.]+$") then found = { entry_of_path(name) } end
  if #found == 1 then return described(found[1]) end
  if #found > 1 then
    return ("%d entries are called %s:\n\n%s"):format(#found, name,
      text.table_of(found))
  end
  local key = #found == 0 and key_of_model((name:gsub("^torus%.", ""):gsub("^models%.", "")))
  if key then return key end
  local near, other = M.nearest(name), name_elsewhere(name)
  local words = name:find(" ", 1, true) or #near == 0
  local mentions = not other and words and M.mentions(name) or {}
  if #mentions > 0 then
    return ("No entry is called %q; these mention it:\n\n%s"):format(name,
      text.table_of(mentions))
  end
  local hint = other or #near > 0 and "; the nearest: " .. table.concat(near, ", ")
    or "; help() shows where to start"
  return ("help: no entry is called %q%s"):format(name, hint)
end

--- Returns the documentation of a name or a value; without an argument, an introduction.
-- @function torus.help
-- @param[opt] subject a name ("integrate", "nn.Linear", "tensor:sum",
-- "Adam:step"), or a function, module or object of the library
-- @treturn string text; for an unknown name, the most similar ones, or the entries that
-- mention it.
-- At the prompt, `help` prints it instead.
-- @usage print(torus.help(torus.integrate))
-- print(torus.help "tensor:sum")
function M.help(...)
  if select("#", ...) == 0 then return OVERVIEW end
  local subject = ...
  local all, message = entries.all()
  if not all then return message end
  if type(subject) == "string" then return by_name(subject) end
  if subject == nil then
    return "help: got nil, which has no text; by name: help \"integrate\""
  end
  local entry = entry_of(subject)
  return entry and described(entry)
    or ("help: nothing is known about %s; by name: help \"integrate\"")
      :format(options.show(subject))
end

return M
