--- A user-defined operation with its own gradient: Kepler's equation.
--
--     scripts/torus examples/12_own_operation.lua
--
-- A planet's position needs the angle E that solves E - e sin E = M, where M grows evenly
-- in time and e is the eccentricity. E has no closed form: Newton's method finds it.
-- The gradient needs none of Newton's steps: the equation itself determines it.
local torus = require "torus"

local function section(title) print("\n--- " .. title) end

local float64 = { dtype = "float64" }
local function numbers(list) return torus.tensor(list, float64) end

section("the operation")
-- forward runs without a history. backward receives the gradient g of E and returns those
-- of M and e. Differentiating the equation gives dE (1 - e cos E) = dM + de sin E. Since
-- backward uses differentiable operations on context.inputs and context.outputs, higher
-- derivatives follow. torus sums the gradient of e, which broadcasts.
local solves = 0
local kepler = torus.custom {
  name = "kepler",
  forward = function(_, M, e)
    local E = M + e * M:sin()
    for _ = 1, 50 do
      local step = (E - e * E:sin() - M) / (1 - e * E:cos())
      E, solves = E - step, solves + 1
      if step:abs():max():item() < 1e-14 then break end
    end
    return E
  end,
  backward = function(context, g)
    local e, E = context.inputs[2], context.outputs[1]
    local slope = g / (1 - e * E:cos())
    return slope, slope * E:sin()
  end,
}
local M, e = numbers { 0.5, 1, 2, 3 }, numbers { 0.3 }
local E = kepler(M, e)
print("M:                      ", M)
print("E:                      ", E)
print(("the equation holds to     %.1e"):format((E - e * E:sin() - M):abs():max():item()))
print("steps of Newton's method:", solves)

section("is the gradient right?")
-- gradcheck compares it with finite differences; order 2 checks its derivatives too.
print("order 1 and 2:", torus.gradcheck(kepler, { M, e }, { order = 2 }))
-- It detects a gradient that omits the factor 1 / (1 - e cos E):
local wrong = torus.custom {
  forward = function(_, m) return kepler(m, e) end,
  backward = function(_, g) return g end,
}
print("a wrong one:  ", torus.gradcheck(wrong, M))

section("an orbit, and how fast the planet is")
-- If the semi-major axis is the unit of length and the period is 2 pi, M is time.
local function position(t, ecc)
  local angle = kepler(t, ecc)
  return angle:cos() - ecc, (1 - ecc * ecc):sqrt() * angle:sin()
end
local x, y = position(M, e)
-- The velocity is the time derivative: one product of the Jacobian with ones.
local one = torus.ones_like(M)
local _, vx = torus.jvp(function(t) return (position(t, e)) end, M, one)
local _, vy = torus.jvp(function(t) return (select(2, position(t, e))) end, M, one)
local energy = (vx * vx + vy * vy) / 2 - 1 / (x * x + y * y):sqrt()
print("energy, -1/2 all along:              ", energy)
print("angular momentum, sqrt(1 - e^2) =", ("%.7f:"):format(math.sqrt(1 - 0.09)), x * vy - y * vx)
-- The acceleration is a second derivative: towards the sun, by 1 / r^2.
local ax = torus.hvp(function(t) return (position(t, e)):sum() end, M, one)
local pull = -x / (x * x + y * y) ^ 1.5
print(("acceleration and gravity differ by    %.1e"):format((ax - pull):abs():max():item()))

section("learning the orbit from what was seen")
-- From forty noisy positions in a quarter of an orbit, find e and the time of closest
-- approach. e is the logistic function of an unbounded number, so that the orbit always
-- stays an ellipse. L-BFGS needs only the loss.
torus.manual_seed(1)
local noise = 0.01
local seen = torus.linspace(1, 2.6, 40, float64)
local px, py = position(seen - 0.7, numbers { 0.6 })
px = px + torus.randn({ 40 }, float64) * noise
py = py + torus.randn({ 40 }, float64) * noise
local function misfit(shape, closest)
  local qx, qy = position(seen - closest, shape:sigmoid())
  return ((qx - px) ^ 2 + (qy - py) ^ 2):sum() / (2 * noise ^ 2)
end
local shape, closest = torus.variable(numbers { -1 }), torus.variable(numbers { 0 })
local optimiser = torus.optim.lbfgs { shape, closest }
local before = misfit(shape, closest):item()
local after = optimiser:step(function() return misfit(shape, closest) end)
print(("misfit %.1f before, %.4f after %d iterations"):format(before, after,
  optimiser:state().steps))
-- The Hessian of the misfit tells how well they are known; its inverse is the covariance.
local function of_both(v)
  return misfit((v[1] / (1 - v[1])):log(), v[2]) -- the logistic function's inverse
end
local best = torus.cat({ shape:sigmoid(), closest }, 1):detach()
local covariance = torus.linalg.inverse(torus.hessian(of_both, best))
print(("e = %.4f +- %.4f, closest at %.4f +- %.4f"):format(best[1]:item(),
  math.sqrt(covariance[1][1]:item()), best[2]:item(), math.sqrt(covariance[2][2]:item())))

section("where the first NaN comes from")
-- Distances instead of squared distances, where prediction and observation coincide: the
-- square root has an infinite slope at 0, and infinity times 0 is NaN.
local exact_x, exact_y = position(M, e)
local function distances(ecc)
  local qx, qy = position(M, ecc)
  local squares = (qx - exact_x) ^ 2 + (qy - exact_y) ^ 2
  return squares:sqrt():sum()
end
print("gradient at e = 0.4:", torus.jacobian(distances, numbers { 0.4 }))
print("gradient at e = 0.3:", torus.jacobian(distances, e))
-- Anomaly mode names the call whose gradient produces the NaN, with its line.
print(select(2, pcall(torus.detect_anomaly, torus.jacobian, distances, e)))
