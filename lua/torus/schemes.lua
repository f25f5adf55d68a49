--- The integration schemes with a fixed step, from the engine's table: names, orders,
-- coefficients and derived properties. To add a scheme, add a row to
-- engine/hamiltonian/scheme.c.
--
-- A row has `name`, `doc`, `aliases`, `order`, `splitting`, `implicit`, `extended`,
-- `symmetric` and `fused` (supported by the fused kernels). Splitting schemes, for
-- a separable H = K(p) + V(q), alternate kicks p -= kick[i] dt dV/dq and drifts
-- q += drift[i] dt dK/dp; Runge-Kutta schemes, for any H, have stages `a` and
-- weights `b`; extended schemes, for any H, have `drift`, the lengths of their substeps.
-- @module torus.schemes
local core = require "torus.core"

local M = {}

local rows, by_name = core.schemes(), {}
for _, scheme in ipairs(rows) do
  by_name[scheme.name] = scheme
  for _, alias in ipairs(scheme.aliases) do by_name[alias] = scheme end
end

--- Returns the row of a scheme.
-- @tparam string name or alias
-- @treturn ?table
function M.of(name) return by_name[name] end

--- Returns the names of all schemes, or of those that satisfy a condition.
-- @tparam[opt] function condition of a row
-- @tparam[opt=false] boolean aliases include aliases, each after its scheme
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

--- Returns true if a scheme integrates a joint H(q, p), not only a separable one.
-- @tparam table scheme a row
-- @treturn boolean
function M.accepts_joint(scheme) return not scheme.splitting end

--- Returns true if a step of -dt undoes a step of dt exactly, up to rounding, without
-- an iteration.
-- @tparam table scheme a row
-- @treturn boolean
function M.is_reversible(scheme) return scheme.splitting and scheme.symmetric end

--- Returns true if a step is symplectic, and so preserves phase-space volume, for any dt.
-- Extended schemes are symplectic only in the doubled phase space.
-- @tparam table scheme a row
-- @treturn boolean
function M.keeps_volume(scheme) return scheme.splitting or scheme.implicit end

--- Returns true if the fused kernels support a scheme.
-- @tparam table scheme a row
-- @treturn boolean
function M.is_fused(scheme) return scheme.fused end

return M
