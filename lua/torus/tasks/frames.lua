--- Evaluation of models of frames on held-out sequences.
--
-- HGN and PixelHNN are measured in the same way. A model must provide
--
--     reconstruct(frames, opts)  -> predicted frames and the rollout that they
--                                are decoded from; opts: steps, dt, and refine
--                                if it is passed to measure
--     images(trajectory)         -> frames along a rollout
--     energies(trajectory)       -> (steps + 1, batch)
--     continue(trajectory, opts) -> the rollout from the end of another
--     frame_time                 the dt from one frame to the next
--
-- @module torus.tasks.frames
local lists = require "torus.tasks.lists"
local options = require "torus.options"
local signature = require "torus.signature"
local engine = require "torus.engine"
local validity = require "torus.measures.validity"

local M = {}

local RULES = {
  count = { default = 256, type = "integer", min = 1 },
  batch = { default = 16, type = "integer", min = 1 },
  steps = { type = "integer", min = 1 },
  threshold = { default = 0.025, type = "number", above = 0 },
  refine = { type = "integer", min = 1 },
  each = { default = function() end, type = "callable" },
}

local extend, range = lists.extend, lists.range

--- Returns the mean squares of a pixel's colours, frame by frame.
-- @tparam tensor x (batch, frames, height, width, channels)
-- @treturn tensor (batch, frames)
function M.squares(x)
  return (x * x):reshape(x:size(1), x:size(2), -1):mean(3)
end

-- Means over the frames of every sequence, as a list.
local function by_sequence(squares) return squares:mean(2):totable() end

--- The number of steps of the initial run of valid frames; see torus.measures.validity.
M.valid_steps = validity.valid_steps

-- The relative error of the initial state after a rollout forward and backward.
local function reversal(forward, backward)
  local error_, size = 0, 0
  for _, name in ipairs { "q", "p" } do
    local start = forward[name][1]
    local e = backward[name][-1] - start
    error_ = error_ + (e * e):sum():item()
    size = size + (start * start):sum():item()
  end
  return math.sqrt(error_ / math.max(size, 1e-300))
end

-- For a reversible rollout, the frames backward are those forward in reverse order.
local function measure_reversal(model, predicted, forward, sums)
  local backward = model:continue(forward,
    { steps = forward.q:size(1) - 1, dt = -model.frame_time })
  sums.reversal = math.max(sums.reversal, reversal(forward, backward))
  local order = {}
  for t = predicted:size(2), 1, -1 do order[#order + 1] = t end
  local again = model:images(backward):to(predicted.dtype)
    :index_select(2, engine.tensor(order, { dtype = "int64" }))
  extend(sums.reversal_mse, by_sequence(M.squares(again - predicted)))
end

local function measure_energy(model, trajectory, sums)
  local energy = model:energies(trajectory):to("float64")
  local centre = energy:mean(1, true)
  local deviation = energy - centre
  extend(sums.energy, centre:reshape(-1):totable())
  extend(sums.energy_variance, (deviation * deviation):mean(1):totable())
end

local function measure_batch(model, data, indices, o, sums)
  local observed, clean = data:batch(indices), data:clean(indices)
  local predicted, trajectory = model:reconstruct(
    observed:to(model.config.dtype), { steps = o.steps, refine = o.refine })
  predicted = predicted:to(clean.dtype)
  local length = predicted:size(2)
  observed, clean = observed:narrow(2, 1, length), clean:narrow(2, 1, length)
  local errors = M.squares(predicted - clean)
  extend(sums.mse_given, by_sequence(M.squares(predicted - observed)))
  if not data.clean_unknown then
    extend(sums.mse_clean, by_sequence(errors))
    extend(sums.mse_noise, by_sequence(M.squares(observed - clean)))
  end
  extend(sums.mse_still, by_sequence(M.squares(clean - clean:mean(2, true))))
  extend(sums.valid, M.valid_steps(errors, M.squares(clean), o.threshold))
  local by_frame = errors:to("float64"):sum(1)
  sums.frame = sums.frame and sums.frame + by_frame or by_frame
  measure_energy(model, trajectory, sums)
  measure_reversal(model, predicted, trajectory, sums)
  o.each(predicted, trajectory, observed, clean)
end

local AVERAGED = { "mse_clean", "mse_given", "mse_noise", "mse_still", "valid",
  "reversal_mse", "energy_variance" }

--- Measures a model on the first sequences of a split.
-- @tparam table model an HGN or a PixelHNN
-- @tparam table data size, length, batch(indices), the observed frames, and
-- clean(indices), those without noise; with clean_unknown, for the user's own
-- frames, the observed ones are used instead, and mse_clean and mse_noise
-- are nil
-- @tparam[opt] table opts count=256 sequences, batch=16 at a time; steps, by
-- default the length of the sequences; threshold=0.025 of `valid`;
-- each(predicted, trajectory, observed, clean), called for every batch
-- @treturn table means over sequences, each with ..._spread between them:
--
-- - mse_clean, mse_given: of the reconstruction against noise-free and against
--   observed frames;
-- - mse_noise, mse_still: the noise floor, and the error of each sequence's own
--   mean image, both against noise-free frames;
-- - valid: the number of valid steps, see valid_steps; also valid_median;
-- - reversal_mse: of the frames of a rollout backward against those forward;
-- - energy_mean (with energy_spread) and energy_variance along a rollout;
--
-- further ratio, of the error to mse_still; mse_by_frame, a list, against
-- noise-free frames; reversal, the largest relative error of a batch's states
-- after a rollout forward and backward; count and steps
-- @usage
-- set = torus.data.simulate("mass_spring", { train = 4, test = 2, steps = 3,
--   resolution = 16 })
-- model = torus.models.hgn{ width = 4, z = 3, state = 2, resolution = 16,
--   frames = 4, energy_layers = 2 }
-- frames = require "torus.tasks.frames"
-- result = frames.measure(model, set.test)
-- print(result.mse_clean, result.ratio)
function M.measure(model, data, opts)
  signature.fields("measure: model", model, "reconstruct: function, "
    .. "images: function, energies: function, continue: function, frame_time: number")
  signature.fields("measure: data", data, "size: integer, length: integer, "
    .. "batch: function, clean: function")
  local o = options.resolve("measure", opts, RULES)
  local count = math.min(o.count, data.size)
  o.steps = math.min(o.steps or data.length - 1, data.length - 1)
  local sums = { energy = {}, reversal = 0 }
  for _, key in ipairs(AVERAGED) do sums[key] = {} end
  engine.no_grad(function()
    for first = 1, count, o.batch do
      measure_batch(model, data,
        range(first, math.min(first + o.batch - 1, count)), o, sums)
    end
  end)
  local result = { count = count, steps = o.steps, reversal = sums.reversal,
    valid_median = lists.median(sums.valid),
    mse_by_frame = (sums.frame / count):totable() }
  for _, key in ipairs(AVERAGED) do
    if #sums[key] > 0 then
      result[key], result[key .. "_spread"] = lists.mean_and_spread(sums[key])
    end
  end
  result.energy_mean, result.energy_spread =
    lists.mean_and_spread(sums.energy)
  result.ratio = (result.mse_clean or result.mse_given) / result.mse_still
  return result
end

-- --- samples ----------------------------------------------------------------

-- A row for every `stride`-th frame of sequences (count, frames, ...).
local function frame_rows(frames, stride)
  local kept = {}
  for t = 1, frames:size(2), stride do kept[#kept + 1] = t end
  return frames:index_select(2, engine.tensor(kept, { dtype = "int64" }))
    :reshape(frames:size(1) * #kept, -1)
end

-- Number of images compared with all others at a time: a few megabytes.
local ROWS = 64

--- Returns the mean squared error of each image against the nearest of others.
-- @tparam tensor images (count, numbers)
-- @tparam tensor others (others, numbers)
-- @treturn {number,...} one for each image
function M.nearest(images, others)
  local found, turned = {}, others:transpose(1, 2)
  local norms = (others * others):sum(2):reshape(1, -1)
  for first = 1, images:size(1), ROWS do
    local some = images:narrow(1, first,
      math.min(ROWS, images:size(1) - first + 1))
    local products = some:matmul(turned)
    -- |a - b|^2 = |a|^2 - (2 a b - |b|^2), which rounding may make negative
    local squares = (some * some):sum(2) - (products * 2 - norms):max(2)
    extend(found, (squares / images:size(2)):clamp { min = 0 }:totable())
  end
  return found
end

local SAMPLES = {
  count = { default = 48, type = "integer", min = 1 },
  sequences = { default = 256, type = "integer", min = 1 },
  stride = { default = 6, type = "integer", min = 1 },
  generator = {},
}

--- Measures the distance of sampled frames from the data: their squared errors against the
-- nearest frame. It is about zero for real frames, and the variance of the data for a mean
-- image.
-- @tparam table model an HGN
-- @tparam table data of the training, as in measure
-- @tparam[opt] table opts count=48 sampled sequences, of which every stride=6th
-- frame is used; sequences=256 of the data to compare with; generator
-- @treturn table sample_distance, the mean, with ..._spread between frames and
-- sample_distance_median
-- @usage
-- set = torus.data.simulate("mass_spring", { train = 4, test = 2, steps = 3,
--   resolution = 16 })
-- model = torus.models.hgn{ width = 4, z = 3, state = 2, resolution = 16,
--   frames = 4, energy_layers = 2 }
-- frames = require "torus.tasks.frames"
-- print(frames.samples(model, set.train, { count = 2 }).sample_distance)
function M.samples(model, data, opts)
  signature.fields("measure.samples: model", model, "sample: function")
  signature.fields("measure.samples: data", data, "size: integer, clean: function")
  local o = options.resolve("measure.samples", opts, SAMPLES)
  return engine.no_grad(function()
    local real = data:clean(range(1, math.min(o.sequences, data.size)))
    local sampled = model:sample(o.count, { generator = o.generator,
      steps = real:size(2) - 1 }):to(real.dtype)
    local distances = M.nearest(frame_rows(sampled, o.stride),
      frame_rows(real, 1))
    local mean, spread = lists.mean_and_spread(distances)
    return { sample_distance = mean, sample_distance_spread = spread,
      sample_distance_median = lists.median(distances) }
  end)
end

-- --- as text ----------------------------------------------------------------

local function scientific(result, key)
  if not (result[key] and result[key .. "_spread"]) then return "unknown" end
  return string.format("%.2fe-4 +- %.2fe-4", result[key] * 1e4,
    result[key .. "_spread"] * 1e4)
end

-- The keys that rows shows for any model; those unknown for a user's frames may be missing.
local NUMBERS = "count: integer, steps: integer, ratio: number, valid: number, "
  .. "valid_spread: number, valid_median: integer, energy_mean: number, "
  .. "energy_spread: number, energy_variance: number, reversal: number, "
  .. "reversal_mse: number, reversal_mse_spread: number"

--- Returns the numbers of measure and samples as text.
-- @tparam table result
-- @treturn {{string,string},...} names and values
-- @usage
-- set = torus.data.simulate("mass_spring", { train = 4, test = 2, steps = 3,
--   resolution = 16 })
-- model = torus.models.hgn{ width = 4, z = 3, state = 2, resolution = 16,
--   frames = 4, energy_layers = 2 }
-- frames = require "torus.tasks.frames"
-- for _, row in ipairs(frames.rows(frames.measure(model, set.test))) do
--   print(row[1], row[2])
-- end
function M.rows(result)
  signature.fields("measure.rows", result, NUMBERS)
  local r = result
  local rows = {
    { "sequences, steps", string.format("%d, %d", r.count, r.steps) },
    { "MSE against observed frames", scientific(r, "mse_given") },
    { "MSE against noise-free frames", scientific(r, "mse_clean") },
    { "noise floor", scientific(r, "mse_noise") },
    { "each sequence's mean image", scientific(r, "mse_still") },
    { (r.mse_clean and "noise-free " or "") .. "MSE / mean image",
      string.format("%.3f", r.ratio) },
    { "valid steps", string.format("%.3g +- %.2g steps, median %d",
      r.valid, r.valid_spread, r.valid_median) },
    { "energy, mean over rollouts", string.format("%.6g +- %.3g",
      r.energy_mean, r.energy_spread) },
    { "energy, variance in a rollout", string.format("%.3g",
      r.energy_variance) },
    { "forward and backward, relative", string.format("%.2g", r.reversal) },
    { "forward and backward, MSE of frames", string.format("%.2g +- %.2g",
      r.reversal_mse, r.reversal_mse_spread) },
  }
  if r.sample_distance then
    rows[#rows + 1] = { "sampled frames / nearest real one", string.format(
      "%s, median %.2fe-4", scientific(r, "sample_distance"),
      r.sample_distance_median * 1e4) }
  end
  return rows
end

signature.functions("frames", M, {
  measure = "model: table, data: table, opts?: table",
  samples = "model: table, data: table, opts?: table", rows = "result: table",
})

return M
