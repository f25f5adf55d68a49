--- What reads bytes from outside, each as a function of the bytes. It raises when
-- a reader does anything but return a value, or nil and a message; and when what
-- was read does not survive being written and read again.
local torus = require "torus"
local image = require "torus.image"
local json = require "torus.json"
local encode = require("dkjson").encode

local M = {}

local path = os.tmpname()
-- Where there is one, a folder in memory: millions of files go through it.
local in_memory = "/dev/shm/" .. path:match "[^/]+$"
if os.rename(path, in_memory) or io.open(in_memory, "w") then
  os.remove(path)
  path = in_memory
end

--- Removes the file that the readers are given.
function M.clean() os.remove(path) end

local function write(bytes)
  local file = assert(io.open(path, "wb"))
  assert(file:write(bytes))
  file:close()
end

-- The results of a reader, which keeps its word.
local function read(reader, ...)
  local value, message = reader(...)
  if value == nil and (type(message) ~= "string" or message == "" or #message > 1000) then
    error("nil without one message: " .. tostring(message))
  end
  return value, message
end

local function same(a, b)
  return a.dtype == b.dtype and table.concat(a.shape, ",") == table.concat(b.shape, ",")
    and torus.to_bytes(a:contiguous()) == torus.to_bytes(b:contiguous())
end

function M.safetensors(bytes)
  write(bytes)
  local tensors, metadata = read(torus.load, path)
  if not tensors then return end
  assert(torus.save(path, tensors, metadata))
  local again, metadata_again = torus.load(path)
  assert(again, metadata_again)
  for name, x in pairs(tensors) do
    assert(again[name] and same(x, again[name]), "another tensor came back")
    x:release()
    again[name]:release()
  end
  for key, value in pairs(metadata) do
    assert(metadata_again[key] == value, "other metadata came back")
  end
end

function M.npy(bytes)
  write(bytes)
  local x = read(torus.npy.load, path)
  local info = read(torus.npy.info, path)
  -- info reads the header alone: numbers that have no dtype here are found later.
  assert(info or not x, "load reads what info does not")
  if not x then return end
  assert(torus.npy.save(path, x))
  local again = assert(torus.npy.load(path))
  assert(same(x, again), "another array came back")
  x:release()
  again:release()
end

function M.npz(bytes)
  write(bytes)
  local arrays = read(torus.npz.load, path)
  if not arrays then return end
  assert(torus.npz.save(path, arrays, { compress = #bytes % 2 == 0 }))
  local again = assert(torus.npz.load(path))
  for name, x in pairs(arrays) do
    assert(again[name] and same(x, again[name]), "another array came back")
    x:release()
    again[name]:release()
  end
end

function M.csv(bytes)
  write(bytes)
  local x, names = read(torus.csv.load, path, { missing = #bytes % 2 == 0 and 0 or nil,
    dtype = "float64" })
  if not x or x:size(2) == 0 then return end
  assert(torus.csv.save(path, x))
  local again = assert(torus.csv.load(path, { dtype = "float64", header = false }))
  for i, row in ipairs(x:numel() < 1000 and x:totable() or {}) do
    for j, value in ipairs(row) do
      local back = again[{ i, j }]:item()
      assert(value == back or value ~= value and back ~= back, "another number came back")
    end
  end
  assert(names == nil or #names == x:size(2), "not one name for each column")
end

-- A PNG or a GIF; what was read is written and read again.
function M.picture(bytes)
  write(bytes)
  local x, delays = read(image.read, path, { dtype = "uint8", channels = 3 })
  if not x then return end
  local small = x:numel() < 1 << 16
  if small and x:dim() == 3 then
    assert(image.write(path, x))
    assert(same(x, assert(image.read(path, { dtype = "uint8" }))), "another picture came back")
  elseif small then
    assert(#delays == x:size(1), "not one delay for each frame")
    assert(image.gif(path, x))
    assert(image.read(path, { dtype = "uint8" }):size(4) == 3)
  end
  x:release()
end

-- Videos of the user's own, and points to learn a density of.
function M.arrays(bytes)
  write(bytes)
  os.rename(path, path .. ".npy")
  local frames = read(torus.data.frames, path .. ".npy")
  if frames then frames.train:batch({ 1 }) end
  read(torus.data.targets.samples, path .. ".npy")
  os.rename(path .. ".npy", path)
end

local function equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b or a ~= a and b ~= b
  end
  for key, value in pairs(a) do
    if not equal(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local function is_finite(value)
  if type(value) == "number" then return math.abs(value) < math.huge end
  if type(value) ~= "table" then return true end
  for _, item in pairs(value) do
    if not is_finite(item) then return false end
  end
  return true
end

function M.json(bytes)
  local value = read(json.decode, bytes)
  -- Numbers are written in 14 digits, infinities as null.
  if type(value) ~= "table" or not is_finite(value) then return end
  local text = encode(value)
  local again = assert(json.decode(text))
  assert(equal(again, json.decode(encode(again))), "another value came back")
end

function M.configuration(bytes)
  local configuration = torus.runs.configuration
  local config = read(configuration.decode, bytes)
  if not config then return end
  local again = assert(configuration.decode(configuration.encode(config)))
  assert(equal(config, again), "another configuration came back")
  assert(configuration.conflict(config, again) == nil, "it conflicts with itself")
end

function M.override(bytes)
  local model, text = bytes:match "^(%w+) (.*)$"
  read(torus.runs.configuration.parse_override, text or bytes,
    model and torus.tasks.get(model) and model or nil)
end

function M.log(bytes)
  write(bytes)
  read(torus.runs.log.read, path)
  local log = torus.runs.log.open(path, { "step", "loss" }, 3)
  if not log then return end
  log:row { step = 4, loss = 1 }
  log:close()
  assert(torus.runs.log.read(path))
end

function M.checkpoint(bytes)
  write(bytes)
  local stored = read(torus.runs.checkpoint.load, path)
  if not stored then return end
  assert(math.type(stored.step) == "integer" and type(stored.numbers) == "table")
  torus.runs.checkpoint.weights(stored)
  local net = torus.nn.Linear(2, 1)
  read(torus.runs.checkpoint.restore_optimiser, stored,
    torus.optim.adam(net:parameters()), net:named_parameters())
end

-- Pictures as they are written; the bytes are their size and their pixels.
function M.image(bytes)
  if #bytes < 4 then return end
  local frames, height, width, channels = bytes:byte(1, 4)
  local shape = { frames % 4 + 1, height % 24 + 1, width % 24 + 1, channels % 5 }
  local count = shape[1] * shape[2] * shape[3] * shape[4]
  local pixels = bytes:sub(5)
  pixels = pixels .. ("\0"):rep(count - #pixels)
  local x = torus.from_bytes(pixels:sub(1, count), "uint8", shape)
  for _, f in ipairs { image.gif, function(p, film) return image.write(p, film[1]) end } do
    local ok, message = pcall(f, path, x)
    assert(ok or not message:find("lua/torus", 1, true), message)
  end
  x:release()
end

return M
