--- Integrators: a pendulum with five schemes, and a picture of the differences.
--
--     scripts/torus examples/04_integrators.lua
--
-- Pictures go to runs/examples/ (they need gnuplot; the rest does not).
local torus = require "torus"

local function section(title) print("\n--- " .. title) end

-- A pendulum of unit mass and length, H = K(p) + V(q). Energies accept a batch
-- of states (batch, 1) and return one number for each, (batch).
local pendulum = torus.separable(
  function(p) return (p ^ 2 / 2):sum(2) end,
  function(q) return (1 - q:cos()):sum(2) end)

-- It starts at rest, close to the top: a swing of 150 degrees either way.
local q0 = torus.tensor({ { 2.6 } }, { dtype = "float64" })
local p0 = torus.zeros_like(q0)

local function roll(options)
  options.H = pendulum
  options.q, options.p = options.q or q0, options.p or p0
  return torus.integrate(options)
end

-- Five of torus.integrate.methods; integrators.md has them all.
local methods = { "leapfrog", "euler", "symplectic_euler", "rk4", "yoshida4" }

section("a trajectory")
local trajectory = roll { dt = 0.5, steps = 8, method = "leapfrog" }
print("q, by step and sample:", table.concat(trajectory.q.shape, " x "))
print("angle:", trajectory.q:reshape(-1))

section("the order of each scheme")
-- With half the step the error at a fixed time falls by 2^order. The exact
-- motion comes from adaptive steps (rk45 with a tolerance of 1e-12).
local exact = torus.rk45.solve { H = pendulum, q = q0, p = p0, dt = 4,
  steps = 1, rtol = 1e-12, atol = 1e-12 }.q[2]:item()
print("scheme              error(1/32)   error(1/64)   order")
for _, method in ipairs(methods) do
  local errors = {}
  for i, n in ipairs { 32, 64 } do
    local q = roll { method = method, dt = 1 / n, steps = 4 * n }.q[-1]
    errors[i] = math.abs(q:item() - exact)
  end
  print(("%-17s   %.3e     %.3e     %.2f"):format(method, errors[1], errors[2],
    math.log(errors[1] / errors[2], 2)))
end

section("energy over a long time")
-- Order is not everything. Over 50 swings the symplectic schemes (leapfrog,
-- symplectic_euler, yoshida4) keep the energy near its true value; the error of
-- the others grows with time: Euler's pendulum soon goes over the top, and RK4's
-- slowly loses energy.
local long = {}
print("scheme              largest error, first tenth and whole time")
for _, method in ipairs(methods) do
  local energy = roll { method = method, dt = 0.25, steps = 2000,
    energies = true }.energy
  local error = (energy - energy[1]):abs():squeeze()
  long[method] = error
  print(("%-17s   %.3e   %.3e"):format(method,
    error[{ { 1, 200 } }]:max():item(), error:max():item()))
end

section("forward and backward")
-- A negative dt runs time backward. Leapfrog and Yoshida's scheme retrace their
-- own steps, up to rounding.
for _, method in ipairs { "leapfrog", "yoshida4", "rk4", "euler" } do
  local forward = roll { method = method, dt = 0.1, steps = 100 }
  local backward = roll { method = method, dt = -0.1, steps = 100,
    q = forward.q[-1], p = forward.p[-1] }
  print(("%-17s   misses the start by %.1e"):format(method,
    (backward.q[-1] - q0):abs():item()))
end

section("gradients through time: hitting a target")
-- Which push brings the pendulum from the bottom to the angle 1.5 at time 2?
-- The trajectory is a differentiable function of its initial state, so Newton's
-- method finds it.
local push = torus.tensor({ { 1 } },
  { dtype = "float64", requires_grad = true })
for attempt = 1, 5 do
  local q = torus.integrate { H = pendulum, q = torus.zeros_like(push),
    p = push, dt = 0.1, steps = 20, method = "yoshida4" }.q[-1]
  local slope = torus.grad(q, push)
  print(("try %d: push %.6f, angle %.6f"):format(attempt, push:item(), q:item()))
  torus.no_grad(function() push:add_((1.5 - q) / slope) end)
end

section("a picture")
os.execute("mkdir -p runs/examples")
local orbits, errors = {}, {}
for _, method in ipairs { "euler", "symplectic_euler", "leapfrog" } do
  local w = roll { method = method, dt = 0.25, steps = 60 }
  orbits[#orbits + 1] = { x = w.q, y = w.p, label = method,
    style = "linespoints" }
end
for _, method in ipairs { "symplectic_euler", "leapfrog", "rk4", "yoshida4" } do
  -- The error rises and falls within a swing: plot the largest so far.
  local e = long[method]
  local times, values, largest = {}, {}, 0
  for i = 2, e:size(1) do
    largest = math.max(largest, e[i]:item())
    times[i - 1], values[i - 1] = (i - 1) * 0.25, largest
  end
  errors[#errors + 1] = { x = times, y = values, label = method }
end
local ok, message = torus.plot.figure {
  path = "runs/examples/04_integrators.png", columns = 2, width = 1200,
  panels = {
    { title = "sixty steps of 0.25 in phase space", xlabel = "position q",
      ylabel = "momentum p",
      xrange = { -10, 4 }, series = orbits, legend = "below" },
    { title = "largest error of the energy so far", xlabel = "time t",
      ylabel = "error of the energy",
      log = "xy", series = errors, legend = "below" },
  },
}
print(ok and "see runs/examples/04_integrators.png" or message)
