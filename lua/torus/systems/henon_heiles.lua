--- The Henon-Heiles system, a star in a galaxy's plane:
-- H = |p|^2/2 + |q|^2/2 + c (x^2 y - y^3/3). (q, p) starts on a sphere of
-- radius r ~ U(r_min, r_max), with less than the escape energy 1/(6 c^2).
-- @module torus.systems.henon_heiles
local gravity = require "torus.systems.parts.gravity"
local samplers = require "torus.systems.parts.samplers"

return {
  name = "henon_heiles",
  dimension = 2,
  constants = { c = 1, r_min = 0.1, r_max = 0.4 },
  kinetic = function(p) return (p * p):sum(2) * 0.5 end,
  potential = function(q, k)
    local x, y = q:select(2, 1), q:select(2, 2)
    return (q * q):sum(2) * 0.5 + (x * x * y - y ^ 3 * (1 / 3)) * k.c
  end,
  field = function(k) return "henon_heiles", { k.c } end,
  uniforms = 1,
  normals = 4,
  sample = function(u, z, k)
    local state = samplers.sphere(u, z, k.r_min, k.r_max)
    return state:narrow(2, 1, 2), state:narrow(2, 3, 2)
  end,
  positions = gravity.positions,
  masses = { 0.03 },
  half_width = 0.6,
  noise = 0.02,
}
