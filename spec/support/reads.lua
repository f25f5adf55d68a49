--- Whether an operation declares rightly which values its gradient reads: a
-- value that it does not declare can be changed in place without a trace, one
-- that it declares can't be changed unnoticed.
local core = require "torus.core"
local gradcheck = require "spec.support.gradcheck"
local torus = require "torus"

local M = {}

-- The tensors among a call's arguments, in the order of the inputs.
local function inputs_of(value, list)
  if torus.is_tensor(value) then
    list[#list + 1] = value
  elseif type(value) == "table" then
    for _, item in ipairs(value) do inputs_of(item, list) end
    for _, key in ipairs { "networks", "parameters", "dt" } do
      inputs_of(value[key], list)
    end
  end
  return list
end

-- Other values of the same memory that the operation accepts, too.
local function change(x)
  local memory = x:detach()
  if x.dtype == "int64" then
    memory:fill_(1)
  elseif x.dtype == "bool" then
    memory:copy_(~memory)
  elseif not pcall(memory.copy_, memory, memory * 0.5 + 0.1875) then
    for d = 1, x:dim() do memory = memory:narrow(d, 1, 1) end -- it repeats elements
    memory:fill_(0.1875)
  end
end

-- Runs a case anew, changes input number `which`, or the result where that is
-- "out", and differentiates result number `k`. Returns the results of pcall and
-- how many inputs and results there are.
local function gradients(op, case, k, which)
  local leaves = gradcheck.inputs(case[1], "contiguous", case.low, case.high)
  local inputs, outputs
  case.call(function(...)
    inputs = inputs_of({ ... }, {})
    outputs = { core.ops[op.name](...) }
    return table.unpack(outputs)
  end, table.unpack(leaves))
  local y = outputs[k]
  if which == "out" then change(y) elseif which then change(inputs[which]) end
  local weights = torus.arange(y:numel(), { dtype = "float64" }):reshape(y.shape):to(y.dtype)
  local ok, found = pcall(torus.grad, y, leaves,
    { grad_output = weights, allow_unused = true })
  return ok, found, #inputs, #outputs
end

local function bytes(list, count)
  local parts = {}
  for i = 1, count do parts[i] = list[i] and torus.to_bytes(list[i]) or "none" end
  return table.concat(parts, ";")
end

local FLAGS = { "x", "y", "z" }

--- Raises when a declaration is wrong.
-- @tparam table op its row of the registry
-- @tparam table case a sample of spec/support/op_samples.lua
-- @tparam string name for messages
function M.check(op, case, name)
  local _, _, inputs, outputs = gradients(op, case, 1)
  for k = 1, outputs do
    local ok, expected = gradients(op, case, k)
    if not ok then error(name .. ": " .. expected, 2) end
    for i = 0, inputs do
      local which = i > 0 and i or "out"
      local declared = op.reads[i == 0 and "out" or FLAGS[i] or "more"]
      local passed, found = gradients(op, case, k, which)
      local noticed = not passed and tostring(found):find("changed in place", 1, true)
      if not passed and not noticed then error(name .. ": " .. found, 2) end
      if declared and not noticed then
        error(("%s: %s is declared, and its change was not noticed"):format(name, which), 2)
      elseif not declared and noticed then
        error(("%s: %s is not declared, and its change was refused"):format(name, which), 2)
      elseif not declared and bytes(found, #case[1]) ~= bytes(expected, #case[1]) then
        error(("%s: %s is not declared, and its change shows"):format(name, which), 2)
      end
    end
  end
end

return M
