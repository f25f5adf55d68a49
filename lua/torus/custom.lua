--- Functions with user-defined gradients.
-- @module torus.custom
local core = require "torus.core"
local engine = require "torus.engine"
local options = require "torus.options"

local M = {}

local is_alive = options.is_live

local function is_float(x)
  return is_alive(x) and x.dtype:find("^float") ~= nil
end

local function check_outputs(name, outputs)
  local dtype
  for i = 1, outputs.n do
    local y = outputs[i]
    if not is_alive(y) then
      options.raise("%s: expected tensors from forward, got %s as result %d", name,
        options.show(y), i)
    end
    if is_float(y) then
      if dtype and dtype ~= y.dtype then
        options.raise("%s: expected one dtype from forward, got %s and %s", name,
          dtype, y.dtype)
      end
      dtype = y.dtype
    end
  end
end

-- The position of each floating-point result in the single tensor that the tape records.
local function layout_of(outputs)
  local layout, at = {}, 0
  for i = 1, outputs.n do
    if is_float(outputs[i]) then
      local count = outputs[i]:numel()
      layout[#layout + 1] = { index = i, start = at + 1, count = count,
        shape = outputs[i].shape }
      at = at + count
    end
  end
  return layout
end

local function packed(outputs, layout)
  if #layout == 1 then return outputs[layout[1].index]:detach() end
  local parts = {}
  for k, part in ipairs(layout) do
    parts[k] = outputs[part.index]:detach():reshape(part.count)
  end
  return engine.cat(parts, 1)
end

local function unpacked(x, layout)
  if #layout == 1 then return { x } end
  local list = {}
  for k, part in ipairs(layout) do
    list[k] = x:narrow(1, part.start, part.count):reshape(part.shape)
  end
  return list
end

-- True if x has the shape or broadcasts to it; the sweep then sums the gradient.
local function broadcasts(x, shape)
  local own = x.shape
  local more = #shape - #own
  for d, size in ipairs(own) do
    if more < 0 or (size ~= 1 and shape[more + d] ~= size) then return false end
  end
  return true
end

-- Checks the gradient returned by the script's backward for argument i.
local function checked(name, gradient, i, x)
  if not is_alive(x) then
    options.raise("%s: backward released argument %d", name, i)
  end
  if gradient == nil then return engine.zeros_like(x) end
  if not is_alive(gradient) or gradient.dtype ~= x.dtype
    or not broadcasts(x, gradient.shape) then
    options.raise("%s: expected a gradient of argument %d like it, %s, from "
      .. "backward, got %s", name, i, options.show(x), options.show(gradient))
  end
  return gradient
end

-- The gradient rule of one application: its arguments, the layout of its results, and the
-- values stored by forward.
local function rule_of(spec, context, layout, arguments, positions)
  return function(g, result, inputs, wanted)
    local seen = { inputs = table.move(arguments, 1, arguments.n, 1, {}),
      outputs = {}, wanted = {} }
    for k, i in ipairs(positions) do
      seen.inputs[i], seen.wanted[i] = inputs[k], wanted[k]
    end
    for k, y in ipairs(unpacked(result, layout)) do
      seen.outputs[layout[k].index] = y
    end
    local along = {}
    for k, part in ipairs(unpacked(g, layout)) do along[layout[k].index] = part end
    setmetatable(seen, { __index = context })
    local last = layout[#layout].index
    local gradients = table.pack(spec.backward(seen, table.unpack(along, 1, last)))
    if gradients.n > arguments.n then
      options.raise("%s: expected at most %d gradients from backward, one for "
        .. "each argument of forward, got %d", spec.name, arguments.n, gradients.n)
    end
    local list = {}
    for k, i in ipairs(positions) do
      list[k] = wanted[k] and checked(spec.name, gradients[i], i, inputs[k]) or false
    end
    return list
  end
end

-- Replaces the results by ones with a history.
local function recorded(spec, context, outputs, arguments)
  local layout, positions, inputs = layout_of(outputs), {}, {}
  local needed = false
  for i = 1, arguments.n do
    if is_float(arguments[i]) then
      positions[#positions + 1] = i
      inputs[#inputs + 1] = arguments[i]
      needed = needed or arguments[i].requires_grad
    end
  end
  if not needed or #layout == 0 or not engine.is_recording() then return outputs end
  -- Tensors are passed to the rule at each call: a history that referenced its own tensors
  -- through Lua would never be collected.
  local others = { n = arguments.n }
  for i = 1, arguments.n do
    if not is_float(arguments[i]) then others[i] = arguments[i] end
  end
  local result = core.custom(rule_of(spec, context, layout, others, positions),
    { packed(outputs, layout), table.unpack(inputs) })
  local list = table.move(outputs, 1, outputs.n, 1, { n = outputs.n })
  for k, y in ipairs(unpacked(result, layout)) do list[layout[k].index] = y end
  return list
end

local RULES = {
  forward = { required = true, type = "callable" },
  backward = { required = true, type = "callable" },
  name = { default = "custom", type = "string" },
}

--- Makes a differentiable function with a user-defined gradient.
--
-- forward(context, ...) computes the results, without recording. It may store values in
-- the table `context`.
--
-- backward(context, g, ...) receives one gradient for each result and returns one for each
-- argument of forward, in order: a tensor like the argument, or of a shape that the
-- argument broadcasts to, in which case it is summed; or nil for zero. In addition to the
-- values stored by forward, context.inputs contains the arguments, context.outputs the
-- results, and context.wanted tells which arguments need a gradient. If the gradient is
-- computed from these and g by differentiable operations, it can itself be differentiated,
-- to any order; values stored by forward count as constants.
-- @function torus.custom
-- @tparam table spec
-- @tparam function spec.forward (context, ...) -> tensor, ...
-- @tparam function spec.backward (context, g, ...) -> gradient, ...
-- @tparam[opt="custom"] string spec.name for messages
-- @treturn function called like forward, without the context
-- @raise when called: unless forward returns tensors, with floating-point ones of the same
-- dtype; in the backward pass: for gradients that don't match their arguments
-- @usage
-- -- the logistic function from its own value
-- logistic = torus.custom {
--   forward = function(_, x) return 1 / ((-x):exp() + 1) end,
--   backward = function(context, g)
--     local y = context.outputs[1]
--     return g * y * (1 - y)
--   end,
-- }
-- x = torus.tensor({ 0.5, 1 }, { dtype = "float64" })
-- assert(torus.gradcheck(logistic, x, { order = 2 }))
function M.custom(spec)
  local o = options.resolve("custom", spec, RULES)
  return function(...)
    local arguments, context = table.pack(...), {}
    local outputs = table.pack(engine.no_grad(o.forward, context, ...))
    check_outputs(o.name, outputs)
    local results = recorded(o, context, outputs, arguments)
    return table.unpack(results, 1, results.n)
  end
end

return M
