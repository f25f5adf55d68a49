--- Named tensors in a file: the safetensors format.
--
-- Eight bytes of little-endian header length, a JSON header with dtype, shape
-- and byte range of every tensor, then the raw data. A file is written
-- under a temporary name and renamed: a crash leaves the old one.
--
-- Types without a torus dtype are converted to a wider one: BF16 and F16 to float32; I8,
-- I16 and U16 to int32; U32 and U64 to int64.
-- @module torus.safetensors

local core = require "torus.core"
local json = require "dkjson"
local lfs = require "lfs"
local options = require "torus.options"
local read_json = require "torus.json"

local M = {}

-- The names written for each dtype, and how these and others are read.
local names = { float32 = "F32", float64 = "F64", int64 = "I64", int32 = "I32", uint8 = "U8",
  bool = "BOOL" }
local dtypes = { F32 = "float32", F64 = "float64", F16 = "float32", BF16 = "float32",
  I64 = "int64", I32 = "int32", I16 = "int32", I8 = "int32", U64 = "int64", U32 = "int64",
  U16 = "int32", U8 = "uint8", BOOL = "bool" }
local encodings = { F32 = "f4", F64 = "f8", F16 = "f2", BF16 = "h2", I64 = "i8", I32 = "i4",
  I16 = "i2", I8 = "i1", U64 = "u8", U32 = "u4", U16 = "u2", U8 = "u1", BOOL = "b1" }
local bytes_of = {}
for name, code in pairs(encodings) do bytes_of[name] = tonumber(code:sub(2)) end

-- The limit of the format on the size of the header.
local MAX_HEADER = 100 * 1024 * 1024

-- The names of what is saved, sorted.
local function names_of(t)
  for key in pairs(t) do
    if type(key) ~= "string" then
      options.raise("save: expected strings as names, got " .. options.show(key))
    end
  end
  return options.sorted_keys(t)
end

local function check_table(contents, value)
  if type(value) ~= "table" then
    local way_out = debug.getmetatable(value) == core.metatable
      and "; torus.save(path, { x = x }) or torus.npy.save(path, x)" or ""
    core.raise(("save: expected a table of %s, got %s%s")
      :format(contents, core.describe(value), way_out))
  end
end

local function check_metadata(metadata)
  check_table("metadata", metadata)
  for key, value in pairs(metadata) do
    if type(key) ~= "string" or type(value) ~= "string" then
      core.raise(("save: expected strings as metadata, got %s = %s")
        :format(core.describe(key), core.describe(value)))
    end
  end
end

-- The order of all keys in the header: the position of any key not listed would vary from
-- run to run.
local function key_order(names_of_tensors, metadata)
  local order, seen = {}, {}
  for _, keys in ipairs {
    { "__metadata__" }, names_of_tensors, names_of(metadata or {}),
    { "dtype", "shape", "data_offsets" },
  } do
    for _, key in ipairs(keys) do
      if not seen[key] then
        seen[key] = true
        order[#order + 1] = key
      end
    end
  end
  return order
end

-- An empty table would become a JSON array.
local function as_object(t)
  local copy = setmetatable({}, { __jsontype = "object" })
  for key, value in pairs(t) do copy[key] = value end
  return copy
end

-- Tensors by name, from a module or from a table of tensors and modules.
local function tensors_of(contents)
  if options.is_module(contents) then return contents:named() end
  local all = {}
  for name, value in pairs(contents) do
    if options.is_module(value) and type(name) == "string" then
      for inner, tensor in pairs(value:named()) do all[name .. "." .. inner] = tensor end
    else
      all[name] = value
    end
  end
  return all
end

--- Writes tensors to a file.
-- @function torus.save
-- @tparam string path
-- @tparam Module|{[string]=tensor|Module,...} tensors a module, whose parameters and
-- buffers are saved by their dotted names; or tensors and modules by name, a module's name
-- being the prefix of those of its tensors
-- @tparam[opt] {[string]=string,...} metadata
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string what failed
-- @raise when the path is not a string, a value not a tensor, or the metadata
-- not text
-- @usage
-- x = torus.randn(2, 3)
-- assert(torus.save("x.safetensors", { x = x }, { made_by = "an example" }))
-- assert(torus.save("net.safetensors", torus.nn.Linear(2, 1)))
function M.save(path, tensors, metadata)
  options.argument("save", "path", path, { type = "path" })
  check_table("tensors", tensors)
  if metadata then check_metadata(metadata) end
  tensors = tensors_of(tensors)
  local header, parts, offset = as_object {}, { "", "" }, 0
  local order = names_of(tensors)
  for _, name in ipairs(order) do
    local x = tensors[name]
    if debug.getmetatable(x) ~= core.metatable then
      core.raise(("save: expected a tensor for '%s', got %s")
        :format(name, core.describe(x)))
    end
    if name == "__metadata__" then
      core.raise("save: the name __metadata__ is reserved by the format")
    end
    x = x:detach():contiguous()
    local length = x:numel() * bytes_of[names[x.dtype]]
    header[name] = {
      dtype = names[x.dtype],
      shape = setmetatable(x.shape, { __jsontype = "array" }),
      data_offsets = { offset, offset + length },
    }
    offset = offset + length
    parts[#parts + 1] = x
  end
  header.__metadata__ = metadata and as_object(metadata)
  local text = json.encode(header, { keyorder = key_order(order, metadata) })
  text = text .. (" "):rep(-#text % 8) -- the data starts aligned
  parts[1], parts[2] = ("<I8"):pack(#text), text
  return core.write_file(path, parts)
end

-- Reads n bytes; returns nil if there are fewer.
local function read(file, n)
  if n == 0 then return "" end
  local text = file:read(n)
  return text and #text == n and text or nil
end

-- True if a value came from a JSON "object" or "array".
local function is_json(value, kind)
  local meta = type(value) == "table" and getmetatable(value)
  return meta and meta.__jsontype == kind
end

local function read_header(file, size)
  local prefix = read(file, 8)
  if not prefix then return nil, "expected at least 8 bytes, got " .. size end
  local length = ("<I8"):unpack(prefix)
  if length < 2 or length > MAX_HEADER or length > size - 8 then
    return nil, ("its header has length %s, but %d bytes follow"):format(
      ("%u"):format(length < 0 and 0 or length), size - 8)
  end
  local text = read(file, length)
  if not text then return nil, "its header can't be read" end
  local header, message = read_json.decode(text)
  if not is_json(header, "object") then
    return nil, "its header is not a JSON object"
      .. (message and ": " .. message or "")
  end
  return header, length
end

-- The bytes of a tensor of a shape, or nil for an invalid shape.
local function byte_count(entry)
  local count, bound = bytes_of[entry.dtype], 1.0
  if #entry.shape > 8 then return nil end
  for i = 1, #entry.shape do
    local size = entry.shape[i]
    if math.type(size) ~= "integer" or size < 0 then return nil end
    bound = bound * math.max(size, 1) -- a float, which can't wrap around
    if bound > 2 ^ 50 then return nil end
    count = count * size
  end
  return count
end

local function check_entry(name, entry, available)
  if not is_json(entry, "object") or not is_json(entry.shape, "array")
    or not is_json(entry.data_offsets, "array") or #entry.data_offsets ~= 2
    or not dtypes[entry.dtype] then
    return nil, ("tensor '%s' has a bad entry or a dtype other than F64, F32, F16, BF16, "
      .. "I64 to I8, U64 to U8 and BOOL"):format(name)
  end
  local first, last = entry.data_offsets[1], entry.data_offsets[2]
  local count = byte_count(entry)
  if math.type(first) ~= "integer" or math.type(last) ~= "integer"
    or first < 0 or last < first or last - first ~= count then
    return nil, ("the byte range of tensor '%s' does not fit its shape"):format(name)
  end
  if last > available then
    return nil, ("it is truncated: tensor '%s' ends at byte %d of %d"):format(
      name, last, available)
  end
  return { name = name, first = first, last = last, dtype = dtypes[entry.dtype],
           encoding = encodings[entry.dtype], shape = setmetatable(entry.shape, nil) }
end

-- The entries in the order of their data, checked so that each byte belongs to exactly one.
local function check_entries(header, available)
  local list = {}
  for name in pairs(header) do -- dkjson accepts {1: ...} and {"x"}, too
    if type(name) ~= "string" then return nil, "its header is not a JSON object" end
  end
  for _, name in ipairs(options.sorted_keys(header)) do
    local entry, message = check_entry(name, header[name], available)
    if not entry then return nil, message end
    list[#list + 1] = entry
  end
  table.sort(list, function(a, b)
    if a.first ~= b.first then return a.first < b.first end
    if a.last ~= b.last then return a.last < b.last end
    return a.name < b.name
  end)
  local at = 0
  for _, entry in ipairs(list) do
    if entry.first ~= at then
      return nil, ("tensor '%s' begins at byte %d, expected %d"):format(
        entry.name, entry.first, at)
    end
    at = entry.last
  end
  if at ~= available then
    return nil, ("expected %d bytes of data by its header, got %d"):format(
      at, available)
  end
  return list
end

local function check_strings(metadata)
  if metadata == nil then return {} end
  if not is_json(metadata, "object") then return nil end
  for key, value in pairs(metadata) do
    if type(key) ~= "string" or type(value) ~= "string" then return nil end
  end
  return setmetatable(metadata, nil)
end

local function read_tensors(file, size)
  local header, length = read_header(file, size)
  if not header then return nil, length end
  local metadata = check_strings(header.__metadata__)
  if not metadata then return nil, "its metadata is not an object of strings" end
  header.__metadata__ = nil
  local list, message = check_entries(header, size - 8 - length)
  if not list then return nil, message end
  local tensors = {}
  for _, entry in ipairs(list) do
    file:seek("set", 8 + length + entry.first)
    local data = read(file, entry.last - entry.first)
    if not data then
      return nil, ("tensor '%s' can't be read"):format(entry.name)
    end
    local x, problem = core.decode(data, entry.encoding, false, entry.dtype, entry.shape)
    if not x then return nil, ("tensor '%s': %s"):format(entry.name, problem) end
    tensors[entry.name] = x
  end
  return tensors, metadata
end

-- Copies the tensors into a module, or into the modules of a table; the file must not
-- contain anything else. Returns true, or nil and a message.
local function load_into(tensors, into)
  if options.is_module(into) then return into:load_parameters(tensors) end
  local known = {}
  for name, module in pairs(into) do
    local prefix = name .. "."
    local ok, message = module:load_parameters(tensors, prefix)
    if not ok then return nil, message end
    for key in pairs(tensors) do
      if key:sub(1, #prefix) == prefix then known[key] = true end
    end
  end
  for key in pairs(tensors) do
    if not known[key] then return nil, "no module matches the name " .. key end
  end
  return true
end

local function check_into(into)
  if into == nil or options.is_module(into) then return end
  for name, module in pairs(type(into) == "table" and into or { into }) do
    if type(name) ~= "string" or not options.is_module(module) then
      core.raise(("load: expected a module, or modules by name, to load into, got %s")
        :format(core.describe(into)))
    end
  end
end

--- Reads a file of named tensors.
-- @function torus.load
-- @tparam string path
-- @tparam[opt] Module|{[string]=Module,...} into a module, or modules by name, as passed to
-- torus.save: the tensors are copied into it. If the file does not match, nil and a message
-- are returned; some of several modules may already have been changed
-- @treturn[1] {[string]=tensor,...} the tensors, or `into`
-- @treturn[1] {[string]=string,...} the metadata
-- @treturn[2] nil
-- @treturn[2] string what is wrong with the file
-- @usage
-- assert(torus.save("y.safetensors", { y = torus.ones(2) }))
-- tensors, metadata = assert(torus.load("y.safetensors"))
-- print(tensors.y)
-- net = torus.nn.Linear(2, 1)
-- assert(torus.save("net.safetensors", net))
-- assert(torus.load("net.safetensors", net))
-- print(torus.load("missing.safetensors"))   -- nil, and why
function M.load(path, into)
  options.argument("load", "path", path, { type = "path" })
  check_into(into)
  local file, message = io.open(path, "rb")
  if not file then return nil, "load: " .. message end
  if lfs.attributes(path, "mode") == "directory" then
    file:close()
    return nil, ("load: %s is a directory, expected a file"):format(path)
  end
  local size = file:seek("end")
  if not size then
    file:close()
    return nil, ("load: %s is not a regular file"):format(path)
  end
  file:seek("set", 0)
  local tensors, metadata = read_tensors(file, size)
  file:close()
  if not tensors then
    return nil, ("load: %s is not a safetensors file: %s"):format(path, metadata)
  end
  if into == nil then return tensors, metadata end
  local ok
  ok, message = load_into(tensors, into)
  if not ok then return nil, ("load: %s: %s"):format(path, message) end
  return into, metadata
end

return M
