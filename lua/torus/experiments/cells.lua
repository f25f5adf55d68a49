--- Experiments made of many trainings: the cells of a table.
--
-- A cell is a run folder in the experiment's own, with its configuration and, once
-- it is trained and measured, a `result.json`. Cells are run in order and those
-- with a result are kept, so an experiment that was stopped continues from the
-- last checkpoint of the cell it was in. Several processes may work in one
-- folder: they divide the cells.
-- @module torus.experiments.cells
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
  out = { required = true, type = "string" },
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

--- Runs cells.
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
      results[cell.name], message, busy = work_alone(cell, o)
      if busy then
        o.say(cell.name .. ": another process works on it")
      elseif not results[cell.name] then
        return nil, cell.name .. ": " .. message
      else
        estimated, spent = estimated + cell.cost, spent + engine.clock() - start
        o.changed(results)
      end
    end
  end
  return M.results(o.out, cells)
end

return M
