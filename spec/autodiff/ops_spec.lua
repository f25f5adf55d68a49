-- Every registered operation: its first and second derivatives against finite
-- differences, in float64, for all layouts of memory.
local torus = require "torus"
local core = require "torus.core"
local gradcheck = require "spec.support.gradcheck"
local reads = require "spec.support.reads"
local samples = require "spec.support.op_samples"

local function caller(name, case)
  return function(...) return case.call(core.ops[name], ...) end
end

-- Runs body(f, inputs, name) for each case in each layout.
local function each_case(op, body)
  for number, case in ipairs(samples[op.name]) do
    for _, layout in ipairs(gradcheck.layouts) do
      local inputs = gradcheck.inputs(case[1], layout, case.low, case.high)
      if inputs then
        body(caller(op.name, case), inputs,
          ("%s, case %d, %s"):format(op.name, number, layout))
      end
    end
  end
end

describe("the operation", function()
  for _, op in ipairs(torus.registry()) do
    it(op.name .. " has a sample", function()
      assert.is_table(samples[op.name], "none in spec/support/op_samples.lua")
    end)

    if samples[op.name] and op.constant then
      it(op.name .. " is constant for gradients", function()
        each_case(op, function(f, inputs, name)
          local y = f(table.unpack(inputs))
          assert.is_false(y.requires_grad, name)
          local ok, message = pcall(torus.grad, y, inputs)
          assert.is_false(ok, name)
          assert.truthy(message:find("y does not depend on any tensor", 1, true), message)
          -- Beside a term that does depend it adds nothing.
          local g = torus.grad(inputs[1]:sum() + y:to("float64"):sum() * 0.5, inputs[1])
          assert.equal(g:numel(), g:sum():item(), name)
        end)
      end)
    elseif samples[op.name] then
      for order, text in ipairs { "first", not op.first_order and "second" or nil } do
        it(op.name .. " has correct " .. text .. " derivatives", function()
          each_case(op, function(f, inputs, name)
            gradcheck.check(f, inputs, order, name)
          end)
        end)
      end

      if op.first_order then
        it(op.name .. " refuses second derivatives and says what to do", function()
          each_case(op, function(f, inputs, name)
            local y = f(table.unpack(inputs))
            local ok, message = pcall(torus.grad, y, inputs,
              { grad_output = y:detach(), create_graph = true })
            assert.is_false(ok, name)
            assert.truthy(message:find("grad: " .. op.name .. " has gradients of the first "
              .. "order only; " .. op.first_order, 1, true), message)
          end)
        end)
      end

      it(op.name .. " reads for its gradient what it declares", function()
        assert.is_table(op.reads, "no value in the row")
        for number, case in ipairs(samples[op.name]) do
          reads.check(op, case, ("%s, case %d"):format(op.name, number))
        end
      end)
    end
  end

  it("samples name no operation that is gone", function()
    local known = {}
    for _, op in ipairs(torus.registry()) do known[op.name] = true end
    for name in pairs(samples) do assert.is_true(known[name], name) end
  end)
end)

describe("third derivatives", function()
  for _, name in ipairs {
    "tan", "asinh", "erf", "lgamma", "silu", "gelu", "atan2", "hypot",
    "exp", "log", "sqrt", "reciprocal", "tanh", "sigmoid", "softplus", "pow",
    "div", "logsumexp", "matmul", "conv2d", "gather", "solve", "inverse", "cholesky",
    "eigh", "eig", "svd", "qr", "lstsq", "rfft",
  } do
    it("of " .. name, function()
      local case = samples[name][1]
      local inputs = gradcheck.inputs(case[1], "contiguous", case.low, case.high)
      gradcheck.check(caller(name, case), inputs, 3, name)
    end)
  end
end)

describe("composed functions", function()
  it("have correct first and second derivatives", function()
    local function f(x, w)
      local h = (x:matmul(w) + 0.1):tanh()
      local a, b = h:chunk(2, 2)
      return torus.cat({ a * b:softplus(), (a / (b:square() + 1)):exp() }, 2)
        :transpose(1, 2):logsumexp(1)
    end
    local inputs = gradcheck.inputs({ { 3, 2 }, { 2, 4 } }, "contiguous")
    gradcheck.check(f, inputs, 1, "composed")
    gradcheck.check(f, inputs, 2, "composed")
  end)

  it("have correct derivatives through expanded and overlapping views", function()
    local function f(x)
      local rows = x:unsqueeze(1):expand(3, 4)
      return rows * rows:transpose(1, 2):narrow(1, 1, 3):narrow(2, 1, 1) + x[{ { 1, 1 } }]
    end
    local inputs = gradcheck.inputs({ { 4 } }, "contiguous")
    gradcheck.check(f, inputs, 1, "views")
    gradcheck.check(f, inputs, 2, "views")
  end)

  it("have correct derivatives through other dtypes", function()
    local x = torus.tensor({ 0.5, 2 }, { requires_grad = true }) -- float32
    local y = (x:to("float64"):exp() * 3):to("float32"):sum()
    local g = torus.grad(y, x)
    assert.equal("float32", g.dtype)
    assert.near(3 * math.exp(2), g[2]:item(), 1e-5)
  end)
end)
