--- The Toda lattice: six particles on a ring, coupled to their neighbours by exponential
-- springs, H = |p|^2/2 + sum_i [exp(q_i - q_{i+1}) - 1]. It is integrable: the eigenvalues
-- of Flaschka's matrix are conserved. It starts with normal displacements and momenta of
-- standard deviation `spread`, with the centre of mass at rest at 0.
-- @module torus.systems.toda
local engine = require "torus.engine"

local N = 6

local function around(q)
  return engine.cat({ q:narrow(2, 2, N - 1), q:narrow(2, 1, 1) }, 2)
end

return {
  name = "toda",
  dimension = N,
  constants = { spread = 0.7 },
  kinetic = function(p) return (p * p):sum(2) * 0.5 end,
  potential = function(q) return ((q - around(q)):exp() - 1):sum(2) end,
  field = function() return "toda", {} end,
  normals = 2 * N,
  sample = function(_, z, c)
    local function centred(x) return (x - x:mean(2, true)) * c.spread end
    return centred(z:narrow(2, 1, N)), centred(z:narrow(2, N + 1, N))
  end,
  -- on a circle; a displacement of 1 is a third of the distance to the next particle
  positions = function(q)
    local places = {}
    for i = 1, N do places[i] = 2 * math.pi * i / N end
    local angle = q * (2 * math.pi / N / 3) + engine.tensor({ places }, { dtype = q.dtype })
    return engine.stack({ angle:cos(), angle:sin() }, 3)
  end,
  radii = { 0.15, 0.15, 0.15, 0.15, 0.15, 0.15 },
  half_width = 1.3,
  noise = 0.02,
}
