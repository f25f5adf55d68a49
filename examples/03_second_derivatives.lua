--- Derivatives of derivatives: what Hamiltonian mechanics is made of.
--
--     scripts/torus examples/03_second_derivatives.lua
--
-- With create_graph a gradient is recorded like any other result, so that it can
-- be differentiated again, to any order.
local torus = require "torus"

local function section(title) print("\n--- " .. title) end

-- float64 throughout: some of the numbers below are rounding errors.
local function leaf(values)
  return torus.tensor(values, { dtype = "float64", requires_grad = true })
end

section("higher derivatives of one number")
local x = leaf(0.5)
local y = x:exp() * x -- (x e^x) differentiated n times is (x + n) e^x
for n = 1, 4 do
  y = torus.grad(y, x, { create_graph = true })
  print(("derivative %d: %.6f  by hand: %.6f")
    :format(n, y:item(), (0.5 + n) * math.exp(0.5)))
end

section("the Hessian of an energy")
-- All first derivatives of a vector y with respect to a vector x, (#y, #x): one
-- gradient for each component of y, zeros where it does not depend on x.
local function jacobian(from, to)
  local rows = {}
  for i = 1, #from do
    rows[i] = torus.grad(from[i], to, { create_graph = true,
      allow_unused = true }) or torus.zeros_like(to)
  end
  return torus.stack(rows)
end

-- Two unit masses between walls, three springs of stiffness k1, k2, k1:
-- V = k1 q1^2/2 + k2 (q2 - q1)^2/2 + k1 q2^2/2. Its Hessian is the stiffness
-- matrix; its eigenvalues k1 and k1 + 2 k2 are the squared frequencies.
local k1, k2 = 1, 3
local function V(q)
  return (q[1] ^ 2 + q[2] ^ 2) * (k1 / 2) + (q[2] - q[1]) ^ 2 * (k2 / 2)
end
local q = leaf { 0.2, -0.1 }
local force = torus.grad(V(q), q, { create_graph = true })
local hessian = jacobian(force, q):detach()
print(hessian)
local in_step = torus.tensor({ 1, 1 }, { dtype = "float64" })
local against = torus.tensor({ 1, -1 }, { dtype = "float64" })
print("swinging in step, K v = 1 v:     ", hessian:matmul(in_step))
print("swinging against, K v = 7 v:     ", hessian:matmul(against))

section("Hamilton's equations from an energy")
-- A state is x = (q1, q2, p1, p2). Here: the Henon-Heiles energy of a star in
-- a galaxy. dq/dt = dH/dp and dp/dt = -dH/dq.
local function H(s)
  local q1, q2, p1, p2 = s[1], s[2], s[3], s[4]
  return (p1 ^ 2 + p2 ^ 2 + q1 ^ 2 + q2 ^ 2) / 2 + q1 ^ 2 * q2 - q2 ^ 3 / 3
end
local state = leaf { 0.1, 0.2, 0.3, -0.4 }
local slope = torus.grad(H(state), state)
print("dq/dt:", slope:narrow(1, 3, 2))
print("dp/dt:", -slope:narrow(1, 1, 2))

section("Poisson brackets")
-- {f, g} = sum of df/dq dg/dp - df/dp dg/dq is the rate of change of f along the
-- flow of g. Brackets of brackets need derivatives of derivatives.
local function bracket(f, g)
  return function(s)
    local df = torus.grad(f(s), s, { create_graph = true })
    local dg = torus.grad(g(s), s, { create_graph = true })
    local q_, p_ = { 1, 2 }, { 3, 4 }
    return (df[{ q_ }] * dg[{ p_ }]):sum() - (df[{ p_ }] * dg[{ q_ }]):sum()
  end
end
local function L(s) return s[1] * s[4] - s[2] * s[3] end -- angular momentum
local function K(s) return (s[3] ^ 2 + s[4] ^ 2) / 2 end -- kinetic energy
print(("{H, H} = %g: energy is conserved"):format(bracket(H, H)(state):item()))
print(("{L, K} = %g: so is angular momentum, of a free star")
  :format(bracket(L, K)(state):item()))
print(("{L, H} = %.4f: but not in this galaxy")
  :format(bracket(L, H)(state):item()))
local jacobi = bracket(H, bracket(L, K))(state)
  + bracket(L, bracket(K, H))(state) + bracket(K, bracket(H, L))(state)
print(("Jacobi's identity: {H,{L,K}} + {L,{K,H}} + {K,{H,L}} = %.1e")
  :format(math.abs(jacobi:item())))

section("a step that preserves volume in phase space")
-- One step of each scheme takes (q, p) to (q', p'). The determinant of its
-- Jacobian is the factor by which areas in phase space grow: 1 for leapfrog,
-- which is symplectic, and not 1 for Euler. The step contains gradients of the
-- energy, so its Jacobian contains second derivatives.
local pendulum = torus.separable(
  function(p) return (p ^ 2 / 2):sum(2) end,
  function(q_) return (1 - q_:cos()):sum(2) end)

local function area_factor(method)
  local s = leaf { 1.2, 0.4 }
  local trajectory = torus.integrate { H = pendulum, method = method, steps = 1,
    q = s[1]:reshape(1, 1), p = s[2]:reshape(1, 1), dt = 0.5 }
  local last = torus.cat { trajectory.q[2][1], trajectory.p[2][1] }
  local J = jacobian(last, s)
  return (J[{ 1, 1 }] * J[{ 2, 2 }] - J[{ 1, 2 }] * J[{ 2, 1 }]):item()
end

for _, method in ipairs { "leapfrog", "euler", "symplectic_euler", "rk4", "yoshida4" } do
  print(("%-17s area grows by %.15f"):format(method, area_factor(method)))
end
print(("for Euler by hand: 1 + dt^2 cos q =      %.15f")
  :format(1 + 0.5 ^ 2 * math.cos(1.2)))
