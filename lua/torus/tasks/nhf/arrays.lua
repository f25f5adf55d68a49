--- Results of a flow, as arrays for other programs.
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
  local y, x = engine.meshgrid(axes[2], axes[1])
  found.grid_x, found.grid_y = axes[1], axes[2]
  found.grid_log_density = model:log_density(engine.stack({ x:reshape(-1), y:reshape(-1) }, 2))
    :reshape(GRID, GRID)
end

-- Samples of f(p|q) at each point, for the bounds.
local DRAWS = 256

-- What is known of the density at given points.
local function at_points(model, points, generator)
  local x, d = points:to(model.config.dtype), model.config.dimension
  local pieces, rows = {}, math.max(1, 100000 // DRAWS)
  for first = 1, x:size(1), rows do
    local part = x:narrow(1, first, math.min(rows, x:size(1) - first + 1))
    local found = model:bounds(part, { samples = DRAWS, generator = generator })
    if d <= 2 then found.log_density = model:log_density(part) end
    for name, values in pairs(found) do
      pieces[name] = pieces[name] or {}
      table.insert(pieces[name], values)
    end
  end
  for name, list in pairs(pieces) do pieces[name] = engine.cat(list, 1) end
  return pieces
end

--- Samples of the flow and its density there.
-- @tparam Module model
-- @tparam Target _ the target is not needed
-- @tparam table _ nor is the configuration
-- @tparam table opts count=1000, seed=1; points (n, d)
-- @treturn {[string]=tensor} with points elbo and importance, bounds of the log-density
-- there, each with its error, and log_density up to two dimensions; without q and p
-- (count, d) and, in nats, log_density (count) up to two dimensions, else elbo, its
-- lower bound; for d = 2 also grid_x, grid_y and grid_log_density (y, x)
function M.arrays(model, _, _, opts)
  local generator = engine.generator(opts.seed or 1)
  return engine.no_grad(function()
    if opts.points then return at_points(model, opts.points, generator) end
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
