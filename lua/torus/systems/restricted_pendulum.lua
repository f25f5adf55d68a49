--- The pendulum of the original PixelHNN experiment (Greydanus et al. 2019;
-- appendix A.3 of the paper): amplitudes of at most 30 degrees, 103 frames
-- 0.05 apart, no noise. Otherwise it is torus.systems.pendulum; the limits of the
-- amplitude, in radians, are constants.
-- @module torus.systems.restricted_pendulum
local pendulum = require "torus.systems.pendulum"
local samplers = require "torus.systems.parts.samplers"

local k = pendulum.constants

-- At a uniform phase q = A sin(phase), and p follows from the energy
-- 4 m g l sin^2(A/2) = 4 m g l sin^2(q/2) + p^2/(2 m l^2).
local function sample(u, _, c)
  local amplitude = samplers.between(u:narrow(2, 1, 1), c.angle_min,
    c.angle_max)
  local phase = u:narrow(2, 2, 1) * (2 * math.pi)
  local q = amplitude * phase:sin()
  local left = (amplitude / 2):sin():square() - (q / 2):sin():square()
  local p = left:relu():sqrt() * math.sqrt(8 * c.m ^ 2 * c.g * c.l ^ 3)
  return q, p * phase:cos():sign()
end

return {
  name = "restricted_pendulum",
  dimension = 1,
  constants = { g = k.g, m = k.m, l = k.l, angle_min = math.pi / 36,
    angle_max = math.pi / 6 },
  kinetic = pendulum.kinetic,
  potential = pendulum.potential,
  field = pendulum.field,
  uniforms = 2,
  sample = sample,
  positions = pendulum.positions,
  masses = pendulum.masses,
  extent = pendulum.extent,
  noise = 0,
  dt = 0.05,
  steps = 102,
}
