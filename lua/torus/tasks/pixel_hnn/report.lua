--- Evaluation of a trained PixelHNN in addition to torus.tasks.frames: closure of its
-- latent orbits, amount of motion, figures.
-- @module torus.tasks.pixel_hnn.report
local lists = require "torus.tasks.lists"
local image = require "torus.image"
local measure = require "torus.tasks.frames"
local options = require "torus.options"
local plot = require "torus.plot"
local engine = require "torus.engine"

local M = {}

local extend, range = lists.extend, lists.range

-- The gap of each latent orbit: the smallest distance from its start after the farthest
-- point, in units of the largest distance, 0 for a closed orbit; and its size, the largest
-- distance. trajectory: q and p (frames, batch, d).
local function gaps_and_sizes(trajectory)
  local z = engine.cat({ trajectory.q, trajectory.p }, 3):to("float64")
  local distance = (z - z:narrow(1, 1, 1)):square():sum(3):sqrt()
  local gaps, sizes = {}, {}
  for i, row in ipairs(distance:transpose(1, 2):contiguous():totable()) do
    -- The farthest point of the first turn, up to which the distance grows.
    local far = 1
    while row[far + 1] and row[far + 1] >= row[far] do far = far + 1 end
    local nearest = math.huge
    for k = far, #row do nearest = math.min(nearest, row[k]) end
    sizes[i] = row[far]
    gaps[i] = row[far] > 0 and nearest / row[far] or 0
  end
  return gaps, sizes
end

-- Variance over time, summed over the values of a sequence: a list (batch).
local function motion(frames)
  local centre = frames:mean(2, true)
  local n = frames:size(1)
  return (frames - centre):square():reshape(n, -1):sum(2):totable()
end

--- Measures a model on rollouts from the first pair of sequences.
-- @tparam Module model a PixelHNN
-- @tparam table split of a data set
-- @tparam[opt] table opts as in torus.tasks.frames; count=64
-- @treturn table as in torus.tasks.frames, and, also with ..._spread:
-- autoencoder (the error of the first pair), gap of latent orbits (0 if they are closed)
-- and their size, motion (variance over time in units of the data's: 0 for a static image)
function M.measure(model, split, opts)
  local o = options.joined({ count = 64 }, opts or {})
  local sums = { gap = {}, size = {}, motion = {}, autoencoder = {} }
  function o.each(predicted, trajectory, observed, clean)
    local gaps, sizes = gaps_and_sizes(trajectory)
    extend(sums.gap, gaps)
    extend(sums.size, sizes)
    local moved, truth = motion(predicted), motion(clean)
    for i, one in ipairs(moved) do
      sums.motion[#sums.motion + 1] = one / math.max(truth[i], 1e-12)
    end
    local first = observed:narrow(2, 1, 2)
    local again = model:decode(model:encode(first:to(model.config.dtype)))
    extend(sums.autoencoder,
      measure.squares(again:to(first.dtype) - first):mean(2):totable())
  end
  local found = measure.measure(model, split, o)
  for name, list in pairs(sums) do
    found[name], found[name .. "_spread"] = lists.mean_and_spread(list)
  end
  return found
end

-- --- pictures ---------------------------------------------------------------

-- Latent orbits and the encoded pairs of the same sequences: the first coordinate
-- of q and that of p.
local function portrait(model, split, count, steps)
  local frames = split:batch(range(1, count))
  local dtype = model.config.dtype
  local _, trajectory = model:film(frames:narrow(2, 1, 2):to(dtype),
    { steps = steps })
  local series = {}
  for i = 1, count do
    local one = frames:narrow(1, i, 1):to(dtype)
    local n = frames:size(2) - 1
    local pairs_ = engine.stack({ one:narrow(2, 1, n):squeeze(1),
      one:narrow(2, 2, n):squeeze(1) }, 2)
    local q, p = model:split(model:encode(pairs_))
    series[#series + 1] = { x = q:select(2, 1), y = p:select(2, 1),
      style = "points", colour = "#bbbbbb",
      label = i == 1 and "encoded pairs" or nil }
    series[#series + 1] = { x = trajectory.q:select(2, i):select(2, 1),
      y = trajectory.p:select(2, i):select(2, 1), colour = "#08519c",
      label = i == 1 and "rollouts" or nil }
  end
  return { title = "latent phase portrait", xlabel = "latent position q",
    ylabel = "latent momentum p",
    series = series, legend = "outside" }
end

local function error_by_step(model, split, count, steps)
  local indices = range(1, count)
  local clean = split:clean(indices):narrow(2, 1, steps + 1):contiguous()
  local predicted = model:film(split:batch(indices):narrow(2, 1, 2)
    :to(model.config.dtype), { steps = steps }):to("float32")
  local n = clean:size(1)
  local by_step = (predicted - clean):square():reshape(n, steps + 1, -1):mean(3)
  local still = (clean - clean:mean(2, true)):square():reshape(n,
    steps + 1, -1):mean(3)
  local x = range(0, steps)
  return { title = "squared error of a pixel", xlabel = "frame",
    ylabel = "squared error (intensity from 0 to 1)", log = "y",
    series = { { x = x, y = by_step:mean(1), label = "rollout" },
      { x = x, y = still:mean(1), style = "dashes",
        label = "own mean image" } } }
end

--- Draws the latent phase portrait with the errors, and a film strip.
-- @tparam string folder
-- @tparam Module model
-- @tparam table split
-- @treturn ?{string,...} files
-- @treturn ?string message
function M.draw(folder, model, split)
  local steps = split.length - 1
  return engine.no_grad(function()
    local path = folder .. "/latent.png"
    local count = math.min(8, split.size)
    local ok, message = plot.figure { path = path, columns = 2, panels = {
      portrait(model, split, count, steps),
      error_by_step(model, split, count, steps) }, width = 1100 }
    if not ok then return nil, message end
    local frames = split:batch { 1 }
    local rows = { { label = "truth", frames = split:clean { 1 }:select(1, 1) },
      { label = "PixelHNN", frames = model:film(frames:narrow(2, 1, 2)
        :to(model.config.dtype), { steps = steps }):to("float32")
        :clamp(0, 1):select(1, 1) } }
    local strip = folder .. "/strip.png"
    ok, message = image.write(strip, image.strip { rows = rows })
    if not ok then return nil, message end
    return { path, strip }
  end)
end

local function plain(n, key)
  return string.format("%.3g +- %.2g", n[key], n[key .. "_spread"])
end

--- For scripts/evaluate.lua.
-- @tparam Module model
-- @tparam Dataset data
-- @tparam table config
-- @tparam table opts count=256, split="test"; pictures, a folder, or nil
-- @treturn ?table rows {{name, text}, ...}, numbers, files
-- @treturn ?string message
function M.report(model, data, config, opts)
  local split = data[opts.split or "test"]
  local n = M.measure(model, split, { count = opts.count or 256 })
  local report = { numbers = n, files = {}, rows = measure.rows(n) }
  extend(report.rows, {
    { "auto-encoder, first pair", string.format("%.2fe-4 +- %.2fe-4",
      n.autoencoder * 1e4, n.autoencoder_spread * 1e4) },
    { "motion, in units of the data's", plain(n, "motion") },
    { "latent orbits: gap", plain(n, "gap") },
    { "latent orbits: size", plain(n, "size") },
  })
  if opts.pictures then
    local files, message = M.draw(opts.pictures, model, split)
    if not files then return nil, message end
    report.files = files
  end
  return report
end

--- Returns the information that torus.tasks.extrapolation needs.
-- @tparam Module _ model
-- @tparam Dataset data
-- @treturn table window
function M.extrapolation(_, data)
  return { window = data.steps + 1 }
end

return M
