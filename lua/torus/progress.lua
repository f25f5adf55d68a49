--- A progress line on standard error: fraction done, rate, time left, loss.
-- Silent if standard error is not a terminal.
-- @module torus.progress
local core = require "torus.core"
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

--- A progress line; torus.progress and torus.runs.progress make it.
-- @type Progress
local Progress = {}
Progress.__index = Progress

local WIDTH = 24

-- The line that is being shown, if any.
local current

local RULES = { out = {}, active = { type = "boolean" }, now = { type = "callable" } }

local function duration(seconds)
  seconds = math.floor(seconds + 0.5)
  if seconds < 3600 then
    return string.format("%d:%02d", seconds // 60, seconds % 60)
  end
  return string.format("%d:%02d:%02d", seconds // 3600, seconds // 60 % 60,
    seconds % 60)
end

--- Makes a progress line.
-- @function torus.runs.progress
-- @tparam integer total number of steps
-- @tparam[opt=0] integer done number of steps done before this run
-- @tparam[opt] table opts
-- @tparam[opt] file opts.out standard error by default
-- @tparam[opt] boolean opts.active by default whether that is a terminal
-- @tparam[opt] function opts.now a clock, in seconds
-- @treturn Progress
-- @usage
-- progress = torus.runs.progress(100)
-- for step = 1, 100 do progress:update(step, 1 / step) end
-- progress:finish()
function M.new(total, done, opts)
  opts = options.resolve("progress", opts, RULES)
  local active = opts.active
  if active == nil then active = core.isatty(2) end
  local now = opts.now or core.clock
  local line = setmetatable({ total = total, done = done or 0, step = done or 0,
    start = now(), shown = nil, values = nil, active = active, out = opts.out or io.stderr,
    now = now, length = 0 }, Progress)
  if active then current = line end
  return line
end

--- Shows how far a long step has come, in the line that is being shown; without one it does
-- nothing.
-- @tparam string what is being done
-- @tparam integer done
-- @tparam integer total
-- @usage
-- progress = require "torus.progress"
-- for i = 1, 10 do progress.within("reading files", i, 10) end
function M.within(what, done, total)
  if current then current:within(what, done, total) end
end

--- Makes a progress line for a user's own loop. It ends with the loop, even by break or an
-- error. In a generic `for` it counts, and shows the numbers last passed to `note`.
-- @function torus.progress
-- @tparam integer total number of steps
-- @tparam[opt] table opts
-- @tparam[opt] file opts.out standard error by default
-- @tparam[opt] boolean opts.active by default whether that is a terminal
-- @tparam[opt] function opts.now a clock, in seconds
-- @treturn Progress an iterator over 1, 2, ..., total, each with the line itself
-- @usage
-- for step, line in torus.progress(100) do
--   line:note { loss = 1 / step, accuracy = 0.5 }
-- end
-- line = torus.progress(3)   -- without a for:
-- for step = 1, 3 do line:update(step, { loss = 1 / step }) end
-- line:finish()
function M.progress(total, opts)
  options.argument("progress", "total", total, { type = "integer", min = 0 })
  local line = M.new(total, 0, options.resolve("progress", opts, RULES))
  return line, nil, nil, line
end

--- Sets the numbers to be shown with the line.
-- @tparam number|table values a loss, or numbers and texts by name
-- @usage
-- for step, line in torus.progress(10) do line:note { loss = 1 / step } end
function Progress:note(values) self.values = values end

function Progress:__call(_, step)
  if step then
    self:update(step, self.values)
    if step >= self.total then
      self:finish()
      return nil
    end
  end
  if self.total > 0 then return (step or 0) + 1, self end
end

function Progress:__close() self:finish() end

local function value_text(value)
  return type(value) == "number" and string.format("%.6g", value) or tostring(value)
end

-- "  loss 0.5", or several numbers by name.
local function values_text(values)
  if values == nil then return "" end
  if type(values) ~= "table" then return "  loss " .. value_text(values) end
  local parts = {}
  for i, name in ipairs(options.sorted_keys(values)) do
    parts[i] = "  " .. name .. " " .. value_text(values[name])
  end
  return table.concat(parts)
end

-- "[####....] 20/40"
local function bar(self, step)
  local share = self.total > 0 and math.max(0, math.min(1, step / self.total)) or 1
  local full = math.floor(share * WIDTH)
  return string.format("[%s%s] %d/%d", string.rep("#", full), string.rep(".", WIDTH - full),
    step, self.total)
end

--- Returns the line, without control characters.
-- @tparam integer step
-- @tparam ?number|table loss or numbers and texts by name
-- @treturn string
-- @usage
-- progress = torus.runs.progress(100)
-- print(progress:line(50, 0.1))
function Progress:line(step, loss)
  local elapsed = self.now() - self.start
  local new = step - self.done
  local rate = elapsed > 0 and new / elapsed or 0
  local speed = rate >= 1 and string.format("%.1f steps/s", rate)
    or rate > 0 and string.format("%.2f s/step", 1 / rate) or "-"
  local left = rate > 0 and duration((self.total - step) / rate) or "-"
  return string.format("%s  %s  %s left%s", bar(self, step), speed, left, values_text(loss))
end

-- Replaces the text that is shown.
local function show(self, text)
  self.out:write("\r", text, string.rep(" ", math.max(0, self.length - #text)))
  self.out:flush()
  self.length = #text
end

-- Whether a text may be shown now, which is at most ten times a second.
local function is_due(self, at_once)
  local now = self.now()
  if self.shown and now - self.shown < 0.1 and not at_once then return false end
  self.shown = now
  return true
end

--- Shows the state, at most ten times a second.
-- @tparam integer step
-- @tparam ?number|table loss or numbers and texts by name
-- @usage
-- progress = torus.runs.progress(100)
-- progress:update(10, 0.5)
function Progress:update(step, loss)
  self.step = step
  if self.active and is_due(self, step >= self.total) then show(self, self:line(step, loss)) end
end

--- Shows how far the step has come that follows the last one shown, at most ten times a
-- second.
-- @tparam string what is being done
-- @tparam integer done
-- @tparam integer total
-- @usage
-- progress = torus.runs.progress(100)
-- progress:update(10, 0.5)
-- for i = 1, 8 do progress:within("reading files", i, 8) end
function Progress:within(what, done, total)
  if not (self.active and is_due(self)) then return end
  show(self, string.format("%s  %s: %d of %d", bar(self, self.step), what, done, total))
end

--- Ends the line, so that other output starts on a fresh one.
-- @usage
-- progress = torus.runs.progress(100)
-- progress:finish()
function Progress:finish()
  if self.active and self.length > 0 then
    self.out:write("\n")
    self.length = 0
  end
  if current == self then current = nil end
end

signature.methods("Progress", Progress, {
  line = "step: integer, loss?: number|table",
  update = "step: integer, loss?: number|table", note = "values: number|table",
  within = "what: string, done: integer, total: integer",
})
signature.functions("progress", M, { new = "total: integer, done?: integer, opts?: table",
  within = "what: string, done: integer, total: integer" })

return M
