-- Lists every operation with its properties, from the registry, and every
-- function of operations: inputs, results, the order to which it can be
-- differentiated, dtypes, and how it is checked. Ends with the numbers of them.
--
--   scripts/torus scripts/dev/operations.lua
--
-- The dtypes are those that compute a sample of the operation; "checked" says
-- how many samples compare its derivatives, of the first and second order, with
-- differences, and "PyTorch" how many cases compare its values and gradients
-- with stored figures.
local core = require "torus.core"
local gradcheck = require "spec.support.gradcheck"
local json = require "torus.json"
local options = require "torus.options"
local torus = require "torus"

local DTYPES = { "float64", "float32", "int64", "int32", "uint8", "bool" }
local SHORT = { float64 = "f64", float32 = "f32", int64 = "i64", int32 = "i32", uint8 = "u8",
  bool = "bool" }
local PARTS = { "selection", "statistics", "products", "einsum" }

local samples = {
  operations = require "spec.support.op_samples",
  functions = require "spec.support.function_samples",
}

-- How many cases of each name are compared with PyTorch's figures.
local function compared()
  local _, about = torus.load("data/reference/operations.safetensors")
  local counts = json.decode(about.count)
  for _, file in ipairs { "linalg", "fft" } do
    local _, found = torus.load("data/reference/" .. file .. ".safetensors")
    for key, count in pairs(found) do
      local name = key:match("^[%w_]+")
      counts[name] = (counts[name] or 0) + math.tointeger(tonumber(count))
    end
  end
  return counts
end

-- What an operation gets, with its first input and all floats in a dtype.
local function converted(value, dtype, first)
  if type(value) == "table" then
    local list = {}
    for key, item in pairs(value) do list[key] = converted(item, dtype, first) end
    return list
  end
  local floats = torus.is_tensor(value) and value.dtype:find("^float")
  return (floats or (first and torus.is_tensor(value))) and value:to(dtype) or value
end

-- The dtypes that a function computes.
local function dtypes_of(f, cases, operation)
  local list = {}
  for _, dtype in ipairs(DTYPES) do
    local function convert(...)
      local args = table.pack(...)
      for i = 1, args.n do args[i] = converted(args[i], dtype, operation and i == 1) end
      return f(table.unpack(args, 1, args.n))
    end
    for _, case in ipairs(cases) do
      local inputs = gradcheck.inputs(case[1], "contiguous", 1.25, 2.25)
      if pcall(case.call, convert, table.unpack(inputs)) then
        list[#list + 1] = SHORT[dtype]
        break
      end
    end
  end
  return table.concat(list, " ")
end

local function order_of(op)
  if op.constant then return "constant" end
  return op.first_order and "first" or "any"
end

local function parameters_of(op)
  local names = {}
  for i, parameter in ipairs(op.params) do
    names[i] = parameter.optional and "[" .. parameter.name .. "]" or parameter.name
  end
  return table.concat(names, " ")
end

local counts, rows = compared(), {}
local total = { operations = 0, functions = 0, any = 0, first = 0, constant = 0, checked = 0,
  compared = 0 }

local function add(kind, name, row)
  local cases = samples[kind][name] or {}
  row.name, row.checked, row.pytorch = name, #cases, counts[name] or 0
  row.dtypes = dtypes_of(row.f, cases, kind == "operations")
  rows[#rows + 1] = row
  total[kind] = total[kind] + 1
  total[row.order] = total[row.order] + 1
  if row.order ~= "constant" and #cases > 0 then total.checked = total.checked + 1 end
  if row.pytorch > 0 then total.compared = total.compared + 1 end
end

for _, op in ipairs(torus.registry()) do
  add("operations", op.name, { f = core.ops[op.name], inputs = tostring(op.inputs)
    .. ((op.more_inputs or op.optional_inputs ~= 0) and "+" or ""),
    outputs = op.outputs, order = order_of(op), parameters = parameters_of(op) })
end
for _, part in ipairs(PARTS) do
  for _, name in ipairs(options.sorted_keys(require("torus." .. part))) do
    local cases = samples.functions[name]
    add("functions", name, { f = torus[name], inputs = "", outputs = "",
      order = cases.constant and "constant" or "any", parameters = "torus." .. part })
  end
end

local FORMAT = "%-20s %-6s %-7s %-9s %-27s %7s %7s  %s"
print(FORMAT:format("operation", "inputs", "results", "gradients", "dtypes", "checked", "PyTorch",
  "parameters"))
for _, row in ipairs(rows) do
  print((FORMAT:format(row.name, row.inputs, row.outputs, row.order, row.dtypes, row.checked,
    row.pytorch, row.parameters):gsub("%s+$", "")))
end
print(("\n%d operations and %d functions of them: %d differentiable to any order, %d to the "
  .. "first, %d without a gradient"):format(total.operations, total.functions, total.any,
  total.first, total.constant))
print(("%d of %d differentiable ones checked against differences, %d compared with PyTorch")
  :format(total.checked, total.any + total.first, total.compared))
