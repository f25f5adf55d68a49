--- The Fermi-Pasta-Ulam-Tsingou chain: eight masses between two fixed ends,
-- joined by slightly nonlinear springs. With the extensions
-- r_i = q_{i+1} - q_i of the nine springs,
-- H = |p|^2/2 + sum r^2/2 + alpha r^3/3 + beta r^4/4. It starts at rest in its
-- lowest mode, with amplitude ~ U(low, high): the energy flows to a few other modes and
-- returns.
-- @module torus.systems.spring_chain
local engine = require "torus.engine"
local samplers = require "torus.systems.parts.samplers"

local MASSES = 8

-- (1, masses): the shape of mode k
local function mode(k)
  local shape = {}
  for i = 1, MASSES do shape[i] = math.sin(math.pi * k * i / (MASSES + 1)) end
  return engine.tensor({ shape }, { dtype = "float64" })
end

return {
  name = "spring_chain",
  dimension = MASSES,
  constants = { alpha = 0.25, beta = 0, low = 0.5, high = 1.5 },
  kinetic = function(p) return (p * p):sum(2) * 0.5 end,
  potential = function(q, c)
    local fixed = q:narrow(2, 1, 1) * 0
    local r = engine.cat({ q, fixed }, 2) - engine.cat({ fixed, q }, 2)
    local square = r * r
    return (square * 0.5 + square * r * (c.alpha / 3)
      + square * square * (c.beta / 4)):sum(2)
  end,
  field = function(c) return "spring_chain", { c.alpha, c.beta } end,
  uniforms = 1,
  sample = function(u, _, c)
    local q = mode(1) * samplers.between(u, c.low, c.high)
    return q, q * 0
  end,
  -- side by side, the displacement upwards
  positions = function(q)
    local across = {}
    for i = 1, MASSES do across[i] = 2 * (2 * i / (MASSES + 1) - 1) end
    local x = engine.tensor({ across }, { dtype = q.dtype })
    return engine.stack({ q * 0 + x, q }, 3)
  end,
  radii = { 0.15, 0.15, 0.15, 0.15, 0.15, 0.15, 0.15, 0.15 },
  half_width = 2.2,
  noise = 0.02,
}
