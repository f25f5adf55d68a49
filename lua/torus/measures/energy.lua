--- Energy conservation of rollouts.
-- @module torus.measures.energy
local engine = require "torus.engine"
local options = require "torus.options"

local M = {}

--- Computes the spread of the energy along each rollout relative to the spread of energy
-- between sequences, as the unit and the zero of a learned energy are arbitrary. It is 0 if
-- the energy is conserved, and 1 if it varies as much as between sequences.
-- @tparam tensor energies (steps + 1, sequences), of at least two sequences
-- @treturn {number,...} standard deviation along each rollout, divided by that
-- of the rollouts' mean energies
-- @usage
-- energies = torus.tensor{{1, 2}, {1.1, 1.9}}
-- print(table.unpack(torus.measures.energy.drift(energies)))
function M.drift(energies)
  options.tensor("drift", "energies", energies, { "steps + 1", "sequences" })
  if energies:size(2) < 2 then
    options.raise("drift: expected at least 2 sequences to compare with each "
      .. "other, got %d", energies:size(2))
  end
  return engine.no_grad(function()
    local e = energies:to("float64")
    local between = e:mean(1):var():sqrt()
    local along = e:var(1):sqrt()
    -- Constant energies are conserved also where all are equal.
    return engine.where(along:eq(0), along, along / between):totable()
  end)
end

return M
