--- The integration schemes with a fixed step, as the engine's rows: names,
-- orders, coefficients and what follows from them. A scheme is added by its row
-- in engine/hamiltonian/scheme.c alone.
--
-- A row has `name`, `doc`, `aliases`, `order`, `splitting`, `implicit`, `extended`,
-- `symmetric` and `fused`, whether the fused kernels know it. Splitting schemes, for
-- a separable H = K(p) + V(q), have kicks p -= kick[i] dt dV/dq and drifts
-- q += drift[i] dt dK/dp in turn; Runge-Kutta schemes, for any H, stages `a` and
-- weights `b`; extended ones, for any H, the lengths `drift` of their steps.
-- @module torus.schemes
local core = require "torus.core"

local M = {}

local rows, by_name = core.schemes(), {}
for _, scheme in ipairs(rows) do
  by_name[scheme.name] = scheme
  for _, alias in ipairs(scheme.aliases) do by_name[alias] = scheme end
end

--- The row of a scheme.
-- @tparam string name or alias
-- @treturn ?table
function M.of(name) return by_name[name] end

--- The names of all schemes, or of those that a condition holds for.
-- @tparam[opt] function condition of a row
-- @tparam[opt=false] boolean aliases whether to name them too, each after its scheme
-- @treturn {string,...} in the order of the rows, the default first
function M.names(condition, aliases)
  local names = {}
  for _, scheme in ipairs(rows) do
    if not condition or condition(scheme) then
      names[#names + 1] = scheme.name
      table.move(scheme.aliases, 1, aliases and #scheme.aliases or 0, #names + 1,
        names)
    end
  end
  return names
end

--- Whether a scheme integrates a joint H(q, p), not only a separable one.
-- @tparam table scheme a row
-- @treturn boolean
function M.accepts_joint(scheme) return not scheme.splitting end

--- Whether a step of -dt undoes one of dt exactly, up to rounding, without an
-- iteration.
-- @tparam table scheme a row
-- @treturn boolean
function M.is_reversible(scheme) return scheme.splitting and scheme.symmetric end

--- Whether a step is symplectic, and so keeps volume in phase space, whatever dt
-- is. Extended schemes are so in the space of both copies alone.
-- @tparam table scheme a row
-- @treturn boolean
function M.keeps_volume(scheme) return scheme.splitting or scheme.implicit end

--- Whether the fused kernels know a scheme.
-- @tparam table scheme a row
-- @treturn boolean
function M.is_fused(scheme) return scheme.fused end

return M
