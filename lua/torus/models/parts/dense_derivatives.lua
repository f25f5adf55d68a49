--- Per-sample derivatives of dense networks with respect to their parameters, which
-- least-squares methods need: reverse-mode differentiation sums over samples.
--
-- Here a network is a list of layers y = W x + b with one activation between them, in its
-- own dtype. Its parameters are numbered in the order of `Module:parameters`, each
-- row by row.
-- @module torus.models.parts.dense_derivatives
local engine = require "torus.engine"

local M = {}

--- Returns the layers of a network.
-- @tparam Module net an MLP, or an energy of torus.models.parts.energy.dense
-- @treturn table layers (weight and bias of each), activation, and size, the
-- number of parameters
-- @usage
-- local dense_derivatives = require "torus.models.parts.dense_derivatives"
-- local torus = require "torus"
-- local net = torus.nn.MLP { sizes = { 2, 16, 1 } }
-- print(dense_derivatives.layers(net).size)   -- 65
function M.layers(net)
  local layers, size = {}, 0
  for i, member in ipairs(net.members) do
    local linear = member[2]
    layers[i] = { weight = linear.weight:detach(),
      bias = linear.bias and linear.bias:detach() }
    size = size + linear.weight:numel() + (linear.bias and linear.bias:numel() or 0)
  end
  return { layers = layers, activation = net.activation, size = size }
end

-- f(a) and its first two derivatives, element by element.
local function with_derivatives(f, a)
  return engine.enable_grad(function()
    local x = engine.variable(a)
    local value = f(x)
    local first = engine.grad(value:sum(), { x }, { create_graph = true })[1]
    local second = engine.grad(first:sum(), { x })[1]
    return value:detach(), first:detach(), second
  end)
end

-- The input `h` of each layer and the derivatives of the activation before it (none before
-- the first), and the output of the last layer.
local function forward(net, x)
  local inputs = { { h = x } }
  for i, layer in ipairs(net.layers) do
    local a = inputs[i].h:matmul(layer.weight:transpose(1, 2))
    if layer.bias then a = a + layer.bias end
    if i == #net.layers then return inputs, a end
    local h, first, second = with_derivatives(net.activation, a)
    inputs[i + 1] = { h = h, first = first, second = second }
  end
end

local function outer(a, b)
  return (a:unsqueeze(3) * b:unsqueeze(2)):reshape(a:size(1), -1)
end

-- Prepends the columns of a layer to those of the following layers.
local function put_before(columns, weight, layer, bias)
  if layer.bias then table.insert(columns, 1, bias) end
  table.insert(columns, 1, weight)
end

local function unit_rows(like, size, k)
  local rows = engine.zeros({ like:size(1), size }, { dtype = like.dtype })
  rows:narrow(2, k, 1):fill_(1)
  return rows
end

--- Computes outputs and their derivatives.
-- @tparam table net as returned by `layers`
-- @tparam tensor x (batch, inputs), of the network's dtype
-- @treturn tensor (batch, outputs)
-- @treturn tensor with respect to the inputs (batch, outputs, inputs)
-- @treturn tensor with respect to the parameters (batch, outputs, size)
-- @usage
-- local dense_derivatives = require "torus.models.parts.dense_derivatives"
-- local torus = require "torus"
-- local net = dense_derivatives.layers(torus.nn.MLP { sizes = { 2, 16, 1 } })
-- local x = torus.zeros(5, 2)
-- local y, by_input, by_parameter = dense_derivatives.outputs(net, x)
-- print(table.unpack(by_parameter.shape))   -- 5 1 65
function M.outputs(net, x)
  local inputs, y = forward(net, x)
  local by_input, by_parameter = {}, {}
  for k = 1, y:size(2) do
    local columns, delta = {}, unit_rows(y, y:size(2), k)
    for i = #net.layers, 1, -1 do
      local layer, before = net.layers[i], inputs[i]
      put_before(columns, outer(delta, before.h), layer, delta)
      delta = delta:matmul(layer.weight)
      if before.first then delta = delta * before.first end
    end
    by_input[k], by_parameter[k] = delta, engine.cat(columns, 2)
  end
  return y, engine.stack(by_input, 2), engine.stack(by_parameter, 2)
end

-- One component of the gradient of a scalar network: the tangent t of direction k is
-- propagated forward with the values; then the derivatives of the final tangent with
-- respect to tangents (d_t) and values (d_h) are propagated backward.
local function component(net, inputs, k)
  local tangents = { { h = unit_rows(inputs[1].h, inputs[1].h:size(2), k) } }
  local last
  for i, layer in ipairs(net.layers) do
    last = tangents[i].h:matmul(layer.weight:transpose(1, 2))
    if i < #net.layers then
      tangents[i + 1] = { a = last, h = last * inputs[i + 1].first }
    end
  end
  local columns = {}
  local d_t, d_a = unit_rows(last, 1, 1), engine.zeros(last.shape, { dtype = last.dtype })
  for i = #net.layers, 1, -1 do
    local layer, value, tangent = net.layers[i], inputs[i], tangents[i]
    put_before(columns, outer(d_t, tangent.h) + outer(d_a, value.h), layer, d_a)
    d_t, d_a = d_t:matmul(layer.weight), d_a:matmul(layer.weight)
    if i > 1 then
      d_t, d_a = d_t * value.first,
        d_a * value.first + d_t * value.second * tangent.a
    end
  end
  return last, d_a, engine.cat(columns, 2)
end

--- Computes the gradient of a network with one output, and its derivatives.
-- @tparam table net as returned by `layers`
-- @tparam tensor x (batch, inputs), of the network's dtype
-- @treturn tensor (batch, inputs)
-- @treturn tensor with respect to the inputs (batch, inputs, inputs), the Hessian
-- @treturn tensor with respect to the parameters (batch, inputs, size)
-- @usage
-- local dense_derivatives = require "torus.models.parts.dense_derivatives"
-- local torus = require "torus"
-- local net = dense_derivatives.layers(torus.nn.MLP { sizes = { 2, 16, 1 } })
-- local x = torus.zeros(5, 2)
-- print(table.unpack(dense_derivatives.gradient(net, x).shape))   -- 5 2
function M.gradient(net, x)
  local inputs = forward(net, x)
  local gradient, hessian, by_parameter = {}, {}, {}
  for k = 1, x:size(2) do
    gradient[k], hessian[k], by_parameter[k] = component(net, inputs, k)
  end
  return engine.cat(gradient, 2), engine.stack(hessian, 2),
    engine.stack(by_parameter, 2)
end

return M
