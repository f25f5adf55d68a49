--- The prompt: `scripts/torus` without a script.
--
-- Values are printed unless a semicolon ends the line, input may span several lines, Tab
-- completes, errors don't end the session, and local variables remain visible in the next
-- line. Ctrl-C stops the running code; a second one quits.
-- @module torus.repl
local core = require "torus.core"
local help = require "torus.help"
local compile = require "torus.repl.compile"
local complete = require "torus.repl.complete"
local show = require "torus.repl.show"

local M = {}

local PROMPT, MORE = "> ", ">> "
local LIBRARY = debug.getinfo(1, "S").source:gsub("repl%.lua$", "")
-- Maximum number of calls shown with an error message.
local MAX_CALLS = 40

local function describe(message)
  if type(message) == "string" then return message end
  local meta = debug.getmetatable(message)
  if type(meta) == "table" and meta.__tostring then return tostring(message) end
  return "error value: " .. show.show(message)
end

-- The message and the calls that led from the prompt to it, without the library's own
-- unless the error is a bug in the library.
local function trace(message)
  message = describe(message)
  local lines = {}
  local all
  for level = 2, MAX_CALLS do
    local call = debug.getinfo(level, "Sln")
    if not call or (call.what == "main" and call.source == compile.CHUNK) then break end
    local ours = call.source:sub(1, #LIBRARY) == LIBRARY
    if all == nil and call.what ~= "C" then
      all = ours and message:sub(1, #call.short_src) == call.short_src
    end
    if call.what ~= "C" and (all or not ours) then
      local name = call.what == "main" and "main chunk"
        or call.name and ("function '%s'"):format(call.name) or "a function"
      lines[#lines + 1] = ("\n    %s:%d: in %s"):format(call.short_src, call.currentline, name)
    end
  end
  return message .. table.concat(lines)
end

local Session = {}
Session.__index = Session

-- The global `help` of the prompt: prints when called, or when shown as a value.
local function helper(write)
  return setmetatable({}, {
    __call = function(_, ...) write(help.help(...) .. "\n") end,
    __tostring = function() return help.help() end,
    __name = "help",
  })
end

-- A local with the name of an existing global, such as `string` or `type`, must not hide it
-- from the modules, which share the globals: it is stored in a layer over them. Everything
-- else is stored in the globals, where scripts find it.
local function layer_over(environment, shadowed)
  return setmetatable({}, {
    __index = environment,
    __newindex = function(layer, name, value)
      if shadowed[name] then rawset(layer, name, value) else environment[name] = value end
    end,
  })
end

--- Makes a session.
-- @tparam table io_functions
-- `read(prompt)` returns a line, or nil at the end; its second result is true
-- if the user cancelled the input. `write(text)` and `complain(text)` receive
-- values and errors; `interrupts(on)`, optional, is called when code starts and stops
-- running; `clock()`, optional, returns the time in seconds.
-- @tparam[opt=_G] table environment
-- @treturn Session
function M.session(io_functions, environment)
  environment = environment or _G
  if environment.help == nil then
    rawset(environment, "help", helper(io_functions.write))
  end
  local known, shadowed = {}, {}
  for name in next, _G do known[name] = true end
  return setmetatable({
    io = io_functions,
    environment = layer_over(environment, shadowed),
    known = known, -- globals that existed before
    shadowed = shadowed, -- those whose name is used by a local
    pending = "", -- earlier lines of the current input
    failures = 0,
  }, Session)
end

function Session:fail(message)
  self.failures = self.failures + 1
  self.io.complain(message .. "\n")
end

-- The rest of a line that begins with a command, and true for `:time`; nil, after a
-- message, if there is no such command.
function Session:take_command(line)
  line = line:gsub("^%s*=", "return ", 1) -- as at Lua's own prompt
  local name, rest = compile.command(line)
  if not name then return line, false end
  if name == "time" and rest ~= "" then return rest, true end
  self:fail(name == "time" and "prompt: :time: expected Lua after it, got nothing"
    or ("prompt: unknown command :%s (known: :time)"):format(name))
end

local LEAVES = { exit = true, quit = true }

-- Reads until a chunk is complete. Returns it and information about it; false if
-- there is nothing to run; nil at the end of the input.
function Session:next_chunk()
  local text, timed
  while true do
    self.pending = text and text .. "\n" or ""
    local line, given_up = self.io.read(text and MORE or PROMPT)
    if given_up then return false end
    if not line then
      if not text then return nil end
      local _, message = compile.compile(text, self.environment)
      self:fail(message)
      return nil
    end
    if not text and line:match("^%s*$") then return false end
    if not text and LEAVES[line:match("^%s*(%a+)%s*%(?%s*%)?[%s;]*$")] then return nil end
    if not text then
      line, timed = self:take_command(line)
      if not line then return false end
    end
    text = text and text .. "\n" .. line or line
    local chunk, about, incomplete = compile.compile(text, self.environment)
    if chunk then
      about.timed = timed
      return chunk, about
    end
    if not incomplete then
      self:fail(about)
      return false
    end
  end
end

function Session:declare(names)
  for _, name in ipairs(names or {}) do
    if self.known[name] then self.shadowed[name] = true end
  end
end

local function duration(seconds)
  if seconds < 1e-3 then return ("%.0f us"):format(seconds * 1e6) end
  if seconds < 1 then return ("%.3g ms"):format(seconds * 1e3) end
  return ("%.3g s"):format(seconds)
end

-- An interrupt stops printing, too.
function Session:execute(chunk, about)
  local interrupts = self.io.interrupts or function() end
  local clock = self.io.clock or core.clock
  local seconds
  self:declare(about.names)
  local function run()
    local start = clock()
    local results = table.pack(chunk())
    seconds = clock() - start
    if results[1] ~= nil then self.environment._ = results[1] end
    for i = 1, about.silent and 0 or results.n do
      self.io.write(show.show(results[i]) .. "\n")
    end
  end
  interrupts(true)
  local ok, message = xpcall(run, trace)
  interrupts(false)
  if not ok then self:fail(message) end
  if about.timed and seconds then self.io.write(duration(seconds) .. "\n") end
end

--- Reads, runs and prints until the input ends.
-- @treturn integer number of inputs that failed
function Session:run()
  while true do
    local chunk, about = self:next_chunk()
    if chunk == nil then return self.failures end
    if chunk then self:execute(chunk, about) end
  end
end

local function history_path()
  local state, home = os.getenv("XDG_STATE_HOME"), os.getenv("HOME")
  if state and state ~= "" then return state .. "/torus_history" end
  return home and home .. "/.torus_history"
end

local function write(text) io.stdout:write(text) end
local function complain(text)
  io.stdout:flush()
  io.stderr:write(text)
end

local function read_plainly(prompt, visible)
  if visible then
    io.stdout:write(prompt)
    io.stdout:flush()
  end
  return io.read("l")
end

--- Runs the program: `torus` becomes a global, and a prompt opens if standard input is a
-- terminal. From a pipe it runs silently, and the exit status tells whether every chunk
-- succeeded.
-- @tparam table torus the module itself
-- @treturn integer exit status
function M.main(torus)
  _G.torus = torus
  local has_edit, edit = pcall(require, "torus.edit")
  local interactive
  if has_edit then
    interactive = edit.interactive()
  else
    interactive = os.execute("test -t 0 && test -t 1") == true
  end
  local functions = { write = write, complain = complain }
  local editor
  if interactive then
    functions.interrupts = core.interrupts
    core.interrupts(false)
  end
  local session = M.session(functions)
  local scope = session.environment
  if interactive and has_edit then
    editor = edit.open { history = history_path(),
      complete = function(before) return complete.complete(session.pending .. before, scope) end }
    functions.read = function(prompt) return editor:read(prompt) end
  else
    functions.read = function(prompt) return read_plainly(prompt, interactive) end
  end
  if interactive then
    write(("torus on %s. `torus` is loaded; Tab completes, help tells more.\n"):format(_VERSION))
  end
  local failures = session:run()
  if editor then editor:close() end
  if interactive then
    write("\n")
    return 0
  end
  return failures == 0 and 0 or 1
end

return M
