--- Figure 5: the Hamiltonians of the paper's four systems next to sequences of
-- their data.
--
-- For one body, the phase plane is shown; for more, a plane of phase space: for two bodies
-- the distance between them and its momentum, at the angular momentum of the first sequence;
-- for three bodies the position of the third, with the others in the initial state of the
-- first sequence.
-- @module torus.figures.figure5
local data = require "torus.data"
local image = require "torus.image"
local options = require "torus.options"
local plot = require "torus.plot"
local settings = require "torus.figures.settings"
local systems = require "torus.systems"
local engine = require "torus.engine"

local M = {}

M.what = "the four systems' Hamiltonians, and sequences of each "
  .. "(--set sequences=3, points=121, resolution=32)"

--- The systems in the figure, by row.
M.systems = { "mass_spring", "pendulum", "two_body", "three_body" }

local RULES = {
  sequences = { default = 3, type = "integer", min = 1 },
  points = { default = 121, type = "integer", min = 2 },
  resolution = { default = 32, type = "integer", min = 8 },
  seed = { default = 1, type = "integer", min = 0 },
}

local DOUBLE = { dtype = "float64" }
local FINE = 8 -- points of a drawn path between two frames
local LONG = 8 -- a path is continued to this many times its length

local function axis(low, high, n) return engine.linspace(low, high, n, DOUBLE) end

-- All pairs of the values of two axes, as columns (#y #x, 1); x varies fastest.
local function pairs_of(x, y)
  local ys, xs = engine.meshgrid(y, x)
  return xs:reshape(-1, 1), ys:reshape(-1, 1)
end

-- The values of a panel: the energies of states (#y #x, d), clipped to low..high so that a
-- pole does not use up the colours.
local function heights(system, q, p, x, y, low, high)
  local z = system:energy(q, p):reshape(y:numel(), x:numel())
  if low then z = engine.maximum(z, low) end
  if high then z = engine.minimum(z, high) end
  return z
end

-- --- planes -------------------------------------------------------------------

-- Functions of a system, its trajectories on a fine grid of times, q and p (times,
-- sequences, d), and the number of points along a side. They return a panel, with its title
-- as `caption`.
local planes = {}

local function phase_plane(q_reach, p_reach)
  return function(system, trajectory, n)
    local x, y = axis(-q_reach, q_reach, n), axis(-p_reach, p_reach, n)
    local q, p = pairs_of(x, y)
    local series = {}
    for i = 1, trajectory.q:size(2) do
      series[i] = { x = trajectory.q:select(2, i), y = trajectory.p:select(2, i),
        colour = "white", width = 2 }
    end
    return { x = x, y = y, z = heights(system, q, p, x, y), series = series,
      xlabel = "position q", ylabel = "momentum p", caption = "H(q, p)",
      square = q_reach == p_reach }
  end
end

planes.mass_spring = phase_plane(1.2, 1.2)
planes.pendulum = phase_plane(4, 3)

--- Returns the relative coordinates of two bodies whose centre of mass is at rest: their
-- distance r, its momentum p_r, and the angular momentum L.
-- @tparam tensor q (batch, 4)
-- @tparam tensor p (batch, 4)
-- @treturn tensor r (batch)
-- @treturn tensor p_r (batch)
-- @treturn tensor L (batch)
function M.relative(q, p)
  local gap = q:narrow(2, 3, 2) - q:narrow(2, 1, 2)
  local momentum = (p:narrow(2, 3, 2) - p:narrow(2, 1, 2)) / 2
  local r = (gap * gap):sum(2):sqrt()
  local spin = gap:select(2, 1) * momentum:select(2, 2)
    - gap:select(2, 2) * momentum:select(2, 1)
  return r, (gap * momentum):sum(2) / r, spin
end

--- Returns states of two bodies on the x axis with given r, p_r and L: the inverse of
-- relative.
-- @tparam tensor r (batch, 1)
-- @tparam tensor p_r (batch, 1)
-- @tparam number L
-- @treturn tensor q (batch, 4)
-- @treturn tensor p (batch, 4)
function M.apart(r, p_r, L)
  local p_t = r:reciprocal() * L
  local half, none = r / 2, engine.zeros_like(r)
  return engine.cat({ -half, none, half, none }, 2),
    engine.cat({ -p_r, -p_t, p_r, p_t }, 2)
end

-- The continuation of the first sequence, in r and p_r.
local function continued(system, q, p)
  local trajectory = system:solve(q:narrow(1, 1, 1), p:narrow(1, 1, 1),
    { steps = LONG * system.steps })
  local r, p_r = M.relative(trajectory.q:select(2, 1), trajectory.p:select(2, 1))
  return { x = r, y = p_r, colour = "#d0d0d0", style = "dashes", width = 1 }
end

function planes.two_body(system, trajectory, n)
  local r, p_r, spin = M.relative(trajectory.q:select(2, 1), trajectory.p:select(2, 1))
  local L = spin[1]:item()
  -- The distance of a circular orbit; at half of it and p_r = 0, H is 0.
  local c = system.constants
  local circle = 2 * L * L / (c.g * c.m ^ 3)
  local x = axis(0.5 * circle, 2.5 * circle, n)
  local y = axis(-0.5 * L / circle, 0.5 * L / circle, n)
  local rs, ps = pairs_of(x, y)
  local q, p = M.apart(rs, ps, L)
  return { x = x, y = y, z = heights(system, q, p, x, y, nil, 0),
    series = { continued(system, trajectory.q[1], trajectory.p[1]),
      { x = r, y = p_r, colour = "white", width = 3 } },
    xlabel = "distance r", ylabel = "its momentum p_r",
    caption = string.format("H(r, p_r) at L = %.2f", L) }
end

function planes.three_body(system, trajectory, n)
  local q0, p0 = trajectory.q[1]:narrow(1, 1, 1), trajectory.p[1]:narrow(1, 1, 1)
  local reach = system.drawing.half_width
  local x, y = axis(-reach, reach, n), axis(-reach, reach, n)
  local third_x, third_y = pairs_of(x, y)
  local rows = n * n
  local q = engine.cat({ q0:narrow(2, 1, 4):expand(rows, 4), third_x, third_y }, 2)
  local start = system:energy(q0, p0):item()
  local series, colours = {}, { "#ff4040", "#40ff40", "#6080ff" }
  for body = 1, 3 do
    series[body] = { x = trajectory.q:select(2, 1):select(2, 2 * body - 1),
      y = trajectory.q:select(2, 1):select(2, 2 * body), colour = colours[body],
      width = 3 }
  end
  return { x = x, y = y, z = heights(system, q, p0:expand(rows, 6), x, y,
    3 * start), series = series, xlabel = "x of body 3",
    ylabel = "y of body 3", square = true,
    caption = "H by position of body 3, with the paths" }
end

-- --- the figure ---------------------------------------------------------------

-- Noise-free sequences, and the first one again with the paper's noise.
local function film_strip(set, system, o)
  local indices = engine.arange(1, o.sequences, { dtype = "int64" })
  local clean, observed = set.train:clean(indices), set.train:batch { 1 }
  local rows, labels = {}, {}
  for i = 1, o.sequences do rows[i] = { frames = clean[i] } end
  rows[#rows + 1] = { frames = observed[1] }
  local strip = image.strip { rows = rows, every = 3, scale = 3 }
  local height = strip:size(1) / #rows
  for i = 1, #rows do
    labels[i] = { text = i < #rows and tostring(i) or "1, noisy",
      align = "right", x = -12, y = (#rows - i + 0.5) * height }
  end
  return { kind = "image", image = strip, labels = labels,
    title = string.format("%s: every third frame, dt = %g, noise in the "
      .. "last row %g", system.name, system.dt, set.noise) }
end

--- Returns the Hamiltonian of a system as a panel for torus.plot.figure.
-- @tparam string name of one of M.systems
-- @tparam[opt] table opts sequences=3; points=121 along a side; seed=1
-- @treturn table x, y, z (#y, #x), and series with the paths of the sequences
function M.landscape(name, opts)
  local o = options.resolve("figure5", opts, RULES)
  local system = systems.get(name)
  return engine.no_grad(function()
    local q, p = system:sample { count = o.sequences, seed = o.seed }
    local trajectory = system:solve(q, p, { dt = system.dt / FINE,
      steps = system.steps * FINE })
    local panel = planes[name](system, trajectory, o.points)
    panel.kind, panel.levels = "contour", 16
    panel.title, panel.caption = panel.caption, nil
    return panel
  end)
end

--- Draws the figure.
-- @tparam string folder for figure5.png
-- @tparam[opt] table opts sequences=3 of each system; points=121 along a
-- side; resolution=32; seed=1 of the sequences
-- @treturn ?{string,...} files
-- @treturn ?string message
function M.draw(folder, opts)
  local o = options.resolve("figure5", opts, RULES)
  local panels = {}
  for _, name in ipairs(M.systems) do
    local set = data.simulate(name, { train = o.sequences, test = 1,
      seed = o.seed, resolution = o.resolution })
    panels[#panels + 1] = M.landscape(name, o)
    panels[#panels + 1] = film_strip(set, set.system, o)
  end
  local path = folder .. "/figure5.png"
  local ok, message = plot.figure { path = path, panels = panels,
    widths = { 1, 1.9 }, width = 1500, height = 390 * #M.systems,
    title = "Hamiltonians with the paths of the sequences next to them" }
  if not ok then return nil, message end
  return { path }
end

--- For scripts/figures.lua.
-- @tparam table given out, seed; settings: sequences, points, resolution
-- @treturn ?{string,...} files
-- @treturn ?string message
function M.make(given)
  local o, message = settings.resolve("figure5", given.settings, RULES, given.seed)
  if not o then return nil, message end
  return M.draw(given.out, o)
end

return M
