--- Using a run in a program: open it, roll it out, and export it for other programs.
--
--     scripts/torus examples/15_export.lua          -- trains a small HNN first
--     scripts/torus examples/15_export.lua RUN      -- your own run of an HNN
--     python3 examples/15_export.py                 -- its network in PyTorch
--
-- Files go to runs/examples/.
local torus = require "torus"

local path = arg[1]
if not path then
  path = "runs/examples/15_hnn"
  local config = assert(torus.runs.configuration.make("small", { model = "hnn",
    system = "pendulum", width = 32, steps = 200, lr = 5e-3 }))
  assert(torus.runs.train(path, config, { resume = true }))
end

-- --- opening a run ----------------------------------------------------------------
-- The model, as torus.models creates it, with its weights; the configuration it was
-- trained with; the step of the checkpoint.
local model, config, step = torus.runs.open(path)
assert(model, config)
print(model:describe() .. (" of %s, step %d"):format(torus.tasks.subject(config), step))

-- Its data again, and the report that `scripts/torus evaluate` prints.
local data = assert(torus.runs.open_data(config))
local task = assert(torus.tasks.get(config.model))
local report = assert(task.report(model, data, config, { count = 5 }))
for _, row in ipairs(report.rows) do print(("  %-18s %s"):format(row[1], row[2])) end

-- Anything the report lacks takes a few lines: is the learned energy conserved?
local q, p = data.test.q:narrow(1, 1, 3), data.test.p:narrow(1, 1, 3)
local rollout = torus.no_grad(model.rollout, model, q, p, { dt = 0.05, steps = 400 })
local energy = model:energy(rollout.q[-1], rollout.p[-1]) - model:energy(q, p)
print(("learned energy after 400 steps: changed by at most %.1e")
  :format(energy:abs():max():item()))

-- --- out -----------------------------------------------------------------------------
-- The same as `scripts/torus export RUN`.
for _, file in ipairs(assert(torus.runs.export(path, { out = "runs/examples/15_export" }))) do
  print("written: " .. file)
end
