--- Long times: a million steps in little memory, gradients through ten thousand,
--- symplectic schemes for a joint Hamiltonian, and a Poincare section.
--
--     scripts/torus examples/14_long_times.lua [STEPS]
--
-- STEPS is the number of steps of the double pendulum. The default, 2,000, takes some
-- seconds; 100000 takes some minutes, and shows what symplectic means. Pictures go to
-- runs/examples/ (they need gnuplot; the rest does not).
local torus = require "torus"

local steps = math.tointeger(tonumber(arg and arg[1] or 2000)) or 2000
steps = math.max(100, steps // 100 * 100)

local function section(title) print("\n--- " .. title) end

-- The largest memory that the program has had, in megabytes.
local function peak()
  for line in io.lines("/proc/self/status") do
    local kilobytes = line:match("VmHWM:%s*(%d+)")
    if kilobytes then return tonumber(kilobytes) / 1024 end
  end
  return 0 / 0
end

section("an oscillator over many steps")
local oscillator = torus.separable(
  function(p) return (p * p):sum(2) / 2 end,
  function(q) return (q * q):sum(2) / 2 end)
local q0 = torus.tensor({ { 1 } }, { dtype = "float64" })
local p0 = torus.zeros_like(q0)

-- Nothing here needs a gradient, so nothing is recorded; `every` keeps only every
-- 1,000th state. Leapfrog's energy stays within dt^2/8 of its initial value.
local count = steps * 10
local start = torus.clock()
local trajectory = torus.integrate { H = oscillator, q = q0, p = p0, dt = 0.1,
  steps = count, every = 1000, energies = true }
local seconds = torus.clock() - start
local error = (trajectory.energy - 0.5):abs():max():item()
print(("%d steps, %.0f a second; largest error of the energy %.1e; peak memory %.0f MB")
  :format(count, count / seconds, error, peak()))

section("gradients through ten thousand steps")
-- The gradient integrates backward in the memory of one step. A leapfrog step turns
-- (q, p) by an angle whose cosine is 1 - dt^2/2, so the answer is known.
local q = torus.tensor({ { 1 } }, { dtype = "float64", requires_grad = true })
local far = torus.integrate { H = oscillator, q = q, p = p0, dt = 0.1, steps = 10000,
  every = 10000, backprop = "reversible" }
local slope = torus.grad(far.q[-1]:sum(), q):item()
local exact = math.cos(10000 * math.acos(1 - 0.1 ^ 2 / 2))
print(("dq/dq0 = %.12f, exactly %.12f; peak memory %.0f MB"):format(slope, exact, peak()))

section("a double pendulum, whose Hamiltonian is not separable")
-- Leapfrog and its relatives need H = K(p) + V(q). The implicit schemes are symplectic
-- for any H: their energy error stays bounded, while the energy of rk4 drifts.
local pendulum = torus.systems.double_pendulum
local angles = torus.tensor({ { 1.5, -1 } }, { dtype = "float64" })
local dt, long = 0.05, {}
print(("%d steps of %g          error of the energy: first tenth, all; us per step")
  :format(steps, dt))
for _, method in ipairs { "rk4", "implicit_midpoint", "gauss4" } do
  start = torus.clock()
  local energy = torus.integrate { H = pendulum, q = angles, p = angles * 0, dt = dt,
    steps = steps, every = 10, method = method, energies = true }.energy
  seconds = torus.clock() - start
  long[method] = (energy - energy[1]):abs():reshape(-1)
  local tenth = long[method][{ { 1, steps // 100 } }]
  print(("%-20s %.1e  %.1e  %.0f"):format(method, tenth:max():item(),
    long[method]:max():item(), seconds / steps * 1e6))
end

section("a Poincare section")
-- Where an orbit of the Henon-Heiles system crosses x = 0 with x increasing: events of
-- rk45, located to the last digits in the continuous extension of its steps.
local star = torus.systems.henon_heiles
local sections = star:solve(torus.tensor({ { 0, 0.3 }, { 0, -0.2 }, { 0, 0.1 } },
  { dtype = "float64" }), torus.tensor({ { 0.35, 0 }, { 0.4, 0.1 }, { 0.35, 0.25 } },
  { dtype = "float64" }), { times = { 0, 600 }, rtol = 1e-9, events = {
    { direction = 1, zero = function(x) return x:select(2, 1) end } } }).events[1]
for i, found in ipairs(sections) do
  print(("orbit %d: %d passages, |x| below %.0e"):format(i, found.t:size(1),
    found.q:select(2, 1):abs():max():item()))
end

section("a picture")
os.execute("mkdir -p runs/examples")
local errors, points = {}, {}
for _, method in ipairs { "rk4", "implicit_midpoint", "gauss4" } do
  -- The error rises and falls within a swing: plot the largest so far.
  local times, values, largest = {}, {}, 0
  for i, value in ipairs(long[method]:totable()) do
    largest = math.max(largest, value)
    if largest > 0 then
      times[#times + 1], values[#values + 1] = (i - 1) * 10 * dt, largest
    end
  end
  errors[#errors + 1] = { x = times, y = values, label = method }
end
for i, found in ipairs(sections) do
  points[i] = { x = found.q:select(2, 2), y = found.p:select(2, 2), style = "points", sizes = 0.4 }
end
local ok, message = torus.plot.figure {
  path = "runs/examples/14_long_times.png", columns = 2, width = 1200,
  panels = {
    { title = ("double pendulum over %d steps of %g"):format(steps, dt),
      xlabel = "time", ylabel = "largest error of the energy so far", log = "xy",
      series = errors, legend = "bottom right" },
    { title = "Henon and Heiles: x = 0, x growing", xlabel = "y", ylabel = "p_y",
      series = points },
  },
}
print(ok and "see runs/examples/14_long_times.png" or message)
