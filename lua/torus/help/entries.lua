--- Everything that is documented, by name: the comments of the sources, which
-- `make` gathers, and the registered operations.
-- @module torus.help.entries
local core = require "torus.core"

local M = {}

-- How the parameters of operations are described, by their type.
local PARAMETERS = {
  int = { "integer" },
  number = { "number" },
  boolean = { "boolean" },
  dtype = { "string", "\"float32\", \"float64\", \"int64\", \"int32\", \"uint8\" or \"bool\"" },
  dim = { "integer", "a dimension, from 1, or negative from the end" },
  dims = { "integer|{integer,...}",
    "dimensions, from 1, or negative from the end" },
  list = { "{integer,...}", "one for each dimension" },
}
local INPUTS = { "x", "y", "z" }

local function default_text(p)
  if not p.optional or not p.default then return nil end
  if p.kind == "boolean" then return p.default ~= 0 and "true" or "false" end
  if p.kind == "dims" then return "all" end
  if p.kind == "list" or p.kind == "dtype" then return nil end
  return ("%.14g"):format(p.default)
end

-- The inputs of an operation, as parameters of its entry.
local function inputs_of(op, elementwise)
  if op.optional_inputs < 0 then
    return { { name = "list", type = "{tensor,...}", text = "the inputs" } }
  end
  local list = {}
  for i = 1, op.inputs + op.optional_inputs do
    list[i] = { name = INPUTS[i], optional = i > op.inputs or nil,
      type = elementwise and op.inputs > 1 and "tensor|number" or "tensor",
      text = "" }
  end
  return list
end

-- A descriptor's line as a sentence; formulas keep their small letters.
local function sentence(doc)
  if doc:find("^%l%l+[%s,%-]") or doc:find("^an? %l") then
    doc = doc:sub(1, 1):upper() .. doc:sub(2)
  end
  return doc:find("%.$") and doc or doc .. "."
end

-- A call that runs, of an operation whose arguments can be made up: every
-- input a vector or a number, every number a half; a reduction along rows.
local function example_of(op, elementwise)
  if op.optional_inputs ~= 0 then return nil end
  local reduces = op.inputs == 1 and op.params[1] and op.params[1].name == "dim"
  local arguments = {}
  if reduces then
    arguments = { "torus.tensor{{1, 2}, {3, 4}}", "1" }
  elseif elementwise then
    for i = 1, op.inputs do
      arguments[i] = i == 1 and "torus.tensor{0.5, 2}" or tostring(i)
    end
    for i, p in ipairs(op.params) do
      if not p.optional then
        arguments[#arguments + 1] = ("%.14g"):format(i / 2)
      end
    end
  else
    return nil
  end
  return ("y = torus.%s(%s)"):format(op.name, table.concat(arguments, ", "))
end

local function errors_of(op)
  local list = {}
  if op.elementwise and op.inputs > 1 then
    list[1] = "when the shapes do not broadcast, or the dtypes differ"
  end
  for _, p in ipairs(op.params) do
    if p.kind == "dim" or p.kind == "dims" then
      list[#list + 1] = "when there is no such dimension"
    end
  end
  return list
end

local function operation(op, comment)
  local elementwise = op.elementwise
  local entry = comment or { text = "",
    summary = sentence(op.doc) }
  entry.name, entry.kind, entry.operation = "torus." .. op.name, "function", op
  entry.section = entry.section or "Operations"
  if not entry.params or #entry.params == 0 then
    entry.params = inputs_of(op, elementwise)
    for _, p in ipairs(op.params) do
      local kind = PARAMETERS[p.kind]
      entry.params[#entry.params + 1] = { name = p.name, type = kind[1],
        text = kind[2] or "", optional = p.optional or nil,
        default = default_text(p) }
    end
  end
  entry.usage = entry.usage or {}
  if #entry.usage == 0 then
    entry.usage[1] = example_of(op, elementwise)
  end
  entry.raises = entry.raises or {}
  if #entry.raises == 0 then entry.raises = errors_of(op) end
  if op.constant then
    entry.text = ((entry.text or "") .. " No gradient flows through it: "
      .. "it is constant wherever it has a derivative."):match("^%s*(.*)$")
  end
  entry.see = entry.see or {}
  if entry.returns and #entry.returns > 0 then return entry end
  entry.returns = { { type = "tensor", text = elementwise
    and (op.inputs > 1 and "of the broadcast shape" or "of x's shape") or "" } }
  for i = 2, op.outputs do entry.returns[i] = { type = "tensor", text = "" } end
  return entry
end

local all, by_name, modules

-- What the sources say of an operation: under its own name, or where a module
-- offers it.
local function comment_of(op)
  local own = by_name["torus." .. op.name]
  if own then return own.kind == "function" and not own.definition and own or nil end
  local offered = by_name["torus.linalg." .. op.name]
  if not offered or offered.arguments then return nil end
  local copy = {}
  for key, value in pairs(offered) do copy[key] = value end
  return copy
end

local function gather()
  local found, reference = pcall(require, "torus.reference")
  if not found then
    return nil, "help: the texts are missing: run make, which writes "
      .. "torus/reference.lua next to the built modules"
  end
  all, by_name, modules = {}, {}, {}
  for _, entry in ipairs(reference) do
    for _, list in ipairs { "params", "returns", "raises", "usage", "see" } do
      entry[list] = entry[list] or {}
    end
    all[#all + 1] = entry
    if entry.kind == "module" then modules[entry.name] = entry end
    local known = by_name[entry.name]
    -- A module that can be called shares its name with the function.
    if not known or known.kind == "module" then by_name[entry.name] = entry end
  end
  for _, op in ipairs(core.registry()) do
    local comment = comment_of(op)
    -- A Lua function of the same name, or a module that is called, comes before
    -- the operation.
    local first = by_name["torus." .. op.name]
    if not (first and first ~= comment) then
      local entry = operation(op, comment)
      if entry ~= first then all[#all + 1] = entry end
      by_name[entry.name] = entry
    end
  end
  return all
end

--- Every entry, in the order of the sources; see scripts/dev/docs/comments.lua
-- for the fields. Those of operations have the descriptor as `operation`.
-- @treturn ?{table,...}
-- @treturn ?string message, where the reference has not been built
function M.all()
  if all then return all end
  return gather()
end

--- The entry of a full name: "torus.nn.Linear", "Adam:step".
-- @tparam string name
-- @treturn ?table
function M.get(name)
  return M.all() and by_name[name]
end

--- The entry of a module, also of one that shares its name with a function.
-- @tparam string name
-- @treturn ?table
function M.module(name)
  return M.all() and modules[name]
end

return M
