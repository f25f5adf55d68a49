--- Figures of densities learned by Neural Hamiltonian Flows.
--
-- A figure has a row for each flow: kernel density estimates of the target and of the
-- learned density, the kinetic and the potential energy, one leapfrog step
-- and the whole flow.
-- @module torus.plot.flow
local kde = require "torus.plot.kde"
local options = require "torus.options"
local plot = require "torus.plot"
local engine = require "torus.engine"

local M = {}

local RULES = {
  samples = { default = 1000, type = "integer", min = 2 },
  bandwidth = { default = 0.3, type = "number", above = 0 },
  paths = { default = 150, type = "integer", min = 1 },
  points = { default = 81, type = "integer", min = 2 },
  seed = { default = 1, type = "integer", min = 0 },
}

-- A symmetric range that contains nearly all of some points (n, 2).
local function reach_of(...)
  local reach = 1
  for _, x in ipairs { ... } do
    reach = math.max(reach, x:abs():max():item())
  end
  return math.min(reach * 1.05, 8)
end

local function axis_of(reach, n)
  return engine.linspace(-reach, reach, n, { dtype = "float64" })
end

local function density_panel(title, x, axis, o)
  return { kind = "contour", title = title, x = axis, y = axis, levels = 8,
    xlabel = "q1", ylabel = "q2", z = kde.estimate(x, axis, o.bandwidth) }
end

-- The energy of one kind over a square, averaged over the flows, as every flow acts
-- for the same time.
local function energy_panel(title, model, name, axis)
  if #model.flow > 1 then title = title .. ", mean of the flows" end
  local n, dtype = axis:numel(), model.config.dtype
  local b, a = engine.meshgrid(axis, axis)
  local points = engine.stack({ a:reshape(-1), b:reshape(-1) }, 2):to(dtype)
  local sum
  for _, flow in ipairs(model.flow) do
    local e = flow[name](points):to("float64")
    sum = sum and sum + e or e
  end
  sum = sum / #model.flow
  local letter = name == "K" and "p" or "q"
  return { kind = "contour", title = title, x = axis, y = axis, levels = 12,
    xlabel = letter .. "1", ylabel = letter .. "2",
    z = sum:reshape(n, n) }
end

-- Lines along paths (states, n, 2), as one series per sample, with points at both ends.
local function paths_panel(title, path, reach, modes)
  local series, n = {}, path:size(2)
  local states = path:size(1)
  for i = 1, n do
    local one = path:select(2, i)
    series[i] = { x = one:select(2, 1), y = one:select(2, 2), width = 0.7,
      colour = "#6baed6" }
  end
  series[n + 1] = { x = path[1]:select(2, 1), y = path[1]:select(2, 2),
    style = "dots", colour = "#888888" }
  series[n + 2] = { x = path[states]:select(2, 1),
    y = path[states]:select(2, 2), style = "points", colour = "#08306b" }
  if modes then
    series[n + 3] = { x = modes:select(2, 1), y = modes:select(2, 2),
      style = "points", colour = "#e41a1c" }
  end
  return { title = title, series = series, square = true, xlabel = "q1", ylabel = "q2",
    xrange = { -reach, reach }, yrange = { -reach, reach } }
end

local function row(entry, o)
  local model, target = entry.model, entry.target
  local generator = engine.generator(o.seed)
  local true_x = target:sample(o.samples, generator)
  local learned, _, path = model:sample(o.samples,
    { generator = generator, path = true })
  local q, p = path.q:narrow(2, 1, math.min(o.paths, o.samples)), path.p
  local reach = reach_of(true_x, learned)
  local axis = axis_of(reach, o.points)
  local wide = reach_of(q:reshape(-1, 2), learned)
  local label = entry.label or target.name
  return {
    density_panel(label .. ": target density", true_x, axis, o),
    density_panel("learned density", learned, axis, o),
    energy_panel("kinetic energy K(p)", model, "K",
      axis_of(reach_of(p:reshape(-1, 2)), o.points)),
    energy_panel("potential energy V(q)", model, "V", axis),
    paths_panel("single leapfrog step", q:narrow(1, 1, 2), wide, target.modes),
    paths_panel("integrated flow", q, wide, target.modes),
  }
end

--- Returns the panels of a figure of flows for torus.plot.figure.
-- @tparam {table,...} entries as in draw
-- @tparam[opt] table opts as in draw
-- @treturn {table,...} six for each entry: target density, learned density, kinetic and
-- potential energy, one leapfrog step, and the whole flow
-- @usage
-- flow = require "torus.plot.flow"
-- model = torus.models.nhf { dimension = 2, flows = 2, width = 8 }
-- panels = flow.panels({ { model = model, target = torus.data.targets.get("moons") } },
--   { samples = 50 })
-- print(#panels, panels[6].title)   -- 6 integrated flow
function M.panels(entries, opts)
  local o = options.resolve("plot.flow", opts, RULES)
  return engine.no_grad(function()
    local all = {}
    for _, entry in ipairs(entries) do
      if entry.model.config.dimension ~= 2 then
        options.raise("plot.flow: expected flows of two dimensions, got %d",
          entry.model.config.dimension)
      end
      table.move(row(entry, o), 1, 6, #all + 1, all)
    end
    return all
  end)
end

--- Draws flows.
-- @tparam string path of a .png file
-- @tparam {table,...} entries {model = a two-dimensional NHF, target =, label =}, one for
-- each row
-- @tparam[opt] table opts samples=1000 and bandwidth=0.3 of the estimates;
-- paths=150 of the flow; points=81 of the grids; seed=1
-- @treturn ?{string,...} files
-- @treturn ?string message
function M.draw(path, entries, opts)
  local ok, message = plot.figure { path = path, panels = M.panels(entries, opts), columns = 6,
    width = 2160, height = 360 * #entries, font_size = 9 }
  if not ok then return nil, message end
  return { path }
end

return M
