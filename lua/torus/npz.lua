--- Named arrays in NumPy's .npz format: a zip archive of .npy files.
--
-- Archives of `numpy.savez` and `numpy.savez_compressed` of any size can be read; archives
-- up to 4 GiB can be written.
-- @module torus.npz

local core = require "torus.core"
local files = require "torus.files"
local npy = require "torus.npy"
local options = require "torus.options"

local M = {}

local LOCAL, CENTRAL, END = "PK\3\4", "PK\1\2", "PK\5\6"
local END64, LOCATOR64 = "PK\6\6", "PK\6\7"
local STORED, DEFLATED = 0, 8
local MAX32 = 0xffffffff
-- A fixed date in 1980, so that a file depends only on its contents.
local TIME, DATE = 0, 0x21

-- --- reading ----------------------------------------------------------------

-- The position of the end record of an archive, which may be followed by a comment.
local function find_end(bytes)
  for at = #bytes - 21, math.max(1, #bytes - 21 - 65535), -1 do
    if bytes:sub(at, at + 3) == END
      and at + 21 + ("<I2"):unpack(bytes, at + 20) == #bytes then
      return at
    end
  end
end

-- The position and size of the list of members, and their number.
local function read_end(bytes)
  local at = find_end(bytes)
  if not at then return nil, "it has no end record of a zip archive" end
  local disk, first_disk, here, count, size, offset = ("<I2I2I2I2I4I4"):unpack(bytes, at + 4)
  if at > 20 and bytes:sub(at - 20, at - 17) == LOCATOR64 then
    local record = ("<I8"):unpack(bytes, at - 20 + 8) + 1
    if record < 1 or record > at - 20 - 55 or bytes:sub(record, record + 3) ~= END64 then
      return nil, "its 64-bit end record is damaged"
    end
    disk, first_disk, here, count, size, offset = ("<I4I4i8i8i8i8"):unpack(bytes, record + 16)
  end
  if disk ~= 0 or first_disk ~= 0 or here ~= count then
    return nil, "it is a part of an archive of several files"
  end
  if offset < 0 or size < 0 or offset > #bytes or size > #bytes - offset
    or count < 0 or count > size // 46 then
    return nil, "its list of members is outside the file"
  end
  return offset + 1, size, count
end

-- The 64-bit fields that replace those that don't fit in 32 bits.
local function widen(entry, extra)
  local at = 1
  while at + 3 <= #extra do
    local tag, length = ("<I2I2"):unpack(extra, at)
    if at + 3 + length > #extra then return nil end
    if tag == 1 then
      local field, stop = at + 4, at + 3 + length
      for _, key in ipairs { "size", "packed", "offset" } do
        if entry[key] == MAX32 then
          if field + 7 > stop then return nil end
          entry[key] = ("<i8"):unpack(extra, field)
          field = field + 8
        end
      end
    end
    at = at + 4 + length
  end
  return entry
end

-- The member whose description begins at a byte, and the position of the next one.
local function read_member(bytes, at, stop)
  if at + 45 > stop or bytes:sub(at, at + 3) ~= CENTRAL then
    return nil, "its list of members is damaged"
  end
  local flags, method, _, _, crc, packed, size, name, extra, comment, _, _, _, offset =
    ("<I2I2I2I2I4I4I4I2I2I2I2I2I4I4"):unpack(bytes, at + 8)
  local next_at = at + 46 + name + extra + comment
  if next_at > stop + 1 then return nil, "its list of members is damaged" end
  local entry = { flags = flags, method = method, crc = crc, packed = packed, size = size,
    offset = offset, name = bytes:sub(at + 46, at + 45 + name) }
  if not widen(entry, bytes:sub(at + 46 + name, at + 45 + name + extra)) then
    return nil, "its list of members is damaged"
  end
  return entry, next_at
end

local function members(bytes)
  local at, size, count = read_end(bytes)
  if not at then return nil, size end
  local list, stop = {}, at + size - 1
  for i = 1, count do
    local entry, next_at = read_member(bytes, at, stop)
    if not entry then return nil, next_at end
    list[i], at = entry, next_at
  end
  if at ~= stop + 1 then return nil, "its list of members is damaged" end
  return list
end

-- The uncompressed bytes of a member.
local function content(bytes, entry)
  local at = entry.offset + 1
  if entry.offset < 0 or entry.packed < 0 or entry.size < 0 or at + 29 > #bytes
    or bytes:sub(at, at + 3) ~= LOCAL then
    return nil, "its place in the archive is wrong"
  end
  if entry.flags & 1 ~= 0 then return nil, "it is encrypted" end
  local name, extra = ("<I2I2"):unpack(bytes, at + 26)
  if bytes:sub(at + 30, at + 29 + name) ~= entry.name then
    return nil, "its place in the archive is wrong"
  end
  local first = at + 30 + name + extra
  if entry.packed > #bytes - first + 1 then return nil, "it is truncated" end
  local data, problem
  if entry.method == STORED then
    if entry.packed ~= entry.size then return nil, "its sizes differ" end
    data = bytes:sub(first, first + entry.size - 1)
  elseif entry.method == DEFLATED then
    data, problem = core.inflate(bytes, first, entry.packed, entry.size)
    if not data then return nil, problem end
  else
    return nil, ("expected it stored or deflated, got method %d"):format(entry.method)
  end
  if core.crc32(data) ~= entry.crc then return nil, "its checksum is wrong" end
  return data
end

-- The array of a member, or nil, what is wrong and true if the archive itself is sound.
local function array_of(bytes, entry, name)
  local data, problem = content(bytes, entry)
  local x, unsupported
  if data then x, problem, unsupported = npy.decode(data) end
  if x then return x end
  problem = ("array %s: %s"):format(options.show(name), problem)
  if unsupported then
    problem = problem .. "; to read others, give their names: npz.load(path, { names = ... })"
  end
  return nil, problem, unsupported
end

-- The arrays, all or those with the names that are keys of `wanted`, and the names of all.
local function read_arrays(bytes, wanted)
  local list, problem = members(bytes)
  if not list then return nil, problem end
  local arrays, names, packed = {}, {}, 0
  for i, entry in ipairs(list) do
    -- Members that share their bytes could expand to any number of arrays.
    packed = packed + math.max(entry.packed, 1)
    if packed > #bytes then return nil, "its members overlap" end
    local name = entry.name:match("^(.+)%.npy$")
    if not name then
      return nil, ("expected .npy members, got %s"):format(options.show(entry.name))
    end
    if names[name] then return nil, ("it has two arrays named %s"):format(options.show(name)) end
    names[i], names[name] = name, true
    if not wanted or wanted[name] then
      local x, unsupported
      x, problem, unsupported = array_of(bytes, entry, name)
      if not x then return nil, problem, unsupported end
      arrays[name] = x
    end
  end
  return arrays, table.move(names, 1, #names, 1, {})
end

local NAMES = { names = { type = "table" } }

--- Reads an archive.
-- @tparam string path
-- @tparam[opt] table opts
-- @tparam[opt] {string,...} opts.names reads only the arrays with these names, those of them
-- that there are; the others may be of any dtype, such as strings. By default all are read,
-- and must be numbers
-- @treturn[1] {[string]=tensor,...} the arrays by name
-- @treturn[1] {string,...} the names of all arrays of the archive, in its order
-- @treturn[2] nil
-- @treturn[2] string what is wrong with the file
-- @raise unless names is a list of strings
-- @usage
-- assert(torus.npz.save("a.npz", { x = torus.arange(3), y = torus.eye(2) }))
-- arrays = assert(torus.npz.load("a.npz"))
-- print(arrays.x)   -- [1., 2., 3.]
-- arrays, names = torus.npz.load("a.npz", { names = { "y" } })
-- print(arrays.x, table.concat(names, " "))   -- nil  x y
function M.load(path, opts)
  options.argument("npz.load", "path", path, { type = "path" })
  local o, wanted = options.resolve("npz.load", opts, NAMES), nil
  if o.names then
    wanted = {}
    options.list("npz.load: names", o.names)
    for _, name in ipairs(o.names) do
      if type(name) ~= "string" then
        options.raise("npz.load: names: expected a list of strings, got %s", options.show(name))
      end
      wanted[name] = true
    end
  end
  local bytes, message = files.read(path)
  if not bytes then return nil, "npz.load: " .. message end
  local arrays, names, sound = read_arrays(bytes, wanted)
  if arrays then return arrays, names end
  return nil, (sound and "npz.load: %s: %s" or "npz.load: %s is not an .npz archive: %s")
    :format(path, names)
end

--- Reads the array of a name or, if there is none, the only array of an archive. Other arrays
-- may be of any dtype.
-- @tparam string path
-- @tparam string name
-- @treturn[1] tensor
-- @treturn[2] nil
-- @treturn[2] string what is wrong with the file
-- @usage
-- assert(torus.npz.save("a.npz", { x = torus.arange(3), y = torus.eye(2) }))
-- print(torus.npz.load_array("a.npz", "x"))   -- [1., 2., 3.]
-- print(torus.npz.load_array("a.npz", "z"))   -- nil and a message
function M.load_array(path, name)
  options.argument("npz.load_array", "name", name, { type = "string" })
  local arrays, names = M.load(path, { names = { name } })
  if arrays and not arrays[name] and #names == 1 then
    name = names[1]
    arrays, names = M.load(path)
  end
  if not arrays then return nil, names end
  if arrays[name] then return arrays[name] end
  return nil, ("%s: expected one array, or one named %s, got %s"):format(path, name,
    #names == 0 and "none" or table.concat(names, ", "))
end

-- --- writing ----------------------------------------------------------------

-- The stored form of an array: its parts, their length and the checksum.
local function pack(x, compress)
  x = x:detach():contiguous()
  local header = npy.header(x.dtype, x.shape)
  local body = header .. core.to_bytes(x)
  local size = #body
  local entry = { size = size, packed = size, crc = core.crc32(body), method = STORED,
    data = body }
  if compress then
    entry.data = core.deflate(body)
    entry.packed, entry.method = #entry.data, DEFLATED
  end
  return entry
end

-- The fields that both descriptions of a member share.
local function common(entry)
  return ("<I2I2I2I2I2I4I4I4I2I2"):pack(20, 0x800, entry.method, TIME, DATE, entry.crc,
    entry.packed, entry.size, #entry.name, 0)
end

local function check_arrays(arrays)
  if type(arrays) ~= "table" then
    options.raise("npz.save: expected a table of tensors, got %s", options.show(arrays))
  end
  for name, x in pairs(arrays) do
    if type(name) ~= "string" or #name > 60000 or name == "" then
      options.raise("npz.save: expected strings as names, got %s", options.show(name))
    end
    if not options.is_live(x) then
      options.raise("npz.save: expected a tensor for %s, got %s", options.show(name),
        options.show(x))
    end
  end
  return options.sorted_keys(arrays)
end

--- Writes an archive atomically: a crash leaves the previous file intact.
-- @tparam string path
-- @tparam {[string]=tensor,...} arrays by name
-- @tparam[opt] table opts
-- @tparam[opt=false] boolean opts.compress
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string what failed
-- @raise when a value is not a tensor or a name not a string
-- @usage
-- x, y = torus.rand(100, 2), torus.arange(100)
-- assert(torus.npz.save("data.npz", { x = x, y = y }, { compress = true }))
function M.save(path, arrays, opts)
  options.argument("npz.save", "path", path, { type = "path" })
  local o = options.resolve("npz.save", opts, { compress = { default = false,
    type = "boolean" } })
  local parts, list, offset = {}, {}, 0
  for i, name in ipairs(check_arrays(arrays)) do
    local entry = pack(arrays[name], o.compress)
    entry.name = name .. ".npy"
    local head = LOCAL .. common(entry) .. entry.name
    list[i] = CENTRAL .. ("<I2"):pack(20) .. common(entry)
      .. ("<I2I2I2I4I4"):pack(0, 0, 0, 0, math.min(offset, MAX32)) .. entry.name
    parts[#parts + 1], parts[#parts + 2] = head, entry.data
    offset = offset + #head + entry.packed
    if offset >= MAX32 or i > 65534 then
      return nil, ("npz.save: %s: expected arrays of less than 4 GiB together; write "
        .. "them with torus.save or torus.npy.save"):format(path)
    end
  end
  local directory = table.concat(list)
  parts[#parts + 1] = directory
  parts[#parts + 1] = END .. ("<I2I2I2I2I4I4I2"):pack(0, 0, #list, #list, #directory, offset, 0)
  return core.write_file(path, parts)
end

return M
