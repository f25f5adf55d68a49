--- What a trained HGN is worth on sequences it has not seen.
-- @module torus.train.measure
local torus = require "torus"
local options = require "torus.options"

local M = {}

local RULES = {
  count = { default = 256, type = "integer", min = 1 },
  batch = { default = 16, type = "integer", min = 1 },
  steps = { type = "integer", min = 0 },
}

-- Sums of squares per sequence, as a list.
local function squares(difference)
  local n = difference:size(1)
  return (difference * difference):reshape(n, -1):sum(2):totable()
end

local function extend(list, values)
  table.move(values, 1, #values, #list + 1, list)
end

local function mean_and_spread(list)
  local sum, count = 0, #list
  for _, value in ipairs(list) do sum = sum + value end
  local mean, spread = sum / count, 0
  for _, value in ipairs(list) do spread = spread + (value - mean) ^ 2 end
  return mean, math.sqrt(spread / math.max(1, count - 1))
end

-- H along a rollout: (frames, batch).
local function energies(model, way)
  local shape = way.q.shape
  local function flat(x)
    return x:reshape(-1, table.unpack(x.shape, 3))
  end
  return model:energy(flat(way.q), flat(way.p)):reshape(shape[1], shape[2])
end

-- The largest of |forward then backward - start| per size of the start.
local function reversal(model, way, steps)
  local last = way.q:size(1)
  local back = model:rollout(way.q[last], way.p[last],
    { steps = steps, dt = -model.config.dt })
  local error_, size = 0, 0
  for _, name in ipairs { "q", "p" } do
    local start = way[name][1]
    local e = (back[name][last] - start)
    error_ = error_ + (e * e):sum():item()
    size = size + (start * start):sum():item()
  end
  return math.sqrt(error_ / math.max(size, 1e-300))
end

local function places_from(first, last)
  local places = {}
  for i = first, last do places[#places + 1] = i end
  return places
end

local function measure_batch(model, data, places, sums)
  local frames, clean = data:batch(places), data:clean(places)
  local seen, way = model:reconstruct(frames)
  local still = clean:mean(2, true)
  extend(sums.clean, squares(seen - clean))
  extend(sums.given, squares(seen - frames))
  extend(sums.noise, squares(frames - clean))
  extend(sums.still, squares((clean - still)))
  local difference = seen - clean
  sums.frame[#sums.frame + 1] = (difference * difference)
    :mean { 1, 3, 4, 5 } * (#places)
  local energy = energies(model, way)
  local centre = energy:mean(1, true)
  local deviation = energy - centre
  extend(sums.energy, centre:reshape(-1):totable())
  extend(sums.energy_variance, (deviation * deviation):mean(1):totable())
  sums.reversal = math.max(sums.reversal,
    reversal(model, way, way.q:size(1) - 1))
end

--- Measures a model on the first sequences of a set.
-- @tparam Module model an HGN
-- @tparam table data size, batch(indices) and clean(indices)
-- @tparam[opt] table opts count=256 sequences, batch=16 at a time
-- @treturn table mse_clean, mse_given (against the frames shown), each with
-- ..._spread over sequences; mse_still (each sequence's own mean image) and
-- ratio = mse_clean / mse_still; mse_noise, the noise floor; mse_by_frame, a
-- list; energy_mean and energy_variance along a rollout, averaged over
-- sequences, and energy_spread between sequences; reversal, the relative
-- error of going forward and back; count
function M.measure(model, data, opts)
  local o = options.resolve("measure", opts, RULES)
  local count = math.min(o.count, data.size)
  local sums = { clean = {}, given = {}, noise = {}, still = {}, frame = {},
    energy = {}, energy_variance = {}, reversal = 0 }
  torus.no_grad(function()
    for first = 1, count, o.batch do
      measure_batch(model, data,
        places_from(first, math.min(first + o.batch - 1, count)), sums)
    end
  end)
  local c = model.config
  local numbers = c.frames * c.resolution * c.resolution * c.channels
  local result = { count = count, reversal = sums.reversal }
  for name, key in pairs { clean = "mse_clean", given = "mse_given",
    noise = "mse_noise", still = "mse_still" } do
    local mean, spread = mean_and_spread(sums[name])
    result[key], result[key .. "_spread"] = mean / numbers, spread / numbers
  end
  result.ratio = result.mse_clean / result.mse_still
  local by_frame = sums.frame[1]
  for i = 2, #sums.frame do by_frame = by_frame + sums.frame[i] end
  result.mse_by_frame = (by_frame / count):totable()
  result.energy_mean, result.energy_spread = mean_and_spread(sums.energy)
  result.energy_variance = mean_and_spread(sums.energy_variance)
  return result
end

--- The energy along the rollouts of some sequences.
-- @tparam Module model an HGN
-- @tparam tensor frames
-- @tparam[opt] table opts steps, dt as rollout's
-- @treturn tensor (steps + 1, batch)
function M.energy_along(model, frames, opts)
  return torus.no_grad(function()
    local q, p = model:infer(frames)
    return energies(model, model:rollout(q, p, opts))
  end)
end

return M
