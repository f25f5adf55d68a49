--- Images: reading and writing PNG and GIF files, film strips, enlargement.
--
-- An image is (height, width, 3) or, in grey, (height, width, 1). A film is
-- (frames, height, width, channels) with one to four channels: one is grey, two are
-- shown as red and green, and of four the first three are shown. Pixels are floats
-- from 0 to 1, uint8 from 0 to 255 or bool. Floats outside of 0 to 1 are clipped, and NaN is
-- black, so that the pictures of a model that diverges can still be drawn; floats on another
-- scale, as from 0 to 255, are refused by what writes and shows images.
-- @module torus.image
local core = require "torus.core"
local font = require "torus.image.font"
local options = require "torus.options"
local terminal = require "torus.image.terminal"
local engine = require "torus.engine"
local reading = require "torus.image.read"

local M = { read = reading.read, read_folder = reading.read_folder,
  pictures = reading.pictures }

local shape_text, show = options.shape_text, options.show

local function check_pixels(where, x, ndim, wanted)
  local channels = options.is_live(x) and x:dim() == ndim and x:size(ndim)
  local fits = channels == 3 or channels == 1
    or channels and ndim == 4 and channels >= 1 and channels <= 4
  if not fits then
    options.raise("%s: expected %s, got %s", where, wanted, show(x))
  end
  if x.dtype == "int64" or x.dtype == "int32" then
    options.raise("%s: expected floats from 0 to 1, uint8 or bool, got %s", where,
      show(x))
  end
end

-- Raises for floats on another scale than 0 to 1, as from 0 to 255: they are above 1 on average,
-- some above 2, and none is negative. What a model predicts may exceed 1 here and there.
local function check_range(where, x)
  if not x.dtype:find "^float" then return end
  engine.no_grad(function()
    local known = x:masked_select(x:isfinite())
    if known:numel() == 0 then return end
    local largest = known:max():item()
    if known:min():item() >= 0 and largest > 2 and known:mean():item() > 1 then
      options.raise("%s: expected floats from 0 to 1, got floats up to %g: divide them by the "
        .. "value of white, such as 255", where, largest)
    end
  end)
end

-- Checks the ending of a file's name, if it has one.
local function check_ending(where, path, ending)
  local got = path:match("[^/]*$"):match("[^.]%.(%a%w*)$")
  if got and got:lower() ~= ending then
    options.raise("%s: path: expected a name that ends in .%s, the only format that it writes, "
      .. "got %s", where, ending, show(path))
  end
end

-- The pixels as contiguous uint8; NaN becomes 0.
local function to_bytes(x)
  if x.dtype == "uint8" then return x:contiguous() end
  return engine.no_grad(function()
    if x.dtype == "bool" then x = x:to("float32") end
    local clipped = engine.minimum(engine.maximum(x:detach(), 0), 1)
    clipped = engine.where(clipped:eq(clipped), clipped, clipped * 0)
    clipped = engine.where(clipped:ge(0), clipped, engine.zeros_like(clipped))
    return (clipped * 255 + 0.5):floor():to("uint8"):contiguous()
  end)
end

-- Converts frames (..., channels) of one to four channels to colour.
local function in_colour(x)
  local n, shape = x:dim(), x.shape
  if shape[n] == 3 then return x end
  if shape[n] == 4 then return x:narrow(n, 1, 3) end
  if shape[n] == 2 then return engine.cat({ x, engine.zeros_like(x:narrow(n, 1, 1)) }, n) end
  shape[n] = 3
  return x:expand(shape)
end

-- The pixels as float32 from 0 to 1.
local function to_floats(x)
  x = x:detach()
  if x.dtype == "uint8" then return x:to("float32") / 255 end
  return x:to("float32")
end

-- (height, width) as (height, width, 1).
local function grey_as_image(x)
  if options.is_live(x) and x:dim() == 2 then return x:reshape(x:size(1), x:size(2), 1) end
  return x
end

--- Writes a PNG, the only format of single images.
-- @tparam string path ending in .png or without an ending
-- @tparam tensor x (height, width, 3), or in grey (height, width, 1) or (height, width): floats
-- from 0 to 1 (smaller and larger ones are clipped, NaN is black), uint8 from 0 to 255, or bool
-- @treturn ?boolean true
-- @treturn ?string message
-- @raise when x is not an image, for floats from 0 to 255, and for another ending of the path
-- @usage assert(torus.image.write("noise.png", torus.rand(32, 32, 3)))
function M.write(path, x)
  options.argument("image.write", "path", path, { type = "path" })
  x = grey_as_image(x)
  check_ending("image.write", path, "png")
  check_pixels("image.write", x, 3, "an image (height, width, 3) or (height, width)")
  check_range("image.write", x)
  return core.write_png(path, to_bytes(x))
end

--- Writes an animated GIF that loops forever.
-- @tparam string path ending in .gif or without an ending
-- @tparam tensor film (frames, height, width, channels) of the same numbers as for write
-- @tparam ?table opts delay_ms=100 between frames; scale=1, enlargement
-- @treturn ?boolean true
-- @treturn ?string message
-- @raise if film is not (frames, height, width, 1 to 4), for floats from 0 to 255, and for
-- another ending of the path
-- @usage
-- q, p = torus.systems.pendulum:sample{ count = 1 }
-- film = torus.systems.pendulum:render(torus.systems.pendulum:solve(q, p).q)
-- assert(torus.image.gif("pendulum.gif", film:select(2, 1), { scale = 4 }))
function M.gif(path, film, opts)
  local o = options.resolve("image.gif", opts, {
    delay_ms = { default = 100, type = "integer", min = 10, max = 655350 },
    scale = { default = 1, type = "integer", min = 1, max = 64 },
  })
  options.argument("image.gif", "path", path, { type = "path" })
  check_ending("image.gif", path, "gif")
  check_pixels("image.gif", film, 4, "a film (frames, height, width, 1 to 4 channels)")
  check_range("image.gif", film)
  return core.write_gif(path, to_bytes(M.upscale(in_colour(film), o.scale)), o.delay_ms)
end

--- Enlarges by an integer factor: every pixel becomes a square.
-- @tparam tensor x (..., height, width, channels)
-- @tparam integer factor
-- @treturn tensor
-- @usage
-- print(table.unpack(torus.image.upscale(torus.rand(8, 8, 3), 4).shape))   -- 32 32 3
function M.upscale(x, factor)
  if not options.is_live(x) or x:dim() < 3 then
    options.raise("image.upscale: expected (..., height, width, channels), "
      .. "got %s", show(x))
  end
  if math.type(factor) ~= "integer" or factor < 1 then
    options.raise("image.upscale: expected an integer factor above 0, got %s",
      show(factor))
  end
  if factor == 1 then return x end
  local shape, n = x.shape, x:dim()
  local h, w, c = shape[n - 2], shape[n - 1], shape[n]
  local rows = h > 0 and w > 0 and c > 0 and x:numel() // (h * w * c) or 0
  local big = x:reshape(rows, h, 1, w, 1, c)
    :expand(rows, h, factor, w, factor, c):contiguous()
  shape[n - 2], shape[n - 1] = h * factor, w * factor
  return big:reshape(shape)
end

--- Renders a line of text as an image of zeros and ones.
-- @tparam string text shown in capitals; letters, digits and .,-+=()/:%_*?!'<>^#[]|
-- @tparam ?integer scale 1 by default; a letter is 5 by 7 pixels at that scale
-- @treturn tensor (7 scale, width, 1) float32
-- @raise when text is not a string, or scale not an integer above 0
-- @usage
-- label = torus.image.text("HGN", 2)
-- print(table.unpack(label.shape))   -- 14  34  1
function M.text(text, scale)
  options.argument("image.text", "text", text, { type = "string" })
  scale = options.argument("image.text", "scale", scale or 1, { type = "integer", min = 1 })
  local rows = font.pixels(text)
  local width = #rows[1]
  if width == 0 then return engine.zeros(font.height * scale, 0, 1) end
  return (M.upscale(engine.tensor(rows):reshape(font.height, width, 1), scale))
end

-- --- terminals ----------------------------------------------------------------

local SHOW = {
  width = { type = "integer", min = 1, max = 16384 },
  scale = { type = "integer", min = 1, max = 64 },
  protocol = { choices = terminal.protocols },
}

-- Small images are enlarged to about this many screen pixels.
local VISIBLE = 256

-- The argument of show as one image of three channels, float32 from 0 to 1.
local function one_image(x)
  x = grey_as_image(x)
  if engine.is_tensor(x) and x:dim() == 4 then
    check_pixels("image.show", x, 4, "an image (height, width, 3) or a film of images")
    return M.strip { rows = { { frames = x } }, scale = 1 }
  end
  check_pixels("image.show", x, 3, "an image (height, width, 3) or (height, width), or "
    .. "a film (frames, height, width, 3)")
  return to_floats(x):expand(x:size(1), x:size(2), 3)
end

-- Fits an image into the available space, keeping its aspect ratio.
local function fitted(x, protocol, o)
  local h, w = x:size(1), x:size(2)
  local width, height = terminal.room(protocol, o.width)
  local factor = math.min(width / w, height / h)
  if factor >= 1 then
    local wanted = o.scale or o.width and math.floor(width / w)
      or protocol == "blocks" and 1 or math.ceil(VISIBLE / math.max(h, w))
    return M.upscale(x, math.max(1, math.min(wanted, math.floor(factor))))
  end
  return terminal.shrink(x:contiguous(), math.max(1, math.floor(h * factor)),
    math.max(1, math.floor(w * factor)))
end

--- Shows an image in the terminal, also over ssh: as pixels if the terminal supports
-- kitty's or iTerm2's protocol or sixels, else as half blocks in 24-bit or 256
-- colours. The environment variable TORUS_GRAPHICS overrides the detection.
-- @tparam tensor x (height, width, 3), (height, width, 1) or (height, width); or a
-- film (frames, height, width, 3), of which at most 16 frames are shown side by side
-- @tparam ?table opts width in columns of text, or scale, an integer enlargement factor
-- (default: a small image is enlarged to about 256 pixels, but unscaled in half blocks; a
-- large one is shrunk to fit the terminal); protocol = "kitty", "iterm2", "sixel" or
-- "blocks" (default: detected)
-- @treturn ?boolean true
-- @treturn ?string message, if standard output is not a terminal and no protocol was
-- requested
-- @raise if x is not an image
-- @usage torus.image.show(torus.rand(8, 16, 3), { protocol = "blocks" })
function M.show(x, opts)
  local o = options.resolve("image.show", opts, SHOW)
  local protocol, bytes, message
  return engine.no_grad(function()
    local image = one_image(x)
    check_range("image.show", image)
    if image:numel() == 0 then
      options.raise("image.show: expected pixels, got %s", show(x))
    end
    protocol, message = terminal.protocol(o.protocol)
    if not protocol then return nil, message end
    bytes, message = terminal.encode(to_bytes(fitted(image, protocol, o)), protocol)
    if not bytes then return nil, message end
    io.stdout:write(bytes)
    return core.flush_output()
  end)
end

-- --- film strips ------------------------------------------------------------

local STRIP = {
  rows = { required = true, type = "table" },
  every = { type = "integer", min = 1 },
  scale = { default = 2, type = "integer", min = 1, max = 64 },
  gap = { default = 2, type = "integer", min = 0 },
  text = { default = 1, type = "integer", min = 1, max = 64 },
  background = { default = 1, type = "number", min = 0, max = 1 },
}

local function check_rows(rows)
  if #rows == 0 then options.raise("image.strip: rows: expected at least one row, got none") end
  local first
  for i, row in ipairs(rows) do
    local name = "image.strip: row " .. i
    if type(row) ~= "table" then
      options.raise("%s: expected {label =, frames =}, got %s", name,
        show(row))
    end
    if row.label ~= nil then
      options.argument(name, "label", row.label, { type = "string" })
    end
    check_pixels(name, row.frames, 4, "frames (frames, height, width, 1 to 4 channels)")
    first = first or row.frames
    if row.frames:size(2) ~= first:size(2)
      or row.frames:size(3) ~= first:size(3) then
      options.raise("%s: expected frames of the height and width of row 1, %s, "
        .. "got %s", name, shape_text(first), shape_text(row.frames))
    end
  end
end

-- Copies an image into a canvas with its top left corner at row y, column x.
local function put(canvas, image, y, x)
  if image:size(1) == 0 or image:size(2) == 0 then return end
  canvas[{ { y, y + image:size(1) - 1 }, { x, x + image:size(2) - 1 }, {} }] =
    image
end

-- Renders a label in black, or in white on a dark background.
local function label_image(text, scale, background)
  local mask = M.text(text, scale)
  local ink = background > 0.5 and 0 or 1
  return mask:expand(mask:size(1), mask:size(2), 3) * (ink - background)
    + background
end

--- Combines sequences into one image: one row for each, time running to the right.
-- @tparam table opts rows = {{label =, frames = (frames, height, width, channels)},
-- ...}; every, shows only every such frame (default: so that the longest row has at
-- most 16); scale=2; gap=2 pixels between frames; text=1, enlargement of the labels;
-- background=1, a grey level
-- @treturn tensor (height, width, 3) float32
-- @raise if a row's frames are not (frames, height, width, 1 to 4) or differ from the
-- others in height or width
-- @usage
-- a, b = torus.rand(8, 16, 16, 3), torus.rand(8, 16, 16, 3)
-- strip = torus.image.strip{ rows = { { label = "DATA", frames = a },
--   { label = "MODEL", frames = b } } }
-- assert(torus.image.write("strip.png", strip))
function M.strip(opts)
  local o = options.resolve("image.strip", opts, STRIP)
  check_rows(o.rows)
  local longest, label_width = 0, 0
  for _, row in ipairs(o.rows) do
    longest = math.max(longest, row.frames:size(1))
    label_width = math.max(label_width,
      o.text * #font.pixels(row.label or "")[1])
  end
  local every = o.every or math.max(1, (longest + 15) // 16)
  local columns = (longest + every - 1) // every
  local h = o.rows[1].frames:size(2) * o.scale
  local w = o.rows[1].frames:size(3) * o.scale
  local left = label_width > 0 and label_width + 2 * o.gap + 2 or o.gap
  local text_height = font.height * o.text
  local row_height = math.max(h, text_height) + o.gap
  return engine.no_grad(function()
    local canvas = engine.full({ #o.rows * row_height + o.gap,
      left + columns * (w + o.gap), 3 }, o.background)
    for i, row in ipairs(o.rows) do
      local y = (i - 1) * row_height + o.gap + 1
      if row.label and #row.label > 0 then
        put(canvas, label_image(row.label, o.text, o.background),
          y + (row_height - o.gap - text_height) // 2, o.gap + 1)
      end
      for column = 1, (row.frames:size(1) + every - 1) // every do
        local frame = in_colour(row.frames:select(1, (column - 1) * every + 1))
        put(canvas, M.upscale(to_floats(frame), o.scale), y,
          left + (column - 1) * (w + o.gap) + 1)
      end
    end
    return canvas
  end)
end

--- Joins films side by side into one, for an animation; a shorter one freezes at its
-- last frame.
-- @tparam {tensor,...} films (frames, height, width, channels), of the same height
-- @tparam ?table opts gap=2 pixels; background=1
-- @treturn tensor (frames, height, width, 3) float32
-- @raise when the films differ in height
-- @usage
-- film = torus.image.side_by_side{ torus.rand(5, 16, 16, 3), torus.rand(3, 16, 16, 3) }
-- print(table.unpack(film.shape))   -- 5  16  34  3
function M.side_by_side(films, opts)
  local o = options.resolve("image.side_by_side", opts, { gap = STRIP.gap,
    background = STRIP.background })
  if type(films) ~= "table" or #films == 0 then
    options.raise("image.side_by_side: expected a list of films, got %s",
      show(films))
  end
  local longest = 0
  for i, film in ipairs(films) do
    check_pixels("image.side_by_side: film " .. i, film, 4,
      "(frames, height, width, 1 to 4 channels)")
    if film:size(2) ~= films[1]:size(2) then
      options.raise("image.side_by_side: film %d: expected a height of %d like "
        .. "film 1, got %d", i, films[1]:size(2), film:size(2))
    end
    longest = math.max(longest, film:size(1))
  end
  return engine.no_grad(function()
    local parts = {}
    for i, film in ipairs(films) do
      film = in_colour(to_floats(film))
      local missing = longest - film:size(1)
      if missing > 0 then
        local last = film:narrow(1, film:size(1), 1)
        film = engine.cat({ film, last:expand(missing, film:size(2),
          film:size(3), 3) }, 1)
      end
      if i > 1 and o.gap > 0 then
        parts[#parts + 1] = engine.full({ longest, film:size(2), o.gap, 3 },
          o.background)
      end
      parts[#parts + 1] = film
    end
    return engine.cat(parts, 3)
  end)
end

local named = {}
for name, f in pairs(M) do named["image." .. name] = f end
core.name_functions(named)

return M
