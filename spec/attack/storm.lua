--- Random calls of everything public: whatever comes, a call returns or raises
-- one message at its own line.
--
--   spec/attack/lua.sh [--asan] spec/attack/storm.lua [CALLS [SEED]]
--
-- Two thirds of the arguments are of the documented type, the others are not.
-- The call in progress is written to build/storm-call: what it says after a crash.
-- BUILD=build without --asan makes some thousand calls a second.
local exposed = require "spec.support.exposed"
local lfs = require "lfs"
local pool = require "spec.attack.pool"
local torus = require "torus"

local M = {}

-- These end the process, read standard input, or work on the sources.
local APART = {
  ["torus.runs.command"] = true, ["torus.repl"] = true, ["torus.help"] = true,
  ["torus.lock"] = true,
}
-- Whole seconds a call: only one in so many is made.
local RARE = { ["Target:entropy"] = 100, ["torus.data.simulate"] = 10 }
-- Calls of these pass on whatever a function or a table of the caller raises.
local PASSES_ON = { ["torus.no_grad"] = true, ["torus.enable_grad"] = true }

-- Found once: the walk reads sources by paths from the first folder.
local found
local function functions()
  if found then return found end
  local list = {}
  for _, item in ipairs(exposed.all()) do
    local module = item.name:match "^(torus%.[%w_]+%.[%w_]+)%."
      or item.name:match "^(torus%.[%w_]+)"
    if not APART[module] and not APART[item.name] and not PASSES_ON[item.name] then
      list[#list + 1] = item
    end
  end
  found = list
  return list
end

-- A table of options: some of the documented keys.
local function options_of(entry, name, draw)
  local given = {}
  for _, p in ipairs(entry.params) do
    local key = p.name:match("^" .. name .. "%.([%w_]+)$")
    if key and draw(2) == 1 then given[key] = pool.value(p.type, draw) end
  end
  if draw(8) == 1 then given.no_such_key = 1 end
  return given
end

local function arguments_of(item, draw)
  local args, params = { n = 0 }, item.entry and item.entry.params or {}
  local class = item.name:match "^(%w+):"
  local object = item.object
  if class == "tensor" or class == "generator" then object = pool.value(class, draw) end
  if class and draw(20) > 1 then args[1], args.n = object, 1 end
  for _, p in ipairs(params) do
    if not p.name:find("%.") or p.name == "..." then
      if p.optional and draw(3) == 1 then break end
      local value
      if p.type == "table" and draw(8) > 1 then
        value = options_of(item.entry, p.name, draw)
      else
        value = pool.value(p.type, draw)
      end
      args.n = args.n + 1
      args[args.n] = value
    end
  end
  if draw(16) == 1 then
    args.n = args.n + 1
    args[args.n] = pool.value(nil, draw)
  end
  return args
end

-- The line that calls, as messages name it. No tail call: it would have no line.
local function call(f, args)
  local _ = f(table.unpack(args, 1, args.n))
end
local LINE = ("%s:%d: "):format(debug.getinfo(call, "S").short_src,
  debug.getinfo(call, "S").linedefined + 1)

local POOL = debug.getinfo(pool.value, "S").short_src .. ":"

local TOO_LONG = 1 << 25 -- instructions of the virtual machine
local ENDLESS = "the call does not end"

local function problem_of(message)
  if type(message) ~= "string" then return "raises a " .. type(message) end
  if message == ENDLESS then return ENDLESS end
  -- A function of the caller's that was called back raised at its own line.
  if message:find(pool.TROUBLE, 1, true) or message:sub(1, #POOL) == POOL then
    return nil
  end
  if message:sub(1, #LINE) ~= LINE then return "raises elsewhere: " .. message end
  if message:find("userdata", 1, true) then return "names no type: " .. message end
  if message:find("\n") then return "raises more than a line: " .. message end
  if #message > 600 then return "raises a long message: " .. message end
end

local function shown(item, args)
  local texts = {}
  for i = 1, args.n do texts[i] = pool.show(args[i]) end
  return item.name .. "(" .. table.concat(texts, ", ") .. ")"
end

local function limited(f, args)
  debug.sethook(function()
    debug.sethook()
    error(ENDLESS, 0)
  end, "", TOO_LONG)
  local ok, message = pcall(call, f, args)
  debug.sethook()
  return ok, message
end

--- Calls so many functions, each with arguments from a seed of its own.
-- @tparam integer calls
-- @tparam integer seed
-- @tparam[opt] file trace where the call in progress is written; faults are
-- then printed as they come
-- @treturn table {calls =, returned =, raised =, faults = {{name =, text =, count =}}}
function M.run(calls, seed, trace)
  local list, result = functions(), { calls = calls, returned = 0, raised = 0, faults = {} }
  local faults = {}
  local threads, recording = torus.threads(), { torus.random_state() }
  local anomaly = torus.set_detect_anomaly(false)
  for number = 1, calls do
    local draw = pool.generator(seed * 1000003 + number)
    local item = list[draw(#list)]
    while draw(RARE[item.name] or 1) > 1 do item = list[draw(#list)] end
    local args = arguments_of(item, draw)
    if trace then
      trace:seek "set"
      local text = ("%d of seed %d: %s\n"):format(number, seed, shown(item, args))
      trace:write(text:sub(1, 2000), (" "):rep(2000 - #text))
      trace:flush()
    end
    local ok, message = limited(item.value, args)
    local problem = not ok and problem_of(message)
    result.returned = result.returned + (ok and 1 or 0)
    result.raised = result.raised + (ok and 0 or 1)
    if problem then
      local key = item.name .. " " .. problem:gsub("%d+", "#"):sub(1, 60)
      if not faults[key] then
        faults[key] = { name = item.name, count = 0,
          text = ("%s\n    %s"):format(problem, shown(item, args)) }
        table.insert(result.faults, faults[key])
        if trace then print(item.name .. " " .. faults[key].text) end
      end
      faults[key].count = faults[key].count + 1
    end
  end
  torus.set_threads(threads)
  torus.set_detect_anomaly(anomaly)
  torus.set_random_state(table.unpack(recording))
  return result
end

-- Modules are found from another folder, too.
local function make_absolute(paths, here)
  return (paths:gsub("[^;]+", function(path)
    return path:sub(1, 1) ~= "/" and here .. "/" .. path or nil
  end))
end

--- Calls f in an empty folder of its own, which is removed afterwards.
function M.in_folder(f)
  functions()
  local before, folder = lfs.currentdir(), os.tmpname()
  package.path = make_absolute(package.path, before)
  package.cpath = make_absolute(package.cpath, before)
  os.remove(folder)
  assert(lfs.mkdir(folder))
  assert(lfs.chdir(folder))
  local ok, result = pcall(f)
  lfs.chdir(before)
  os.execute("rm -rf '" .. folder .. "'")
  if not ok then error(result, 0) end
  return result
end

if arg and arg[0] and arg[0]:find "storm%.lua$" then
  local calls, seed = tonumber(arg[1] or 100000), tonumber(arg[2] or 1)
  lfs.mkdir "build"
  local trace = assert(io.open("build/storm-call", "w"))
  local result = M.in_folder(function() return M.run(calls, seed, trace) end)
  print(("%d calls: %d returned, %d raised, %d kinds of fault"):format(result.calls,
    result.returned, result.raised, #result.faults))
  for _, fault in ipairs(result.faults) do print(fault.count, fault.name) end
  os.exit(#result.faults == 0, true)
end

return M
