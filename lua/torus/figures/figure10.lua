--- Figure 10: a volume of phase space under integrators that preserve it and ones that do
-- not.
--
-- The corners of a square in the phase space of a harmonic oscillator are
-- integrated by leapfrog, euler and rk4. Each step is linear here, so the square
-- remains a quadrilateral, and its area changes by the step's determinant: 1 under
-- leapfrog, 1 + (w dt)^2 under euler, 1 - (w dt)^6/72 + (w dt)^8/576 under
-- rk4, with w^2 = k/m.
-- @module torus.figures.figure10
local engine = require "torus.engine"
local integrate = require "torus.integrate"
local options = require "torus.options"
local plot = require "torus.plot"
local settings = require "torus.figures.settings"
local systems = require "torus.systems"

local M = {}

M.what = "a volume in phase space under leapfrog, euler and rk4 "
  .. "(--set dt=0.125, steps=24, every=3)"

--- The schemes in the figure.
M.methods = { "leapfrog", "euler", "rk4" }

local COLOURS = { leapfrog = "#1f6fd0", euler = "#d04a1f", rk4 = "#2a9d5c",
  exact = "#808080" }
local CENTRE, HALF = 1.25, 0.25 -- of the square, which lies on the q axis

local RULES = {
  dt = { default = 0.125, type = "number", above = 0 },
  steps = { default = 24, type = "integer", min = 1 },
  every = { default = 3, type = "integer", min = 1 },
}

--- Returns the area of a polygon, by the shoelace formula.
-- @tparam tensor q (..., corners), in the order of its outline
-- @tparam tensor p like q
-- @treturn tensor (...)
function M.area(q, p)
  local last, n = q:dim(), q:size(-1)
  local function next_of(x)
    return engine.cat({ x:narrow(last, 2, n - 1), x:narrow(last, 1, 1) }, last)
  end
  return (q * next_of(p) - next_of(q) * p):sum(last):abs() / 2
end

--- Returns the corners and the area of the square along the trajectory.
-- @tparam string method of torus.integrate
-- @tparam number dt
-- @tparam integer steps
-- @treturn table q and p (steps + 1, 4), area (steps + 1), float64
function M.follow(method, dt, steps)
  return engine.no_grad(function()
    local a, b = CENTRE - HALF, CENTRE + HALF
    local function column(x)
      return engine.tensor(x, { dtype = "float64" }):reshape(4, 1)
    end
    local trajectory = integrate { H = systems.mass_spring:hamiltonian(),
      q = column { a, b, b, a }, p = column { -HALF, -HALF, HALF, HALF },
      dt = dt, steps = steps, method = method }
    local q, p = trajectory.q:select(3, 1), trajectory.p:select(3, 1)
    return { q = q, p = p, area = M.area(q, p) }
  end)
end

--- Returns the factor by which a step multiplies areas, in closed form.
-- @tparam string method one of M.methods
-- @tparam number dt
-- @treturn number
function M.determinant(method, dt)
  local c = systems.mass_spring.constants
  local x = c.k / c.m * dt * dt
  if method == "euler" then return 1 + x end
  if method == "rk4" then return 1 - x ^ 3 / 72 + x ^ 4 / 576 end
  return 1
end

-- --- pictures -----------------------------------------------------------------

-- The exact motion of the square's centre: an ellipse whose p axis is sqrt(k m) times its
-- q axis.
local function exact_orbit()
  local c = systems.mass_spring.constants
  local angle = engine.linspace(0, 2 * math.pi, 200, { dtype = "float64" })
  return { x = angle:cos() * CENTRE,
    y = angle:sin() * (CENTRE * math.sqrt(c.k * c.m)), width = 1,
    colour = COLOURS.exact, style = "dashes" }
end

local function farthest(trajectory)
  return math.max(trajectory.q:abs():max():item(), trajectory.p:abs():max():item())
end

-- The quadrilateral after some steps, labelled with its area on the outer side.
local function add_outline(panel, trajectory, step, colour, reach)
  local q, p = trajectory.q[step + 1], trajectory.p[step + 1]
  panel.series[#panel.series + 1] = { x = engine.cat({ q, q:narrow(1, 1, 1) }, 1),
    y = engine.cat({ p, p:narrow(1, 1, 1) }, 1), style = "filled",
    colour = colour }
  local x, y = q:mean():item(), p:mean():item()
  local size = math.max((q - x):square():add((p - y):square()):max():item(), 0)
  local out = 1 + (math.sqrt(size) + 0.1 * reach) / math.sqrt(x * x + y * y)
  panel.labels[#panel.labels + 1] = { x = x * out, y = y * out,
    align = "center", text = string.format("%.3f", trajectory.area[step + 1]:item()) }
end

local function phase_panel(trajectory, method, o, reach)
  local panel = { title = string.format("%s, dt = %g, every %s: area %.4f "
    .. "to %.4f", method, o.dt, o.every == 1 and "step" or o.every .. " steps",
    trajectory.area[1]:item(), trajectory.area[-1]:item()), xlabel = "position q",
    ylabel = "momentum p", square = true,
    xrange = { -reach, reach }, yrange = { -reach, reach },
    series = { exact_orbit() }, labels = {} }
  for step = 0, o.steps, o.every do
    add_outline(panel, trajectory, step, COLOURS[method], reach)
  end
  return panel
end

-- One panel for each scheme. They share a range unless one needs more than twice that of
-- another.
local function phase_row(o)
  local trajectories, high, low = {}, 0, math.huge
  for i, method in ipairs(M.methods) do
    trajectories[i] = M.follow(method, o.dt, o.steps)
    local reach = farthest(trajectories[i])
    high, low = math.max(high, reach), math.min(low, reach)
  end
  local panels = {}
  for i, method in ipairs(M.methods) do
    local reach = high > 2 * low and farthest(trajectories[i]) or high
    panels[i] = phase_panel(trajectories[i], method, o, 1.5 * reach)
  end
  return panels
end

-- Areas over a longer time, measured and in closed form.
local function area_panel(dt, duration)
  local steps = math.max(1, math.floor(duration / dt + 0.5))
  local times, series = {}, {}
  for i = 0, steps do times[i + 1] = i * dt end
  for _, method in ipairs(M.methods) do
    local trajectory, closed = M.follow(method, dt, steps), {}
    local factor = M.determinant(method, dt)
    for i = 0, steps do closed[i + 1] = trajectory.area[1]:item() * factor ^ i end
    series[#series + 1] = { x = times, y = trajectory.area, label = method,
      colour = COLOURS[method], style = "points" }
    series[#series + 1] = { x = times, y = closed, colour = COLOURS[method],
      label = string.format("x %.6f per step", factor) }
  end
  return { title = string.format("area by time, dt = %g", dt), xlabel = "time t",
    ylabel = "area", log = "y", series = series, legend = "top left" }
end

--- Draws the figure: the outlines at dt and at 4 dt, and the areas over a longer time.
-- @tparam string folder for figure10.png and figure10-areas.png
-- @tparam[opt] table opts dt=0.125; steps=24; every=3, the number of steps between
-- outlines
-- @treturn ?{string,...} files
-- @treturn ?string message
function M.draw(folder, opts)
  local o = options.resolve("figure10", opts, RULES)
  local coarse = { dt = 4 * o.dt, steps = math.max(1, o.steps // 4), every = 1 }
  local panels = phase_row(o)
  table.move(phase_row(coarse), 1, #M.methods, #panels + 1, panels)
  local paths = { folder .. "/figure10.png", folder .. "/figure10-areas.png" }
  local ok, message = plot.figure { path = paths[1], columns = 3, width = 1500,
    height = 1060, panels = panels,
    title = "A volume in the phase space of a harmonic oscillator" }
  if not ok then return nil, message end
  ok, message = plot.figure { path = paths[2], columns = 2, width = 1200,
    height = 500, panels = { area_panel(o.dt, 4 * o.dt * o.steps),
      area_panel(coarse.dt, 4 * o.dt * o.steps) } }
  if not ok then return nil, message end
  return paths
end

--- For scripts/figures.lua.
-- @tparam table given out; settings: dt, steps, every
-- @treturn ?{string,...} files
-- @treturn ?string message
function M.make(given)
  local o, message = settings.resolve("figure10", given.settings, RULES)
  if not o then return nil, message end
  return M.draw(given.out, o)
end

return M
