--- Ground truth by torus and by SciPy's solve_ivp (RK45, rtol 1e-10), timed in
-- turn on the same states:
--
--     scripts/torus spec/support/compare_rk45.lua [COUNT] [SAMPLE]
--
-- torus solves COUNT (50000) trajectories of 30 steps, SciPy the first SAMPLE
-- (20) of them, once with its default atol and once with torus's, 1e-12.
local rk45 = require "torus.rk45"
local torus = require "torus"

local count = math.tointeger(tonumber(arg[1] or 50000))
local sample = math.tointeger(tonumber(arg[2] or 20))
local here = arg[0]:match("^(.*)/[^/]*$") or "."

local function scipy(name, states, atol)
  local from, to = os.tmpname() .. ".npy", os.tmpname() .. ".npy"
  assert(torus.npy.save(from, states))
  local pipe = assert(io.popen(string.format(
    "/usr/bin/python3 '%s/scipy_rk45.py' %s %s %s %s", here, name, from, to,
    atol or "")))
  local seconds = tonumber(pipe:read("a"))
  assert(pipe:close() and seconds, "SciPy is needed: python3-scipy")
  local out = assert(torus.npy.load(to))
  os.remove(from)
  os.remove(to)
  return seconds, out
end

local times = {}
for i = 0, 30 do times[i + 1] = i * 0.125 end
local tolerances = { rtol = 1e-10, atol = 1e-12, first_step = 0, max_step = 0,
  max_steps = 1000000 }

print(string.format("%d threads; microseconds per trajectory of 30 steps",
  torus.threads()))
print(string.format("%-16s %8s %10s %10s %8s %8s %10s", "system", "torus",
  "scipy", "atol 1e-12", "ratio", "ratio", "difference"))
for _, name in ipairs(torus.systems.names()) do
  local system = torus.systems[name]
  local states = torus.cat({ system:sample { count = count } }, 2)
  rk45.states(system:field(), states, times, tolerances) -- warms the memory
  local start = torus.clock()
  local mine = rk45.states(system:field(), states, times, tolerances)
  local own = (torus.clock() - start) / count
  local few = states:narrow(1, 1, sample)
  local loose = scipy(name, few)
  local strict, out = scipy(name, few, 1e-12)
  print(string.format("%-16s %8.2f %10.0f %10.0f %8.0f %8.0f %10.1e", name,
    own * 1e6, loose * 1e6, strict * 1e6, loose / own, strict / own,
    (mine:narrow(1, 1, sample) - out):abs():max():item()))
end
