--- Predictions of models of frames, as arrays for other programs.
-- @module torus.tasks.film_arrays
local engine = require "torus.engine"
local lists = require "torus.tasks.lists"

local M = {}

--- Returns rollouts of test sequences and, for a model with a prior, samples from it.
-- @tparam Module model an HGN or a PixelHNN
-- @tparam table data
-- @tparam table config
-- @tparam table opts count=16, steps (by default as long as the sequences), seed=1
-- @treturn {[string]=tensor} frames (batch, length, height, width, channels), predicted
-- (batch, steps + 1, height, width, channels), q and p (steps + 1, batch, ...), energy
-- (steps + 1, batch), time (steps + 1) as the data count it; with samples sample_frames,
-- sample_q, sample_p and sample_energy
function M.arrays(model, data, config, opts)
  local count = math.min(opts.count or 16, data.test.size)
  return engine.no_grad(function()
    local observed = data.test:batch(lists.range(1, count))
    local steps = opts.steps or observed:size(2) - 1
    local predicted, trajectory = model:reconstruct(observed:to(config.dtype),
      { steps = steps })
    local found = { frames = observed, predicted = predicted, q = trajectory.q,
      p = trajectory.p, energy = model:energies(trajectory),
      time = engine.arange(0, trajectory.q:size(1) - 1, { dtype = "float64" }) * data.dt }
    if model.sample then
      local films, path = model:sample(count, { steps = steps,
        generator = engine.generator(opts.seed or 1) })
      found.sample_frames, found.sample_q, found.sample_p = films, path.q, path.p
      found.sample_energy = model:energies(path)
    end
    return found
  end)
end

return M
