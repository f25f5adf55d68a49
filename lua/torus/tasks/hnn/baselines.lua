--- HNN and the plain network on states, compared with Greydanus et al. (2019);
-- see torus.experiments.baselines.
--
-- Their loss and ours are the same quantity. Their energy error for d = 1 does
-- not seem to be what its name says: scripts made from their notebooks compare
-- q^2 + p^2 of the true and of the learned trajectory, which is the energy of the
-- mass on a spring but not of the pendulum; and the pendulum's notebook
-- integrates over 20 units of time from states with |q| and |p| in [0.2, 1], most
-- of which lie inside the ring of radii 1.3 to 2.3 that its data come from. So it
-- includes the error of the phase, and that on states outside the data.
-- `original` is that measurement, and has their magnitude; the other columns are
-- of the true energy on test trajectories, as long as the data.
-- @module torus.tasks.hnn.baselines
local report = require "torus.tasks.hnn.report"
local engine = require "torus.engine"

local M = {}

M.default_scale = "full"

M.scales = {
  quick = "A tenth of the original's steps; all errors × 10³.",
  full = "The original's recipe; all errors × 10³.",
}

local SYSTEMS = {
  { name = "mass_spring", label = "mass on a spring", cost = 10, lr_decay = "cosine",
    hnn = { test_loss = "36 ± 2", energy = "0.38 ± 0.1" } },
  { name = "pendulum", label = "pendulum", cost = 15, lr_decay = "cosine",
    hnn = { test_loss = "36 ± 2", energy = "25 ± 5" } },
  { name = "two_body", label = "two bodies", cost = 40, start = "square",
    hnn = { test_loss = "0.0028 ± 0.0001", energy = "0.039 ± 0.005" } },
}

local MODELS = { { "hnn", "HNN" }, { "mlp", "plain network" } }

local QUICK = { mass_spring = 200, pendulum = 200, two_body = 1000 }

--- @tparam string scale
-- @treturn {table,...}
function M.rows(scale)
  local rows = {}
  for _, system in ipairs(SYSTEMS) do
    for _, form in ipairs(MODELS) do
      rows[#rows + 1] = {
        name = system.name .. "-" .. form[1], preset = "full",
        label = system.label .. ", " .. form[2],
        changes = { system = system.name, kind = form[1],
          start = system.start, lr_decay = system.lr_decay,
          steps = scale == "quick" and QUICK[system.name] or nil },
        cost = scale == "quick" and system.cost / 10 or system.cost,
        reference = form[1] == "hnn" and system.hnn or {},
      }
    end
  end
  return rows
end

M.columns = {
  { title = "train loss", key = "train_loss", scale = 1e3 },
  { title = "test loss", key = "test_loss", scale = 1e3 },
  { title = "theirs", reference = "test_loss" },
  { title = "energy MSE, rk4", key = "energy_rk4", scale = 1e3 },
  { title = "rk45", key = "energy_rk45", scale = 1e3 },
  { title = "as theirs", key = "original", scale = 1e3 },
  { title = "theirs", reference = "energy" },
  { title = "state MSE, rk4", key = "state_rk4", scale = 1e3 },
  { title = "rk45", key = "state_rk45", scale = 1e3 },
}

M.notes = {
  "Mass on a spring and pendulum: the learning rate falls by a cosine to a "
  .. "hundredth. At the original's constant one the energy's error depends on "
  .. "whether the loss has a spike at the end.",
  "± is over training runs that differ in data and first weights. "
  .. "*As theirs*: for d = 1 the mean square of the difference of q² + p² "
  .. "between the true and the learned trajectory, over 20 units of time, from "
  .. "states with |q| and |p| in [0.2, 1]; most of these lie inside the ring "
  .. "that the pendulum's data come from.",
}

local TRIALS, POINTS, SPAN = 60, 100, 20

local function size(trajectory)
  return trajectory.q:to("float64"):square():sum(3)
    + trajectory.p:to("float64"):square():sum(3)
end

--- The energy error of the original's notebooks for one dimension.
-- @tparam Module model an HNN or plain network
-- @tparam System system
-- @treturn number
function M.original_energy(model, system)
  local generator = engine.generator(2019)
  local function start()
    local u = engine.rand({ TRIALS, 1 }, { dtype = "float64",
      generator = generator }) * 1.6 - 0.8
    return u + u:sign() * 0.2
  end
  return engine.no_grad(function()
    local q, p = start(), start()
    local o = { dt = SPAN / (POINTS - 1), steps = POINTS - 1 }
    local truth = system:solve(q, p, o)
    o.method = "rk45"
    local dtype = model.config.dtype
    local learned = model:rollout(q:to(dtype), p:to(dtype), o)
    return (size(learned) - size(truth)):square():mean():item()
  end)
end

--- @tparam Module model
-- @tparam table data as torus.data.hnn_data makes it
-- @treturn table numbers
function M.measure(model, data)
  local found = report.measure(model, data)
  if data.system.dimension == 1 then
    found.original = M.original_energy(model, data.system)
  end
  return found
end

return M
