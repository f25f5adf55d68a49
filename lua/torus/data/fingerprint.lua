--- Fingerprints of data files, by which a run recognises the data that it was trained on.
--
-- A fingerprint consists of the number of bytes and a checksum, CRC-32, which changes by mistake
-- leave the same about once in four thousand million times. A file of up to 64 MiB is read
-- whole, of a larger one the first and the last 32 MiB, so that a film of any size takes a
-- fraction of a second. Of a folder, the files that are read as data count, with their names: a
-- stored set of trajectories, or a film's PNGs, or films and such folders.
-- @module torus.data.fingerprint
local core = require "torus.core"
local lfs = require "lfs"
local recordings = require "torus.data.films.recordings"
local signature = require "torus.signature"
local store = require "torus.data.store"

local M = {}

local MIB = 1 << 20
local WHOLE, BLOCK = 64 * MIB, 4 * MIB

-- The checksum of `count` bytes from an offset, added to a text.
local function add_bytes(text, file, offset, count)
  file:seek("set", offset)
  while count > 0 do
    local block = file:read(math.min(BLOCK, count))
    if not block then break end
    text[#text + 1] = ("%08x"):format(core.crc32(block))
    count = count - #block
  end
end

-- Adds a file to a text; returns its size, or nil and a message.
local function add_file(text, path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local size = file:seek("end")
  if size <= WHOLE then
    add_bytes(text, file, 0, size)
  else
    add_bytes(text, file, 0, WHOLE // 2)
    add_bytes(text, file, size - WHOLE // 2, WHOLE // 2)
  end
  file:close()
  return size
end

-- The paths of the files that count, and what tells them apart, which is not where they are.
local function files_of(path)
  local mode = lfs.attributes(path, "mode")
  if mode == "file" then return { path }, { "" } end
  if mode ~= "directory" then
    return nil, ("%s: expected a file or a folder, found %s"):format(path, mode or "none")
  end
  if store.exists(path) then return store.paths(path), { "train", "test" } end
  local names, message = recordings.files(path)
  if not names then return nil, message end
  local paths = {}
  for i, name in ipairs(names) do paths[i] = path .. "/" .. name end
  return paths, names
end

--- Returns the fingerprint of a file or folder.
-- @tparam string path
-- @treturn ?string
-- @treturn ?string message
-- @usage
-- fingerprint = require "torus.data.fingerprint"
-- assert(torus.files.write("a.csv", "1,2\n"))
-- assert(torus.files.write("b.csv", "1,3\n"))
-- print(fingerprint.of("a.csv") == fingerprint.of("b.csv"))   -- false
function M.of(path)
  local paths, names = files_of(path)
  if not paths then return nil, names end
  local text, total = {}, 0
  for i, one in ipairs(paths) do
    text[#text + 1] = names[i]
    local size, message = add_file(text, one)
    if not size then return nil, message end
    text[#text + 1] = tostring(size)
    total = total + size
  end
  return ("%08x of %d bytes"):format(core.crc32(table.concat(text, "\n")), total)
end

signature.functions("fingerprint", M, { of = "path: path" })

return M
