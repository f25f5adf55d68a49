--- The motion of the systems that are not in the paper, one panel each: orbits, recurrences
-- and Poincare sections.
-- @module torus.figures.systems
local engine = require "torus.engine"
local integrate = require "torus.integrate"
local options = require "torus.options"
local plot = require "torus.plot"
local settings = require "torus.figures.settings"
local systems = require "torus.systems"

local M = {}

M.what = "one panel each for Kepler, Lennard-Jones, spring chain, Toda, charged particle, "
  .. "top, driven pendulum, Henon-Heiles (--set periods=120, sections=24, seed=3)"

local RULES = {
  periods = { default = 120, type = "integer", min = 1 },
  sections = { default = 24, type = "integer", min = 1 },
  seed = { default = 3, type = "integer", min = 0 },
}

local DOUBLE = { dtype = "float64" }
local COLOURS = { "#1f6fd0", "#d04a1f", "#e0a010", "#2a9d5c", "#8040b0", "#606060" }

local function colour(i) return COLOURS[(i - 1) % #COLOURS + 1] end

-- Exact motion from initial states drawn by the system, n points over the given time.
local function motion(name, count, time, n, seed)
  local system = systems.get(name)
  local q, p = system:sample { count = count, seed = seed }
  return system:solve(q, p, { dt = time / n, steps = n }), system
end

-- One line for each pair of coordinates x(i), y(i) of q.
local function paths(list)
  local series = {}
  for i, path in ipairs(list) do
    series[i] = { x = path[1], y = path[2], colour = colour(i), width = 1.5 }
  end
  return series
end

local function column(trajectory, sample, k)
  return trajectory.q:select(2, sample):select(2, k)
end

local panels = {}

function panels.kepler(o)
  local trajectory, list = motion("kepler", 5, 6, 400, o.seed), {}
  for i = 1, 5 do list[i] = { column(trajectory, i, 1), column(trajectory, i, 2) } end
  local series = paths(list)
  series[6] = { x = { 0 }, y = { 0 }, style = "points", colour = "#d0a000" }
  return { title = "kepler: five orbits", xlabel = "x", ylabel = "y", square = true,
    xrange = { -1.25, 1.25 }, yrange = { -1.25, 1.25 }, xtics = 0.5, series = series }
end

function panels.lennard_jones(o)
  local trajectory, list = motion("lennard_jones", 1, 12, 1500, o.seed), {}
  for i = 1, 5 do
    list[i] = { column(trajectory, 1, 2 * i - 1), column(trajectory, 1, 2 * i) }
  end
  return { title = "lennard_jones: paths of five particles", xlabel = "x", ylabel = "y",
    square = true, xrange = { -1.8, 1.8 }, yrange = { -1.8, 1.8 }, series = paths(list) }
end

-- The energies of the lowest modes of the chain, at a large amplitude.
function panels.spring_chain()
  local n, series = 8, {}
  local modes = {}
  for k = 1, 4 do
    modes[k] = {}
    for i = 1, n do modes[k][i] = math.sin(math.pi * k * i / (n + 1)) end
  end
  local shapes = engine.tensor(modes, DOUBLE)
  local q = shapes:narrow(1, 1, 1) * 2.5
  local trajectory = integrate { H = systems.spring_chain, q = q, p = q * 0, dt = 0.1,
    steps = 10000, every = 20 }
  local times = engine.arange(0, trajectory.q:size(1) - 1, 1, DOUBLE) * 2
  for k = 1, 4 do
    local shape, w = shapes[k], 2 * math.sin(math.pi * k / (2 * (n + 1)))
    local function amount(x)
      return (x:reshape(-1, n) * shape):sum(2) * math.sqrt(2 / (n + 1))
    end
    series[k] = { x = times, colour = colour(k), label = "mode " .. k,
      y = (amount(trajectory.p) ^ 2 + amount(trajectory.q) ^ 2 * w ^ 2) * 0.5 }
  end
  return { title = "spring_chain: energy flows to other modes and returns",
    xlabel = "time", ylabel = "energy of the mode", series = series, legend = "below" }
end

function panels.toda(o)
  local trajectory, list = motion("toda", 1, 30, 600, o.seed), {}
  local times = engine.arange(0, 600, 1, DOUBLE) * 0.05
  for i = 1, 6 do list[i] = { times, column(trajectory, 1, i) + 3 * i } end
  return { title = "toda: six particles on a ring", xlabel = "time",
    ylabel = "displacement, each 3 above the one before", series = paths(list) }
end

function panels.charged_particle(o)
  local trajectory, list = motion("charged_particle", 3, 20, 600, o.seed), {}
  for i = 1, 3 do list[i] = { column(trajectory, i, 1), column(trajectory, i, 2) } end
  return { title = "charged_particle: circles drifting across the electric field",
    xlabel = "x", ylabel = "y", square = true, xrange = { -2.5, 2.5 },
    yrange = { -4.2, 0.8 }, series = paths(list) }
end

function panels.spinning_top(o)
  local trajectory, list = motion("spinning_top", 2, 20, 2000, o.seed), {}
  for i = 1, 2 do
    local theta, phi = column(trajectory, i, 1), column(trajectory, i, 2)
    list[i] = { theta:sin() * phi:cos(), theta:sin() * phi:sin() }
  end
  return { title = "spinning_top: the axis from above, nodding and precessing",
    xlabel = "x", ylabel = "y", square = true, xrange = { -1, 1 }, yrange = { -1, 1 },
    series = paths(list) }
end

-- The state once per period of the drive, without the first periods.
function panels.driven_pendulum(o)
  local system = systems.driven_pendulum
  local first, batch = 20, 50
  local q, p = system:sample { count = batch, seed = o.seed }
  local trajectory = system:solve(q, p, { dt = 2 * math.pi / system.constants.frequency,
    steps = first + o.periods, rtol = 1e-8 })
  local angle = trajectory.q:narrow(1, first + 1, o.periods):reshape(-1)
  local turns = ((angle + math.pi) / (2 * math.pi)):floor()
  return { title = "driven_pendulum: once per period of the drive",
    xlabel = "angle", ylabel = "momentum", series = { { style = "dots",
      x = angle - turns * (2 * math.pi),
      y = trajectory.p:narrow(1, first + 1, o.periods):reshape(-1) } } }
end

-- Where orbits of the same energy cross x = 0 with p_x > 0.
function panels.henon_heiles(o)
  local system, energy = systems.henon_heiles, 1 / 8
  local generator = engine.generator(o.seed)
  local y, v = {}, {}
  while #y < o.sections do
    local r = engine.rand({ 2 }, { dtype = "float64", generator = generator })
    local a, b = r[1]:item() - 0.45, r[2]:item() - 0.5
    if 2 * energy - a * a + 2 * a ^ 3 / 3 - b * b > 0 then y[#y + 1], v[#v + 1] = a, b end
  end
  y, v = engine.tensor(y, DOUBLE), engine.tensor(v, DOUBLE)
  local u = (2 * energy - y * y + y ^ 3 * (2 / 3) - v * v):sqrt()
  local q, p = engine.stack({ y * 0, y }, 2), engine.stack({ u, v }, 2)
  local events = system:solve(q, p, { times = { 0, 1500 }, rtol = 1e-8, events = {
    { direction = 1, zero = function(x) return x:select(2, 1) end } } }).events[1]
  local series = {}
  for i, found in ipairs(events) do
    series[i] = { x = found.q:select(2, 2), y = found.p:select(2, 2), style = "dots",
      colour = colour(i) }
  end
  return { title = "henon_heiles: crossings of x = 0 with p_x > 0, energy 1/8", xlabel = "y",
    ylabel = "p_y", series = series }
end

local ORDER = { "kepler", "lennard_jones", "spring_chain", "toda", "charged_particle",
  "spinning_top", "driven_pendulum", "henon_heiles" }

--- Returns the panel of a system for torus.plot.figure.
-- @tparam string name of a system in the figure
-- @tparam[opt] table opts as in draw
-- @treturn table title, axes, and series with the motion
-- @raise for a system that is not in the figure
-- @usage
-- figure = require "torus.figures.systems"
-- print(#figure.panel("kepler").series)   -- 6
function M.panel(name, opts)
  local o = options.resolve("systems", opts, RULES)
  options.argument("systems", "name", name, { choices = ORDER })
  return engine.no_grad(panels[name], o)
end

--- Draws systems.png.
-- @tparam string folder
-- @tparam[opt] table opts periods=120 of the driven pendulum; sections=24 orbits of
-- henon_heiles; seed=3 for the initial states
-- @treturn ?{string,...} files
-- @treturn ?string message
-- @usage
-- figure = require "torus.figures.systems"
-- print(figure.what)
function M.draw(folder, opts)
  local o = options.resolve("systems", opts, RULES)
  local list = {}
  for i, name in ipairs(ORDER) do list[i] = M.panel(name, o) end
  local path = folder .. "/systems.png"
  local ok, message = plot.figure { path = path, columns = 4, width = 1800,
    height = 900, panels = list }
  if not ok then return nil, message end
  return { path }
end

--- For scripts/figures.lua.
-- @tparam table given out, seed; settings: periods, sections, seed
-- @treturn ?{string,...} files
-- @treturn ?string message
function M.make(given)
  local o, message = settings.resolve("systems", given.settings, RULES, given.seed)
  if not o then return nil, message end
  return M.draw(given.out, o)
end

return M
