--- Validity and errors of predicted frames.
--
-- A frame is valid while its squared error is at most 0.025 of the true
-- frame's squared norm (Botev et al. 2021, "Which priors matter?", and their
-- code). All functions accept errors and norms (sequences, frames), as
-- returned by `frame_errors`, in the order of the prediction: for one that
-- runs backward in time, the latest frame comes first.
-- @module torus.measures.validity
local engine = require "torus.engine"
local options = require "torus.options"

local M = {}

--- The threshold of the authors' code.
M.threshold = 0.025

--- The longest valid prediction time on the authors' 256-frame sequences, of
-- which 64 are the training window.
M.longest = 192

local THRESHOLD = { type = "number", above = 0 }

local function check_pair(operation, errors, norms)
  options.tensor(operation, "errors", errors, { "sequences", "frames" })
  options.tensor(operation, "norms", norms, errors.shape)
end

--- Returns the squared errors and squared norms of frames, each divided by the number of
-- values of a frame.
-- @tparam tensor predicted (sequences, frames, ...)
-- @tparam tensor truth the same shape
-- @treturn tensor errors (sequences, frames)
-- @treturn tensor norms of the true frames (sequences, frames)
-- @usage
-- validity = torus.measures.validity
-- truth = torus.rand(2, 60, 8, 8, 3)
-- errors, norms = validity.frame_errors(truth + 0.1, truth)
function M.frame_errors(predicted, truth)
  options.tensor("frame_errors", "predicted", predicted,
    { "sequences", "frames", "..." })
  options.tensor("frame_errors", "truth", truth, predicted.shape)
  local function mean_squares(x)
    return x:square():reshape(x:size(1), x:size(2), -1):mean(3)
  end
  return engine.no_grad(function()
    return mean_squares(predicted - truth), mean_squares(truth)
  end)
end

-- The number of valid frames from `first` on; a frame with NaN is invalid.
local function valid_frames(errors, norms, threshold, first, last)
  local frame = first
  while frame <= last and errors[frame] <= threshold * norms[frame] do
    frame = frame + 1
  end
  return frame - first
end

--- Returns the number of steps from the first frame to the last one of the initial run of
-- valid frames; 0 if the first or the second frame is invalid.
-- @tparam tensor errors (sequences, frames)
-- @tparam tensor norms (sequences, frames)
-- @tparam[opt=0.025] number threshold part of the squared norm
-- @treturn {integer,...} one for each sequence, at most frames - 1
-- @usage
-- validity = torus.measures.validity
-- truth = torus.rand(2, 60, 8, 8, 3)
-- errors, norms = validity.frame_errors(truth + 0.1, truth)
-- print(table.unpack(validity.valid_steps(errors, norms)))
function M.valid_steps(errors, norms, threshold)
  check_pair("valid_steps", errors, norms)
  threshold = options.argument("valid_steps", "threshold",
    threshold or M.threshold, THRESHOLD)
  local steps, limits = {}, norms:totable()
  for i, row in ipairs(errors:totable()) do
    steps[i] = math.max(0,
      valid_frames(row, limits[i], threshold, 1, #row) - 1)
  end
  return steps
end

local TIMES = {
  window = { required = true, type = "integer", min = 1 },
  threshold = { default = M.threshold, type = "number", above = 0 },
  limit = { default = M.longest, type = "integer", min = 1 },
}

--- Returns the valid prediction time of the authors' code (deepmind-research,
-- physics_inspired_models, `_eval_batch_vpt`): the number of frames after the
-- training window before the first one that is not valid. Frames inside the
-- window don't count, valid or not. A frame with NaN is not valid (in their
-- code it is).
-- @tparam tensor errors (sequences, frames), those of the window first
-- @tparam tensor norms (sequences, frames)
-- @tparam table opts window, the number of frames of a training sequence;
-- threshold=0.025; limit=192, the maximum time
-- @treturn {integer,...} one for each sequence, at most min(limit, frames -
-- window)
-- @usage
-- validity = torus.measures.validity
-- truth = torus.rand(2, 60, 8, 8, 3)
-- errors, norms = validity.frame_errors(truth + 0.1, truth)
-- print(table.unpack(validity.prediction_times(errors, norms, { window = 31 })))
function M.prediction_times(errors, norms, opts)
  local o = options.resolve("prediction_times", opts, TIMES)
  check_pair("prediction_times", errors, norms)
  if errors:size(2) <= o.window then
    options.raise("prediction_times: expected more frames than the window of "
      .. "%d, got %d", o.window, errors:size(2))
  end
  local last = math.min(errors:size(2), o.window + o.limit)
  local times, limits = {}, norms:totable()
  for i, row in ipairs(errors:totable()) do
    times[i] = valid_frames(row, limits[i], o.threshold, o.window + 1, last)
  end
  return times
end

local PARTS = {
  window = { required = true, type = "integer", min = 1 },
  next = { default = 60, type = "integer", min = 1 },
  times = { default = 10, type = "number", min = 1 },
}

--- Returns mean squared errors inside the training window, in the following frames, and
-- step by step.
-- @tparam tensor errors (sequences, frames)
-- @tparam table opts window, in frames; next=60 frames after it; times=10, the number of
-- windows that by_step covers, math.huge for all frames
-- @treturn table window; next and next_frames, the number of frames it covers, nil if there
-- are none; by_step, a list beginning with step 0
-- @usage
-- validity = torus.measures.validity
-- truth = torus.rand(2, 60, 8, 8, 3)
-- errors, norms = validity.frame_errors(truth + 0.1, truth)
-- print(validity.windows(errors, { window = 10 }).window)
function M.windows(errors, opts)
  local o = options.resolve("windows", opts, PARTS)
  options.tensor("windows", "errors", errors, { "sequences", "frames" })
  local by_step = errors:to("float64"):mean(1):totable()
  local function mean(first, last)
    local sum = 0
    for i = first, last do sum = sum + by_step[i] end
    return sum / (last - first + 1)
  end
  local inside = math.min(o.window, #by_step)
  local last = math.min(o.window + o.next, #by_step)
  local found = { window = mean(1, inside) }
  if last > o.window then
    found.next, found.next_frames = mean(o.window + 1, last), last - o.window
  end
  local steps = o.times == math.huge and #by_step
    or math.floor(o.times * (o.window - 1)) + 1
  found.by_step = table.move(by_step, 1, math.min(#by_step, steps), 1, {})
  return found
end

return M
