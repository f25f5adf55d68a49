--- Measures of learned dynamics: pure functions of tensors, independent of models and
-- files.
--
--     local errors, norms = torus.measures.validity.frame_errors(seen, truth)
--     local steps = torus.measures.validity.valid_steps(errors, norms)
--     print(torus.measures.statistics.summary(steps).median)
-- @module torus.measures
local M = {}

-- Modules that load on first use.
local parts = {
  statistics = "torus.measures.statistics",
  validity = "torus.measures.validity",
  energy = "torus.measures.energy",
  period = "torus.measures.period",
  polynomial = "torus.measures.polynomial",
  lasso = "torus.measures.lasso",
  symetric = "torus.measures.symetric",
  convergence = "torus.measures.convergence",
  dimension = "torus.measures.dimension",
}

return setmetatable(M, {
  __parts = parts, -- for the prompt's completion
  __index = function(t, key)
    local name = parts[key]
    local part = name and require(name)
    if part then rawset(t, key, part) end
    return part
  end,
})
