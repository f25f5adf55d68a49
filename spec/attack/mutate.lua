--- Mutations of bytes, and of the files of run folders and of data sets.
--
--   spec/attack/lua.sh [--asan] spec/attack/mutate.lua [FOLDERS [SEED]]
local pool = require "spec.attack.pool"
local lfs = require "lfs"
local torus = require "torus"

local M = {}

M.generator = pool.generator

-- What parsers stumble on.
local PIECES = {
  "0", "-1", "1e999", "-", "9223372036854775807", "18446744073709551616", "1.5", "null",
  "true", "NaN", "\"", "{", "}", "[", "]", ":", ",", "()", "'", "\0", "\255", "\n", "\r",
  "../../etc", "x.lua", "|id", "[[[[[[[[", "{\"a\":", "\\u0000", "__metadata__", " ", ".",
}

local function cut(text, draw)
  local from = draw(#text + 1)
  local to = math.min(#text, from + draw(8) - 1)
  return text:sub(1, from - 1), text:sub(from, to), text:sub(to + 1)
end

local edits = {
  function(text, draw) -- another byte
    local at = draw(#text + 1)
    return text:sub(1, at - 1) .. string.char(draw(256) - 1) .. text:sub(at + 1)
  end,
  function(text, draw) return text:sub(1, draw(#text + 1) - 1) end,
  function(text, draw) -- a piece in the place of others
    local before, _, after = cut(text, draw)
    return before .. PIECES[draw(#PIECES)] .. after
  end,
  function(text, draw)
    local before, middle, after = cut(text, draw)
    return before .. middle .. PIECES[draw(#PIECES)] .. after
  end,
  function(text, draw)
    local before, middle, after = cut(text, draw)
    return before .. middle .. middle .. after
  end,
  function(text, draw) -- so often that the square of its length takes seconds
    local before, _, after = cut(text, draw)
    return before .. PIECES[draw(#PIECES)]:rep(1 << draw(15)) .. after
  end,
  function(text, draw) -- another number
    local wanted, found = draw(12), 0
    return (text:gsub("%-?%d+%.?%d*", function()
      found = found + 1
      return found == wanted and PIECES[draw(8)] or nil
    end))
  end,
}

--- Some bytes with one to four edits.
function M.bytes(text, draw)
  for _ = 1, draw(4) do text = edits[draw(#edits)](text, draw) end
  return text
end

-- --- run folders ---------------------------------------------------------------

local function bytes_of(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "a"
  file:close()
  return bytes
end

local function put(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

-- Each returns what was read, or nil and a message.
local function open_run(path)
  local model, message = torus.runs.open(path)
  if model == nil then return nil, message end
  return true
end
local function resume(path)
  local config, message = torus.runs.read_configuration(path)
  if not config then return nil, message end
  -- Not what the run was: larger ones would take long.
  if config.steps > 4 or config.width > 64 or config.batch > 64 then return true end
  return torus.runs.train(path, config, { resume = true })
end
local function open_data(path)
  local data, message = torus.data.load(path)
  if not data then return nil, message end
  data.train:states { 1 }
  return true
end

local function subjects(base)
  local run, data = base .. "/run", base .. "/data"
  assert(lfs.mkdir(data))
  local config = assert(torus.runs.configuration.make(nil, { model = "hnn",
    system = "pendulum", width = 4, trajectories = 4, points = 4, batch = 4, steps = 2,
    evaluate_every = 2 }))
  assert(torus.runs.train(run, config))
  assert(torus.data.simulate(torus.systems.pendulum, { train = 2, test = 1, steps = 2 })
    :save(data))
  return {
    { folder = run, uses = { open_run, resume },
      files = { "config.json", "checkpoint.safetensors", "log.csv" } },
    { folder = data, uses = { open_data },
      files = { "train.safetensors", "test.safetensors" } },
  }
end

--- Opens and resumes folders of which one file was mutated.
-- @tparam integer count
-- @tparam integer seed
-- @treturn {string,...} what raised, or failed without a message
function M.runs(count, seed)
  local base, faults = os.tmpname(), {}
  os.remove(base)
  lfs.mkdir(base)
  local list = subjects(base)
  local draw = M.generator(seed)
  for number = 1, count do
    local subject = list[draw(#list)]
    local before = {}
    for _, name in ipairs(subject.files) do
      before[name] = bytes_of(subject.folder .. "/" .. name)
    end
    local name = subject.files[draw(#subject.files)]
    put(subject.folder .. "/" .. name, M.bytes(before[name], draw))
    local ok, value, message = pcall(subject.uses[draw(#subject.uses)], subject.folder)
    if not ok or not value and (type(message) ~= "string" or message == "") then
      faults[#faults + 1] = ("mutation %d of seed %d, %s: %s"):format(number, seed,
        name, tostring(value or message))
    end
    for file, bytes in pairs(before) do put(subject.folder .. "/" .. file, bytes) end
  end
  os.execute("rm -rf " .. base)
  return faults
end

if arg and arg[0] and arg[0]:find "mutate%.lua$" then
  local count, seed = tonumber(arg[1] or 10000), tonumber(arg[2] or 1)
  local faults = M.runs(count, seed)
  for _, text in ipairs(faults) do print(text) end
  print(("%d mutated folders, %d faults"):format(count, #faults))
  os.exit(#faults == 0, true)
end

return M
