--- Evaluation of an HNN on measured states: rollouts from the first state of each held-out
-- trajectory, compared with the states measured after it.
-- @module torus.tasks.hnn.measured_report
local engine = require "torus.engine"
local initial_states = require "torus.models.parts.initial_states"
local lists = require "torus.tasks.lists"
local options = require "torus.options"
local pictures = require "torus.tasks.hnn.pictures"
local rollouts = require "torus.tasks.hnn.rollouts"

local M = {}

local RULES = {
  count = { default = 25, type = "integer", min = 1 },
  substeps = { default = 4, type = "integer", min = 1 },
  roll = { type = "callable" },
  fit = { default = 0, type = "integer", min = 0 },
}

-- The test trajectories of more than one state, each with q and p (states, 1, d).
local function trajectories(sequence, count)
  local found, first = {}, 1
  for _, n in ipairs(sequence.lengths) do
    if n > 1 and #found < count then
      found[#found + 1] = { q = sequence.q:narrow(1, first, n):unsqueeze(2),
        p = sequence.p:narrow(1, first, n):unsqueeze(2) }
    end
    first = first + n
  end
  return found
end

local function double(trajectory)
  return { q = trajectory.q:to("float64"), p = trajectory.p:to("float64") }
end

local function learned_from(model, data, trajectory, o)
  local last = trajectory.q:size(1) - 1
  local function roll(q, p, steps)
    return o.roll and o.roll(q, p, steps)
      or model:rollout(q, p, { dt = data.dt, steps = steps, substeps = o.substeps })
  end
  local q, p, fit = trajectory.q[1], trajectory.p[1], math.min(o.fit, last)
  if fit > 0 then
    q, p = initial_states.of_windows(model, function(x, y) return roll(x, y, fit) end,
      trajectory.q:narrow(1, 1, fit + 1), trajectory.p:narrow(1, 1, fit + 1))
  end
  return double(roll(q, p, last))
end

--- Returns an energy along a trajectory.
-- @tparam function energy of q and p (batch, d); returns (batch)
-- @tparam table trajectory q and p (states, n, d)
-- @treturn tensor (states, n) float64
function M.along(energy, trajectory)
  local t, n, d = table.unpack(trajectory.q.shape)
  return energy(trajectory.q:reshape(t * n, d), trajectory.p:reshape(t * n, d))
    :reshape(t, n):to("float64")
end

local function learned_energy(model)
  local dtype = model.config.dtype
  return function(q, p) return model:energy(q:to(dtype), p:to(dtype)) end
end

--- Returns the true energy of a system, as a function for along.
-- @tparam System system
-- @treturn function
function M.true_energy(system)
  return function(q, p) return system:energy(q:to("float64"), p:to("float64")) end
end

local function mse(a, b)
  return (((a.q - b.q):square():mean() + (a.p - b.p):square():mean()) * 0.5):item()
end

-- The mean squared error, in units of the variance of q and of p.
local function share(a, b, variance)
  return (((a.q - b.q):square():mean() / variance.q
    + (a.p - b.p):square():mean() / variance.p) * 0.5):item()
end

local function variance_of(part)
  local function of(x)
    x = x:to("float64")
    return math.max((x - x:mean(1, true)):square():mean():item(), 1e-300)
  end
  return { q = of(part.q), p = of(part.p) }
end

local function spread(x) return (x - x:mean()):square():mean():sqrt():item() end

-- Lists of numbers, one for each trajectory.
local function of_trajectories(model, data, o)
  local found = { state = {}, share = {}, drift = {}, measured_spread = {}, truth = {},
    energy = {} }
  local function add(name, value) table.insert(found[name], value) end
  local variance = variance_of(data.test.sequence)
  for _, given in ipairs(trajectories(data.test.sequence, o.count)) do
    local learned = learned_from(model, data, given, o)
    given = double(given)
    add("state", mse(learned, given))
    add("share", share(learned, given, variance))
    if model.hamiltonian then
      local e = M.along(learned_energy(model), learned)
      add("drift", (e - e[1]):abs():max():item())
      add("measured_spread", spread(M.along(learned_energy(model), given)))
    end
    if data.system then
      local first = o.fit > 0 and learned or given
      local truth = data.system:solve(first.q[1], first.p[1], { dt = data.dt,
        steps = given.q:size(1) - 1 })
      add("truth", mse(learned, truth))
      local energy = M.true_energy(data.system)
      add("energy", (M.along(energy, learned) - M.along(energy, truth)):square():mean():item())
    end
  end
  return found
end

--- Returns the loss on a part of the data.
-- @tparam Module model
-- @tparam table part q, p, dq and dp
-- @treturn number
function M.loss_on(model, part)
  return model:loss(part.q, part.p, part.dq, part.dp):item()
end

--- Measures a model on measured states.
-- @tparam Module model
-- @tparam table data as returned by torus.data.measured; with `system`, the system that was
-- measured, the rollouts are also compared with its motion
-- @tparam[opt] table opts count=25 test trajectories; substeps=4 of rk4 between states; or
-- roll(q, p, steps), which returns a trajectory instead; fit=0: if larger, rollouts begin not
-- in the first state but in the state that fits that many steps best
-- @treturn table for a model with a `loss`, train_loss and test_loss, those of derivatives; if
-- the data are trajectories, state_rk4, the mean squared error of a rollout's states, and
-- state_share, the same in units of the variance of q and of p (1 is as bad as their mean),
-- each with ..._spread; for a Hamiltonian, energy_drift, the largest change of the learned
-- energy along a rollout, and energy_measured, its standard deviation along the measured
-- states; with a system, truth_rk4 and energy_rk4, the mean squared errors of state and true
-- energy with respect to the true motion from the same state
function M.measure(model, data, opts)
  local o = options.resolve("hnn_report", opts, RULES)
  return engine.no_grad(function()
    local numbers = {}
    if model.loss then
      numbers.train_loss, numbers.test_loss =
        M.loss_on(model, data.train), M.loss_on(model, data.test)
    end
    if not data.test.sequence then return numbers end
    local found = of_trajectories(model, data, o)
    for list, name in pairs { state = "state_rk4", share = "state_share",
      drift = "energy_drift", measured_spread = "energy_measured", truth = "truth_rk4",
      energy = "energy_rk4" } do
      if #found[list] > 0 then
        numbers[name], numbers[name .. "_spread"] = lists.mean_and_spread(found[list])
      end
    end
    return numbers
  end)
end

-- --- pictures and rows --------------------------------------------------------------------

-- The first few trajectories side by side, cut to the shortest: (states, n, d).
local function side_by_side(list)
  local n = math.huge
  for _, x in ipairs(list) do n = math.min(n, x.q:size(1)) end
  local q, p = {}, {}
  for i, x in ipairs(list) do
    q[i], p[i] = x.q:narrow(1, 1, n), x.p:narrow(1, 1, n)
  end
  return { q = engine.cat(q, 2), p = engine.cat(p, 2) }
end

--- Draws rollouts next to the measured states of test trajectories.
-- @tparam string path of a .png
-- @tparam Module model
-- @tparam table data
-- @tparam[opt] table opts as in measure
-- @treturn ?{string,...} files, none if the data are not trajectories
-- @treturn ?string message
function M.draw(path, model, data, opts)
  local o = options.resolve("hnn_report", opts, RULES)
  if not data.test.sequence then return {} end
  return engine.no_grad(function()
    local given = trajectories(data.test.sequence, math.min(4, o.count))
    if #given == 0 then return {} end
    local truth = side_by_side(given)
    local learned = learned_from(model, data, truth, o)
    local energy = model.hamiltonian and learned_energy(model)
      or data.system and M.true_energy(data.system)
    return pictures.draw(path, model, { truth = double(truth), learned = learned,
      dt = data.dt, subject = data.path and data.path:match("[^/]+$") or data.system.name,
      words = model.hamiltonian and pictures.measured
        or options.joined(pictures.measured, { energy = "true" }),
      energy = energy and function(trajectory) return M.along(energy, trajectory) end })
  end)
end

local ROWS = {
  { "state_rk4", "state MSE of rollouts" },
  { "state_share", "the same / variance" },
  { "energy_drift", "learned energy, drift" },
  { "energy_measured", "its spread, measured" },
  { "truth_rk4", "state MSE, truth" },
  { "energy_rk4", "true energy, MSE" },
}

--- For scripts/evaluate.lua.
-- @tparam Module model
-- @tparam table data
-- @tparam table config
-- @tparam table opts count=256; pictures, a folder, or nil; roll as in measure
-- @treturn ?table rows {{name, text}, ...}, numbers, files
-- @treturn ?string message
function M.report(model, data, config, opts)
  local fit = config.initial == "fitted" and config.horizon or nil
  local n = M.measure(model, data, { count = opts.count or 256, roll = opts.roll, fit = fit })
  local report = { numbers = n, files = {}, rows = {} }
  if n.test_loss then
    report.rows = { { "train loss", string.format("%.4g", n.train_loss) },
      { "test loss", string.format("%.4g (derivatives: %s)", n.test_loss,
        config.derivatives) } }
  end
  rollouts.add_row(report.rows, config, data)
  for _, row in ipairs(ROWS) do
    if n[row[1]] then
      table.insert(report.rows, { row[2],
        lists.with_spread(n[row[1]], n[row[1] .. "_spread"]) })
    end
  end
  if opts.pictures then
    local files, message = M.draw(opts.pictures .. "/rollouts.png", model, data,
      { roll = opts.roll, fit = fit })
    if not files then return nil, message end
    report.files = files
  end
  return report
end

return M
