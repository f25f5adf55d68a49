--- Experiments made of many trainings: the cells of a table.
--
-- A cell is a run folder in the experiment's own, with its configuration and, once
-- it is trained and measured, a `result.json`. Cells are run in order and those
-- with a result are kept, so an experiment that was stopped continues from the
-- last checkpoint of the cell it was in. Several processes may work in one
-- folder: they divide the cells. Those of one machine find out by locks who works on
-- which; those that mpirun started have theirs from the beginning, by rank.
-- @module torus.experiments.cells
local dist = require "torus.dist"
local files = require "torus.files"
local json = require "dkjson"
local tasks = require "torus.tasks"
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

--- The run folder of a cell; one that an older table left has its former name.
-- @tparam string out folder of the experiment
-- @tparam table cell name and, where it was another one, former
-- @treturn string
function M.path(out, cell)
  local former = cell.former and out .. "/" .. cell.former
  if former and files.exists(former) then return former end
  return out .. "/" .. cell.name
end

-- Seconds of all the processes that trained a run: the log's clock starts
-- again with each of them.
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

-- Numbers that JSON does not have, as texts: a training may end with them.
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

--- The result of a cell.
-- @tparam string out folder of the experiment
-- @tparam table cell
-- @treturn ?table what measure returned, with seconds and step; nil where there is
-- none yet
-- @treturn ?string message where it cannot be read, or is another run's
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

--- The existing results, by the cells' names.
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
  local data
  data, message = tasks.get(cell.config.model).open_data(cell.config)
  if not data then return nil, message end
  local trained
  trained, message = run.train(path, cell.config,
    { resume = true, data = data })
  if not trained then return nil, message end
  local result = o.measure(trained.task.model, data, cell)
  result.step, result.seconds = trained.step, seconds_of(path)
  ok, message = files.write(path .. "/result.json", encode(result))
  if not ok then return nil, message end
  -- As a later process reads it: the text may have fewer digits.
  return M.result(o.out, cell)
end

-- Runs a cell; where another process works on it there is no result and a third
-- value, true.
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

--- Which rank runs which cell: the longest first, each by whoever has least to do.
-- @tparam {table,...} cells those without a result
-- @tparam integer size ranks
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
  -- As rank 0 sees the folder: the others may see it later.
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
-- @tparam[opt] function opts.changed of the results, called when one is new
-- @tparam[opt=print] function opts.say reports a line
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
    -- Another process may have run it by now.
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
