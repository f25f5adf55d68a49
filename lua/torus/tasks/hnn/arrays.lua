--- Predictions of an HNN, as arrays for other programs.
-- @module torus.tasks.hnn.arrays
local engine = require "torus.engine"

local M = {}

-- The first states of the test trajectories (n, d), and the length of the longest.
local function starts(sequence, count)
  local rows, first, longest = {}, 1, 1
  for i, n in ipairs(sequence.lengths) do
    if i <= count then rows[i], longest = first, math.max(longest, n) end
    first = first + n
  end
  rows = engine.tensor(rows, { dtype = "int64" })
  return sequence.q:index_select(1, rows), sequence.p:index_select(1, rows), longest
end

--- Rollouts from the first observed state of test trajectories. Of data that are points
-- without time, these.
-- @tparam Module model
-- @tparam table data
-- @tparam table config
-- @tparam table opts count=16, steps, by default those of the longest trajectory; or
-- roll(q, p, steps), which returns a trajectory instead
-- @treturn {[string]=tensor} time (steps + 1), q and p (steps + 1, n, d) and, of a
-- Hamiltonian, energy (steps + 1, n); of points q and p (n, d), their derivatives dq and dp
-- and energy (n)
function M.arrays(model, data, config, opts)
  local count = opts.count or 16
  return engine.no_grad(function()
    local test = data.test
    if not test.sequence then
      local n = math.min(count, test.size)
      local q, p = test.q:narrow(1, 1, n), test.p:narrow(1, 1, n)
      local dq, dp = model:motion(q, p)
      return { q = q, p = p, dq = dq, dp = dp,
        energy = model.hamiltonian and model:energy(q, p) }
    end
    local q, p, longest = starts(test.sequence, count)
    local steps = opts.steps or longest - 1
    local found = opts.roll and opts.roll(q, p, steps)
      or model:rollout(q, p, { dt = data.dt, steps = steps, substeps = 4 })
    found.time = engine.arange(0, steps, { dtype = "float64" }) * data.dt
    if model.hamiltonian then
      local t, n, d = table.unpack(found.q.shape)
      found.energy = model:energy(found.q:reshape(t * n, d), found.p:reshape(t * n, d))
        :reshape(t, n)
    end
    return found
  end)
end

return M
