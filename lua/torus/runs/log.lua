--- A run's log.csv: one row per logged step.
-- @module torus.runs.log
local core = require "torus.core"
local files = require "torus.files"
local options = require "torus.options"
local signature = require "torus.signature"
local unknown = require "torus.unknown"

--- A run's log.csv; torus.runs.log.open opens it.
-- @type Log
local Log = {}
Log.__index = Log

-- The lines of a text that end with a line break; a line cut off by a crash has none.
local function lines_of(text)
  local at = 1
  return function()
    local stop = text:find("\n", at, true)
    if not stop then return nil end
    local line = text:sub(at, stop - 1)
    at = stop + 1
    return line
  end
end

local function step_of(line) return tonumber(line:match("^(%d+),")) end

-- The rows of an earlier run up to the step of the checkpoint; later ones will be written
-- again.
local function kept_rows(text, header, last_step)
  local rows = {}
  for line in lines_of(text) do
    local step = step_of(line)
    if step and step <= last_step then rows[#rows + 1] = line end
  end
  local first = text:match("^[^\n]*")
  if first == header then return rows end
  return nil, string.format("expected columns %q, got %s", header,
    text == "" and "an empty file" or options.show(first))
end

--- Opens a log for appending.
-- @function torus.runs.log.open
-- @tparam string path
-- @tparam {string,...} columns the first is the step
-- @tparam integer last_step rows after this step are dropped; 0 starts a new log
-- @treturn ?Log
-- @treturn ?string message
-- @usage
-- log = assert(torus.runs.log.open("log.csv", { "step", "loss" }, 0))
-- log:row{ step = 1, loss = 0.5 }
-- log:close()
function Log.open(path, columns, last_step)
  local header = table.concat(columns, ",")
  local lines = { header }
  if last_step > 0 and files.exists(path) then
    local text, message = files.read(path)
    if not text then return nil, message end
    local rows, problem = kept_rows(text, header, last_step)
    if not rows then
      return nil, string.format("cannot continue log %s: %s; delete it to continue without the "
        .. "rows of the first %d steps", path, problem, last_step)
    end
    table.move(rows, 1, #rows, 2, lines)
  end
  local ok, message = files.write(path, table.concat(lines, "\n") .. "\n")
  if not ok then return nil, message end
  local file
  file, message = io.open(path, "ab")
  if not file then return nil, message end
  return setmetatable({ file = file, columns = columns, path = path }, Log)
end

local function show(value)
  if value == nil then return "" end
  if math.type(value) == "integer" then return tostring(value) end
  return string.format("%.9g", value)
end

--- Appends a row; columns without a value are left empty.
-- @tparam {[string]=number} values by column
-- @treturn ?boolean true
-- @treturn ?string message
-- @usage
-- log = assert(torus.runs.log.open("log.csv", { "step", "loss" }, 0))
-- assert(log:row{ step = 1, loss = 0.5 })
function Log:row(values)
  if not self.file then options.raise("Log:row: the log of %s is closed", self.path) end
  local cells = {}
  for i, name in ipairs(self.columns) do cells[i] = show(values[name]) end
  local ok, message = self.file:write(table.concat(cells, ","), "\n")
  if ok then ok, message = self.file:flush() end
  if not ok then
    return nil, string.format("cannot write %s: %s", self.path, message)
  end
  return true
end

--- Waits until all rows are on the disk, where a loss of power leaves them.
-- @treturn ?boolean true
-- @treturn ?string message
-- @usage
-- log = assert(torus.runs.log.open("log.csv", { "step", "loss" }, 0))
-- log:row{ step = 1, loss = 0.5 }
-- assert(log:flush())
function Log:flush()
  if not self.file then options.raise("Log:flush: the log of %s is closed", self.path) end
  local ok, message = core.flush_file(self.file)
  if not ok then return nil, string.format("cannot write %s: %s", self.path, message) end
  return true
end

--- Closes the file.
-- @usage
-- log = assert(torus.runs.log.open("log.csv", { "step", "loss" }, 0))
-- log:close()
function Log:close()
  if self.file then
    self.file:close()
    self.file = nil
  end
end

--- Returns the step of a log's last row.
-- @function torus.runs.log.last_step
-- @tparam string path
-- @treturn ?integer nil for a log without rows
-- @treturn ?string message if it cannot be read
-- @usage
-- log = assert(torus.runs.log.open("log.csv", { "step", "loss" }, 0))
-- log:row{ step = 7, loss = 0.5 }
-- log:close()
-- print(torus.runs.log.last_step("log.csv"))   -- 7
function Log.last_step(path)
  local text, message = files.read(path)
  if not text then return nil, message end
  local last
  for line in lines_of(text) do last = step_of(line) or last end
  return last
end

--- Reads a log.
-- @function torus.runs.log.read
-- @tparam string path
-- @treturn ?table {columns = {name, ...}, rows = {{[name]=number}, ...}}
-- @treturn ?string message
-- @usage
-- log = assert(torus.runs.log.open("log.csv", { "step", "loss" }, 0))
-- log:row{ step = 1, loss = 0.5 }
-- log:close()
-- print(assert(torus.runs.log.read("log.csv")).rows[1].loss)   -- 0.5
function Log.read(path)
  local text, message = files.read(path)
  if not text then return nil, message end
  local columns, rows = nil, {}
  for line in lines_of(text) do
    local cells = {}
    for cell in (line .. ","):gmatch("([^,]*),") do
      cells[#cells + 1] = cell
    end
    if not columns then
      columns = cells
    else
      local row = {}
      for i, name in ipairs(columns) do row[name] = tonumber(cells[i]) end
      rows[#rows + 1] = row
    end
  end
  return { columns = columns or {}, rows = rows }
end

signature.methods("Log", Log, { row = "values: {[string]=number}" }, {
  open = "path: path, columns: {string,...}, last_step: integer",
  last_step = "path: path", read = "path: path",
})
unknown.fields("a log", Log, { "file" })

return Log
