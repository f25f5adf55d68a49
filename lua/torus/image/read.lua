--- Reading images: PNG and GIF files, and folders of PNG files.
-- @module torus.image.read
-- @public torus.image
local core = require "torus.core"
local engine = require "torus.engine"
local files = require "torus.files"
local lfs = require "lfs"
local options = require "torus.options"

local M = {}

local RULES = {
  dtype = { default = "float32", choices = { "float32", "uint8" } },
  channels = { type = "integer", choices = { 1, 3 } },
  background = { default = 1, type = "number", min = 0, max = 1 },
}

-- Common formats that torus does not read, by their first bytes.
local OTHERS = { ["\xff\xd8\xff"] = "a JPEG", ["BM"] = "a BMP", ["RIFF"] = "a WebP or an AVI",
  ["II*\0"] = "a TIFF", ["MM\0*"] = "a TIFF", ["%PDF"] = "a PDF", ["\x93NUMPY"] = "an .npy array",
  ["P6"] = "a PPM", ["P5"] = "a PGM" }

local function other_format(bytes)
  for magic, name in pairs(OTHERS) do
    if bytes:sub(1, #magic) == magic then return name end
  end
  return #bytes == 0 and "an empty file" or "something else"
end

-- (..., 1 to 4 channels) as floats from 0 to 1 without transparency.
local function flatten(x, background)
  local n = x:dim()
  x = x.dtype == "uint8" and x:to("float32") / 255 or x
  local colours = x:size(n) % 2 == 0 and x:size(n) - 1 or x:size(n)
  if colours == x:size(n) then return x end
  local alpha = x:narrow(n, colours + 1, 1)
  return x:narrow(n, 1, colours) * alpha + (1 - alpha) * background
end

-- The luminance of Rec. 601, or grey as colour.
local function with_channels(x, channels)
  local n = x:dim()
  if channels == nil or channels == x:size(n) then return x end
  if channels == 3 then
    local shape = x.shape
    shape[n] = 3
    return x:expand(shape)
  end
  return x:narrow(n, 1, 1) * 0.299 + x:narrow(n, 2, 1) * 0.587 + x:narrow(n, 3, 1) * 0.114
end

local function is_opaque(x)
  local n = x:dim()
  return x:size(n) % 2 == 1 or x.dtype == "uint8"
    and x:narrow(n, x:size(n), 1):to("float32"):min():item() == 255
end

local function finished(x, o)
  return engine.no_grad(function()
    local n = x:dim()
    if is_opaque(x) then -- alpha has no effect
      x = x:narrow(n, 1, (x:size(n) + 1) // 2 * 2 - 1):contiguous()
      if o.dtype == x.dtype and (not o.channels or o.channels == x:size(n)) then return x end
    end
    local y = with_channels(flatten(x, o.background), o.channels)
    if o.dtype == "float32" then return y:contiguous() end
    return (y * 255 + 0.5):floor():to("uint8"):contiguous()
  end)
end

local function decode(bytes)
  if bytes:sub(1, 8) == "\x89PNG\r\n\x1a\n" then
    local x, problem = core.read_png(bytes)
    return x, problem, "PNG"
  elseif bytes:sub(1, 3) == "GIF" then
    local x, delays = core.read_gif(bytes)
    return x, delays, "GIF"
  end
  return nil, "expected a PNG or a GIF, got " .. other_format(bytes)
end

-- A folder may contain pipes and devices with the names of images.
local function read_file(path)
  local mode = lfs.attributes(path, "mode")
  if mode and mode ~= "file" then
    return nil, ("%s is a %s, expected a file"):format(path, mode)
  end
  return files.read(path)
end

local function read(where, path, o)
  local bytes, message = read_file(path)
  if not bytes then return nil, ("%s: %s"):format(where, message) end
  local x, more, format = decode(bytes)
  if x then return finished(x, o), format == "GIF" and more:totable() or nil end
  return nil, format and ("%s: %s is not a sound %s: %s"):format(where, path, format, more)
    or ("%s: %s: %s"):format(where, path, more)
end

--- Reads a PNG, or the frames of a GIF; the file's content decides which it is.
--
-- Palettes, 1 to 16 bits, interlacing and transparency are supported; transparent
-- pixels are blended with the background. Images are limited to 1 GiB.
-- @function torus.image.read
-- @tparam string path
-- @tparam[opt] table opts
-- @tparam[opt="float32"] string opts.dtype "float32", from 0 to 1, or "uint8"
-- @tparam[opt] integer opts.channels 3 (grey is converted to colour) or 1 (luminance);
-- default: as in the file
-- @tparam[opt=1] number opts.background grey level behind transparent pixels
-- @treturn[1] tensor a PNG as (height, width, 1 or 3), a GIF as (frames, height, width, 3)
-- @treturn[1] ?{integer,...} for a GIF: how long each frame is shown, in milliseconds
-- @treturn[2] nil
-- @treturn[2] string what is wrong with the file
-- @usage
-- assert(torus.image.write("noise.png", torus.rand(4, 6, 3)))
-- x = assert(torus.image.read("noise.png"))
-- print(table.unpack(x.shape))   -- 4  6  3
-- print(torus.image.read("missing.png"))   -- nil, and why
function M.read(path, opts)
  options.argument("image.read", "path", path, { type = "path" })
  return read("image.read", path, options.resolve("image.read", opts, RULES))
end

-- Sorts names with numbers by value: 2 before 10.
local function sort_key(name)
  return (name:lower():gsub("%d+", function(digits)
    digits = digits:gsub("^0+", "")
    return ("%03d%s"):format(#digits, digits)
  end))
end

--- Lists the PNG files of a folder with numbers sorted by value: frame2.png comes
-- before frame10.png.
-- @function torus.image.pictures
-- @tparam string folder
-- @treturn[1] {string,...} names of the files
-- @treturn[2] nil
-- @treturn[2] string why there are none
-- @usage
-- assert(torus.files.make_folder("numbered"))
-- for _, i in ipairs { 2, 10 } do
--   assert(torus.image.write("numbered/" .. i .. ".png", torus.rand(4, 4, 3)))
-- end
-- print(table.unpack(assert(torus.image.pictures("numbered"))))   -- 2.png  10.png
function M.pictures(folder)
  options.argument("image.pictures", "folder", folder, { type = "path" })
  local ok, iterator, state = pcall(lfs.dir, folder)
  if not ok then return nil, ("%s is not a folder that can be read"):format(folder) end
  local names, keys = {}, {}
  for name in iterator, state do
    if name:lower():find("%.png$") and name:sub(1, 1) ~= "." then
      names[#names + 1], keys[name] = name, sort_key(name)
    end
  end
  table.sort(names, function(a, b)
    if keys[a] ~= keys[b] then return keys[a] < keys[b] end
    return a < b
  end)
  if #names == 0 then return nil, ("%s contains no .png files"):format(folder) end
  return names
end

--- Reads the PNG files of a folder as a film: frame2.png comes before frame10.png.
-- @function torus.image.read_folder
-- @tparam string folder
-- @tparam[opt] table opts as in torus.image.read
-- @tparam[opt="float32"] string opts.dtype "float32" or "uint8"
-- @tparam[opt] integer opts.channels 1 or 3
-- @tparam[opt=1] number opts.background
-- @treturn[1] tensor (frames, height, width, channels)
-- @treturn[1] {string,...} the names of the files, in order
-- @treturn[2] nil
-- @treturn[2] string which file is damaged, or differs in size from the first
-- @usage
-- assert(torus.files.make_folder("frames"))
-- for i = 1, 3 do
--   assert(torus.image.write("frames/" .. i .. ".png", torus.rand(4, 4, 3)))
-- end
-- film = assert(torus.image.read_folder("frames"))
-- print(table.unpack(film.shape))   -- 3  4  4  3
function M.read_folder(folder, opts)
  local where = "image.read_folder"
  options.argument(where, "folder", folder, { type = "path" })
  local o = options.resolve(where, opts, RULES)
  local names, message = M.pictures(folder)
  if not names then return nil, ("%s: %s"):format(where, message) end
  local frames = {}
  for i, name in ipairs(names) do
    local path = folder .. "/" .. name
    local x
    x, message = read(where, path, o)
    if not x then return nil, message end
    local first = frames[1] or x
    if options.shape_text(x) ~= options.shape_text(first) then
      return nil, ("%s: %s: expected a picture of shape %s like %s, got %s"):format(where, path,
        options.shape_text(first), names[1], options.shape_text(x))
    end
    frames[i] = x
  end
  return engine.stack(frames, 1), names
end

return M
