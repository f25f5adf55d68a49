--- What a flow has learned, as arrays for other programs.
-- @module torus.tasks.nhf.arrays
local engine = require "torus.engine"

local M = {}

-- Points along an axis of the grid.
local GRID = 61

-- The log-density on a grid over the samples of two dimensions.
local function add_grid(found, model, q)
  local axes = {}
  for i = 1, 2 do
    local x = q:select(2, i)
    axes[i] = engine.linspace(x:min():item() - 0.5, x:max():item() + 0.5, GRID,
      { dtype = model.config.dtype })
  end
  local x = axes[1]:reshape(1, GRID):expand(GRID, GRID):reshape(-1)
  local y = axes[2]:reshape(GRID, 1):expand(GRID, GRID):reshape(-1)
  found.grid_x, found.grid_y = axes[1], axes[2]
  found.grid_log_density = model:log_density(engine.stack({ x, y }, 2))
    :reshape(GRID, GRID)
end

--- Samples of the flow and its density there.
-- @tparam Module model
-- @tparam Target _ the target is not needed
-- @tparam table _ nor is the configuration
-- @tparam table opts count=1000, seed=1
-- @treturn {[string]=tensor} q and p (count, d) and, in nats, log_density (count) up to two
-- dimensions, else elbo, its lower bound; for d = 2 also grid_x, grid_y and
-- grid_log_density (y, x)
function M.arrays(model, _, _, opts)
  local generator = engine.generator(opts.seed or 1)
  return engine.no_grad(function()
    local q, p = model:sample(opts.count or 1000, { generator = generator })
    local found, d = { q = q, p = p }, model.config.dimension
    if d > 2 then
      found.elbo = model:elbo(q, { generator = generator })
    else
      found.log_density = model:log_density(q)
      if d == 2 then add_grid(found, model, q) end
    end
    return found
  end)
end

return M
