-- What states_test.c runs in each Lua state: everything that shares threads, BLAS,
-- memory or random numbers. The result has every bit.
local seed, rounds, build = ...
package.path = "lua/?.lua;lua/?/init.lua;" .. package.path
package.cpath = build .. "/?.so;" .. package.cpath
local torus = require "torus"
torus.set_threads(2)
torus.manual_seed(seed)
local out = {}
local function note(x)
  out[#out + 1] = ("%a"):format(x:detach():to("float64"):sum():item())
end
local wild = { dtype = "float32", requires_grad = true }
for round = 1, rounds do
  local a, b = torus.randn({ 96, 130 }, wild), torus.randn({ 130, 70 }, wild)
  local y = a:matmul(b):tanh()
  local g = torus.grad((y * y):sum(), { a, b })
  note(y) note(g[1]) note(g[2])
  local x = torus.randn({ 4, 16, 16, 8 }, wild)
  local w = torus.randn({ 8, 8, 3, 3 }, wild)
  local c = torus.conv2d(x, w, { padding = 1 }):softplus()
  local h = torus.grad(c:sum(), { x, w })
  note(c) note(h[1]) note(h[2])
  assert(torus.no_grad(function() return not (a * 2).requires_grad end))
  assert(torus.is_recording())
  local net = torus.nn.MLP { sizes = { 1, 32, 1 }, scalar = true }
  local path = torus.integrate { H = torus.separable(net, net),
    q = torus.randn(200, 1), p = torus.randn(200, 1), dt = 0.1, steps = 5 }
  note(path.q) note(path.p)
  note(torus.randn(50000):abs():sum())
end
return table.concat(out, " ")
