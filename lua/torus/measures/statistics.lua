--- Mean, spread and median of a list of numbers.
-- @module torus.measures.statistics
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

--- Returns the lower median, an element of the list, so that the median of counts is a
-- count.
-- @tparam {number,...} list at least one
-- @treturn number
-- @usage print(torus.measures.statistics.median{3, 1, 2})   -- 2
function M.median(list)
  if #list == 0 then
    options.raise("median: expected at least one number, got none")
  end
  -- NaN can't be sorted.
  for _, x in ipairs(list) do
    if x ~= x then return x end
  end
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  return sorted[(#sorted + 1) // 2]
end

--- Returns mean, spread and median.
-- @tparam {number,...} list at least one
-- @treturn table mean, spread (sample standard deviation; 0 for a single number), median
-- and count
-- @usage print(torus.measures.statistics.summary{1, 2, 3}.spread)   -- 1.0
function M.summary(list)
  local n, sum, squares = #list, 0, 0
  local median = M.median(list)
  for _, x in ipairs(list) do sum = sum + x end
  for _, x in ipairs(list) do squares = squares + (x - sum / n) ^ 2 end
  return { mean = sum / n, spread = math.sqrt(squares / math.max(1, n - 1)),
    median = median, count = n }
end

signature.functions("statistics", M, {
  median = "list: {number,...}", summary = "list: {number,...}",
})

return M
