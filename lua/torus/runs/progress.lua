--- A progress line on standard error: share done, rate, time left, loss.
-- Silent where standard error is not a terminal.
-- @module torus.runs.progress
local core = require "torus.core"

--- A progress line; torus.runs.progress makes it.
-- @type Progress
local Progress = {}
Progress.__index = Progress

local WIDTH = 24

local function duration(seconds)
  seconds = math.floor(seconds + 0.5)
  if seconds < 3600 then
    return string.format("%d:%02d", seconds // 60, seconds % 60)
  end
  return string.format("%d:%02d:%02d", seconds // 3600, seconds // 60 % 60,
    seconds % 60)
end

--- A progress line.
-- @function torus.runs.progress
-- @tparam integer total steps
-- @tparam[opt=0] integer done steps done before this run
-- @tparam[opt] table opts
-- @tparam[opt] file opts.out standard error by default
-- @tparam[opt] boolean opts.active by default whether that is a terminal
-- @tparam[opt] function opts.now a clock, in seconds
-- @treturn Progress
-- @usage
-- progress = torus.runs.progress(100)
-- for step = 1, 100 do progress:update(step, 1 / step) end
-- progress:finish()
function Progress.new(total, done, opts)
  opts = opts or {}
  local active = opts.active
  if active == nil then active = core.isatty(2) end
  local now = opts.now or core.clock
  return setmetatable({ total = total, done = done or 0, start = now(),
    shown = nil, active = active, out = opts.out or io.stderr,
    now = now, length = 0 }, Progress)
end

--- The line, without control characters.
-- @tparam integer step
-- @tparam ?number loss
-- @treturn string
-- @usage
-- progress = torus.runs.progress(100)
-- print(progress:line(50, 0.1))
function Progress:line(step, loss)
  local elapsed = self.now() - self.start
  local new = step - self.done
  local rate = elapsed > 0 and new / elapsed or 0
  local share = self.total > 0 and step / self.total or 1
  local full = math.floor(share * WIDTH)
  local bar = string.rep("#", full) .. string.rep(".", WIDTH - full)
  local speed = rate >= 1 and string.format("%.1f steps/s", rate)
    or rate > 0 and string.format("%.2f s/step", 1 / rate) or "-"
  local left = rate > 0 and duration((self.total - step) / rate) or "-"
  return string.format("[%s] %d/%d  %s  %s left%s", bar, step, self.total,
    speed, left, loss and string.format("  loss %.6g", loss) or "")
end

--- Shows the state, at most ten times a second.
-- @tparam integer step
-- @tparam ?number loss
-- @usage
-- progress = torus.runs.progress(100)
-- progress:update(10, 0.5)
function Progress:update(step, loss)
  if not self.active then return end
  local now = self.now()
  if self.shown and now - self.shown < 0.1 and step < self.total then return end
  self.shown = now
  local line = self:line(step, loss)
  local padding = string.rep(" ", math.max(0, self.length - #line))
  self.out:write("\r", line, padding)
  self.out:flush()
  self.length = #line
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
end

return Progress
