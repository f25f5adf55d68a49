--- Windows of trajectories, for training through the integrator.
-- @module torus.tasks.hnn.rollouts
local engine = require "torus.engine"

local M = {}

--- Returns the first rows of windows of `horizon` steps.
-- @tparam table sequence q, p (rows, d) and lengths
-- @tparam integer horizon
-- @tparam[opt=1] integer stride number of states from the start of a window to that of the
-- next; below horizon + 1, windows overlap
-- @treturn ?tensor (windows) int64, rows; nil if no trajectory is long enough
function M.starts(sequence, horizon, stride)
  local rows, first = {}, 0
  for _, n in ipairs(sequence.lengths) do
    for i = 1, n - horizon, stride or 1 do rows[#rows + 1] = first + i end
    first = first + n
  end
  return #rows > 0 and engine.tensor(rows, { dtype = "int64" }) or nil
end

--- Inserts the number of training windows before a report's rows, if training used windows.
-- @tparam {{string,string},...} rows
-- @tparam table config
-- @tparam table data
function M.add_row(rows, config, data)
  local sequence = data.train.sequence
  if not sequence or config.model == "hnn" and config.loss ~= "rollout" then return end
  local starts = M.starts(sequence, config.horizon, config.stride)
  table.insert(rows, 1, { "training windows", string.format(
    "%d of %d steps, of %d trajectories%s", starts and starts:size(1) or 0, config.horizon,
    #sequence.lengths, config.initial == "fitted" and ", from fitted states" or "") })
end

--- Returns the windows that begin at the given rows.
-- @tparam table sequence
-- @tparam tensor starts (windows) int64
-- @tparam integer horizon
-- @treturn tensor q (horizon + 1, windows, d)
-- @treturn tensor p
function M.windows(sequence, starts, horizon)
  local n = starts:size(1)
  local rows = starts:unsqueeze(1):expand(horizon + 1, n)
    + engine.arange(0, horizon, { dtype = "int64" }):unsqueeze(2)
  rows = rows:reshape(-1)
  local function part(x) return x:index_select(1, rows):reshape(horizon + 1, n, x:size(2)) end
  return part(sequence.q), part(sequence.p)
end

return M
