-- The exponential of a matrix next to closed forms, a Taylor series, and adaptive integration.
local torus = require "torus"
local gradcheck = require "spec.support.gradcheck"
local raises = require "spec.support.raises"

local exp = torus.linalg.matrix_exp
local F64 = { dtype = "float64" }

local function off(expected, got)
  return ((got - expected):abs():max() / expected:abs():max()):item()
end

describe("matrix_exp", function()
  it("turns, shears, stretches and decays as the closed forms do", function()
    for _, t in ipairs { 0, 1e-3, 0.7, -3, 40 } do
      local c, s, e = math.cos(t), math.sin(t), math.exp(t)
      for _, case in ipairs {
        { { { 0, t }, { -t, 0 } }, { { c, s }, { -s, c } } },
        { { { 0, t }, { 0, 0 } }, { { 1, t }, { 0, 1 } } },
        { { { t, 0 }, { 0, -t } }, { { e, 0 }, { 0, 1 / e } } },
        { { { t, t }, { 0, t } }, { { e, t * e }, { 0, e } } },
      } do
        -- rounding, times the condition |t|, and some for the squarings
        local tolerance = 1e-15 * (5 + math.abs(t))
        assert.is_true(off(torus.tensor(case[2], F64), exp(torus.tensor(case[1], F64)))
          < tolerance)
      end
    end
  end)

  it("is the Taylor series for small matrices, whatever else is in the batch", function()
    local A = torus.randn({ 3, 6, 6 }, { dtype = "float64", generator = torus.generator(2) })
      * torus.tensor({ 0.05, 20, 0.3 }, F64):reshape(3, 1, 1)
    for _, b in ipairs { 1, 3 } do
      local sum, term = torus.eye(6, F64), torus.eye(6, F64)
      for k = 1, 40 do
        term = term:matmul(A[b]) / k
        sum = sum + term
      end
      assert.is_true(off(sum, exp(A)[b]) < 2e-15)
    end
    assert.is_true(exp(A)[2]:eq(exp(A[2])):all():item())
    assert.is_true(off(torus.eye(6, F64), exp(A[3]):matmul(exp(-A[3]))) < 1e-14)
  end)

  it("is the flow of a linear system, which preserves volume for a Hamiltonian one", function()
    local S = torus.randn({ 4, 4 }, { dtype = "float64", generator = torus.generator(3) })
    local J = torus.zeros({ 4, 4 }, F64)
    J[{ { 1, 2 }, { 3, 4 } }], J[{ { 3, 4 }, { 1, 2 } }] = torus.eye(2, F64), -torus.eye(2, F64)
    local A = J:matmul(S + S:transpose())
    local start = torus.eye(4, F64)
    local flow = torus.ode { f = function(y) return y:matmul(A:transpose()) end, y = start,
      times = { 0, 1.5 } }.y[2]:transpose()
    assert.is_true(off(flow, exp(A * 1.5)) < 1e-8)
    local M = exp(A * 1.5)
    assert.is_true(off(J, M:transpose():matmul(J):matmul(M)) < 1e-9)
  end)

  it("has correct derivatives, also through squarings", function()
    for _, scale in ipairs { 0.5, 6 } do
      local A = torus.randn({ 2, 3, 3 }, { dtype = "float64", generator = torus.generator(4) })
        * torus.tensor({ 0.1, scale }, F64):reshape(2, 1, 1)
      A.requires_grad = true
      for order = 1, 2 do gradcheck.check(exp, { A }, order, "matrix_exp") end
    end
  end)

  it("accepts float32 and empty matrices, and says what it expected", function()
    local quarter = exp(torus.tensor { { 0, 1 }, { -1, 0 } } * (math.pi / 2))
    assert.are.equal("float32", quarter.dtype)
    assert.is_true(off(torus.tensor { { 0, 1 }, { -1, 0 } }, quarter) < 1e-6)
    assert.are.same({ 2, 0, 0 }, exp(torus.zeros(2, 0, 0)).shape)
    for _, x in ipairs { 3, torus.ones(2), torus.ones(2, 3) } do
      raises("matrix_exp: expected square matrices in float32 or float64, got", function()
        exp(x)
      end)
    end
    raises("matrix_exp: expected finite matrices, got an infinity or a NaN", function()
      exp(torus.full({ 2, 2 }, 0 / 0))
    end)
  end)
end)
