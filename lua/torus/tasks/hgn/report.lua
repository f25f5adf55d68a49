--- Evaluation of a trained HGN; see torus.tasks.frames.
-- @module torus.tasks.hgn.report
local engine = require "torus.engine"
local frames = require "torus.tasks.frames"
local options = require "torus.options"
local portrait = require "torus.tasks.hgn.portrait"
local sampled_motion = require "torus.tasks.sampled_motion"

local M = {}

-- Draws the phase portrait, before anything that takes long.
local function draw(model, data, config, opts)
  if not opts.pictures then return {} end
  local files, message = portrait.pictures(model, data, config,
    { out = opts.pictures, split = opts.split, refine = opts.refine })
  if files and #files == 0 then
    return nil, string.format("pictures: expected a run with phase = "
      .. "\"vector\", which has a phase portrait, got phase = %q; "
      .. "rollout.lua writes its film strips", model.config.phase)
  end
  return files, message
end

-- A message if the motion of samples can't be measured.
local function motion_problem(data, config)
  if not data.train.system then
    return "motion: expected a run on a simulated system, got one on your own frames, whose "
      .. "true motion is unknown"
  end
  if config.variant == "determ" then
    return "motion: expected a model that can be sampled, got variant = \"determ\""
  end
end

-- Counts how many of the sampled films move as the system does.
local function measure_motion(model, data, count)
  local films = engine.no_grad(function()
    return model:sample(count, { generator = engine.generator(1) })
  end)
  return sampled_motion.measure(data.train.system, films:to("float32"),
    { dt = data.dt, noise = data.noise })
end

--- For scripts/evaluate.lua: the errors of reconstructions, and the distance of samples from
-- the training data.
-- @tparam Module model
-- @tparam Dataset data
-- @tparam table config
-- @tparam table opts count=256 sequences, split="test"; refine, the number of refinement
-- iterations of the initial states, see HGN:refine; pictures, a folder for the phase
-- portrait of a vector phase space; motion, the number of sampled films to compare with the
-- true motion nearest to each
-- @treturn ?table rows, numbers, files
-- @treturn ?string message
function M.report(model, data, config, opts)
  local problem = opts.motion and motion_problem(data, config)
  if problem then return nil, problem end
  local files, message = draw(model, data, config, opts)
  if not files then return nil, message end
  local numbers = frames.measure(model, data[opts.split or "test"],
    { count = opts.count or 256, refine = opts.refine })
  if config.variant ~= "determ" then
    numbers = options.joined(numbers, frames.samples(model, data.train,
      { generator = engine.generator(1) }))
  end
  local rows = frames.rows(numbers)
  if opts.motion then
    local found = measure_motion(model, data, opts.motion)
    numbers.moves, numbers.motion_distance = found.moves, found.motion_distance
    table.move(sampled_motion.rows(found), 1, 2, #rows + 1, rows)
  end
  return { numbers = numbers, rows = rows, files = files }
end

-- The variances of the posterior over the state, (batch, 2 n), if z is the state, that is,
-- without f_psi.
local function variances(model)
  return function(observed)
    local _, logvar = model:encode(observed:narrow(2, 1,
      model.config.context))
    local q, p = model:state_of(logvar:exp())
    local batch = observed:size(1)
    return engine.cat({ q:reshape(batch, -1), p:reshape(batch, -1) }, 2)
      :to("float64")
  end
end

--- Returns the information that torus.tasks.extrapolation needs.
-- @tparam Module model
-- @tparam Dataset data
-- @tparam table config
-- @tparam[opt] table opts refine, the number of refinement iterations of the initial states
-- @treturn table window, variances and infer
function M.extrapolation(model, data, config, opts)
  local rounds = opts and opts.refine
  local known = not model.f_psi and config.variant ~= "determ"
  return { window = config.frames or data.steps + 1,
    variances = known and variances(model) or nil,
    infer = rounds and function(observed)
      local q, p = model:infer(observed)
      return model:refine(q, p, observed, { rounds = rounds })
    end or nil }
end

return M
