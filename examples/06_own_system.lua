--- Your own physical system, in ten lines.
--
--     scripts/torus examples/06_own_system.lua
--
-- A system consists of its energies, its initial states and where to draw its bodies.
-- It can then do everything the built-in ones can (torus.systems.pendulum and others).
local torus = require "torus"

-- A particle in a double well: V = -k q^2/2 + q^4/4, with minima at +-sqrt(k).
-- q and p are (batch, 1); `c` holds the constants; `u` holds uniform random numbers,
-- one row per initial state.
local well = torus.systems.define {
  name = "double_well", dimension = 1, constants = { k = 1 },
  kinetic = function(p) return (p ^ 2 / 2):sum(2) end,
  potential = function(q, c) return (q ^ 4 / 4 - q ^ 2 * (c.k / 2)):sum(2) end,
  uniforms = 2,
  sample = function(u)
    return u:narrow(2, 1, 1) * 3 - 1.5, u:narrow(2, 2, 1) * 1.4 - 0.7
  end,
  positions = function(q) return torus.stack({ q, q * 0 }, 3) end,
  radii = { 0.25 }, half_width = 2,
}
print(well)

-- A definition is tested immediately, so a mistake is reported where it was made.
print(select(2, pcall(torus.systems.define, {
  name = "broken", dimension = 1, uniforms = 2,
  kinetic = function(p) return p ^ 2 / 2 end, -- the sum is missing
  potential = function(q) return (q ^ 2):sum(2) end,
  sample = function(u) return u:narrow(2, 1, 1), u:narrow(2, 2, 1) end,
})))

-- Exact motion: adaptive steps in float64, many initial states at a time.
local q, p = well:sample { count = 200, seed = 3 }
local trajectory = well:solve(q, p, { dt = 0.125, steps = 80 })
print("trajectories (time, sample, coordinate):", table.concat(trajectory.q.shape, " x "))
local before = well:energy(q, p)
local after = well:energy(trajectory.q[-1], trajectory.p[-1])
print(("energy after 80 steps is off by %.0e"):format((after - before):abs():max():item()))

-- Below the barrier, H < 0, a particle stays in its well; above, it crosses.
local crosses = (trajectory.q:min(1) * trajectory.q:max(1)):lt(0):squeeze()
print(("%d of 200 cross the barrier, %d have the energy to do so")
  :format(crosses:sum():item(), before:gt(0):sum():item()))

-- The same system with other constants: from a higher ridge, the same push of
-- 0.1 leads further.
local ridge = torus.zeros({ 1, 1 }, { dtype = "float64" })
for _, k in ipairs { 1, 1.5 } do
  local ends = well:with { constants = { k = k } }
    :solve(ridge, ridge + 0.1, { dt = 4, steps = 1 })
  print(("k = %.1f: after a time of 4 it is at %.2f"):format(k, ends.q[-1]:item()))
end

-- Pictures: films of two samples, and a contour plot of the energy with some of
-- the trajectories.
os.execute("mkdir -p runs/examples")
local films = well:render(trajectory.q) -- (time, sample, 32, 32, 3)
assert(torus.image.gif("runs/examples/06_own_system.gif",
  torus.image.side_by_side { films:select(2, 1), films:select(2, 2) }, { scale = 3 }))

local axis_q = torus.linspace(-2, 2, 61, { dtype = "float64" })
local axis_p = torus.linspace(-1.5, 1.5, 61, { dtype = "float64" })
local all_q = axis_q:reshape(1, 61):expand(61, 61):reshape(-1, 1)
local all_p = axis_p:reshape(61, 1):expand(61, 61):reshape(-1, 1)
local orbits = {}
for i = 1, 6 do
  orbits[i] = { x = trajectory.q:select(2, i), y = trajectory.p:select(2, i), style = "points",
    colour = "white" }
end
local ok, message = torus.plot.contour { path = "runs/examples/06_own_system.png",
  title = "energy and six trajectories", xlabel = "position q",
  ylabel = "momentum p", colour_label = "energy",
  x = axis_q, y = axis_p, z = well:energy(all_q, all_p):reshape(61, 61),
  series = orbits }
print("see runs/examples/06_own_system.gif")
print(ok and "see runs/examples/06_own_system.png" or message)
