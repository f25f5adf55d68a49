--- A training step in shares of the batch, which are distributed over processes.
--
-- The gradient of a mean over the batch is the mean of the shares' gradients. They are
-- summed in an order that depends only on the number of shares (torus.dist_sum), so the
-- bits of a training run are the same for any number of processes, but differ in rounding for
-- another number of shares. Random numbers are drawn for the whole batch on every process,
-- so that each share sees the numbers that it would see in a single process.
-- @module torus.runs.shares
local core = require "torus.core"
local dist = require "torus.dist"
local engine = require "torus.engine"
local options = require "torus.options"

local M = {}

--- Returns the number of shares for the current processes: that of the configuration, but
-- at least one per process.
-- @tparam ?integer given the configuration's number
-- @treturn ?integer nil for a batch in one piece, in a single process
function M.count(given)
  local size = dist.size()
  if size == 1 or given and given >= size then return given end
  return size
end

local SIGNALS = { SIGHUP = 1, SIGINT = 2, SIGTERM = 3 }
local NUMBERS = { 1, 2, 15 }

-- Flags, appended to the summed numbers, by which any process tells the others to stop.
local function stop_flags()
  local flags = { 0, 0, 0 }
  local name = core.stopped()
  if name then flags[SIGNALS[name]] = 1 end
  return flags
end

-- The gradients flattened and concatenated, times a weight.
local function flat(gradients, parameters, weight)
  local parts = {}
  for i = 1, #parameters do
    if gradients[i] then parts[#parts + 1] = gradients[i]:reshape(-1) end
  end
  return engine.cat(parts, 1):mul_(weight)
end

-- The inverse: views of x shaped like the parameters for which `like` has gradients.
local function shaped(x, parameters, like)
  local gradients, first = {}, 1
  for i, entry in ipairs(parameters) do
    if like[i] then
      local n = entry[2]:numel()
      gradients[i] = x:narrow(1, first, n):reshape(entry[2].shape)
      first = first + n
    end
  end
  return gradients
end

-- One number for each name, then the flags.
local function packed(numbers, names, weight, flags)
  local list = {}
  for i, name in ipairs(names) do list[i] = numbers[name] * weight end
  table.move(flags, 1, #flags, #list + 1, list)
  return engine.tensor(list, { dtype = "float64" })
end

local function unpacked(list, names)
  local numbers, stop = {}, nil
  for i, name in ipairs(names) do numbers[name] = list[i] end
  for i, number in ipairs(NUMBERS) do
    if list[#names + i] > 0 then stop = number end
  end
  return numbers, stop
end

-- A step that can't be divided: every process makes all of it, with the same result. Only the
-- flags are summed.
local function whole(task, batch)
  local gradients, numbers = task:share(batch, 1, batch.size)
  local rest = dist.sum(dist.size())
  rest:push(packed({}, {}, 1, stop_flags()))
  local _, stop = unpacked(rest:total():totable(), {})
  return gradients, numbers, stop
end

--- Computes the gradients of a step, which are the same on all processes.
-- @tparam table task with draw and share, see torus.tasks
-- @tparam integer step from 1
-- @tparam integer count number of shares; limited to the number of samples
-- @treturn {tensor,...} gradients
-- @treturn table numbers for the log
-- @treturn ?integer the signal by which any process was told to stop
function M.step(task, step, count)
  local batch = task:draw(step)
  if batch.whole then return whole(task, batch) end
  local n = batch.size
  if n < dist.size() then
    options.raise("train: batch: expected at least %d, one sample for each process, got %d",
      dist.size(), n)
  end
  count = math.min(count, n)
  local sums, rest = dist.sum(count), dist.sum(count)
  local names, pattern
  local flags = stop_flags()
  for s = sums.first, sums.last - 1 do
    local first, last = s * n // count, (s + 1) * n // count
    local weight = (last - first) / n
    local gradients, numbers = task:share(batch, first + 1, last - first)
    names, pattern = names or options.sorted_keys(numbers), pattern or gradients
    sums:push(flat(gradients, task.parameters, weight))
    rest:push(packed(numbers, names, weight, flags))
    flags = { 0, 0, 0 }
  end
  local numbers, stop = unpacked(rest:total():totable(), names)
  return shaped(sums:total(), task.parameters, pattern), numbers, stop
end

return M
