--- Estimates the number of degrees of freedom of a video, in two ways: in how many
-- directions its frames vary, without a model; and with HGNs with vector phase spaces of
-- 1, 2, 3, ... dimensions, trained briefly, as the smallest dimension whose rollouts stay
-- valid as long as those of any larger one.
-- @module torus.experiments.dimension
local cells = require "torus.experiments.cells"
local dist = require "torus.dist"
local configuration = require "torus.runs.configuration"
local datasets = require "torus.data"
local extrapolation = require "torus.tasks.extrapolation"
local frame_dimension = require "torus.experiments.frame_dimension"
local markdown = require "torus.experiments.markdown"
local options = require "torus.options"
local plot = require "torus.plot"
local sequences = require "torus.tasks.sequences"
local tasks = require "torus.tasks"
local video = require "torus.data.video"

local M = {}

-- --- the choice ---------------------------------------------------------------

--- The factor by which rollouts with more degrees of freedom must stay valid longer to
-- count: brief training runs with different seeds differ by some tens of per cent, while a
-- phase space that lacks a degree of freedom loses the motion several times earlier.
M.factor = 1.5

-- True if the valid steps b are clearly more than a, both {mean, spread, count}.
local function clearly_more(b, a)
  local error = math.sqrt(a.spread ^ 2 / a.count + b.spread ^ 2 / b.count)
  local difference = b.mean - a.mean
  return difference > 2 * error and difference >= 1
    and b.mean > M.factor * a.mean
end

--- Picks the smallest number of degrees of freedom whose valid steps are not clearly
-- exceeded by those of a larger number: by a mean that is larger by a factor of 1.5, by at
-- least one step and by more than two standard errors of the difference.
--
-- A phase space with too few degrees of freedom can't represent the motion: its
-- rollouts fail inside the training window or soon after it. One with surplus
-- dimensions can, but rollouts may leave in directions that never occurred in training,
-- so that they stay valid at most as long. The valid time therefore increases up to the
-- true number and no further. The error inside the window is not a suitable measure: it
-- keeps decreasing.
-- @tparam {table,...} rows each with n, degrees of freedom, and valid: mean,
-- spread (standard deviation) and count of the valid steps of sequences
-- @treturn integer n
-- @treturn boolean true if it is the largest that was tried, so that a larger one might be
-- better
-- @raise for no rows
-- @usage
-- local dimension = require "torus.experiments.dimension"
-- print(dimension.pick {
--   { n = 1, valid = { mean = 5, spread = 3, count = 64 } },
--   { n = 2, valid = { mean = 60, spread = 30, count = 64 } },
--   { n = 3, valid = { mean = 66, spread = 30, count = 64 } } })   -- 2 false
function M.pick(rows)
  if #rows == 0 then
    options.raise("dimension.pick: expected at least one row, got none")
  end
  local sorted = table.move(rows, 1, #rows, 1, {})
  table.sort(sorted, function(a, b) return a.n < b.n end)
  for i, row in ipairs(sorted) do
    local beaten = false
    for k = i + 1, #sorted do
      beaten = beaten or clearly_more(sorted[k].valid, row.valid)
    end
    if not beaten then return row.n, i == #sorted end
  end
end

-- --- the training runs ------------------------------------------------------------

local RULES = {
  out = { required = true, type = "path" },
  system = { type = "path" },
  data = { type = "path" },
  frames = { type = "integer", min = 2 },
  max = { type = "integer", min = 1 },
  steps = { default = 2000, type = "integer", min = 1 },
  seed = { default = 0, type = "integer", min = 0 },
  changes = { default = {}, type = "table" },
  rollout = { default = 300, type = "integer", min = 1 },
  count = { default = 64, type = "integer", min = 1 },
  refine = { default = 12, type = "integer", min = 1 },
  say = { default = print, type = "callable" },
}

-- The largest number that is trained where frames tell nothing; where they do, it is the
-- next after theirs.
local MAX = 4
-- Seconds of a training step, for estimating the remaining time.
local SECONDS_PER_STEP = 0.07

-- The properties of given frames for the configuration. By default, training sees the first
-- half of every sequence, as the valid time of rollouts can only be measured on unseen
-- frames.
local function of_film(path, o)
  local set, message = datasets.frames(path, sequences.film_options(o.changes))
  if not set then return nil, message end
  local _, length, height, width, channels = table.unpack(set.train:batch({ 1 }).shape)
  local frames = o.frames or math.max(2, length // 2)
  if frames >= length then
    return nil, string.format("%s: expected sequences of more than %d frames, "
      .. "so that some remain to compare rollouts with, got %d", path, frames,
      length)
  end
  return { data = path, frames = frames, held_back = length - frames,
    resolution = height, frame_width = width ~= height and width or nil,
    channels = channels ~= 3 and channels or nil }, length - 1
end

-- The same for a folder of trajectories, or a system.
local function of_states(o)
  local changes = { system = o.system, data = o.data, frames = o.frames }
  if not o.data then
    changes.noise, changes.train_size, changes.test_size = 0, 4000,
      math.max(o.count, 64)
    return changes, o.rollout
  end
  local set, message = datasets.load(o.data, { system = o.system })
  if not set then return nil, message end
  changes.frames = o.frames or set.steps + 1
  return changes, o.rollout
end

-- What the frames of training tell, or nil and why they don't.
local function look_at_frames(config)
  local data, message = tasks.get("hgn").open_data(config)
  if not data then return nil, message end
  if (data.noise or 0) > 0 then return nil, "positions with noise vary in all directions" end
  return frame_dimension.measure(data.train)
end

-- The properties of the data for the configuration, and the number of steps of a rollout.
local function of_data(o)
  local changes, last
  if o.data and video.is_film(o.data) then
    changes, last = of_film(o.data, o)
  else
    changes, last = of_states(o)
  end
  if not changes then return nil, last end
  return changes, math.min(o.rollout, last)
end

-- The configuration of n degrees of freedom.
local function configure(o, data, n)
  -- The horizon grows over the first third of the training, as in the preset.
  return configuration.make("small", options.joined(data, {
    model = "hgn", phase = "vector", dimension = n, seed = o.seed, steps = o.steps,
    fit_steps = 0, teach_steps = 0, chart = 0, horizon_steps = math.min(600, o.steps // 3),
    kl_warmup = math.min(1000, o.steps // 2) }, o.changes))
end

-- The cells of all n up to o.max or to one more than the frames suggest.
local function plan(o, data, suggested)
  local list = {}
  for n = 1, o.max or (suggested and suggested + 1 or MAX) do
    local config, message = configure(o, data, n)
    if not config then return nil, message end
    list[n] = { name = "n" .. n, config = config,
      cost = config.steps * SECONDS_PER_STEP }
  end
  return list
end

-- The stored result of a training run.
local function measured(model, data, config, o)
  local task = tasks.get "hgn"
  local numbers, message = extrapolation.measure(model, data, options.joined(
    task.extrapolation(model, data, config, { refine = o.refine }),
    { steps = o.rollout, count = o.count, symetric = false }))
  if not numbers then error(message, 0) end
  return { n = config.dimension, window = numbers.window, mse = numbers.mse.window,
    valid = numbers.valid, prediction_time = numbers.prediction_time,
    energy_drift = numbers.energy_drift, rollout = o.rollout, asked = o.count,
    refine = o.refine }
end

-- Results of an earlier call count only if they were measured with the same options.
local function mismatch(row, o)
  for key, now in pairs { rollout = o.rollout, asked = o.count,
    refine = o.refine } do
    if row[key] ~= now then
      return string.format("%s/n%d/result.json was measured with another rollout, "
        .. "count or refine (%d, expected %d): remove it to measure again, or "
        .. "choose another folder", o.out, row.n, row[key], now)
    end
  end
end

--- Trains, measures and picks. Every n has a run folder, `n1`, `n2`, ..., in `out`; runs
-- finished by an earlier call are reused, and dimension.png is redrawn.
-- @tparam table opts
-- @tparam string opts.out folder
-- @tparam[opt] string opts.system name of a system to simulate, without noise
-- @tparam[opt] string opts.data a film (torus.data.frames), or a folder of
-- trajectories, instead
-- @tparam[opt] integer opts.frames number of frames of every sequence that training sees; by
-- default the first half for a film, else 31
-- @tparam[opt] integer opts.max maximum number of degrees of freedom that is trained; by
-- default one more than the frames suggest, or 4 if they suggest none
-- @tparam[opt=2000] integer opts.steps number of steps of each training run
-- @tparam[opt=0] integer opts.seed
-- @tparam[opt] table opts.changes changes of the configuration
-- @tparam[opt=300] integer opts.rollout number of steps of the measured rollouts; for a film
-- at most the length of its sequences
-- @tparam[opt=64] integer opts.count number of test sequences
-- @tparam[opt=12] integer opts.refine refinement iterations of the initial states
-- @tparam[opt=print] function opts.say prints a line
-- @treturn ?table dimension, the answer: that of the frames or, where these tell nothing, of
-- the rollouts; frames, as returned by torus.experiments.frame_dimension, or no_frames, why
-- there are none; by_rollouts, the n picked by valid steps; largest, true if that is the
-- largest n that was tried; rows, one for each n: n, window (frames of training), mse
-- (inside of it), valid
-- (mean, spread, median, count of the valid steps), prediction_time, energy_drift
-- (mean, spread, median), seconds, step; picture, its path, nil without gnuplot
-- @treturn ?string message
function M.run(opts)
  local o = options.resolve("dimension", opts, RULES)
  if not o.system and not o.data then
    options.raise("dimension: expected a system or data, got neither")
  end
  if o.changes.dimension or o.changes.phase then
    options.raise("dimension: changes: expected neither phase nor dimension, "
      .. "which this experiment sets, got %s",
      options.show(o.changes.dimension or o.changes.phase))
  end
  local base, rollout = of_data(o)
  if not base then return nil, rollout end
  o.rollout = rollout
  local first, message = configure(o, base, 1)
  if not first then return nil, message end
  local frames, why = look_at_frames(first)
  local list, results
  list, message = plan(o, base, frames and frames.dimension)
  if not list then return nil, message end
  results, message = cells.run(list, { out = o.out, say = o.say,
    measure = function(model, data, cell)
      return measured(model, data, cell.config, o)
    end })
  if not results then return nil, message end
  local rows = {}
  for n, cell in ipairs(list) do
    rows[n] = results[cell.name]
    if not rows[n] then
      return nil, string.format("%s/%s: another process works on it; call again "
        .. "when it has finished", o.out, cell.name)
    end
    message = mismatch(rows[n], o)
    if message then return nil, message end
  end
  local found = { rows = rows, frames = frames, no_frames = why }
  found.by_rollouts, found.largest = M.pick(rows)
  found.dimension = frames and frames.dimension or found.by_rollouts
  if dist.rank() > 0 then return found end
  local path = o.out .. "/dimension.png"
  local drawn, problem = M.draw(path, found)
  if drawn then found.picture = path else o.say(problem) end
  return found
end

-- --- in words and pictures --------------------------------------------------------

local function scientific(x) return string.format("%.2fe-4", x * 1e4) end

--- Returns the results of run as a Markdown table.
-- @tparam table found as returned by run
-- @treturn string
function M.markdown(found)
  local body = {}
  for i, row in ipairs(found.rows) do
    local drift = row.energy_drift
    body[i] = { string.format("%d%s", row.n, row.n == found.dimension and " *"
      or ""), scientific(row.mse), string.format("%.1f ± %.1f", row.valid.mean,
      row.valid.spread), tostring(row.valid.median),
      markdown.number("%.2g", drift and drift.median),
      string.format("%.0f", row.seconds) }
  end
  return markdown.table({ "n", string.format("MSE in the %d frames of training",
    found.rows[1].window), string.format("valid steps of %d",
    found.rows[1].rollout), "median", "energy drift, median", "seconds" }, body)
end

local function degrees(n)
  return string.format("%d degree%s of freedom", n, n == 1 and "" or "s")
end

-- What the frames tell, in a sentence.
local function about_frames(found)
  local frames = found.frames
  if not frames then return found.no_frames end
  local numbers, neighbours = {}, frame_dimension.neighbours
  for i, estimate in ipairs(frames.estimates) do numbers[i] = string.format("%.2f", estimate) end
  local text = string.format("by the nearest %s of %d frames, these vary in %s directions",
    table.concat(neighbours, ", "), frames.frames, table.concat(numbers, ", "))
  if frames.dimension then return text end
  return text .. ", as noisy frames do, or too few"
end

-- What the rollouts tell, in a sentence or two.
local function about_rollouts(found)
  local row = found.rows[found.by_rollouts]
  local text = string.format("no larger number than %d holds clearly longer than %.1f steps",
    row.n, row.valid.mean)
  if row.valid.mean < row.window - 1 then
    text = text .. string.format(". Rollouts end inside the %d frames of "
      .. "training, so train longer (--steps) before relying on them", row.window)
  end
  return text
end

--- Returns the answer and the reasons, in a few sentences.
-- @tparam table found as returned by run
-- @treturn string
function M.verdict(found)
  local n = found.dimension
  local text = degrees(n) .. ": "
  if not (found.frames and found.frames.dimension) then
    text = text .. about_rollouts(found)
    if found.largest and #found.rows > 1 then
      text = text .. ". None larger was tried: a larger --max may hold longer"
    end
    return text .. ". The frames tell nothing: " .. about_frames(found)
  end
  local agree = found.by_rollouts == n and "Rollouts agree: "
    or "Rollouts after these brief training runs suggest " .. found.by_rollouts .. ": "
  return text .. about_frames(found) .. ". " .. agree .. about_rollouts(found)
end

local PANELS = {
  { "how long rollouts are valid", "steps", function(row) return row.valid.mean end },
  { "error in the frames of training", "squared error (intensity from 0 to 1)",
    function(row) return row.mse end, "y" },
  { "energy drift", "drift relative to the energy", function(row)
    return row.energy_drift and row.energy_drift.median
  end, "y" },
}

local function panel_of(found, title, ylabel, value, log)
  local x, y, low, high, picked, picked_y = {}, {}, {}, {}, {}, {}
  for i, row in ipairs(found.rows) do
    local error = row.valid.spread / math.sqrt(row.valid.count)
    x[i], y[i] = row.n, value(row) or 0 / 0
    low[i], high[i] = y[i] - 2 * error, y[i] + 2 * error
    if row.n == found.dimension then picked[1], picked_y[1] = row.n, y[i] end
  end
  local line = { x = x, y = y, style = "linespoints", colour = "#1b6ca8" }
  if not log then line.low, line.high = low, high end
  return { title = title, xlabel = "degrees of freedom",
    ylabel = ylabel, log = log,
    xrange = { 0.5, #found.rows + 0.5 }, xtics = 1, series = { line, #picked > 0
      and { x = picked, y = picked_y, style = "points", colour = "#d95f02" } or nil } }
end

--- Draws valid steps (with two standard errors), the error inside the frames of
-- training and the energy drift against the number of degrees of freedom.
-- @tparam string path of a .png
-- @tparam table found as returned by run
-- @treturn ?boolean true
-- @treturn ?string message
function M.draw(path, found)
  local panels = {}
  for i, panel in ipairs(PANELS) do
    panels[i] = panel_of(found, table.unpack(panel))
  end
  local window = found.rows[1].window
  local top = found.rows[1].rollout
  table.insert(panels[1].series, { x = panels[1].xrange,
    y = { window - 1, window - 1 }, style = "dashes", colour = "#808080" })
  panels[1].labels = { { x = #found.rows + 0.45, y = window - 1 + 0.03 * top,
    align = "right", text = string.format("%d frames of training", window) } }
  panels[1].yrange = { 0, top * 1.05 }
  return plot.figure { path = path, panels = panels, columns = 3, width = 1320,
    height = 420, title = degrees(found.dimension)
      .. (found.rows[found.dimension] and " (orange)" or "") }
end

return M
