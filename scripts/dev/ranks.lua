-- Times training steps on several processes: what a rank computes, what it waits for,
-- what it sends, and the bits that all end with.
--
--   mpirun -n 2 scripts/torus scripts/dev/ranks.lua [MODEL [PRESET [KEY=VALUE...]]]
--
-- shares=N divides the batch in one process, too; steps is what is timed, after three
-- (UNTIMED) that are not. Prints one row for a table, with its head where HEAD=1 is set.
local configuration = require "torus.runs.configuration"
local dist = require "torus.dist"
local engine = require "torus.engine"
local shares = require "torus.runs.shares"
local tasks = require "torus.tasks"

local UNTIMED = tonumber(os.getenv "UNTIMED") or 3

local model, preset = arg[1] or "hgn", arg[2] or "full"
local changes = { model = model }
for i = 3, #arg do
  local key, value = configuration.parse_override(arg[i], model)
  assert(key, value)
  changes[key] = value
end
local config = assert(configuration.make(preset, changes))
local definition = assert(tasks.get(model))
local task = definition.new(config, assert(definition.open_data(config)))
local rate = definition.learning_rate(config)
local count = shares.count(config.shares)

-- What this rank computes: seconds, and seconds of all its threads.
local wall, processor = 0, 0
local share = task.share
function task.share(...)
  local start, used = engine.clock(), os.clock()
  local gradients, numbers = share(...)
  wall, processor = wall + engine.clock() - start, processor + os.clock() - used
  return gradients, numbers
end

local function step(n)
  local start = engine.clock()
  wall, processor = 0, 0
  local gradients, numbers
  if count then
    gradients, numbers = shares.step(task, n, count)
  else
    gradients, numbers = task:step(n)
  end
  local summed = engine.clock()
  task.optimiser.lr = rate(n)
  task.optimiser:step(gradients)
  if task.after_update then task:after_update(numbers) end
  return { engine.clock() - start, wall, processor, summed - start - wall }
end

local rows = {}
for n = 1, UNTIMED + config.steps do
  dist.barrier()
  local row = step(n)
  if n > UNTIMED then rows[#rows + 1] = row end
end

local function sorted(column)
  local list = {}
  for i, row in ipairs(rows) do list[i] = row[column] * 1e3 end
  table.sort(list)
  return list
end

local function median(column) return sorted(column)[(#rows + 1) // 2] end

-- The slowest and the largest of the ranks.
local function largest(x)
  return dist.all_reduce(engine.tensor({ x }, { dtype = "float64" }), { op = "max" }):item()
end

local elements, sum = 0, 0
for _, entry in ipairs(task.parameters) do
  elements = elements + entry[2]:numel()
  -- Of the bits: the same text for the same weights alone.
  for _, word in ipairs { string.unpack(("<" .. "I4"):rep(math.min(entry[2]:numel(), 64)),
    engine.to_bytes(entry[2])) } do
    sum = (sum * 31 + word) & 0xFFFFFFFF
  end
end

local columns = {
  { "processes", "%d", dist.size() }, { "threads", "%d", engine.threads() },
  { "shares", "%s", tostring(count or "-") },
  { "step, ms (median)", "%.1f", largest(median(1)) },
  { "(least)", "%.1f", largest(sorted(1)[1]) },
  { "computes, ms", "%.1f", largest(median(2)) },
  { "processor, ms", "%.1f", largest(median(3)) },
  { "sums and waits, ms", "%.1f", largest(median(4)) },
  { "(least)", "%.2f", largest(sorted(4)[1]) },
  { "gradients, MB", "%.3f", elements * 4 / 1e6 },
  { "memory, MiB", "%.0f", largest(engine.memory().peak_resident_bytes / 2 ^ 20) },
  { "weights", "%08x", sum },
}
if dist.rank() == 0 then
  local head, row = {}, {}
  for i, column in ipairs(columns) do
    head[i], row[i] = column[1], column[2]:format(column[3])
  end
  if os.getenv "HEAD" == "1" then
    print("| " .. table.concat(head, " | ") .. " |")
    print("|" .. (" --- |"):rep(#head))
  end
  print("| " .. table.concat(row, " | ") .. " |")
end
