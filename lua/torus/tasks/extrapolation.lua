--- Extrapolation of trained models of frames far beyond the frames of their training.
--
-- A model must provide:
--
--     infer(frames)              -> q, p at the first frame
--     continue(trajectory, opts) -> the continuation of a trajectory;
--                                opts: steps, dt
--     images(trajectory)         -> frames along it
--     energies(trajectory)       -> (steps + 1, batch)
--     frame_time                 the dt from one frame to the next
--
-- The measures themselves are in torus.measures.
-- @module torus.tasks.extrapolation
local drift = require "torus.measures.energy".drift
local engine = require "torus.engine"
local lists = require "torus.tasks.lists"
local options = require "torus.options"
local period = require "torus.measures.period"
local statistics = require "torus.measures.statistics"
local symetric = require "torus.measures.symetric"
local validity = require "torus.measures.validity"

local M = {}

local RULES = {
  steps = { required = true, type = "integer", min = 1 },
  window = { required = true, type = "integer", min = 1 },
  count = { default = 64, type = "integer", min = 1 },
  batch = { default = 16, type = "integer", min = 1 },
  split = { default = "test", choices = { "test", "train" } },
  infer = { type = "callable" },
  variances = { type = "callable" },
  show = { type = "table" },
  symetric = { default = true, type = "boolean" },
}

-- --- rollouts -----------------------------------------------------------------

-- States (batch, ...) as a trajectory with a single state.
local function trajectory_at(q, p)
  return { q = q:unsqueeze(1), p = p:unsqueeze(1) }
end

local function predicted(model, start, steps, direction, like)
  local trajectory = model:continue(start,
    { steps = steps, dt = direction * model.frame_time })
  return model:images(trajectory):to(like.dtype), trajectory
end

-- Errors and norms of frames before the last window, the latest frame first:
-- the state is inferred from the last window, which begins at its first frame.
local function backward(model, frames, clean, o)
  local length, window = frames:size(2), o.window
  local first = length - window + 1
  local steps = math.min(first - 1, validity.longest)
  local start = trajectory_at(o.infer(frames:narrow(2, first, window)))
  local inside = predicted(model, start, window - 1, 1, clean)
  local before = predicted(model, start, steps, -1, clean)
  return validity.frame_errors(
    engine.cat({ inside:flip(2), before:narrow(2, 2, steps) }, 2),
    clean:narrow(2, first - steps, steps + window):flip(2))
end

-- (steps + 1, batch, ...) as (batch, times, numbers) of the first times.
local function latent_states(trajectory, times)
  local function flat(x)
    local some = x:narrow(1, 1, times)
    return some:reshape(times, some:size(2), -1):transpose(1, 2)
  end
  return engine.cat({ flat(trajectory.q), flat(trajectory.p) }, 3)
    :to("float64")
end

-- The same for the true motion, states (batch, frames, 2, d).
local function true_states(system, states, times)
  local batch, d = states:size(1), states:size(4)
  local some = states:narrow(2, 1, times):to("float64")
    :reshape(batch * times, 2, d)
  local q, p = system:relative(some:select(2, 1), some:select(2, 2))
  return engine.cat({ q, p }, 2):reshape(batch, times, -1)
end

-- The authors compare 60 states of a trajectory.
local STATES = 60

local function roll_batch(model, part, indices, o, found)
  local function add(key, value)
    found[key] = found[key] or {}
    table.insert(found[key], value)
  end
  local length = o.steps + 1
  local frames = part:batch(indices):to(model.config.dtype)
  local clean = part:clean(indices):narrow(2, 1, length)
  -- The encoder may need more frames than are compared.
  local context = frames:narrow(2, 1, math.min(o.window, frames:size(2)))
  local observed = frames:narrow(2, 1, length)
  local seen, trajectory = predicted(model, trajectory_at(o.infer(context)),
    o.steps, 1, clean)
  local errors, norms = validity.frame_errors(seen, clean)
  add("errors", errors)
  add("norms", norms)
  if length > o.window then
    errors, norms = backward(model, observed, clean, o)
    add("backward_errors", errors)
    add("backward_norms", norms)
  end
  add("energies", model:energies(trajectory):to("float64"))
  if part.system then
    local states = part:states(indices, true)
    local times = math.min(STATES, length)
    add("latent", latent_states(trajectory, times))
    add("truth", true_states(part.system, states, times))
    if o.variances then add("variances", o.variances(context)) end
    if part.system.dimension == 1 then
      add("learned_q", trajectory.q)
      add("states", states:narrow(2, 1, length))
    end
  end
  if o.show and indices[1] == 1 then
    found.shown = { seen = seen:select(1, 1):index_select(1, o.show),
      truth = clean:select(1, 1):index_select(1, o.show) }
  end
end

-- The dimension of sequences in what roll_batch collects.
local JOINED = { errors = 1, norms = 1, backward_errors = 1,
  backward_norms = 1, energies = 2, latent = 1, truth = 1, variances = 1,
  learned_q = 2, states = 1 }

local function roll(model, part, o)
  local found = {}
  for first = 1, o.count, o.batch do
    roll_batch(model, part, lists.range(first,
      math.min(first + o.batch - 1, o.count)), o, found)
  end
  for key, dimension in pairs(JOINED) do
    found[key] = found[key] and engine.cat(found[key], dimension)
  end
  return found
end

-- --- measures -------------------------------------------------------------------

local function prediction_time(found, o)
  if not found.backward_errors then return nil end
  local function median(errors, norms)
    return statistics.median(validity.prediction_times(errors, norms,
      { window = o.window }))
  end
  local forward = median(found.errors, found.norms)
  local back = median(found.backward_errors, found.backward_norms)
  return { forward = forward, backward = back, mean = (forward + back) / 2,
    limit = math.min(validity.longest, o.steps + 1 - o.window) }
end

-- The authors score 20 batches of 5 trajectories. Polynomials of more than four latent
-- coordinates take long, so only four batches are used then. A map of channels has
-- hundreds of coordinates, for which only linear functions could be fitted.
local TRAJECTORIES, BATCHES, WIDE_BATCHES, NARROW, WIDEST = 5, 20, 4, 4, 32

-- SyMetric, or nil and the reason why it is missing.
local function symetric_of(found)
  if not found.latent then return nil, "the true state is not known" end
  local count, times, variables = table.unpack(found.latent.shape)
  if variables > WIDEST then
    return nil, string.format("the latent state has %d numbers, more than %d",
      variables, WIDEST)
  end
  if count < TRAJECTORIES or times < 3 then
    return nil, string.format("needs %d sequences of 3 frames",
      TRAJECTORIES)
  end
  local generator = engine.generator(1)
  local batches = math.min(count // TRAJECTORIES,
    variables > NARROW and WIDE_BATCHES or BATCHES)
  local scores = { symetric = {}, sym = {}, sym_given = {}, r2 = {},
    order = {} }
  for i = 0, batches - 1 do
    local function part(x)
      return x and x:narrow(1, i * TRAJECTORIES + 1, TRAJECTORIES)
    end
    local one = symetric.measure(part(found.latent), part(found.truth),
      { variances = part(found.variances), generator = generator })
    for key, list in pairs(scores) do list[#list + 1] = one[key] end
  end
  local result = { batches = batches, variables = variables }
  for key, list in pairs(scores) do
    result[key] = statistics.summary(list).mean
  end
  return result
end

local function period_of(found, part, dt)
  if not found.states then return nil end
  local q, p = found.states:select(3, 1), found.states:select(3, 2)
  local energies = part.system:energy(q:select(2, 1):to("float64"),
    p:select(2, 1):to("float64"),
    part.constants and part.constants:narrow(1, 1, q:size(1))):totable()
  return period.against_energy(energies, period.periods(found.learned_q, dt),
    period.periods(q:transpose(1, 2), dt))
end

--- Measures a model on the first sequences of a part of a data set, by rollouts from the
-- state inferred on their first frames. Shorter sequences are extended by simulation.
-- @tparam Module model
-- @tparam Dataset set
-- @tparam table opts steps; window, the number of frames of a training sequence; count=64
-- sequences; batch=16 at a time; split="test"; infer, a function of frames
-- (batch, window, height, width, channels) that returns q and p at the first
-- of them, by default the model's; variances, a function of the same frames that returns
-- the variances of the posterior over the state (q, p), if there is one; show, the steps of
-- the first sequence in `shown`; symetric=true, false omits SyMetric, whose polynomial fits
-- take longest
-- @treturn ?table numbers: count, steps, window; valid (valid steps: mean,
-- spread, median); prediction_time (median forward and backward, their mean,
-- limit), nil if there are no frames after the window; mse (window, next,
-- next_frames, by_step), against noise-free frames if these are known;
-- energy_drift (mean, spread, median); symetric (means of symetric, sym,
-- sym_given, r2 and order over batches), else symetric_missing, the reason; period (see
-- torus.measures.period.against_energy) for one degree of freedom
-- @treturn ?table shown: seen and truth (steps, height, width, channels); or the message
-- after nil
function M.measure(model, set, opts)
  local o = options.resolve("extrapolation", opts, RULES)
  o.count = math.min(o.count, set[o.split].size)
  o.infer = o.infer or function(frames) return model:infer(frames) end
  if o.show then
    local positions = {}
    for i, step in ipairs(o.show) do positions[i] = step + 1 end
    o.show = positions
  end
  local part, message = set:longer(o.split, o.count, o.steps)
  if not part then return nil, message end
  return engine.no_grad(function()
    local found = roll(model, part, o)
    local numbers = { count = o.count, steps = o.steps, window = o.window,
      valid = statistics.summary(validity.valid_steps(found.errors,
        found.norms)),
      prediction_time = prediction_time(found, o),
      mse = validity.windows(found.errors, { window = o.window,
        times = math.huge }),
      energy_drift = o.count > 1
        and statistics.summary(drift(found.energies)) or nil,
      period = period_of(found, part, set.dt) }
    if o.symetric then
      numbers.symetric, numbers.symetric_missing = symetric_of(found)
    end
    return numbers, found.shown
  end)
end

-- --- in words -------------------------------------------------------------------

local function mse_text(x) return string.format("%.2fe-4", x * 1e4) end

local function valid_text(v)
  return string.format("mean %.1f +- %.1f, median %d", v.mean, v.spread,
    v.median)
end

local function prediction_text(t)
  if not t then return "no frames after the training window" end
  return string.format("%g of %d (forward %d, backward %d)", t.mean, t.limit,
    t.forward, t.backward)
end

-- Errors at round numbers of steps.
local function step_rows(numbers)
  local rows = {}
  local by_step = numbers.mse.by_step
  for _, step in ipairs { 50, 100, 200, 300 } do
    if by_step[step + 1] then
      rows[#rows + 1] = { "MSE at step " .. step,
        mse_text(by_step[step + 1]) }
    end
  end
  return rows
end

local function symetric_rows(numbers)
  local s = numbers.symetric
  if not s then
    return { numbers.symetric_missing and { "SyMetric", numbers.symetric_missing } }
  end
  return {
    { "R^2, latent to true state", string.format(
      "%.4f (polynomials, order %.2g)", s.r2, s.order) },
    { "Sym, in given coordinates", string.format("%.3g, %.3g", s.sym,
      s.sym_given) },
    { "SyMetric, mean of batches", string.format("%.2f of %d", s.symetric,
      s.batches) },
  }
end

local function period_rows(numbers)
  local p = numbers.period
  if not p then return {} end
  local missing = p.missing > 0 and string.format(", %d without a period",
    p.missing) or ""
  return { { "period against energy", p.error
    and string.format("off by %.2f%% in the mean of %d sequences%s",
      p.error * 100, #p.points, missing) or "no sequence has a period" } }
end

--- Returns the results of measure as text.
-- @tparam table numbers
-- @treturn {{string,string},...} names and values
function M.rows(numbers)
  local n = numbers
  local rows = {
    { "sequences, steps", string.format("%d, %d; training showed %d frames",
      n.count, n.steps, n.window) },
    { "valid steps", valid_text(n.valid) },
    { "valid prediction time", prediction_text(n.prediction_time) },
    { "MSE in the training window", mse_text(n.mse.window) },
  }
  if n.mse.next then
    rows[#rows + 1] = { string.format("MSE in the %d frames after it",
      n.mse.next_frames), mse_text(n.mse.next) }
  end
  lists.extend(rows, step_rows(n))
  if n.energy_drift then
    rows[#rows + 1] = { "energy drift, relative", string.format(
      "mean %.2g, median %.2g", n.energy_drift.mean, n.energy_drift.median) }
  end
  lists.extend(rows, symetric_rows(n))
  lists.extend(rows, period_rows(n))
  return rows
end

return M
