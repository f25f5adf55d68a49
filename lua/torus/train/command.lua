--- What the command-line scripts share.
-- @module torus.train.command
local run_config = require "torus.train.config"
local torus = require "torus"

local M = {}

--- Ends the program with a message on standard error.
-- @tparam string message
function M.die(message)
  io.stderr:write(string.format("%s: %s\n",
    arg and arg[0]:match("[^/]+$") or "torus", message))
  os.exit(1, true)
end

--- The value, or the end of the program with its message.
-- @param value
-- @param message
-- @return value and what follows it
function M.check(value, message, ...)
  if value == nil or value == false then M.die(message) end
  return value, message, ...
end

--- The arguments of the program as a parser wants them: it takes the -1 of
-- `--noise -1` for an option, and that of `--noise=-1` for a number.
-- @tparam[opt] {string,...} given by default those of the script
-- @treturn {string,...}
function M.arguments(given)
  local list = {}
  for _, text in ipairs(given or arg) do
    local before = list[#list]
    if text:match("^%-[%d.]") and tonumber(text) and before
      and before:match("^%-%-[%w-]+$") then
      list[#list] = before .. "=" .. text
    else
      list[#list + 1] = text
    end
  end
  return list
end

--- Adds the options that every script has.
-- @param parser of argparse
function M.common(parser)
  parser:option("--threads", "Number of threads (default: all processors).")
    :argname("N"):convert(M.whole)
end

--- Applies them.
-- @tparam table args what the parser found
function M.apply_common(args)
  if args.threads then torus.set_threads(args.threads) end
end

--- A converter for argparse: a whole number of at least 1.
-- @tparam string text
-- @treturn ?integer
-- @treturn ?string message
function M.whole(text)
  local value = math.tointeger(tonumber(text))
  if not value or value < 1 then
    return nil, string.format("expected a whole number of at least 1, got %q",
      text)
  end
  return value
end

--- A converter for argparse: a number.
-- @tparam string text
-- @treturn ?number
-- @treturn ?string message
function M.number(text)
  local value = tonumber(text)
  if not value or value ~= value then
    return nil, string.format("expected a number, got %q", text)
  end
  return value
end

--- A list of key=value as changes to a configuration.
-- @tparam {string,...} texts
-- @tparam[opt="hgn"] string model
-- @treturn table
function M.changes(texts, model)
  local changes = {}
  for _, text in ipairs(texts) do
    local key, value = run_config.parse_override(text, model)
    if not key then M.die("--set: " .. value) end
    changes[key] = value
  end
  return changes
end

--- Prints a table of names and values, aligned.
-- @tparam {{string,string},...} rows
function M.print_rows(rows)
  local width = 0
  for _, row in ipairs(rows) do width = math.max(width, #row[1]) end
  for _, row in ipairs(rows) do
    print(string.format("%-" .. width .. "s  %s", row[1], row[2]))
  end
end

return M
