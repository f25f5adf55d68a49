--- The pendulum of the PixelHNN experiment: one that never passes an angle.
-- @module torus.data.restricted
local systems = require "torus.systems"

local M = {}

local NAME = "restricted_pendulum"

-- Amplitudes are uniform in [angle_min, angle_max]; q = A sin(phase), at a
-- uniform phase, and p follows from the energy
-- 4 m g l sin^2(A/2) = 4 m g l sin^2(q/2) + p^2/(2 m l^2).
local function sample(u, _, c)
  local amplitude = u:narrow(2, 1, 1) * (c.angle_max - c.angle_min)
    + c.angle_min
  local phase = u:narrow(2, 2, 1) * (2 * math.pi)
  local q = amplitude * phase:sin()
  local left = (amplitude / 2):sin():square() - (q / 2):sin():square()
  local p = left:relu():sqrt() * math.sqrt(8 * c.m ^ 2 * c.g * c.l ^ 3)
  return q, p * phase:cos():sign()
end

--- torus.systems.pendulum with another sampler: amplitudes of at most 30
-- degrees, 103 frames 0.05 apart, no noise, as in the original experiment.
-- Angles are constants, so `with` changes them:
-- `restricted.pendulum():with{constants = {angle_max = 0.3}}`.
-- @treturn System named "restricted_pendulum"
function M.pendulum()
  local known = systems.find(NAME)
  if known then return known end
  local whole = systems.get("pendulum")
  local definition = {}
  for key, value in pairs(whole.definition) do definition[key] = value end
  definition.constants = { g = whole.constants.g, m = whole.constants.m,
    l = whole.constants.l, angle_min = math.pi / 36, angle_max = math.pi / 6 }
  definition.name, definition.sample = NAME, sample
  definition.dt, definition.steps, definition.noise = 0.05, 102, 0
  return systems.define(definition)
end

return M
