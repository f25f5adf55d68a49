--- A double pendulum whose masses, lengths, gravity and colours vary between
-- trajectories, otherwise torus.systems.double_pendulum. Unlike that system, it starts
-- in motion: (q1, p1) and (q2, p2) each lie on a circle of radius
-- r ~ U(r_min, r_max).
-- @module torus.systems.double_pendulum_colours
local double_pendulum = require "torus.systems.double_pendulum"
local engine = require "torus.engine"
local samplers = require "torus.systems.parts.samplers"
local variant = require "torus.systems.parts.variant"

return variant.with_colours(double_pendulum, {
  bodies = 2,
  varying = { m1 = { 0.4, 0.6 }, m2 = { 0.4, 0.6 }, l1 = { 0.75, 1 },
    l2 = { 0.75, 1 }, g = { 2.5, 4 } },
  extent = 2 + math.sqrt(0.6 / math.pi),
  changes = {
    constants = { r_min = 1, r_max = 2.5 },
    uniforms = 4,
    sample = function(u, _, c)
      local q1, p1 = samplers.circle(u:narrow(2, 1, 2), c.r_min, c.r_max)
      local q2, p2 = samplers.circle(u:narrow(2, 3, 2), c.r_min, c.r_max)
      return engine.cat({ q1, q2 }, 2), engine.cat({ p1, p2 }, 2)
    end,
  },
})
