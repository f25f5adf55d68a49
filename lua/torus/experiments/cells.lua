--- Experiments consisting of many training runs: the cells of a table.
--
-- A cell is a run folder within the folder of the experiment, with its configuration and,
-- once it is trained and measured, a `result.json`. Cells are run in order and existing
-- results are kept, so that a stopped experiment continues from the last checkpoint of its
-- current cell. Several processes may work in one folder and divide the cells: on the same
-- machine by locks, under mpirun by rank, from the beginning.
-- @module torus.experiments.cells
local dist = require "torus.dist"
local files = require "torus.files"
local json = require "dkjson"
local lock = require "torus.lock"
local Log = require "torus.runs.log"
local options = require "torus.options"
local read_json = require "torus.json"
local run = require "torus.runs.run"
local engine = require "torus.engine"

local M = {}

local RULES = {
  out = { required = true, type = "path" },
  measure = { required = true, type = "callable" },
  changed = { default = function() end, type = "callable" },
  say = { default = print, type = "callable" },
}

local function duration(seconds)
  local minutes = math.floor(seconds / 60 + 0.5)
  return string.format("%d:%02d h", minutes // 60, minutes % 60)
end

--- Returns the run folder of a cell; a folder left by an older table has its former name.
-- @tparam string out folder of the experiment
-- @tparam table cell name and, if it had another one, former
-- @treturn string
function M.path(out, cell)
  local former = cell.former and out .. "/" .. cell.former
  if former and files.exists(former) then return former end
  return out .. "/" .. cell.name
end

-- Total seconds of the processes that trained a run: the log's clock restarts with each
-- of them.
local function seconds_of(path)
  local log = Log.read(path .. "/log.csv")
  local total, last = 0, 0
  for _, row in ipairs(log and log.rows or {}) do
    local now = row.seconds or last
    if now < last then total = total + last end
    last = now
  end
  return total + last
end

-- Numbers that JSON can't represent are stored as text, as a training run may end with them.
local function text_of(x)
  if x ~= x then return "nan" end
  if x == math.huge then return "inf" end
  if x == -math.huge then return "-inf" end
end

local NUMBERS = { nan = 0 / 0, inf = math.huge, ["-inf"] = -math.huge }

-- A copy of plain values in which f has replaced those of a type for which it
-- returns something.
local function replaced(value, type_, f)
  if type(value) == type_ then
    local other = f(value)
    return other == nil and value or other
  end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do copy[key] = replaced(item, type_, f) end
  return copy
end

local function encode(result)
  return json.encode(replaced(result, "number", text_of), { indent = true })
    .. "\n"
end

-- The inverse of encode: a table, or nil and a message.
local function decode(text)
  local result, problem = read_json.decode(text)
  if type(result) ~= "table" then return nil, tostring(problem) end
  return replaced(result, "string", function(word) return NUMBERS[word] end)
end

--- Reads the result of a cell.
-- @tparam string out folder of the experiment
-- @tparam table cell
-- @treturn ?table the result of measure, with seconds and step; nil if there is none yet
-- @treturn ?string message if it cannot be read or belongs to another run
function M.result(out, cell)
  local path = M.path(out, cell) .. "/result.json"
  if not files.exists(path) then return nil end
  local ok, message = run.check_earlier(M.path(out, cell), cell.config)
  if not ok then return nil, message end
  local text
  text, message = files.read(path)
  if not text then return nil, message end
  local result, problem = decode(text)
  if not result then
    return nil, string.format("%s: expected a result in JSON, got damaged text "
      .. "(%s): remove it to measure the cell again", path, problem)
  end
  return result
end

--- Reads the existing results, by the cells' names.
-- @tparam string out folder of the experiment
-- @tparam {table,...} cells
-- @treturn ?table
-- @treturn ?string message
function M.results(out, cells)
  local found = {}
  for _, cell in ipairs(cells) do
    local result, message = M.result(out, cell)
    if message then return nil, message end
    found[cell.name] = result
  end
  return found
end

-- Trains the rest of a cell and measures it.
local function work(cell, o)
  local path = M.path(o.out, cell)
  local ok, message = run.check_earlier(path, cell.config)
  if not ok then return nil, message end
  local trained
  trained, message = run.train(path, cell.config, { resume = true })
  if not trained then return nil, message end
  local result = o.measure(trained.task.model, trained.data, cell)
  result.step, result.seconds = trained.step, seconds_of(path)
  ok, message = files.write(path .. "/result.json", encode(result))
  if not ok then return nil, message end
  -- As read back from the file, in which numbers may have fewer digits.
  return M.result(o.out, cell)
end

-- Runs a cell; if another process works on it, returns no result and true as a third
-- value.
local function work_alone(cell, o)
  local path = M.path(o.out, cell)
  local ok, message = files.make_folder(path)
  if not ok then return nil, message end
  return lock.hold(path, work, cell, o)
end

-- Seconds of the remaining cells, from their own estimates and the pace so far.
local function left(cells, results, pace)
  local cost = 0
  for _, cell in ipairs(cells) do
    if not results[cell.name] then cost = cost + cell.cost end
  end
  return cost * pace
end

--- Distributes cells over ranks: the longest first, each to the rank with the least work.
-- @tparam {table,...} cells those without a result
-- @tparam integer size number of ranks
-- @treturn {[string]=integer} rank by the cell's name
function M.divide(cells, size)
  local order, loads, owners = table.move(cells, 1, #cells, 1, {}), {}, {}
  local place = {}
  for i, cell in ipairs(cells) do place[cell] = i end
  table.sort(order, function(a, b)
    if a.cost ~= b.cost then return a.cost > b.cost end
    return place[a] < place[b]
  end)
  for r = 1, size do loads[r] = 0 end
  for _, cell in ipairs(order) do
    local least = 1
    for r = 2, size do if loads[r] < loads[least] then least = r end end
    loads[least], owners[cell.name] = loads[least] + cell.cost, least - 1
  end
  return owners
end

-- The cells of this process among those without a result.
local function own_cells(cells, results, o)
  if dist.size() == 1 then return cells end
  -- As seen by rank 0: the others may see changes of the folder later.
  local names = dist.first(function()
    local list = {}
    for _, cell in ipairs(cells) do
      if not results[cell.name] then list[#list + 1] = cell.name end
    end
    return "\n" .. table.concat(list, "\n") .. "\n"
  end)
  local unfinished, mine = {}, {}
  for _, cell in ipairs(cells) do
    if names:find("\n" .. cell.name .. "\n", 1, true) then
      unfinished[#unfinished + 1] = cell
    end
  end
  local owners = M.divide(unfinished, dist.size())
  for r = 0, dist.size() - 1 do
    local list = {}
    for _, cell in ipairs(unfinished) do
      if owners[cell.name] == r then list[#list + 1] = cell.name end
      if owners[cell.name] == r and r == dist.rank() then mine[#mine + 1] = cell end
    end
    if dist.rank() == 0 then
      o.say(("rank %d: %s"):format(r, #list > 0 and table.concat(list, ", ") or "nothing"))
    end
  end
  return mine
end

-- Waits for the other ranks, and reports their results as they come.
local function wait_for_others(cells, results, o)
  dist.barrier(function()
    if dist.rank() > 0 then return end
    local new = false
    for _, cell in ipairs(cells) do
      local found = not results[cell.name] and M.result(o.out, cell)
      if found then results[cell.name], new = found, true end
    end
    if new then o.changed(results) end
  end)
end

--- Runs cells; several ranks divide them, and only rank 0 calls `changed`.
-- @tparam {table,...} cells {name, config, cost (an estimate of its seconds)}
-- @tparam table opts
-- @tparam string opts.out the folder
-- @tparam function opts.measure of model, data and cell, returns a table of plain
-- values
-- @tparam[opt] function opts.changed called with the results when there is a new one
-- @tparam[opt=print] function opts.say prints a line
-- @treturn ?table results by the cells' names
-- @treturn ?string message why it ended early
function M.run(cells, opts)
  local o = options.resolve("cells.run", opts, RULES)
  local ok, message = files.make_folder(o.out)
  if not ok then return nil, message end
  local results
  results, message = M.results(o.out, cells)
  if not results then return nil, message end
  local estimated, spent = 0, 0
  local all = cells
  cells = own_cells(cells, results, o)
  for i, cell in ipairs(cells) do
    -- Another process may have run it in the meantime.
    results[cell.name] = results[cell.name] or M.result(o.out, cell)
    if not results[cell.name] then
      local pace = spent > 0 and spent / estimated or 1
      o.say(string.format("[%d/%d] %s: %d steps; about %s left for all cells", i,
        #cells, cell.name, cell.config.steps,
        duration(left(cells, results, pace))))
      local start = engine.clock()
      local busy
      results[cell.name], message, busy = dist.alone(work_alone, cell, o)
      if busy then
        o.say(cell.name .. ": another process works on it")
      elseif not results[cell.name] then
        return nil, cell.name .. ": " .. message
      else
        estimated, spent = estimated + cell.cost, spent + engine.clock() - start
        if dist.rank() == 0 then o.changed(results) end
      end
    end
  end
  wait_for_others(all, results, o)
  return M.results(o.out, all)
end

return M
