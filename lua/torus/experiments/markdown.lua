--- Tables in Markdown.
-- @module torus.experiments.markdown
local M = {}

local function line(cells)
  return "| " .. table.concat(cells, " | ") .. " |"
end

--- Formats a number for a table.
-- @tparam string format of string.format
-- @tparam ?number x
-- @treturn string "–" for nil; "nan" whatever its sign
function M.number(format, x)
  if x == nil then return "–" end
  if x ~= x then return "nan" end
  return string.format(format, x)
end

--- @tparam {string,...} head
-- @tparam {{string,...},...} rows
-- @treturn string lines, including a final line break
function M.table(head, rows)
  local lines, rule = { line(head) }, {}
  for i = 1, #head do rule[i] = "---" end
  lines[2] = line(rule)
  for _, row in ipairs(rows) do lines[#lines + 1] = line(row) end
  return table.concat(lines, "\n") .. "\n"
end

return M
