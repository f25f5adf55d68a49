--- Figures of rollouts far beyond the training window, for one or several runs.
--
-- Each run is {label =, numbers =, shown =}, the last two as returned by
-- torus.tasks.extrapolation.measure.
-- @module torus.tasks.extrapolation_pictures
local engine = require "torus.engine"
local image = require "torus.image"
local lists = require "torus.tasks.lists"
local plot = require "torus.plot"

local M = {}

--- Returns the steps of a film strip, up to a last one.
-- @tparam integer last
-- @treturn {integer,...} 0, 50, 100, 200, 300 and then every 100, up to last; for a short
-- rollout, six equally spaced steps
function M.strip_steps(last)
  local steps = {}
  if last < 100 then
    for i = 0, math.min(5, last) do
      steps[i + 1] = i * last // math.min(5, last)
    end
    return steps
  end
  steps = { 0, 50 }
  for step = 100, last, 100 do steps[#steps + 1] = step end
  return steps
end

--- Draws the squared error of a pixel against the step, with the end of each training
-- window.
-- @tparam string path of a .png
-- @tparam {table,...} runs
-- @treturn ?boolean true
-- @treturn ?string message
function M.errors(path, runs)
  local series, low, high = {}, math.huge, 0
  for _, run in ipairs(runs) do
    local errors = run.numbers.mse.by_step
    series[#series + 1] = { x = lists.range(0, #errors - 1),
      y = errors, label = run.label }
    for _, e in ipairs(errors) do
      if e > 0 and e < low then low = e end
      if e > high and e < math.huge then high = e end
    end
  end
  local drawn = {}
  for _, run in ipairs(runs) do
    local window = run.numbers.window
    if not drawn[window] and low < high then
      series[#series + 1] = { x = { window - 1, window - 1 },
        y = { low, high }, style = "dashes", colour = "#808080",
        label = string.format("%d frames of training", window) }
      drawn[window] = true
    end
  end
  return plot.lines { path = path, series = series, log = "y",
    title = "error of rollouts", xlabel = "step",
    ylabel = "squared error (intensity from 0 to 1)", legend = "outside",
    width = 1000, height = 500 }
end

-- Tiles as large as frames, with the steps' numbers on them.
local function heading(steps, like)
  local height, width = like:size(2), like:size(3)
  local tiles = engine.ones(#steps, height, width, 3)
  for i, step in ipairs(steps) do
    local ink = image.text(tostring(step))
    local h, w = ink:size(1), ink:size(2)
    if h < height and w < width then
      tiles:select(1, i):narrow(1, height - h, h)
        :narrow(2, (width - w) // 2 + 1, w)
        :copy_((1 - ink):expand(h, w, 3))
    end
  end
  return tiles
end

--- Draws the predictions of the runs for the first sequence at some steps, below the truth.
-- @tparam string path of a .png
-- @tparam {table,...} runs with frames of one size; the truth is shown again
-- where it changes
-- @tparam {integer,...} steps those that were shown
-- @treturn ?boolean true
-- @treturn ?string message
function M.strip(path, runs, steps)
  local rows = { { label = "step", frames = heading(steps, runs[1].shown.truth) } }
  local truth
  for _, run in ipairs(runs) do
    local shown = run.shown
    if not truth or (truth - shown.truth):abs():max():item() > 0 then
      truth = shown.truth
      rows[#rows + 1] = { label = "truth", frames = truth }
    end
    rows[#rows + 1] = { label = run.label,
      frames = shown.seen:to("float32"):clamp(0, 1) }
  end
  return image.write(path, image.strip { rows = rows, every = 1 })
end

--- Draws the learned and the true period against the energy.
-- @tparam string path of a .png
-- @tparam {table,...} runs, all of them with `period`
-- @treturn ?boolean true
-- @treturn ?string message
function M.periods(path, runs)
  local series = {}
  for _, run in ipairs(runs) do
    local energies, learned, truth = {}, {}, {}
    for i, point in ipairs(run.numbers.period.points) do
      energies[i], learned[i], truth[i] = point.energy, point.learned,
        point.truth
    end
    if #series == 0 then
      series[1] = { x = energies, y = truth, label = "true",
        style = "lines", colour = "#808080" }
    end
    series[#series + 1] = { x = energies, y = learned, label = run.label,
      style = "points" }
  end
  return plot.lines { path = path, series = series,
    title = "period against energy", xlabel = "true energy",
    ylabel = "period", legend = "outside" }
end

--- Draws all figures in a folder: long-errors.png, long-frames.png and, if all runs have
-- periods, long-periods.png.
-- @tparam string folder an existing folder
-- @tparam {table,...} runs
-- @tparam {integer,...} steps those that were shown
-- @treturn ?{string,...} the files
-- @treturn ?string message
function M.draw(folder, runs, steps)
  local jobs = { { "long-errors.png", M.errors },
    { "long-frames.png", M.strip } }
  local periods = true
  for _, run in ipairs(runs) do
    local period = run.numbers.period
    periods = periods and period ~= nil and #period.points > 1
  end
  if periods then jobs[3] = { "long-periods.png", M.periods } end
  local files = {}
  for i, job in ipairs(jobs) do
    files[i] = folder .. "/" .. job[1]
    local ok, message = job[2](files[i], runs, steps)
    if not ok then return nil, message end
  end
  return files
end

return M
