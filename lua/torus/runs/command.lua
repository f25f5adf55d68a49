--- Functions shared by the command-line scripts.
-- @module torus.runs.command
local core = require "torus.core"
local dist = require "torus.dist"
local configuration = require "torus.runs.configuration"
local engine = require "torus.engine"
local options = require "torus.options"
local run_data = require "torus.runs.data"
local systems = require "torus.systems"

local M = {}

local INTERRUPTED = "interrupted"

-- The exit status of a program that ends with an error or, by the shells' convention,
-- because of a signal.
local function status(message)
  local _, number = core.stopped()
  if message == INTERRUPTED then number = 2 end
  return number and 128 + number or 1
end

--- Ends the program with a message on standard error and exit status 1, or 128 plus the
-- number of the signal that ended a training.
-- @tparam string message a format when more arguments follow
function M.die(message, ...)
  if select("#", ...) > 0 then message = string.format(message, ...) end
  -- If all processes end, rank 0 prints the message for all.
  local together, rank = dist.end_together()
  if not together then message = ("rank %d: %s"):format(rank, message) end
  if rank == 0 or not together then
    io.stderr:write(string.format("%s: %s\n",
      arg and arg[0]:match("[^/]+$") or "torus", message))
  end
  os.exit(status(message), true)
end

--- Flushes standard output and checks that everything has been written.
-- @treturn ?boolean true
-- @treturn ?string message
function M.flush()
  local ok, message = core.flush_output()
  if ok then return true end
  return nil, "cannot write to standard output: " .. message
end

--- Returns its arguments, or ends the program with the message if the first one is nil or
-- false.
-- @param value
-- @param message
-- @return value, and all further arguments
function M.check(value, message, ...)
  if value == nil or value == false then M.die("%s", message) end
  return value, message, ...
end

--- Returns the arguments of the program in a form that the parser understands: it would
-- read the -1 of `--noise -1` as an option, but that of `--noise=-1` as a number.
-- @tparam[opt] {string,...} given arguments; by default those of the script
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

-- The text of an error that the user can correct, or nil for a bug. For misuse, which is
-- raised deliberately, the line of the script in front is meaningless to the user and is
-- removed. Failures of the outside world have no line. The trainer adds a traceback to
-- errors that pass through it.
local function mistake(problem, script)
  if type(problem) ~= "string" then return nil end
  if problem:find("interrupted!", 1, true) then return INTERRUPTED end
  local raised, text = core.raised()
  if raised and (problem == raised
    or problem:sub(1, #raised + 7) == raised .. "\nstack ") then
    return raised:sub(1, #script + 1) == script .. ":" and text or raised
  end
  local bug = problem:find("^[^\n]-:%d+: ") or problem:find("\n")
  return not bug and problem or nil
end

-- True for the process that prints; can be called before MPI is initialised.
local function is_first()
  return (tonumber(os.getenv "OMPI_COMM_WORLD_RANK" or os.getenv "PMIX_RANK"
    or os.getenv "PMI_RANK" or os.getenv "SLURM_PROCID") or 0) == 0 or not dist.launched()
end

-- All other processes are silent, also about errors in the arguments, which all share.
local function quiet(parser)
  core.discard_output()
  function parser.error() os.exit(1) end
end

-- A converter's message begins with the option that it is about.
local function name_options(parser)
  for _, option in ipairs(parser._options) do
    local convert, name = option._convert, option._aliases[1]
    if type(convert) == "function" then
      option:convert(function(text)
        local value, message = convert(text)
        if value == nil then return nil, ("%s: %s"):format(name, message) end
        return value
      end)
    end
  end
end

--- Runs a script: parses its arguments, including the options common to all scripts, and
-- calls its main function. A user's mistake ends it with a one-line message, a bug with a
-- traceback.
-- @param parser of argparse
-- @tparam function f of the parsed arguments
-- @tparam[opt] table opts processes=false; true allows several processes, under mpirun
function M.main(parser, f, opts)
  parser:option("--threads", "Number of threads (default: all processors, divided by the "
    .. "processes on this machine).")
    :argname("N"):convert(M.count)
  local first = is_first()
  if not first then quiet(parser) end
  name_options(parser)
  local args = parser:parse(M.arguments())
  local script = debug.getinfo(f, "S").short_src
  local ok, problem = xpcall(function()
    if dist.size() > 1 and not (opts and opts.processes) then
      M.die("expected one process, got %d: mpirun is for train, table1, baselines "
        .. "and dimension", dist.size())
    end
    if args.threads then engine.set_threads(args.threads) end
    f(args)
  end, function(problem)
    local text = mistake(problem, script)
    return text and { text = text } or debug.traceback(tostring(problem), 2)
  end)
  if ok then
    M.check(M.flush())
    return
  end
  M.die(type(problem) == "table" and problem.text or tostring(problem))
end

-- A converter for argparse: an integer of at least `min`.
local function integer_from(min)
  return function(text)
    local value = math.tointeger(tonumber(text))
    if value and value >= min then return value end
    return nil, string.format("expected an integer of at least %d, got %s", min,
      options.show(text))
  end
end

--- A converter for argparse: an integer of at least 1.
-- @function count
-- @tparam string text
-- @treturn ?integer
-- @treturn ?string message
M.count = integer_from(1)

--- A converter for argparse: an integer of at least 0.
-- @function seed
-- @tparam string text
-- @treturn ?integer
-- @treturn ?string message
M.seed = integer_from(0)

--- A converter for argparse: a number of training steps, as in a configuration; 0 makes a run
-- folder with the initial weights.
-- @function steps
-- @tparam string text
-- @treturn ?integer
-- @treturn ?string message
M.steps = M.seed

--- A converter for argparse: a number.
-- @tparam string text
-- @treturn ?number
-- @treturn ?string message
function M.number(text)
  local value = tonumber(text)
  if not value or value ~= value then
    return nil, "expected a number, got " .. options.show(text)
  end
  return value
end

--- Parses texts key=value as changes of a configuration; ends the program if one is
-- invalid.
-- @tparam {string,...} texts
-- @tparam[opt="hgn"] string model
-- @treturn table
function M.changes(texts, model)
  local changes = {}
  for _, text in ipairs(texts) do
    local key, value = configuration.parse_override(text, model)
    if not key then M.die("--set: %s", value) end
    changes[key] = value
  end
  return changes
end

--- Returns the name of the system that an argument specifies; ends the program if a Lua file
-- does not define a system.
-- @tparam ?string given a name, or the path of a Lua file, which is run
-- @treturn ?string
function M.system(given)
  if not given or not given:match("%.lua$") then return given end
  return M.check(systems.given(given)).name
end

--- Prints a sentence for the user on standard error.
-- @tparam ?string text nothing is printed for nil
function M.note(text)
  if text then io.stderr:write(arg[0]:match("[^/]+$"), ": ", text, "\n") end
end

--- Adds the option --data to the parser of a script that opens runs.
-- @param parser of argparse
function M.add_data(parser)
  parser:option("--data", "The run's data, if they have moved, or others like them.")
    :argname("PATH")
end

--- Opens the data of a run, with a note if they are not those of its training; ends the program
-- if that fails.
-- @tparam table config of the run
-- @tparam ?string path of the data instead of the run's own
-- @treturn table
-- @treturn table the configuration with the path that was opened
function M.open_data(config, path)
  local data, used, note = M.check(run_data.open_data(config, { data = path }))
  M.note(note)
  return data, used
end

--- Joins a list in words.
-- @tparam {string,...} list
-- @tparam[opt="and"] string word before the last item
-- @treturn string "a, b and c"
function M.enumerate(list, word)
  if #list < 2 then return list[1] or "none" end
  return string.format("%s %s %s", table.concat(list, ", ", 1, #list - 1),
    word or "and", list[#list])
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
