--- The fixed-step schemes compared with rk45: rollouts of true Hamiltonians, as long as the
-- paper's sequences, for several dt.
-- @module torus.figures.integrators
local files = require "torus.files"
local integrate = require "torus.integrate"
local markdown = require "torus.experiments.markdown"
local options = require "torus.options"
local plot = require "torus.plot"
local settings = require "torus.figures.settings"
local systems = require "torus.systems"
local engine = require "torus.engine"

local M = {}

M.what = "the error of every fixed-step scheme as a function of dt, as plots and a "
  .. "table (--set count=32, dt=0.25, halvings=5)"

--- The systems used.
M.systems = { "pendulum", "three_body" }

local RULES = {
  count = { default = 32, type = "integer", min = 1 },
  dt = { default = 0.25, type = "number", above = 0 },
  halvings = { default = 5, type = "integer", min = 1, max = 12 },
  duration = { default = 3.75, type = "number", above = 0 },
  seed = { default = 1, type = "integer", min = 0 },
}

-- The number of steps at the largest dt, or nil and a message.
local function steps_of(o)
  local steps = math.floor(o.duration / o.dt + 0.5)
  if steps >= 1 and math.abs(steps * o.dt - o.duration) < 1e-9 * o.duration then
    return steps
  end
  return nil, string.format("integrators: duration: expected a multiple of dt, "
    .. "%g, got %g", o.dt, o.duration)
end

local function rms(x) return math.sqrt((x * x):mean():item()) end

-- Root mean square over trajectories, coordinates and the times of the coarsest
-- rollout.
local function error_of(system, start, truth, method, dt, stride)
  local steps = (truth.q:size(1) - 1) * stride
  local trajectory = integrate { H = system:hamiltonian(), q = start.q, p = start.p,
    dt = dt, steps = steps, method = method }
  local picked = engine.arange(1, steps + 1, stride, { dtype = "int64" })
  return rms(engine.cat({ trajectory.q:index_select(1, picked) - truth.q,
    trajectory.p:index_select(1, picked) - truth.p }, 1))
end

-- Below this, rounding and the error of the reference dominate.
local FLOOR = 1e-11

-- The order of convergence, from the last two errors above FLOOR.
local function order_of(errors)
  local last = #errors
  while last > 2 and errors[last] < FLOOR do last = last - 1 end
  return math.log(errors[last - 1] / errors[last], 2)
end

--- Measures the errors of rollouts against rk45, in float64.
-- @tparam string|System system a separable one
-- @tparam[opt] table opts count=32 initial states; dt=0.25, the largest, and halvings=5 of
-- it; duration=3.75, a multiple of dt; seed=1 for the initial states
-- @treturn table dts, a list; errors by scheme, lists like dts; order by scheme, from the
-- last two errors above rounding
function M.measure(system, opts)
  local o = options.resolve("integrators", opts, RULES)
  system = systems.of("integrators", system)
  local coarse, message = steps_of(o)
  if not coarse then options.raise("%s", message) end
  return engine.no_grad(function()
    local q, p = system:sample { count = o.count, seed = o.seed }
    -- More accurate than any scheme at the smallest dt.
    local truth = system:solve(q, p, { dt = o.dt, steps = coarse,
      rtol = 1e-13, atol = 1e-14 })
    local found = { dts = {}, errors = {}, order = {} }
    for h = 0, o.halvings do found.dts[h + 1] = o.dt / 2 ^ h end
    for _, method in ipairs(integrate.methods) do
      local errors = {}
      for h, dt in ipairs(found.dts) do
        errors[h] = error_of(system, { q = q, p = p }, truth, method, dt,
          1 << (h - 1))
      end
      found.errors[method] = errors
      found.order[method] = order_of(errors)
    end
    return found
  end)
end

--- Formats the errors as a Markdown table.
-- @tparam string title of the first column
-- @tparam table found as returned by measure
-- @treturn string
function M.markdown(title, found)
  local head, rows = { title }, {}
  for i, dt in ipairs(found.dts) do
    head[i + 1] = string.format("dt = %g", dt)
  end
  head[#head + 1] = "order"
  for _, method in ipairs(integrate.methods) do
    local cells = { method }
    for i, e in ipairs(found.errors[method]) do
      cells[i + 1] = string.format("%.1e", e)
    end
    cells[#cells + 1] = string.format("%.2f", found.order[method])
    rows[#rows + 1] = cells
  end
  return markdown.table(head, rows)
end

local COLOURS = { "#1f6fd0", "#d04a1f", "#e0a010", "#2a9d5c", "#8040b0", "#17a2b8", "#c2185b",
  "#795548", "#607d8b", "#9e9d24", "#000000", "#ff8f6b", "#7fb8ff", "#b39ddb" }

local function panel_of(name, found, duration)
  local series = {}
  for i, method in ipairs(integrate.methods) do
    series[i] = { x = found.dts, y = found.errors[method], style = "linespoints",
      colour = COLOURS[(i - 1) % #COLOURS + 1],
      label = string.format("%s, order %.2f", method, found.order[method]) }
  end
  return { title = string.format("%s: error of the state over %g", name,
    duration), xlabel = "step dt", ylabel = "root mean square against rk45",
    log = "xy", series = series, legend = "outside" }
end

--- Measures, draws integrators.png and writes the tables, integrators.md.
-- @tparam string folder
-- @tparam[opt] table opts as in measure
-- @treturn ?{string,...} files
-- @treturn ?string message, or with files the tables
function M.draw(folder, opts)
  local o = options.resolve("integrators", opts, RULES)
  local panels, tables = {}, {}
  for i, name in ipairs(M.systems) do
    local found = M.measure(name, o)
    panels[i] = panel_of(name, found, o.duration)
    tables[i] = M.markdown(name, found)
  end
  local text = table.concat(tables, "\n")
  local paths = { folder .. "/integrators.png", folder .. "/integrators.md" }
  local ok, message = plot.figure { path = paths[1], columns = #panels,
    width = 1600, height = 560, panels = panels }
  if not ok then return nil, message end
  ok, message = files.write(paths[2], text)
  if not ok then return nil, message end
  return paths, text
end

--- For scripts/figures.lua.
-- @tparam table given out, seed; settings: count, dt, halvings, duration
-- @treturn ?{string,...} files
-- @treturn ?string message, or with files the tables
function M.make(given)
  local o, message = settings.resolve("integrators", given.settings, RULES, given.seed)
  if not o then return nil, message end
  local steps
  steps, message = steps_of(o)
  if not steps then return nil, message end
  return M.draw(given.out, o)
end

return M
