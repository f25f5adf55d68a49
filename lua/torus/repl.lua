--- The prompt: `scripts/torus` without a script.
--
-- Values print by themselves unless a semicolon ends the line, input may take
-- several lines, Tab completes, errors end nothing, and what is made with `local`
-- stays for the next line. Ctrl-C stops what runs, a second one leaves.
-- @module torus.repl
local core = require "torus.core"
local help = require "torus.help"
local compile = require "torus.repl.compile"
local complete = require "torus.repl.complete"
local show = require "torus.repl.show"

local M = {}

local PROMPT, MORE = "> ", ">> "
local LIBRARY = debug.getinfo(1, "S").source:gsub("repl%.lua$", "")
-- Calls that an error message goes back at most.
local MAX_CALLS = 40

local function describe(message)
  if type(message) == "string" then return message end
  local meta = debug.getmetatable(message)
  if type(meta) == "table" and meta.__tostring then return tostring(message) end
  return "error value: " .. show.show(message)
end

-- The message and the calls that led from the prompt to it. The library's own
-- stay out, unless the error is one of its own.
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

-- The global `help` of the prompt: called it writes, by itself it prints.
local function helper(write)
  return setmetatable({}, {
    __call = function(_, ...) write(help.help(...) .. "\n") end,
    __tostring = function() return help.help() end,
    __name = "help",
  })
end

-- A local of the name of a global that was there before, such as `string` or
-- `type`, must not take it from the modules, which share the globals: it goes to a
-- layer over them. Everything else goes to the globals, where scripts find it.
local function layer_over(environment, shadowed)
  return setmetatable({}, {
    __index = environment,
    __newindex = function(layer, name, value)
      if shadowed[name] then rawset(layer, name, value) else environment[name] = value end
    end,
  })
end

--- A conversation.
-- @tparam table io_functions
-- `read(prompt)` gives a line, or nil at the end; its second result is true
-- when the user gave the input up. `write(text)` and `complain(text)` take
-- values and errors; `interrupts(on)`, optional, is told when code runs;
-- `clock()`, optional, tells the time in seconds.
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
    known = known, -- globals that were there before
    shadowed = shadowed, -- those of them of which a local took the name
    pending = "", -- earlier lines of the input that is being read
    failures = 0,
  }, Session)
end

function Session:fail(message)
  self.failures = self.failures + 1
  self.io.complain(message .. "\n")
end

-- The rest of a line that begins with a command, and whether it is `:time`; nil,
-- after a message, where there is no such command.
function Session:take_command(line)
  local name, rest = compile.command(line)
  if not name then return line, false end
  if name == "time" and rest ~= "" then return rest, true end
  self:fail(name == "time" and "prompt: :time: expected Lua after it, got nothing"
    or ("prompt: unknown command :%s (known: :time)"):format(name))
end

-- Reads until a chunk is complete. Returns it and what is known about it; false if
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
    if not text and (line == "exit" or line == "quit") then return nil end
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

-- Printing is part of what an interrupt stops.
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
-- @treturn integer how many inputs failed
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

--- The program: `torus` becomes a global, and a prompt opens where standard
-- input is a terminal. From a pipe it runs quietly, and the exit status says
-- whether every chunk succeeded.
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
