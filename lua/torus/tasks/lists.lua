--- Lists of numbers and their statistics.
-- @module torus.tasks.lists
local statistics = require "torus.measures.statistics"

local M = {}

--- Returns consecutive integers.
-- @tparam integer first
-- @tparam integer last
-- @treturn {integer,...} empty if last is less than first
function M.range(first, last)
  local list = {}
  for i = first, last do list[#list + 1] = i end
  return list
end

--- Appends the items of a list to another.
-- @tparam table list
-- @tparam table values
function M.extend(list, values)
  table.move(values, 1, #values, #list + 1, list)
end

--- Returns consecutive items of a list.
-- @tparam table list
-- @tparam integer first index of the first one
-- @tparam integer count
-- @treturn table
function M.part(list, first, count) return table.move(list, first, first + count - 1, 1, {}) end

--- Returns the values of a column of a run's log, and their steps; rows without a value are
-- left out.
-- @tparam {table,...} rows as returned by torus.runs.log.read
-- @tparam string column
-- @treturn {integer,...} steps
-- @treturn {number,...} values
-- @usage
-- lists = require "torus.tasks.lists"
-- steps, values = lists.column({ { step = 1, loss = 2 }, { step = 2 } }, "loss")
-- print(#steps, values[1])   -- 1 2
function M.column(rows, column)
  local steps, values = {}, {}
  for _, row in ipairs(rows) do
    if row[column] then steps[#steps + 1], values[#values + 1] = row.step, row[column] end
  end
  return steps, values
end

--- Returns the mean and standard deviation of a list.
-- @tparam {number,...} list
-- @treturn number mean
-- @treturn number spread, 0 for a single number
function M.mean_and_spread(list)
  local sum, squares = 0, 0
  for _, value in ipairs(list) do sum = sum + value end
  local mean = sum / #list
  for _, value in ipairs(list) do squares = squares + (value - mean) ^ 2 end
  return mean, math.sqrt(squares / math.max(1, #list - 1))
end

--- Formats a mean and its spread.
-- @tparam number value
-- @tparam number spread
-- @treturn string
function M.with_spread(value, spread)
  return string.format("%.4g +- %.2g", value, spread)
end

--- The median of a list; see torus.measures.statistics.
M.median = statistics.median

return M
