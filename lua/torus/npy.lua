--- Arrays in NumPy's .npy format, versions 1 and 2.
--
-- Numbers of every width and either byte order can be read. Types without a torus dtype
-- are converted to a wider one: float16 to float32; int8, int16 and uint16 to int32; uint32
-- and uint64 to int64.
-- @module torus.npy

local core = require "torus.core"
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

local descriptions = {
  float32 = "<f4", float64 = "<f8", int64 = "<i8", int32 = "<i4", uint8 = "|u1", bool = "|b1",
}
-- By the type and the width of a description.
local dtypes = {
  f2 = "float32", f4 = "float32", f8 = "float64", b1 = "bool", u1 = "uint8",
  i1 = "int32", i2 = "int32", u2 = "int32", i4 = "int32", u4 = "int64", i8 = "int64",
  u8 = "int64",
}

local MAGIC = "\x93NUMPY"
local MAX_HEADER = 1024 * 1024

-- The encoding of a descr, or nil; the byte order only matters for wide numbers.
local function encoding_of(descr)
  local order, code = descr:match("^([<>|]?)([a-z]%d)$")
  if not code or not dtypes[code] or order == "|" and code:sub(2) ~= "1" then return nil end
  return { code = code, big_endian = order == ">", dtype = dtypes[code],
    bytes = tonumber(code:sub(2)) }
end

--- Returns the header of a version 1 file, which precedes its data.
-- @tparam string dtype
-- @tparam {integer,...} shape
-- @treturn string
-- @usage print(#torus.npy.header("float32", {2, 3}) % 64)   -- 0
function M.header(dtype, shape)
  if not descriptions[dtype] then
    core.raise(("npy.header: dtype: expected float32, float64, int64 or uint8, "
      .. "got %s"):format(core.describe(dtype)))
  end
  local sizes = table.concat(shape, ", ")
  if #shape == 1 then sizes = sizes .. "," end
  local text = ("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }")
    :format(descriptions[dtype], sizes)
  text = text .. (" "):rep(-(#text + 11) % 64) .. "\n"
  return MAGIC .. "\1\0" .. ("<I2"):pack(#text) .. text
end

--- Writes a tensor to a file atomically: a crash leaves the previous file intact.
-- @tparam string path
-- @tparam tensor x
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string what failed
-- @usage assert(torus.npy.save("a.npy", torus.arange(4)))
function M.save(path, x)
  if not options.is_live(x) then
    core.raise("npy.save: expected a tensor, got " .. core.describe(x))
  end
  return core.write_file(path, { M.header(x.dtype, x.shape),
    x:detach():contiguous() })
end

-- `read(n)` returns the next n bytes, fewer or nil at the end.
local function read_header(read)
  if read(6) ~= MAGIC then return nil, "it does not start with \\x93NUMPY" end
  local version = read(2)
  local major = version and #version == 2 and version:byte(1)
  if major ~= 1 and major ~= 2 and major ~= 3 then
    return nil, ("expected version 1, 2 or 3, got %s"):format(major or "none")
  end
  local width = major == 1 and 2 or 4
  local prefix = read(width)
  if not prefix or #prefix < width then return nil, "its header is truncated" end
  local length = ("<I" .. width):unpack(prefix)
  if length > MAX_HEADER then
    return nil, ("expected a header of at most %d bytes, got %d"):format(MAX_HEADER, length)
  end
  local text = read(length)
  if not text or #text < length then return nil, "its header is truncated" end
  return text
end

-- The text of a header is a Python literal: a dictionary of exactly three keys.
-- Each of these returns a value and where it ends, or nil.
local function skip(text, at) return (text:find("[^ \t\r\n]", at)) or #text + 1 end

local function string_at(text, at)
  local quote = text:match("^['\"]", at)
  if not quote then return nil end
  local content = text:match("^[^\\\n" .. quote .. "]*", at + 1)
  local stop = at + 1 + #content
  if text:sub(stop, stop) ~= quote then return nil end
  return content, stop + 1
end

local function boolean_at(text, at)
  local word = text:match("^%a+", at)
  if word == "True" then return true, at + 4 end
  if word == "False" then return false, at + 5 end
  return nil
end

-- An integer, possibly with the trailing L of Python 2.
local function size_at(text, at)
  local digits = text:match("^%d+", at)
  if not digits or digits:find("^0.") then return nil end
  local stop = at + #digits
  return digits, text:sub(stop, stop) == "L" and stop + 1 or stop
end

-- A tuple; a single item needs a trailing comma.
local function shape_at(text, at)
  if text:sub(at, at) ~= "(" then return nil end
  local sizes = {}
  at = skip(text, at + 1)
  local comma = true
  while text:sub(at, at) ~= ")" do
    local size, stop = size_at(text, at)
    if not size or not comma then return nil end
    sizes[#sizes + 1] = size
    at = skip(text, stop)
    comma = text:sub(at, at) == ","
    if comma then at = skip(text, at + 1) end
  end
  if #sizes == 1 and not comma then return nil end
  return sizes, at + 1
end

local READ = { descr = string_at, fortran_order = boolean_at, shape = shape_at }

-- The dictionary, or nil; of a structure, whose descr is a list, "a structure".
local function dictionary(text)
  local found, at, comma = {}, skip(text, 1), true
  if text:sub(at, at) ~= "{" then return nil end
  at = skip(text, at + 1)
  while text:sub(at, at) ~= "}" do
    local key, stop = string_at(text, at)
    if not comma or not key or not READ[key] or found[key] ~= nil then return nil end
    at = skip(text, stop)
    if text:sub(at, at) ~= ":" then return nil end
    at = skip(text, at + 1)
    if key == "descr" and text:sub(at, at) == "[" then return "a structure" end
    found[key], stop = READ[key](text, at)
    if found[key] == nil then return nil end
    at = skip(text, stop)
    comma = text:sub(at, at) == ","
    if comma then at = skip(text, at + 1) end
  end
  if skip(text, at + 1) <= #text then return nil end
  for key in pairs(READ) do
    if found[key] == nil then return nil end
  end
  return found
end

-- The header, or nil, what is wrong and true if it is sound but torus has no such dtype.
local function parse_header(text)
  local found = dictionary(text)
  if not found then
    return nil, "expected descr, fortran_order and shape in its header, got "
      .. core.describe(text)
  end
  local encoding = found ~= "a structure" and encoding_of(found.descr)
  if not encoding then
    return nil, "expected numbers as the dtype (f2, f4, f8, i1 to i8, u1 to u8 or b1), got "
      .. (found.descr or "a structure"), true
  end
  local shape, count, bound = {}, 1, 1.0
  for i, size in ipairs(found.shape) do
    bound = bound * math.max(tonumber(size), 1) -- a float, can't wrap around
    if bound > 2 ^ 50 or i > 8 then
      return nil, "expected at most 8 dimensions and 2^50 elements, got ("
        .. table.concat(found.shape, ", "):sub(1, 80) .. ")"
    end
    local n = math.tointeger(tonumber(size))
    shape[i], count = n, count * n
  end
  return { dtype = encoding.dtype, shape = shape, count = count,
           fortran = found.fortran_order, encoding = encoding,
           bytes = count * encoding.bytes }
end

-- In Fortran order the first index varies fastest: read with reversed sizes, then reverse
-- the dimensions.
local function from_data(data, header)
  local shape, encoding = header.shape, header.encoding
  local sizes, dims = shape, {}
  if header.fortran then
    sizes = {}
    for d = 1, #shape do
      sizes[d], dims[d] = shape[#shape + 1 - d], #shape + 1 - d
    end
  end
  local x, problem = core.decode(data, encoding.code, encoding.big_endian, header.dtype, sizes)
  if not x or not header.fortran or #shape < 2 then return x, problem end
  return core.ops.copy(core.ops.permute(x, dims))
end

--- Decodes the array in the bytes of a file.
-- @tparam string bytes
-- @treturn[1] tensor
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] ?boolean true for a sound array that is not of numbers
-- @usage
-- bytes = torus.npy.header("uint8", { 3 }) .. "\1\2\3"
-- print(assert(torus.npy.decode(bytes)))   -- [1, 2, 3]
function M.decode(bytes)
  if type(bytes) ~= "string" then
    core.raise("npy.decode: expected a string as the bytes, got " .. core.describe(bytes))
  end
  local at = 1
  local text, problem = read_header(function(n)
    at = at + n
    return bytes:sub(at - n, at - 1)
  end)
  local header, unsupported
  if text then header, problem, unsupported = parse_header(text) end
  if not header then return nil, problem, unsupported end
  local length = #bytes - at + 1
  if length ~= header.bytes then
    return nil, ("its shape (%s) needs %d bytes, it has %d"):format(
      table.concat(header.shape, ","), header.bytes, length)
  end
  return from_data(bytes:sub(at), header)
end

--- Reads the header of a file, without its data.
-- @tparam string path
-- @treturn[1] table `{dtype=, shape=, count=, fortran=, offset=, bytes=}`; offset is the
-- position of the data, bytes its size
-- @treturn[2] nil
-- @treturn[2] string message
-- @usage
-- assert(torus.npy.save("b.npy", torus.zeros(2, 3)))
-- info = assert(torus.npy.info("b.npy"))
-- print(info.dtype, table.unpack(info.shape))   -- float32  2  3
function M.info(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, "npy.load: " .. message end
  local text, problem = read_header(function(n) return file:read(n) end)
  local offset, size = file:seek(), file:seek("end")
  file:close()
  local parsed, unsupported
  if text then parsed, problem, unsupported = parse_header(text) end
  if not parsed then
    return nil, (unsupported and "npy.load: %s: %s" or "npy.load: %s is not a .npy array: %s")
      :format(path, problem)
  end
  if not offset or not size then
    return nil, ("npy.load: %s is not a regular file"):format(path)
  end
  parsed.offset = offset
  if size - offset < parsed.bytes then
    return nil, ("npy.load: %s is truncated: its shape (%s) needs %d bytes, it has %d")
      :format(path, table.concat(parsed.shape, ","), parsed.bytes, size - offset)
  end
  return parsed
end

--- Reads an array.
-- @tparam string path
-- @treturn[1] tensor
-- @treturn[2] nil
-- @treturn[2] string what is wrong with the file
-- @usage
-- assert(torus.npy.save("c.npy", torus.arange(4)))
-- print(assert(torus.npy.load("c.npy")))   -- 1 2 3 4
function M.load(path)
  local header, message = M.info(path)
  if not header then return nil, message end
  local file = assert(io.open(path, "rb"))
  file:seek("set", header.offset)
  local needed = header.bytes
  local data = needed == 0 and "" or file:read(needed)
  file:close()
  if not data or #data < needed then
    return nil, ("npy.load: %s can't be read"):format(path)
  end
  local x, problem = from_data(data, header)
  if not x then return nil, ("npy.load: %s is damaged: %s"):format(path, problem) end
  return x
end

signature.functions("npy", M, {
  header = "dtype: string, shape: {integer,...}",
  save = "path: path, x: any", info = "path: path", load = "path: path",
})

return M
