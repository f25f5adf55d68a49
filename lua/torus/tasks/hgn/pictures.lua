--- Pictures of the predictions of a trained HGN.
-- @module torus.tasks.hgn.pictures
local chunks = require "torus.models.parts.chunks"
local image = require "torus.image"
local lists = require "torus.tasks.lists"
local plot = require "torus.plot"
local engine = require "torus.engine"
local signature = require "torus.signature"

local M = {}

-- The frames of a rollout from one state, and the rollout.
local function film_from(model, q, p, steps, dt)
  local trajectory = model:rollout(q, p, { steps = steps, dt = dt })
  return model:decode(trajectory.q, chunks.SIZE):select(2, 1):to("float32"), trajectory
end

--- Returns the rows of a film strip: the sequence, its reconstruction, its continuation
-- forward and backward from the last state, and half and double speed, all with the model's
-- number of frames.
-- @tparam Module model an HGN
-- @tparam tensor frames (1, frames, height, width, channels), which the model encodes
-- @tparam[opt] tensor clean the same without noise, shown as the truth
-- @tparam[opt] integer refine rounds of refinement of the initial state
-- @treturn {table,...} {label=, frames=}, as in torus.image.strip
function M.rows(model, frames, clean, refine)
  return engine.no_grad(function()
    local steps, dt = model.steps, model.config.dt
    local observed = frames:to(model.config.dtype)
    local q, p = model:infer(observed)
    if refine then q, p = model:refine(q, p, observed, { rounds = refine }) end
    local predicted, trajectory = film_from(model, q, p, steps, dt)
    local last_q, last_p = trajectory.q[steps + 1], trajectory.p[steps + 1]
    return {
      { label = "truth", frames = (clean or frames):select(1, 1):narrow(1, 1, steps + 1) },
      { label = "reconstruction", frames = predicted },
      { label = "forward", frames =
        (film_from(model, last_q, last_p, steps, dt)) },
      { label = "reversed", frames =
        (film_from(model, last_q, last_p, steps, -dt)) },
      { label = "half speed", frames =
        (film_from(model, q, p, steps, dt / 2)) },
      { label = "double speed", frames =
        (film_from(model, q, p, steps, 2 * dt)) },
    }
  end)
end

--- Samples sequences from the prior, as the rows of a film strip.
-- @tparam Module model an HGN
-- @tparam integer count
-- @tparam integer seed
-- @treturn {table,...}
function M.sample_rows(model, count, seed)
  local films = model:sample(count, { generator = engine.generator(seed) })
  local rows = {}
  for i = 1, count do
    rows[i] = { label = "sample " .. i,
      frames = films:select(1, i):to("float32") }
  end
  return rows
end

local function films_of(rows)
  local films = {}
  for i, row in ipairs(rows) do films[i] = row.frames end
  return films
end

--- Writes rows as a film strip and as an animation.
-- @tparam string path without an extension: .png and .gif are appended
-- @tparam {table,...} rows
-- @tparam number dt time between frames, in units of 1 s for the animation
-- @treturn ?{string,...} the files
-- @treturn ?string message
function M.write(path, rows, dt)
  local ok, message = image.write(path .. ".png", image.strip { rows = rows })
  if not ok then return nil, message end
  ok, message = image.gif(path .. ".gif", image.side_by_side(films_of(rows)),
    { delay_ms = math.max(20, math.floor(math.abs(dt) * 500 + 0.5)),
      scale = 2 })
  if not ok then return nil, message end
  return { path .. ".png", path .. ".gif" }
end

--- Draws the curves of a run's log: error and divergence by step.
-- @tparam string path of a .png
-- @tparam {table,...} log its rows, as read by torus.runs.log
-- @tparam ?number still error of each sequence's own mean image, for scale
-- @treturn ?{string,...} the files
-- @treturn ?string message
function M.loss_curve(path, log, still)
  -- The second stage of a vector phase space has neither error of images nor divergence.
  local steps, mse = lists.column(log, "mse")
  local tested, test_mse = lists.column(log, "test_mse")
  local divergent, kl = lists.column(log, "kl")
  local errors = {
    { x = steps, y = mse, label = "training batch", width = 1 },
    { x = tested, y = test_mse, label = "held-out",
      style = "linespoints" },
  }
  if still and #steps > 0 then
    errors[3] = { x = { steps[1], steps[#steps] }, y = { still, still },
      label = "own mean image", style = "dashes" }
  end
  local ok, message = plot.figure { path = path, columns = 2, height = 420, panels = {
    { title = "squared error of a pixel", xlabel = "training step",
      ylabel = "squared error (intensity from 0 to 1)", log = "y",
      series = errors },
    { title = "KL(q(z|x) || p(z))", xlabel = "training step", ylabel = "KL (nats)",
      series = { { x = divergent, y = kl, width = 1 } } },
  } }
  if not ok then return nil, message end
  return { path }
end

--- Returns the energy along rollouts of sequences.
-- @tparam Module model an HGN
-- @tparam tensor frames
-- @tparam[opt] table opts steps, dt as in rollout
-- @treturn tensor (steps + 1, batch)
-- @usage
-- set = torus.data.simulate("mass_spring", { train = 4, test = 2, steps = 3,
--   resolution = 16 })
-- model = torus.models.hgn{ width = 4, z = 3, state = 2, resolution = 16,
--   frames = 4, energy_layers = 2 }
-- pictures = require "torus.tasks.hgn.pictures"
-- energy = pictures.energy_along(model, set.test:batch{1, 2})
-- print(table.unpack(energy.shape))   -- 4  2
function M.energy_along(model, frames, opts)
  signature.fields("energy_along: model", model, "infer: function, rollout: function, "
    .. "energies: function")
  return engine.no_grad(function()
    local q, p = model:infer(frames:to(model.config.dtype))
    return model:energies(model:rollout(q, p, opts))
  end)
end

--- Draws the learned energy along rollouts three times as long as the sequences.
-- @tparam string path of a .png
-- @tparam Module model an HGN
-- @tparam tensor frames (batch, frames, height, width, channels)
-- @treturn ?{string,...} the files
-- @treturn ?string message
function M.energy_plot(path, model, frames)
  local steps, dt = 3 * model.steps, model.config.dt
  local energy = M.energy_along(model, frames, { steps = steps })
  local times = {}
  for i = 0, steps do times[i + 1] = i * dt end
  local series = {}
  for i = 1, energy:size(2) do
    series[i] = { x = times, y = energy:select(2, i),
      label = "sequence " .. i }
  end
  local ok, message = plot.lines { path = path, series = series,
    title = "learned energy along rollouts", xlabel = "time t",
    ylabel = "learned energy H(q, p)", legend = "outside" }
  if not ok then return nil, message end
  return { path }
end

--- For scripts/rollout.lua: writes a strip for each of the first test sequences, and one of
-- samples from the prior.
-- @tparam Module model an HGN
-- @tparam Dataset data
-- @tparam table config
-- @tparam table opts out (an existing folder), sequences, samples, seed
-- @treturn ?{string,...} the files
-- @treturn ?string message
function M.film_strips(model, data, config, opts)
  local written = {}
  local function write(name, rows)
    local files, message = M.write(opts.out .. "/" .. name, rows, config.dt)
    if not files then return nil, message end
    table.move(files, 1, #files, #written + 1, written)
    return true
  end
  for i = 1, math.min(opts.sequences, data.test.size) do
    local ok, message = write("strip-" .. i, M.rows(model,
      data.test:batch { i }, data.test:clean { i }, opts.refine))
    if not ok then return nil, message end
  end
  local ok, message = write("samples",
    M.sample_rows(model, opts.samples, opts.seed))
  if not ok then return nil, message end
  return written
end

signature.functions("hgn.pictures", M, {
  energy_along = "model: Module, frames: tensor, opts?: table",
})

return M
