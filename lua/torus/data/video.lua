--- Frames of the user's own: an array (sequences, length, height, width, 3),
-- uint8 from 0 to 255 or float32 from 0 to 1, in a .npy file or a tensor.
-- Sequences are read from the file when they are asked for, so that it may be
-- larger than memory.
-- @module torus.data.video
local files = require "torus.files"
local npy = require "torus.npy"
local options = require "torus.options"
local core = require "torus.core"
local engine = require "torus.engine"

local M = {}

local BYTES = { uint8 = 1, float32 = 4 }

-- nil, or what is wrong with frames of this shape and dtype.
local function problem(shape, dtype)
  local text = options.shape_text(shape)
  if #shape ~= 5 or shape[5] ~= 3 then
    return "expected the shape (sequences, length, height, width, 3), got "
      .. text
  end
  if not BYTES[dtype] then
    return "expected uint8 from 0 to 255 or float32 from 0 to 1, got " .. dtype
  end
  for i = 1, 4 do
    if shape[i] == 0 then return "expected at least one frame, got " .. text end
  end
end

-- nil, or what is wrong with the numbers of one sequence.
local function bad_numbers(frames, index)
  if frames.dtype == "uint8" then return nil end
  local low, high = frames:min():item(), frames:max():item()
  local sum = frames:sum():item() -- min and max may pass over a NaN
  if low >= 0 and high <= 1 and sum == sum then return nil end
  return string.format("expected float32 from 0 to 1, got %s to %s in "
    .. "sequence %d; divide by the largest value, or save as uint8",
    sum == sum and tostring(low) or "nan", tostring(high), index)
end

-- --- a file ---------------------------------------------------------------------

local File = {}
File.__index = File

function File:row(index)
  self.handle:seek("set", self.offset + (index - 1) * self.row_bytes)
  local data = self.handle:read(self.row_bytes)
  if not data or #data < self.row_bytes then
    return nil, string.format("cannot read sequence %d of %s: expected %d bytes, "
      .. "got %d", index, self.path, self.row_bytes, #(data or ""))
  end
  local encoding = self.encoding
  return core.decode(data, encoding.code, encoding.big_endian, self.dtype, self.row_shape)
end

function File:rows(indices)
  local rows = {}
  for i, index in ipairs(indices) do
    local row, message = self:row(index)
    if not row then error(message, 0) end
    rows[i] = row
  end
  return engine.cat(rows, 1)
end

--- A .npy file of frames as a source for torus.data.split.
-- @tparam string path
-- @treturn ?table shape {total, length, height, width, 3}, dtype and
-- rows(indices)
-- @treturn ?string message
-- @usage
-- video = require "torus.data.video"
-- print(video.open("no_such_file.npy"))   -- nil and a message
function M.open(path)
  local header, message = npy.info(path)
  if not header then return nil, message end
  local wrong = problem(header.shape, header.dtype)
  if not wrong and header.fortran then
    wrong = "expected C order, got Fortran order: save "
      .. "numpy.ascontiguousarray(frames)"
  end
  if wrong then return nil, path .. ": " .. wrong end
  local handle
  handle, message = io.open(path, "rb")
  if not handle then return nil, message end
  local _, length, height, width = table.unpack(header.shape)
  local self = setmetatable({ path = path, handle = handle,
    shape = header.shape, dtype = header.dtype, offset = header.offset,
    encoding = header.encoding,
    row_shape = { 1, length, height, width, 3 },
    row_bytes = length * height * width * 3 * header.encoding.bytes }, File)
  for index = 1, header.dtype == "float32" and header.shape[1] or 0 do
    local row
    row, message = self:row(index)
    wrong = row and bad_numbers(row, index)
    if not row then return nil, message end
    if wrong then return nil, path .. ": " .. wrong end
  end
  return self
end

-- --- a tensor -------------------------------------------------------------------

local Tensor = {}
Tensor.__index = Tensor

function Tensor:rows(indices)
  return self.frames:index_select(1, engine.tensor(indices, { dtype = "int64" }))
end

--- A tensor of frames as a source for torus.data.split.
-- @tparam tensor frames (sequences, length, height, width, 3), uint8 or float32
-- @treturn ?table shape, dtype and rows(indices)
-- @treturn ?string message
-- @usage
-- video = require "torus.data.video"
-- print(video.from_tensor(torus.rand(10, 5, 16, 16, 3)).shape[1])   -- 10
function M.from_tensor(frames)
  local wrong = problem(frames.shape, frames.dtype)
  for index = 1, not wrong and frames:size(1) or 0 do
    wrong = wrong or bad_numbers(frames:select(1, index), index)
  end
  if wrong then return nil, "frames: " .. wrong end
  return setmetatable({ frames = frames, shape = frames.shape,
    dtype = frames.dtype }, Tensor)
end

-- --- writing --------------------------------------------------------------------

-- Sequences of a part of the file.
local ROWS = 16

-- Sequences first .. first + n - 1 as the file has them.
local function rows_of(split, dtype, first, n)
  local frames = split:batch(engine.arange(first, first + n - 1,
    { dtype = "int64" }))
  if dtype ~= "uint8" then return frames:contiguous() end
  return (frames * 255 + 0.5):floor():to("uint8")
end

-- The parts of the file as a function: the header, then a few sequences at a time.
local function parts_of(split, o)
  local shape, done = split:batch { 1 }.shape, nil
  shape[1] = o.count
  return function()
    if not done then
      done = 0
      return npy.header(o.dtype, shape)
    end
    if done > 0 and o.progress then o.progress(done, o.count) end
    local n = math.min(ROWS, o.count - done)
    if n == 0 then return nil end
    done = done + n
    return rows_of(split, o.dtype, done - n + 1, n)
  end
end

--- Writes the frames of a split to a .npy file, a few sequences at a time.
-- @tparam string path
-- @tparam table split States or Frames
-- @tparam table o dtype, "uint8" or "float32"; count of sequences; progress
-- @treturn ?boolean true
-- @treturn ?string message
function M.export(path, split, o)
  return files.write(path, parts_of(split, o))
end

return M
