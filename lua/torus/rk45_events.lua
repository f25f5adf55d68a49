--- Events of torus.rk45 and torus.ode: times at which a function of state and time crosses zero.
--
-- The function is evaluated at the ends of all steps at once; where its sign
-- changes, bisection on the continuous extension finds the time to the last bits.
-- Two crossings within one step go undetected; max_step keeps steps short.
-- @module torus.rk45_events
local dense = require "torus.rk45_dense"
local engine = require "torus.engine"
local hamiltonian = require "torus.hamiltonian"
local options = require "torus.options"

local M = {}

local RULES = {
  zero = { required = true, type = "callable" },
  direction = { default = 0, choices = { -1, 0, 1 } },
  terminal = { default = false, type = "boolean" },
}

-- A fraction of a step has 53 bits.
local HALVINGS = 54

--- Checks the option `events` and returns it in full form.
-- @param list of functions, or of tables with zero, direction and terminal
-- @tparam[opt="rk45"] string where name of the operation, for messages
-- @treturn {table,...}
-- @usage
-- events = require "torus.rk45_events"
-- print(events.check({ function(q) return q:sum(2) end })[1].direction)   -- 0
function M.check(list, where)
  where = where or "rk45"
  if type(list) ~= "table" or #list == 0 then
    options.raise("%s: events: expected a list of functions of %s and t, or of tables with "
      .. "zero, direction and terminal, got %s", where, where == "ode" and "y" or "q, p",
      options.show(list))
  end
  local events = {}
  for i, event in ipairs(list) do
    if type(event) ~= "table" then event = { zero = event } end
    events[i] = options.resolve(where .. ": event " .. i, event, RULES)
  end
  return events
end

-- The parts of states (n, size) with these names, {[name] = (n, ...)}, each of shape `tail`
-- after its first dimension; and as a list.
local function parts_of(states, layout)
  local n, count = states:size(1), #layout.names
  local shape, size = { n, table.unpack(layout.tail) }, states:size(2) // count
  local named, list = {}, {}
  for k, name in ipairs(layout.names) do
    list[k] = states:narrow(2, (k - 1) * size + 1, size):contiguous():reshape(shape)
    named[name] = list[k]
  end
  return named, list
end

-- The function of an event at states (n, size) and times (n).
local function value(event, layout, states, times)
  local n = states:size(1)
  local _, arguments = parts_of(states, layout)
  arguments[#arguments + 1] = times
  local g = hamiltonian.unchanged(layout.where .. ": events: zero", event.zero,
    table.unpack(arguments))
  local is_tensor = options.is_live(g)
  if not (is_tensor and g:dim() == 1 and g:size(1) == n) then
    options.raise("%s: events: expected one number for each state from zero(%s, t), shape "
      .. "(%d), got %s", layout.where, table.concat(layout.names, ", "), n, options.show(g))
  end
  return g:detach():to("float64")
end

-- The steps in which the function crosses zero, and its sign before.
local function brackets(event, g)
  local steps, signs = {}, {}
  for i = 1, #g - 1 do
    local rises = g[i] < 0 and g[i + 1] >= 0
    local falls = g[i] > 0 and g[i + 1] <= 0
    if rises and event.direction >= 0 or falls and event.direction <= 0 then
      steps[#steps + 1], signs[#signs + 1] = i, rises and -1 or 1
    end
  end
  return steps, signs
end

-- The times (n) and states (n, size) of an event of one trajectory, or nil.
local function find(event, layout, steps)
  local count = steps:size(1)
  if count == 0 then return nil end
  local size = (steps:size(2) - 2) // 5
  local t, h = steps:narrow(2, 1, 1), steps:narrow(2, 2, 1)
  local y = steps:narrow(2, 3, size)
  local last = (y + steps:narrow(2, 3 + size, size)):narrow(1, count, 1)
  local g = value(event, layout, engine.cat({ y, last }, 1),
    engine.cat({ t, (t + h):narrow(1, count, 1) }, 1):reshape(count + 1)):totable()
  local found, signs = brackets(event, g)
  local n = #found
  if n == 0 then return nil end
  local indices = engine.tensor(found, { dtype = "int64" })
  local sign = engine.tensor(signs, { dtype = "float64" })
  local starts, lengths = t:index_select(1, indices), h:index_select(1, indices)
  local low = engine.zeros({ n, 1 }, { dtype = "float64" })
  local high = low + 1
  for _ = 1, HALVINGS do
    local middle = (low + high) * 0.5
    local before = (value(event, layout, dense.evaluate(steps, indices, middle),
      (starts + lengths * middle):reshape(n)) * sign):gt(0):reshape(n, 1)
    low = engine.where(before, middle, low)
    high = engine.where(before, high, middle)
  end
  return (starts + lengths * high):reshape(n),
    dense.evaluate(steps, indices, high)
end

-- The first `count` events found.
local function listed(times, states, count, layout)
  local event = parts_of(states:narrow(1, 1, count), layout)
  event.t = times:narrow(1, 1, count)
  return event
end

-- The number of times up to the last one.
local function count_until(times, last, direction)
  local count = 0
  for _, t in ipairs(times:totable()) do
    if (t - last) * direction <= 0 then count = count + 1 end
  end
  return count
end

--- Finds the events of all trajectories.
-- @tparam {table,...} events as returned by check
-- @tparam {table,...} records of the trajectories
-- @tparam table layout of a state: names, of its equal parts; tail, the shape of a part
-- without its batch; where, the name of the operation, for messages
-- @tparam number direction of time, 1 or -1
-- @treturn {{table,...},...} by event and trajectory: t (n) and the parts, q and p (n, ...)
-- @treturn {[integer]=number} by trajectory: the time at which a terminal event stopped it
function M.find(events, records, layout, direction)
  local found, stops = {}, {}
  for e = 1, #events do found[e] = {} end
  if #records == 0 then return found, stops end
  for b, record in ipairs(records) do
    for e, event in ipairs(events) do
      local t, states = find(event, layout, record.steps)
      found[e][b] = { t = t, states = states }
      if t and event.terminal then
        local first = t[1]:item()
        if not stops[b] or (first - stops[b]) * direction < 0 then stops[b] = first end
      end
    end
  end
  local size = (records[1].steps:size(2) - 2) // 5
  for _, list in ipairs(found) do
    for b, x in ipairs(list) do
      local count = x.t and x.t:size(1) or 0
      if x.t and stops[b] then count = count_until(x.t, stops[b], direction) end
      list[b] = listed(x.t or engine.zeros({ 0 }, { dtype = "float64" }),
        x.states or engine.zeros({ 0, size }, { dtype = "float64" }), count, layout)
    end
  end
  return found, stops
end

return M
