--- Derivatives of functions of tensors: Jacobians, Hessians, their products with
-- vectors, and a check of gradients by finite differences.
--
-- A function is any Lua function or module. The point is a tensor, or a list of tensors
-- for a function of several arguments; for a list, a list is returned. The derivative with
-- respect to anything the result does not depend on is zero.
-- @module torus.derivatives
local engine = require "torus.engine"
local options = require "torus.options"

local M = {}

-- The number of dimensions that a tensor can have.
local MAX_DIMS = 8

local CREATE_GRAPH = { create_graph = { default = false, type = "boolean" } }

local function check_function(where, f)
  if not options.is_callable(f) then
    options.raise("%s: expected a function, got %s", where, options.show(f))
  end
end

-- The inputs as fresh variables, and true if a tensor was given instead of a list.
local function variables(where, x)
  local one = engine.is_tensor(x)
  local list = one and { x } or x
  if type(list) ~= "table" or #list == 0 then
    options.raise("%s: expected a tensor or a list of tensors as the point, "
      .. "got %s", where, options.show(x))
  end
  local xs = {}
  for i, input in ipairs(list) do
    local dtype = options.is_live(input) and input.dtype
    if dtype ~= "float32" and dtype ~= "float64" then
      options.raise("%s: expected a float32 or float64 tensor as input %d, got %s", where, i,
        options.show(input))
    end
    xs[i] = engine.variable(input)
  end
  return xs, one
end

local function result_of(where, f, xs)
  local y = f(table.unpack(xs))
  if not options.is_live(y) then
    options.raise("%s: expected a function that returns a tensor, got %s", where,
      options.show(y))
  end
  return y
end

local function scalar_of(where, f, xs)
  local y = result_of(where, f, xs)
  if y:numel() ~= 1 then
    options.raise("%s: expected a function whose result has one element, got "
      .. "%s", where, options.show(y))
  end
  return y
end

-- Gradients of y along `along`, with zeros instead of nil.
local function gradients(y, xs, along, create_graph)
  local list = {}
  if y.requires_grad then
    list = engine.grad(y, xs, { grad_output = along, allow_unused = true,
      create_graph = create_graph, retain_graph = true })
  end
  for i, x in ipairs(xs) do list[i] = list[i] or engine.zeros_like(x) end
  return list
end

-- Checks a direction for every tensor of a list; one alone counts as a list.
local function directions(where, v, like, one)
  local list = one and { v } or v
  if type(list) ~= "table" or #list ~= #like then
    options.raise("%s: expected %d tensors as the direction, got %s", where,
      #like, options.show(v))
  end
  for i, x in ipairs(like) do
    options.tensor(where, "direction", list[i], x.shape)
    if list[i].dtype ~= x.dtype then
      options.raise("%s: expected a direction like %s, got %s", where,
        options.show(x), options.show(list[i]))
    end
  end
  return list
end

local function joined(a, b)
  return table.move(b, 1, #b, #a + 1, table.move(a, 1, #a, 1, {}))
end

-- The derivatives of every element of y, one gradient for each.
local function rows_of(y, xs, create_graph)
  local rows = {}
  for k = 1, #xs do rows[k] = {} end
  for i = 1, y:numel() do
    local unit = engine.zeros(y:numel(), { dtype = y.dtype })
    unit[i] = 1
    local g = gradients(y, xs, unit:reshape(y.shape), create_graph)
    for k = 1, #xs do rows[k][i] = g[k] end
  end
  return rows
end

local function jacobian_of(where, y, xs, create_graph)
  for _, x in ipairs(xs) do
    if y:dim() + x:dim() > MAX_DIMS then
      options.raise("%s: expected a result and an input with at most %d dimensions together, "
        .. "got %s and %s", where, MAX_DIMS, options.show(y), options.show(x))
    end
  end
  local rows, list = rows_of(y, xs, create_graph), {}
  for k, x in ipairs(xs) do
    local shape = joined(y.shape, x.shape)
    list[k] = #rows[k] == 0 and engine.zeros(shape, { dtype = x.dtype })
      or engine.stack(rows[k]):reshape(shape)
  end
  return list
end

--- Returns the Jacobian of a function: the derivatives of every element of its result with
-- respect to every element of its input, by one reverse pass for each element of the result.
-- @function torus.jacobian
-- @tparam function f of one tensor or several, returns a tensor
-- @tparam tensor|{tensor,...} x the point: float32 or float64
-- @tparam[opt] table opts
-- @tparam[opt=false] boolean opts.create_graph makes the derivatives themselves
-- differentiable, with respect to x and anything else that f depends on
-- @treturn tensor|{tensor,...} with the shape of the result followed by that of x; for a
-- list, one for each input
-- @usage
-- f = function(x) return x * x end
-- print(torus.jacobian(f, torus.tensor { 1, 2 }))   -- [[2, 0], [0, 4]]
-- J = torus.jacobian(function(a, b) return a * b end, { torus.ones(2), torus.ones(2) })
-- print(table.unpack(J[2].shape))   -- 2  2
function M.jacobian(f, x, opts)
  check_function("jacobian", f)
  local o = options.resolve("jacobian", opts, CREATE_GRAPH)
  return engine.enable_grad(function()
    local xs, one = variables("jacobian", x)
    local list = jacobian_of("jacobian", result_of("jacobian", f, xs), xs, o.create_graph)
    return one and list[1] or list
  end)
end

--- Returns the Hessian of a function whose result has one element: its second derivatives.
-- @function torus.hessian
-- @tparam function f of one tensor or several, returns a tensor with one element
-- @tparam tensor|{tensor,...} x the point: float32 or float64
-- @tparam[opt] table opts
-- @tparam[opt=false] boolean opts.create_graph makes the derivatives themselves
-- differentiable
-- @treturn tensor|{{tensor,...},...} with the shape of x twice; for a list, H[i][j]
-- contains the derivatives with respect to inputs i and j
-- @raise if the result has several elements, and for operations that have only first
-- derivatives
-- @usage
-- H = torus.hessian(function(x) return (x ^ 3):sum() end, torus.tensor { 1, 2 })
-- print(H)   -- [[6, 0], [0, 12]]
function M.hessian(f, x, opts)
  check_function("hessian", f)
  local o = options.resolve("hessian", opts, CREATE_GRAPH)
  return engine.enable_grad(function()
    local xs, one = variables("hessian", x)
    local first = gradients(scalar_of("hessian", f, xs), xs, nil, true)
    local list = {}
    for i, g in ipairs(first) do list[i] = jacobian_of("hessian", g, xs, o.create_graph) end
    return one and list[1][1] or list
  end)
end

--- Returns a vector times the Jacobian of a function, by one reverse pass.
-- @function torus.vjp
-- @tparam function f of one tensor or several, returns a tensor
-- @tparam tensor|{tensor,...} x the point: float32 or float64
-- @tparam tensor v shaped like the result
-- @tparam[opt] table opts
-- @tparam[opt=false] boolean opts.create_graph makes the product differentiable
-- @treturn tensor the function's result
-- @treturn tensor|{tensor,...} v^T J, shaped like x
-- @raise for a v of another shape or dtype
-- @usage
-- y, g = torus.vjp(function(x) return x * x end, torus.tensor { 1, 2 }, torus.ones(2))
-- print(g)   -- [2, 4]
function M.vjp(f, x, v, opts)
  check_function("vjp", f)
  local o = options.resolve("vjp", opts, CREATE_GRAPH)
  return engine.enable_grad(function()
    local xs, one = variables("vjp", x)
    local y = result_of("vjp", f, xs)
    directions("vjp", v, { y }, true)
    local list = gradients(y, xs, v, o.create_graph)
    return o.create_graph and y or y:detach(), one and list[1] or list
  end)
end

--- Returns the Jacobian of a function times a vector: its derivative along a direction.
-- It is the derivative with respect to u of u^T J, which is linear in u: two reverse passes.
-- @function torus.jvp
-- @tparam function f of one tensor or several, returns a tensor
-- @tparam tensor|{tensor,...} x the point: float32 or float64
-- @tparam tensor|{tensor,...} v the direction, shaped like x
-- @tparam[opt] table opts
-- @tparam[opt=false] boolean opts.create_graph makes the product differentiable
-- @treturn tensor the function's result
-- @treturn tensor J v, shaped like the result
-- @raise for a v of another shape or dtype, and for operations that have only first
-- derivatives
-- @usage
-- y, t = torus.jvp(function(x) return x * x end, torus.tensor { 1, 2 },
--   torus.tensor { 1, 0 })
-- print(t)   -- [2, 0]
function M.jvp(f, x, v, opts)
  check_function("jvp", f)
  local o = options.resolve("jvp", opts, CREATE_GRAPH)
  return engine.enable_grad(function()
    local xs, one = variables("jvp", x)
    local along = directions("jvp", v, xs, one)
    local y = result_of("jvp", f, xs)
    local u = engine.zeros_like(y, { requires_grad = true })
    local product
    for i, g in ipairs(gradients(y, xs, u, true)) do
      local part = (g * along[i]):sum()
      product = product and product + part or part
    end
    local tangent = gradients(product, { u }, nil, o.create_graph)[1]
    return o.create_graph and y or y:detach(), tangent
  end)
end

--- Returns the Hessian of a function times a vector, without computing the Hessian: by two
-- reverse passes.
-- @function torus.hvp
-- @tparam function f of one tensor or several, returns a tensor with one element
-- @tparam tensor|{tensor,...} x the point: float32 or float64
-- @tparam tensor|{tensor,...} v the direction, shaped like x
-- @tparam[opt] table opts
-- @tparam[opt=false] boolean opts.create_graph makes the product differentiable
-- @treturn tensor|{tensor,...} H v, shaped like x
-- @treturn tensor the function's result
-- @raise if the result has several elements, for a v of another shape or dtype, and for
-- operations that have only first derivatives
-- @usage
-- f = function(x) return (x ^ 3):sum() end
-- print(torus.hvp(f, torus.tensor { 1, 2 }, torus.ones(2)))   -- [6, 12]
function M.hvp(f, x, v, opts)
  check_function("hvp", f)
  local o = options.resolve("hvp", opts, CREATE_GRAPH)
  return engine.enable_grad(function()
    local xs, one = variables("hvp", x)
    local along = directions("hvp", v, xs, one)
    local y = scalar_of("hvp", f, xs)
    local slope = engine.zeros({}, { dtype = y.dtype })
    for i, g in ipairs(gradients(y, xs, nil, true)) do
      slope = slope + (g * along[i]):sum()
    end
    local list = gradients(slope, xs, nil, o.create_graph)
    return one and list[1] or list, o.create_graph and y or y:detach()
  end)
end

-- --- the check -----------------------------------------------------------------

-- Fixed, distinct weights, so that no two errors cancel.
local function weights(x, k)
  local i = engine.arange(x:numel(), { dtype = x.dtype })
  return ((i * (2.3 + k) + k):sin() + 1.5):reshape(x.shape)
end

-- Combines all elements into one number; nonlinear, so that the gradients of linear
-- functions have derivatives too.
local function combined(list, k)
  local total
  for i, y in ipairs(list) do
    if engine.is_tensor(y) and y.dtype:find("^float") then
      local part = (weights(y, k + 0.37 * i) * (y + 0.3):square()):sum()
      total = total and total + part or part
    end
  end
  return total
end

-- The number whose gradients are the derivatives of the given order.
local function quantity(f, xs, order)
  local s = combined({ f(table.unpack(xs)) }, 0)
  if not s then
    options.raise("gradcheck: expected a function that returns float32 or float64 "
      .. "tensors")
  end
  for k = 1, order - 1 do s = combined(gradients(s, xs, nil, true), k) end
  return s
end

-- The central difference with respect to element i of input k, whose values are in `flat`.
local function difference(f, xs, order, k, flat, i, step)
  local at, value = flat[i]:item(), {}
  for n, sign in ipairs { 1, -1 } do
    flat[i] = at + sign * step
    local moved = table.move(xs, 1, #xs, 1, {})
    moved[k] = flat:reshape(xs[k].shape):copy()
    moved[k].requires_grad = true
    value[n] = quantity(f, moved, order):item()
  end
  flat[i] = at
  return (value[1] - value[2]) / (2 * step)
end

local function check_order(f, xs, order, o)
  local g = gradients(quantity(f, xs, order), xs, nil, false)
  for k, x in ipairs(xs) do
    local flat, found = x:detach():copy():reshape(-1), g[k]:reshape(-1)
    for i = 1, x:numel() do
      local expected = difference(f, xs, order, k, flat, i, o.step)
      local got = found[i]:item()
      if not (math.abs(got - expected) <= o.tolerance * math.max(1, math.abs(expected))) then
        return false, ("gradcheck: derivative of order %d with respect to element %d of input "
          .. "%d: expected %.10g by finite differences, got %.10g"):format(order, i, k,
          expected, got)
      end
    end
  end
  return true
end

local GRADCHECK = {
  order = { default = 1, type = "integer", min = 1, max = 4 },
  step = { default = 1e-5, type = "number", above = 0 },
  tolerance = { default = 1e-6, type = "number", above = 0 },
}

--- Compares the gradients of a function with central differences. The elements
-- of all results are combined into one number by fixed weights.
-- @function torus.gradcheck
-- @tparam function f of one tensor or several, returns tensors; must be deterministic
-- @tparam tensor|{tensor,...} x the point: float64
-- @tparam[opt] table opts
-- @tparam[opt=1] integer opts.order of the derivatives, at most 4; lower orders are checked
-- too
-- @tparam[opt=1e-5] number opts.step step of the finite differences
-- @tparam[opt=1e-6] number opts.tolerance maximum deviation, relative for derivatives
-- above 1
-- @treturn boolean true if all agree
-- @treturn ?string a message with the derivative that differs and both values
-- @raise for float32 inputs, for which finite differences are too inaccurate
-- @usage
-- x = torus.tensor({ 0.3, 0.7 }, { dtype = "float64" })
-- assert(torus.gradcheck(function(x) return x:sin() end, x, { order = 2 }))
function M.gradcheck(f, x, opts)
  check_function("gradcheck", f)
  local o = options.resolve("gradcheck", opts, GRADCHECK)
  return engine.enable_grad(function()
    local xs = variables("gradcheck", x)
    for i, input in ipairs(xs) do
      if input.dtype ~= "float64" then
        options.raise("gradcheck: expected a float64 tensor as input %d, got %s", i,
          options.show(input))
      end
      xs[i] = input:detach():copy()
      xs[i].requires_grad = true
    end
    for order = 1, o.order do
      local ok, message = check_order(f, xs, order, o)
      if not ok then return false, message end
    end
    return true
  end)
end

return M
