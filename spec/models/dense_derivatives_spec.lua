-- Derivatives by parameters, sample by sample, against central differences.
local derivatives = require "torus.models.parts.dense_derivatives"
local energy = require "torus.models.parts.energy"
local torus = require "torus"

local DOUBLE = { dtype = "float64" }

local function points(n)
  return torus.randn({ 4, n }, { dtype = "float64", generator = torus.generator(2) })
end

-- The central differences of f() by every parameter of a module, in the last
-- dimension.
local function differences(module, f)
  local h, columns = 1e-5, {}
  torus.no_grad(function()
    for _, parameter in ipairs(module:parameters()) do
      for i = 0, parameter:numel() - 1 do
        local flat = parameter:reshape(-1)
        local function at(by)
          local moved = flat + 0
          moved:narrow(1, i + 1, 1):add_(by)
          parameter:copy_(moved:reshape(parameter.shape))
          local value = f()
          parameter:copy_(flat:reshape(parameter.shape))
          return value
        end
        flat = flat + 0
        columns[#columns + 1] = (at(h) - at(-h)) / (2 * h)
      end
    end
  end)
  return torus.stack(columns, -1)
end

local function assert_near(expected, value, tolerance)
  assert.are.same(expected.shape, value.shape)
  assert.is_true((expected - value):abs():max():item() < tolerance)
end

local NETWORKS = {
  ["a tanh MLP"] = function(n)
    return torus.nn.MLP { sizes = { n, 5, 4, 1 }, dtype = "float64" }
  end,
  ["an MLP without biases"] = function(n)
    return torus.nn.MLP { sizes = { n, 5, 1 }, dtype = "float64", bias = false,
      activation = "softplus" }
  end,
  ["a swish energy"] = function(n)
    return energy.dense(n, { width = 6, layers = 3, activation = "swish", layer = DOUBLE })
  end,
}

describe("Derivatives of dense networks", function()
  for name, make in pairs(NETWORKS) do
    for n = 1, 3 do
      it(string.format("are those of the gradient of %s of %d inputs", name, n), function()
        local net, x = make(n), points(n)
        local function gradient()
          return torus.enable_grad(function()
            local at = torus.variable(x)
            return torus.grad(net(at):sum(), { at })[1]
          end)
        end
        local layers = derivatives.layers(net)
        local value, hessian, by = derivatives.gradient(layers, x)
        assert.are.equal(net:count(), layers.size)
        assert_near(gradient(), value, 1e-12)
        assert_near(differences(net, gradient), by, 1e-8)
        local exact = torus.enable_grad(function()
          local at = torus.variable(x)
          local first = torus.grad(net(at):sum(), { at }, { create_graph = true })[1]
          local rows = {}
          for k = 1, n do
            rows[k] = torus.grad(first:select(2, k):sum(), { at },
              { create_graph = true })[1]:detach()
          end
          return torus.stack(rows, 2)
        end)
        assert_near(exact, hessian, 1e-10)
      end)
    end
  end

  it("are those of several outputs", function()
    local net = torus.nn.MLP { sizes = { 2, 5, 4, 3 }, dtype = "float64" }
    local x = points(2)
    local value, by_input, by = derivatives.outputs(derivatives.layers(net), x)
    assert_near(net(x):detach(), value, 1e-12)
    assert_near(differences(net, function() return net(x) end), by, 1e-8)
    for j = 1, 2 do
      local shift = torus.zeros({ 1, 2 }, DOUBLE)
      shift:narrow(2, j, 1):fill_(1e-5)
      local difference = (net(x + shift) - net(x - shift)):detach() / 2e-5
      assert_near(difference, by_input:select(3, j), 1e-8)
    end
  end)

  it("have the dtype of the network", function()
    for _, dtype in ipairs { "float32", "float64" } do
      local net = derivatives.layers(torus.nn.MLP { sizes = { 2, 5, 1 }, dtype = dtype })
      local _, hessian, by = derivatives.gradient(net, torus.ones({ 3, 2 }, { dtype = dtype }))
      assert.are.same({ dtype, dtype }, { hessian.dtype, by.dtype })
    end
  end)
end)
