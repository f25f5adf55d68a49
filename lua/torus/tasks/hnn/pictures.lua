--- Pictures of an HNN's rollouts next to the true or the measured motion.
-- @module torus.tasks.hnn.pictures
local engine = require "torus.engine"
local plot = require "torus.plot"

local M = {}

-- A quarter more than what the states of one coordinate take up.
local function range_of(x)
  local low, high = x:min():item(), x:max():item()
  local margin = math.max((high - low) / 8, 1e-6 * math.max(1, math.abs(high)))
  return { low - margin, high + margin }
end

--- How pictures call what rollouts are compared with, and which part of phase space
-- they show: next to the true motion, a square around the origin.
M.truth = { given = "truth", orbits = "true orbits", energy = "true", square = true,
  ranges = function(truth)
    local reach = math.max(truth.q:abs():max():item(), truth.p:abs():max():item()) * 1.25
    return { -reach, reach }, { -reach, reach }
  end }

--- Likewise next to measured states, whose q and p have units of their own.
M.measured = { given = "measured", orbits = "measured states", energy = "learned",
  square = false, ranges = function(truth) return range_of(truth.q), range_of(truth.p) end }

local function column(x, trajectory, coordinate)
  return x:select(2, trajectory):select(2, coordinate)
end

local function times_of(dt, n)
  local list = {}
  for i = 1, n do list[i] = (i - 1) * dt end
  return list
end

-- One body's path: in phase space for d = 1, else in the plane of its first
-- two coordinates.
local function path_of(rollout, index)
  local flat = rollout.q:size(3) == 1
  return column(rollout.q, index, 1),
    column(flat and rollout.p or rollout.q, index, flat and 1 or 2)
end

local COLOURS = { "#1b9e77", "#d95f02", "#7570b3", "#e7298a" }

-- Level sets of the learned energy with rollouts on top, for d = 1.
local function portrait(model, truth, learned, words)
  local n, like = 61, { dtype = model.config.dtype }
  local across, up = words.ranges(truth)
  local x_axis = engine.linspace(across[1], across[2], n, like)
  local y_axis = engine.linspace(up[1], up[2], n, like)
  local p, q = engine.meshgrid(y_axis, x_axis)
  local panel = { kind = "contour", title = "learned energy, " .. words.orbits
    .. " (grey) and rollouts", xlabel = "position q", ylabel = "momentum p",
    colour_label = "energy H(q, p)", x = x_axis, y = y_axis,
    z = model:energy(q:reshape(-1, 1), p:reshape(-1, 1)):reshape(n, n), series = {} }
  for i = 1, math.min(4, truth.q:size(2)) do
    local x, y = path_of(truth, i)
    panel.series[#panel.series + 1] = { x = x, y = y, colour = "#bbbbbb",
      width = 4 }
    x, y = path_of(learned, i)
    panel.series[#panel.series + 1] = { x = x, y = y, colour = "white",
      width = 1 }
  end
  return panel
end

local function paths(truth, learned, words)
  local flat = truth.q:size(3) == 1
  local panel = { title = flat and "phase portrait" or "path of body 1",
    xlabel = flat and "position q" or "position x",
    ylabel = flat and "momentum p" or "position y", square = words.square,
    series = {}, legend = "outside" }
  for i = 1, math.min(4, truth.q:size(2)) do
    local x, y = path_of(truth, i)
    panel.series[#panel.series + 1] = { x = x, y = y, style = "dashes",
      colour = COLOURS[i], label = i == 1 and words.given or nil }
    x, y = path_of(learned, i)
    panel.series[#panel.series + 1] = { x = x, y = y, colour = COLOURS[i],
      label = i == 1 and "learned" or nil }
  end
  return panel
end

-- The first coordinate, and with an energy that too.
local function over_time(truth, learned, dt, energy, words)
  local n = truth.q:size(1)
  local t = times_of(dt, n)
  local before, after = energy and energy(truth), energy and energy(learned)
  local q = { title = "first coordinate", xlabel = "time t", ylabel = "position q",
    series = {} }
  local e = { title = words.energy .. " energy along the rollout", xlabel = "time t",
    ylabel = "energy", series = {} }
  for i = 1, math.min(4, truth.q:size(2)) do
    q.series[#q.series + 1] = { x = t, y = column(truth.q, i, 1),
      style = "dashes", colour = COLOURS[i] }
    q.series[#q.series + 1] = { x = t, y = column(learned.q, i, 1),
      colour = COLOURS[i] }
    if energy then
      e.series[#e.series + 1] = { x = t, y = before:select(2, i),
        style = "dashes", colour = COLOURS[i] }
      e.series[#e.series + 1] = { x = t, y = after:select(2, i),
        colour = COLOURS[i] }
    end
  end
  return q, energy and e
end

--- Draws phase portraits, the first coordinate and the energy along rollouts.
-- @tparam string path of a .png
-- @tparam Module model
-- @tparam table o truth and learned, trajectories q and p (points, n, d) float64; dt
-- between points; subject, of the title; words, M.truth or M.measured; energy, a function
-- of a trajectory, (points, n), or nil
-- @treturn ?{string,...} files
-- @treturn ?string message
function M.draw(path, model, o)
  local truth, learned = o.truth, o.learned
  local panels = { paths(truth, learned, o.words) }
  panels[2], panels[3] = over_time(truth, learned, o.dt, o.energy, o.words)
  if model.hamiltonian and model.config.dimension == 1 then
    table.insert(panels, 1, portrait(model, truth, learned, o.words))
  end
  local ok, message = plot.figure { path = path, panels = panels,
    columns = 2, width = 1100, height = #panels > 2 and 900 or 470,
    title = string.format("%s on %s", tostring(model:describe()), o.subject) }
  if not ok then return nil, message end
  return { path }
end

return M
