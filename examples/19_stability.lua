--- Stability: the modes of an equilibrium, the multipliers of a periodic orbit and Lyapunov
--- exponents, by derivatives through the flow and eigenvalues.
--
--     scripts/torus examples/19_stability.lua [TIME]
--
-- The system is that of Hénon and Heiles, a star in the plane of a galaxy: below the energy
-- of escape, 1/6, some orbits are regular and others chaotic. TIME is how long the Lyapunov
-- exponents are averaged; the default, 300, takes some seconds.
local torus = require "torus"

local TIME = math.max(1, math.tointeger(tonumber(arg and arg[1] or 300)) or 300)

local star = torus.systems.henon_heiles
local FLOAT64 = { dtype = "float64" }

local function section(title) print("\n--- " .. title) end
local function state(...) return torus.tensor({ ... }, FLOAT64) end

-- The energy of states (4), q and p one after the other.
local function energy(x)
  return star:energy(x:narrow(1, 1, 2):unsqueeze(1), x:narrow(1, 3, 2):unsqueeze(1)):sum()
end

-- The state after a time, by a symplectic scheme of order 4; its gradient is that of the flow.
local function flow(x, time, dt)
  local steps = math.max(1, math.floor(time / dt + 0.5))
  local motion = torus.integrate { H = star, q = x:narrow(1, 1, 2):unsqueeze(1),
    p = x:narrow(1, 3, 2):unsqueeze(1), dt = time / steps, steps = steps, every = steps,
    method = "yoshida4" }
  return torus.cat({ motion.q[-1], motion.p[-1] }, 2):reshape(4)
end

section("an equilibrium")
-- Near a point with grad H = 0 a deviation z obeys dz/dt = S H'' z, with the symplectic
-- matrix S. At the saddle (0, 1) the potential has the curvatures 3 and -1: the star
-- oscillates with frequency sqrt 3 in x, and leaves as e^t in y.
local zero, one = torus.zeros({ 2, 2 }, FLOAT64), torus.eye(2, FLOAT64)
local S = torus.cat({ torus.cat({ zero, one }, 2), torus.cat({ -one, zero }, 2) }, 1)
local saddle = state(0, 1, 0, 0)
local re, im = torus.linalg.eig(S:matmul(torus.hessian(energy, saddle)))
for i = 1, 4 do
  print(("eigenvalue %+.6f %+.6f i"):format(re[i]:item(), im[i]:item()))
end

section("a periodic orbit")
-- A star on the y axis stays there. It passes y = 0 upward again after one period, which
-- an event of the solver finds.
local function vertical(E) return state(0, 0, 0, math.sqrt(2 * E)) end

local function period(x)
  local passages = star:solve(x:narrow(1, 1, 2):unsqueeze(1), x:narrow(1, 3, 2):unsqueeze(1),
    { times = { 0, 20 }, rtol = 1e-12, atol = 1e-13,
      events = { { direction = 1, zero = function(q) return q:select(2, 2) end } } }).events[1][1]
  for _, t in ipairs(passages.t:totable()) do
    if t > 0.1 then return t end
  end
end

-- The monodromy matrix is the derivative of the state after one period. Two multipliers,
-- its eigenvalues, are 1 (along the orbit, and to other energies). The others are
-- reciprocal: on the unit circle the orbit is stable; if real, neighbours leave it.
print("energy   period     the two multipliers beside 1")
for _, E in ipairs { 0.02, 0.05, 0.08, 0.1, 0.12, 0.14 } do
  local x = vertical(E)
  local T = period(x)
  local M = torus.jacobian(function(at) return flow(at, T, 0.02) end, x)
  -- On the axis motion across it is separate: rows and columns of x and p_x.
  local across = M:index_select(1, torus.tensor({ 1, 3 }, { dtype = "int64" }))
    :index_select(2, torus.tensor({ 1, 3 }, { dtype = "int64" }))
  local a, b = torus.linalg.eig(across)
  print(("%.2f     %.6f   %+.4f %+.4f i, %+.4f %+.4f i: %s"):format(E, T, a[1]:item(),
    b[1]:item(), a[2]:item(), b[2]:item(), b[1]:item() ~= 0 and "stable" or "unstable"))
end

section("Lyapunov exponents")
-- Deviations grow as e^(lambda t). The derivative of the flow over one unit of time carries
-- four of them along; a QR decomposition keeps them apart, and the diagonal of R has the
-- growth. The exponents of a Hamiltonian system come in pairs +-lambda. Of a regular orbit all
-- vanish, as slowly as log(t) / t.
local function exponents(x)
  local Q, growth = torus.eye(4, FLOAT64), torus.zeros({ 4 }, FLOAT64)
  for _ = 1, TIME do
    local step = torus.jacobian(function(at) return flow(at, 1, 0.1) end, x)
    local R
    Q, R = torus.linalg.qr(step:matmul(Q))
    growth = growth + R:diag():abs():log()
    x = flow(x, 1, 0.1)
  end
  return growth / TIME
end

for _, orbit in ipairs { { "regular", 0.0, 0.3 }, { "chaotic", -0.15, 0.1 } } do
  local name, y, py = table.unpack(orbit)
  -- p_x follows from the energy 1/8.
  local rest = 2 * (1 / 8 - y ^ 2 / 2 + y ^ 3 / 3) - py ^ 2
  local found = exponents(state(0, y, math.sqrt(rest), py))
  local text = {}
  for i = 1, 4 do text[i] = ("%+.4f"):format(found[i]:item()) end
  print(("%s: %s; their sum %.0e"):format(name, table.concat(text, " "), found:sum():item()))
end
