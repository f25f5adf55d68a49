--- Films as arrays: .npy files, whose sequences are read on demand, .npz archives and
-- tensors.
-- @module torus.data.films.arrays
local core = require "torus.core"
local engine = require "torus.engine"
local npy = require "torus.npy"
local npz = require "torus.npz"
local numbers = require "torus.data.films.numbers"

local M = {}

-- --- .npy ---------------------------------------------------------------------

local File = {}
File.__index = File

-- The elements of a row as stored in the file.
local function stored(self, index)
  self.handle:seek("set", self.offset + (index - 1) * self.row_bytes)
  local data = self.handle:read(self.row_bytes)
  if not data or #data < self.row_bytes then
    return nil, string.format("cannot read sequence %d of %s: expected %d bytes, "
      .. "got %d", index, self.path, self.row_bytes, #(data or ""))
  end
  local encoding = self.encoding
  return core.decode(data, encoding.code, encoding.big_endian, encoding.dtype,
    self.row_shape)
end

function File:rows(indices)
  local rows = {}
  for i, index in ipairs(indices) do
    local row, message = stored(self, index)
    if not row then error(message, 0) end
    rows[i] = numbers.scaled(row, self.white)
  end
  return engine.cat(rows, 1)
end

-- A single film is read frame by frame, as sequences of one frame each.
local function rows_of(sizes, one_film)
  if not one_film then return sizes[1], { 1, table.unpack(sizes, 2) } end
  return sizes[2], { 1, 1, table.unpack(sizes, 3) }
end

--- Opens a .npy file.
-- @tparam string path
-- @tparam ?number white
-- @treturn ?table shape, five sizes; rows(indices); one_film, true if the array is a
-- single film, whose shape is then (frames, 1, height, width, channels)
-- @treturn ?string message
-- @usage
-- arrays = require "torus.data.films.arrays"
-- print(arrays.npy("no_such_file.npy"))   -- nil and a message
function M.npy(path, white)
  local header, message = npy.info(path)
  if not header then return nil, message end
  local sizes, wrong, one_film = numbers.sizes(header.shape)
  if not wrong and header.fortran then
    wrong = "expected C order, got Fortran order: save "
      .. "numpy.ascontiguousarray(frames)"
  end
  if wrong then return nil, path .. ": " .. wrong end
  local handle
  handle, message = io.open(path, "rb")
  if not handle then return nil, message end
  local count, row_shape = rows_of(sizes, one_film)
  local self = setmetatable({ path = path, handle = handle, one_film = one_film,
    shape = { count, table.unpack(row_shape, 2) }, offset = header.offset,
    encoding = header.encoding, row_shape = row_shape,
    row_bytes = header.bytes // count }, File)
  self.white, wrong = numbers.white(header.dtype, white, count, function(index)
    return stored(self, index)
  end)
  if not self.white then
    return nil, wrong:find(path, 1, true) and wrong or path .. ": " .. wrong
  end
  return self
end

-- --- tensors and .npz -----------------------------------------------------------

local Tensor = {}
Tensor.__index = Tensor

function Tensor:rows(indices)
  return numbers.scaled(self.frames:index_select(1,
    engine.tensor(indices, { dtype = "int64" })), self.white)
end

--- Makes a source from a tensor.
-- @tparam tensor frames
-- @tparam ?number white
-- @treturn ?table as returned by `npy`
-- @treturn ?string message
-- @usage
-- arrays = require "torus.data.films.arrays"
-- source = assert(arrays.tensor(torus.rand(10, 5, 16, 24)))
-- print(table.unpack(source.shape))   -- 10 5 16 24 1
function M.tensor(frames, white)
  local sizes, wrong, one_film = numbers.sizes(frames.shape)
  if not sizes then return nil, "frames: " .. wrong end
  local count, row_shape = rows_of(sizes, one_film)
  local shape = { count, table.unpack(row_shape, 2) }
  frames = frames:detach():reshape(shape)
  local found
  found, wrong = numbers.white(frames.dtype, white, count, function(index)
    return frames:select(1, index)
  end)
  if not found then return nil, "frames: " .. wrong end
  return setmetatable({ frames = frames, shape = shape, white = found,
    one_film = one_film }, Tensor)
end

--- Returns the time between frames that a .npz archive specifies: its array `dt` of one number.
-- @tparam string path
-- @treturn ?number
-- @usage
-- arrays = require "torus.data.films.arrays"
-- assert(torus.npz.save("timed.npz", { frames = torus.rand(10, 5, 16, 24, 3),
--   dt = torus.tensor(0.04) }))
-- print(arrays.interval("timed.npz"))   -- 0.04
function M.interval(path)
  local found = npz.load(path, { names = { "dt" } })
  local dt = found and found.dt
  if not dt or dt:numel() ~= 1 then return nil end
  local number = dt:to("float64"):item()
  if not (number > 0 and number < math.huge) then return nil end
  -- 0.04 in float32 is 0.0399999991.
  return dt.dtype == "float32" and tonumber(("%.7g"):format(number)) or number
end

--- Opens a .npz archive that contains one array, or one named `frames` among others.
-- @tparam string path
-- @tparam ?number white
-- @treturn ?table as returned by `npy`
-- @treturn ?string message
-- @usage
-- arrays = require "torus.data.films.arrays"
-- assert(torus.npz.save("film.npz", { frames = torus.rand(10, 5, 16, 24, 3) }))
-- print(table.unpack(assert(arrays.npz("film.npz")).shape))   -- 10 5 16 24 3
function M.npz(path, white)
  local frames, message = npz.load_array(path, "frames")
  if not frames then return nil, message end
  local source
  source, message = M.tensor(frames, white)
  if not source then return nil, path .. ": " .. message:gsub("^frames: ", "") end
  source.path = path
  return source
end

return M
