--- Evaluation of a trained HNN: losses, energy along its rollouts, pictures.
-- @module torus.tasks.hnn.report
local lists = require "torus.tasks.lists"
local options = require "torus.options"
local measured_report = require "torus.tasks.hnn.measured_report"
local pictures = require "torus.tasks.hnn.pictures"
local rolling = require "torus.tasks.hnn.rollouts"
local engine = require "torus.engine"

local M = {}

local RULES = {
  count = { default = 25, type = "integer", min = 1 },
  substeps = { default = 4, type = "integer", min = 1 },
  times = { default = 1, type = "integer", min = 1 },
}

local along, loss_on, true_energy = measured_report.along, measured_report.loss_on,
  measured_report.true_energy

-- The mean squared difference of each trajectory, as a list.
local function squares(difference)
  local n = difference:size(2)
  local list = difference:square():transpose(1, 2):reshape(n, -1):mean(2)
  return list:totable()
end

-- The true and the learned trajectories from the noise-free initial states of the
-- test set, `times` as long as the data.
local function rollouts(model, data, o, method)
  local held_out = data.test.trajectory
  local count = math.min(o.count, held_out.q:size(2))
  local dtype = model.config.dtype
  local q0 = held_out.q[1]:narrow(1, 1, count)
  local p0 = held_out.p[1]:narrow(1, 1, count)
  local steps = (held_out.q:size(1) - 1) * o.times
  local truth = data.system:solve(q0, p0, { dt = data.dt, steps = steps })
  local learned = model:rollout(q0:to(dtype), p0:to(dtype), { dt = data.dt,
    steps = steps, substeps = method ~= "rk45" and o.substeps or nil,
    method = method })
  return truth, { q = learned.q:to("float64"), p = learned.p:to("float64") }
end

--- Measures a model as Greydanus et al. (2019) do.
-- @tparam Module model an HNN or plain network
-- @tparam table data as returned by torus.data.hnn_data
-- @tparam[opt] table opts count=25 test trajectories; substeps=4 of rk4 between points;
-- times=1, the length of the rollouts relative to that of the data
-- @treturn table train_loss, test_loss; for each method m of rk4 and rk45: energy_m, the mean
-- squared error of the true energy along rollouts from noise-free initial states, and
-- state_m, that of the state, each with ..._spread over trajectories
function M.measure(model, data, opts)
  local o = options.resolve("hnn_report", opts, RULES)
  return engine.no_grad(function()
    local found = { train_loss = loss_on(model, data.train),
      test_loss = loss_on(model, data.test) }
    for _, method in ipairs { "rk4", "rk45" } do
      local truth, learned = rollouts(model, data, o, method)
      local energy = true_energy(data.system)
      local e = squares(along(energy, learned) - along(energy, truth))
      found["energy_" .. method], found["energy_" .. method .. "_spread"] =
        lists.mean_and_spread(e)
      local s = squares(engine.cat({ learned.q - truth.q, learned.p - truth.p }, 3))
      found["state_" .. method], found["state_" .. method .. "_spread"] =
        lists.mean_and_spread(s)
    end
    return found
  end)
end

-- --- pictures ---------------------------------------------------------------

--- Draws phase portraits, trajectories and energy of test rollouts.
-- @tparam string path of a .png
-- @tparam Module model
-- @tparam table data
-- @tparam[opt] table opts as in measure; by default, times is such that rollouts last about
-- 20 units of time
-- @treturn ?{string,...} files
-- @treturn ?string message
function M.draw(path, model, data, opts)
  local o = options.resolve("hnn_report", opts, RULES)
  o.count = math.min(o.count, 4)
  local span = data.dt * (data.test.trajectory.q:size(1) - 1)
  if not (opts and opts.times) then
    o.times = math.max(1, math.ceil(20 / span - 0.5))
  end
  return engine.no_grad(function()
    local truth, learned = rollouts(model, data, o, "rk4")
    return pictures.draw(path, model, { truth = truth, learned = learned, dt = data.dt,
      subject = data.system.name, words = pictures.truth,
      energy = function(trajectory)
        return along(true_energy(data.system), trajectory)
      end })
  end)
end

--- For scripts/evaluate.lua.
-- @tparam Module model
-- @tparam table data as returned by torus.data.hnn_data or torus.data.measured
-- @tparam table config
-- @tparam table opts count=256; pictures, a folder, or nil
-- @treturn ?table rows {{name, text}, ...}, numbers, files
-- @treturn ?string message
function M.report(model, data, config, opts)
  if config.data then return measured_report.report(model, data, config, opts) end
  local n = M.measure(model, data, { count = opts.count or 256 })
  local report = { numbers = n, files = {}, rows = {
    { "train loss", string.format("%.4g", n.train_loss) },
    { "test loss", string.format("%.4g", n.test_loss) },
    { "energy MSE, rk4", lists.with_spread(n.energy_rk4, n.energy_rk4_spread) },
    { "energy MSE, rk45", lists.with_spread(n.energy_rk45, n.energy_rk45_spread) },
    { "state MSE, rk4", lists.with_spread(n.state_rk4, n.state_rk4_spread) },
    { "state MSE, rk45", lists.with_spread(n.state_rk45, n.state_rk45_spread) },
  } }
  rolling.add_row(report.rows, config, data)
  if opts.pictures then
    local files, message = M.draw(opts.pictures .. "/rollouts.png", model, data)
    if not files then return nil, message end
    report.files = files
  end
  return report
end

return M
