--- The prompt: `scripts/torus` without a script.
--
-- Values print by themselves, input may take several lines, Tab completes,
-- errors end nothing, and what is made with `local` stays for the next line.
-- @module torus.repl
local help = require "torus.help"
local complete = require "torus.repl.complete"
local show = require "torus.repl.show"

local M = {}

local PROMPT, MORE = "> ", ">> "
local CHUNK = "=prompt"
local LIBRARY = debug.getinfo(1, "S").source:gsub("repl%.lua$", "")
-- Calls that an error message goes back at most.
local MAX_CALLS = 40

-- The text asks for more when Lua stumbles over its very end.
local function is_incomplete(message)
  return message:find("<eof>", -5, true) ~= nil
end

-- Each input is a chunk of its own, in which a local would be lost: at the
-- start of one, `local` is left out. A `<const>` stands only after `local`.
local function without_local(text)
  local rest = text:match("^%s*local(%s+[%a_].*)$")
  if not rest or rest:match("^[%s%w_,]*<") then return text end
  return rest
end

-- An expression is asked for its value. As an argument, a call is not a tail call,
-- which would take the prompt's line out of messages. Returns nil, message and
-- whether the text is only incomplete, if it is no Lua.
local function compile(text, environment)
  local chunk, message = load("return " .. text, CHUNK, "t", environment)
  if chunk then
    local as_argument = "return (function(...) return ... end)(" .. text .. "\n)"
    return load(as_argument, CHUNK, "t", environment) or chunk
  end
  local incomplete = is_incomplete(message)
  for _, form in ipairs { without_local(text), text } do
    chunk, message = load(form, CHUNK, "t", environment)
    if chunk then return chunk end
    incomplete = incomplete or is_incomplete(message)
  end
  return nil, message, incomplete
end

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
    if not call or (call.what == "main" and call.source == CHUNK) then break end
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

--- A conversation.
-- @tparam table io_functions
-- `read(prompt)` gives a line, or nil at the end; its second result is true
-- when the user gave the input up. `write(text)` and `complain(text)` take
-- values and errors; `interrupts(on)`, optional, is told when code runs.
-- @tparam[opt=_G] table environment
-- @treturn Session
function M.session(io_functions, environment)
  environment = environment or _G
  if environment.help == nil then
    rawset(environment, "help", helper(io_functions.write))
  end
  return setmetatable({
    io = io_functions,
    environment = environment,
    failures = 0,
  }, Session)
end

function Session:fail(message)
  self.failures = self.failures + 1
  self.io.complain(message .. "\n")
end

-- Reads until a chunk is whole. Returns it; false if there is nothing to run;
-- nil at the end of the input.
function Session:next_chunk()
  local text
  while true do
    local line, given_up = self.io.read(text and MORE or PROMPT)
    if given_up then return false end
    if not line then
      if not text then return nil end
      local _, message = compile(text, self.environment)
      self:fail(message)
      return nil
    end
    if not text and line:match("^%s*$") then return false end
    if not text and (line == "exit" or line == "quit") then return nil end
    text = text and text .. "\n" .. line or line
    local chunk, message, incomplete = compile(text, self.environment)
    if chunk then return chunk end
    if not incomplete then
      self:fail(message)
      return false
    end
  end
end

function Session:execute(chunk)
  local interrupts = self.io.interrupts or function() end
  interrupts(true)
  local results = table.pack(xpcall(chunk, trace))
  interrupts(false)
  if not results[1] then
    self:fail(results[2])
    return
  end
  for i = 2, results.n do
    self.io.write(show.show(results[i]) .. "\n")
  end
  if results[2] ~= nil then self.environment._ = results[2] end
end

--- Reads, runs and prints until the input ends.
-- @treturn integer how many inputs failed
function Session:run()
  while true do
    local chunk = self:next_chunk()
    if chunk == nil then return self.failures end
    if chunk then self:execute(chunk) end
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
  if interactive and has_edit then
    editor = edit.open { history = history_path(), complete = complete.complete }
    functions.read = function(prompt) return editor:read(prompt) end
    functions.interrupts = edit.interrupts
    edit.interrupts(false)
  else
    functions.read = function(prompt) return read_plainly(prompt, interactive) end
  end
  if interactive then
    write(("torus on %s. `torus` is loaded; Tab completes, help tells more.\n"):format(_VERSION))
  end
  local failures = M.session(functions):run()
  if editor then editor:close() end
  if interactive then
    write("\n")
    return 0
  end
  return failures == 0 and 0 or 1
end

return M
