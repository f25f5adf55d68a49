--- Linear algebra: the normal modes of coupled oscillators.
--
--     scripts/torus examples/09_modes.lua
--
-- Small oscillations about an equilibrium are sums of modes, each with its own
-- frequency: eigenvectors and eigenvalues of the Hessian of the energy.
local torus = require "torus"
local linalg = torus.linalg

local function section(title) print("\n--- " .. title) end

local float64 = { dtype = "float64" }

section("a chain between two walls")
-- Ten unit masses in a row, eleven springs: V(q) = sum of k_i (q_i - q_(i-1))^2
-- / 2, with q_0 = q_11 = 0 at the walls. V accepts a batch (batch, 10) and
-- returns (batch).
local n = 10
local stiffness = torus.variable(torus.ones({ n + 1 }, float64))

local function stretches(q)
  local wall = torus.zeros({ q:size(1), 1 }, float64)
  return torus.cat({ q, wall }, 2) - torus.cat({ wall, q }, 2)
end
local function V(q, k) return (stretches(q):square() * k):sum(2) * 0.5 end

-- The Hessian, by differentiating twice: a row for each mass. It depends on the
-- stiffness, and that is recorded too.
local function hessian(k)
  local q = torus.variable(torus.zeros({ 1, n }, float64))
  local slope = torus.grad(V(q, k):sum(), q, { create_graph = true })
  local rows = {}
  for i = 1, n do
    rows[i] = torus.grad(slope[1][i], q, { create_graph = true })[1]
  end
  return torus.stack(rows)
end
local K = hessian(stiffness)
print("the upper left corner of the Hessian:")
print(K[{ { 1, 3 }, { 1, 3 } }]:detach())

section("its modes")
-- K v = w^2 v. A chain has the frequencies 2 sin(pi i / 2 (n + 1)).
local squares, modes = linalg.eigh(K)
local frequencies = squares:sqrt():detach()
print("mode   frequency   by formula")
for i = 1, n do
  print(("%4d   %.7f   %.7f"):format(i, frequencies[i]:item(),
    2 * math.sin(math.pi * i / (2 * (n + 1)))))
end
print("the first half of mode 2:", modes:detach()[{ { 1, 5 }, 2 }])

section("a motion as a sum of modes, and by integration")
-- Let go at rest: each mode's amplitude swings as cos(w t).
torus.manual_seed(1)
local start = torus.randn({ n }, float64)
local amplitudes = modes:detach():transpose():matmul(start)
local dt, steps = 0.05, 2000
local times = torus.arange(0, steps, 1, float64) * dt
local phases = times:unsqueeze(2) * frequencies -- (steps + 1, n)
local exact = (phases:cos() * amplitudes):matmul(modes:detach():transpose())

local rest = stiffness:detach()
local chain = torus.separable(
  function(p) return p:square():sum(2) * 0.5 end,
  function(q) return V(q, rest) end)
for _, method in ipairs { "leapfrog", "yoshida4" } do
  local trajectory = torus.no_grad(torus.integrate, { H = chain, method = method,
    q = start:unsqueeze(1), p = torus.zeros({ 1, n }, float64),
    dt = dt, steps = steps })
  local off = (trajectory.q:squeeze(2) - exact):abs():max():item()
  print(("%-9s  largest difference over a time of %g: %.1e")
    :format(method, dt * steps, off))
end

section("unequal masses")
-- M q'' = -K q. With M = L L^T and q = L^-T u it is u'' = -D u, where D = L^-1 K
-- L^-T is symmetric. The heavy mass in the middle splits the chain in two.
local masses = torus.ones({ n }, float64)
masses[5] = 100
local L = linalg.cholesky(torus.eye(n, float64) * masses)
local half = linalg.solve_triangular(L, K:detach())
local D = linalg.solve_triangular(L, half:transpose())
local heavy = (linalg.eigh(D)):sqrt()
print(("lowest frequency: %.4f, of equal masses %.4f"):format(
  heavy[1]:item(), frequencies[1]:item()))
-- A trace is the sum of the eigenvalues: a check without any.
local trace = (K:detach() * torus.eye(n, float64)):sum(1) / masses
print(("sum of the squares: %.10f, the trace: %.10f"):format(
  heavy:square():sum():item(), trace:sum():item()))

section("which spring to stiffen")
-- The derivative of the lowest frequency with respect to each stiffness, through eigh
-- and the Hessian. By perturbation theory it is (stretch of the mode)^2 / 2 w.
local slopes = torus.grad(squares[1]:sqrt(), stiffness, { retain_graph = true })
local stretch = stretches(modes:detach()[{ {}, 1 }]:unsqueeze(1))[1]
local theory = stretch:square() / (2 * frequencies[1]:item())
print("spring   by gradient   by theory")
for _, i in ipairs { 1, 3, 6 } do
  print(("%6d   %.8f    %.8f"):format(i, slopes[i]:item(), theory[i]:item()))
end
print(("all of them, largest difference: %.1e"):format(
  (slopes - theory):abs():max():item()))

section("tuning: an octave")
-- Newton's method for the stiffness of the middle spring with which the third
-- frequency is twice the second one. With equal springs it is 1.47 times that;
-- a soft one brings the second mode down and leaves the third as it is.
local middle = torus.variable(torus.full({ 1 }, 0.3, float64))
for attempt = 1, 8 do
  local k = torus.cat({ rest[{ { 1, 5 } }], middle, rest[{ { 7, 11 } }] }, 1)
  local w = (linalg.eigh(hessian(k))):sqrt()
  local ratio = w[3] / w[2]
  local slope = torus.grad(ratio, middle)
  print(("try %d: stiffness %.6f, ratio %.9f"):format(attempt, middle:item(),
    ratio:item()))
  if math.abs(ratio:item() - 2) < 1e-9 then break end
  torus.no_grad(function() middle:add_((2 - ratio) / slope) end)
end

section("a load")
-- A constant force on the sixth mass displaces all of them: K q = f.
local force = torus.zeros({ n }, float64)
force[6] = 1
local q = linalg.solve(K:detach(), force)
print("displacements times 11:", q * 11)

section("a matrix without an inverse")
-- Without walls the chain drifts away: nothing holds it.
local free = torus.variable(torus.ones({ n + 1 }, float64))
torus.no_grad(function() free[1], free[n + 1] = 0, 0 end)
print(select(2, pcall(linalg.solve, hessian(free), force)))
print("its lowest frequency squared is zero up to rounding:",
  math.abs(linalg.eigh(hessian(free))[1]:item()) < 1e-14)
