--- Encodes images for terminals: the protocols of kitty and iTerm2, sixels and, for
-- all other terminals, half blocks: characters whose foreground is one pixel and whose
-- background is the pixel below.
-- @module torus.image.terminal
local core = require "torus.core"
local engine = require "torus.engine"
local files = require "torus.files"
local options = require "torus.options"

local M = {}

--- The supported protocols.
M.protocols = { "kitty", "iterm2", "sixel", "blocks" }

-- --- what the terminal can do -------------------------------------------------

-- In milliseconds; remote terminals answer late.
local PATIENCE = 400

-- Three queries: a one-pixel image in kitty's protocol, the terminal's name, and its
-- attributes. Every terminal answers the last one, which ends the wait.
local QUESTIONS = "\27_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\27\\\27[>q\27[c"

--- Returns the protocol that the answer to the queries indicates.
-- @tparam string answer
-- @treturn ?string nil if the terminal cannot show pixels
function M.protocol_of_answer(answer)
  if answer:find("\27_Gi=31;OK", 1, true) then return "kitty" end
  if answer:find("\27P>|iTerm2", 1, true) then return "iterm2" end
  local attributes = answer:match("\27%[%?([%d;]+)c")
  if attributes and (";" .. attributes .. ";"):find(";4;", 1, true) then return "sixel" end
end

--- Returns the protocol that the environment variables indicate.
-- @tparam function env os.getenv
-- @treturn ?string nil if they don't determine it
function M.protocol_of_environment(env)
  local chosen = env "TORUS_GRAPHICS"
  for _, name in ipairs(M.protocols) do
    if chosen == name then return name end
  end
  if env "TMUX" or (env "TERM" or ""):find("^screen") then return "blocks" end
  if env "KITTY_WINDOW_ID" or (env "TERM" or ""):find("kitty", 1, true) then return "kitty" end
  if env "LC_TERMINAL" == "iTerm2" or env "TERM_PROGRAM" == "iTerm.app" then return "iterm2" end
end

local detected

-- Queried once: an answer takes time, and keys pressed in the meantime are lost.
local function detect()
  detected = detected or M.protocol_of_environment(os.getenv)
    or core.isatty(0) and M.protocol_of_answer(core.terminal_query(QUESTIONS, PATIENCE) or "")
    or "blocks"
  return detected
end

--- Returns true if the terminal supports 24-bit colours, false if only the palette of 256.
-- @tparam function env os.getenv
-- @treturn boolean
function M.has_true_colour(env)
  local said, term = env "COLORTERM" or "", env "TERM" or ""
  return said == "truecolor" or said == "24bit" or term:find("-direct", 1, true) ~= nil
    or term:find("kitty", 1, true) ~= nil
end

local function has_utf8(env)
  local locale = env "LC_ALL"
  if not locale or locale == "" then locale = env "LC_CTYPE" end
  if not locale or locale == "" then locale = env "LANG" end
  return locale ~= nil and locale:lower():find("utf%-?8") ~= nil
end

-- --- half blocks ----------------------------------------------------------------

local UPPER_HALF = "\u{2580}"

-- The levels of the colour cube, palette entries 16 to 231.
local LEVELS = { 0, 95, 135, 175, 215, 255 }

local function nearest_level(value)
  local best = 1
  for i = 2, #LEVELS do
    if math.abs(LEVELS[i] - value) < math.abs(LEVELS[best] - value) then best = i end
  end
  return best
end

local function distance(r, g, b, R, G, B)
  return (r - R) ^ 2 + (g - G) ^ 2 + (b - B) ^ 2
end

--- Returns the nearest colour of the 256-colour palette, from its cube or its greys.
-- @tparam integer r 0 to 255
-- @tparam integer g
-- @tparam integer b
-- @treturn integer 16 to 255
function M.indexed(r, g, b)
  local i, j, k = nearest_level(r), nearest_level(g), nearest_level(b)
  local grey = math.max(0, math.min(23, ((r + g + b) / 3 - 8 + 5) // 10))
  local level = 8 + 10 * grey
  if distance(r, g, b, level, level, level)
    < distance(r, g, b, LEVELS[i], LEVELS[j], LEVELS[k]) then
    return math.tointeger(232 + grey)
  end
  return 16 + 36 * (i - 1) + 6 * (j - 1) + (k - 1)
end

-- Makes the escape that sets the foreground (38) or the background (48).
local function colour_writer(true_colour)
  local known = {}
  return function(ground, pixel)
    local r, g, b = pixel[1], pixel[2], pixel[3]
    if true_colour then return ("%d;2;%d;%d;%d"):format(ground, r, g, b) end
    local key = r << 16 | g << 8 | b
    known[key] = known[key] or M.indexed(r, g, b)
    return ("%d;5;%d"):format(ground, known[key])
  end
end

--- Encodes an image as half blocks: each line of text shows two rows of pixels.
-- @tparam tensor pixels (height, width, 3) uint8
-- @tparam table o true_colour; utf8=true, false uses spaces, each of which shows
-- the mean of two pixels
-- @treturn string lines of text
function M.blocks(pixels, o)
  local rows, write = pixels:totable(), colour_writer(o.true_colour)
  local lines = {}
  for y = 1, #rows, 2 do
    local line, last = {}, nil
    for x = 1, #rows[y] do
      local top, bottom = rows[y][x], rows[y + 1] and rows[y + 1][x]
      local codes, character
      if o.utf8 == false then
        local low = bottom or top
        codes = write(48, { (top[1] + low[1]) // 2, (top[2] + low[2]) // 2,
          (top[3] + low[3]) // 2 })
        character = " "
      else
        codes = write(38, top) .. (bottom and ";" .. write(48, bottom) or ";49")
        character = UPPER_HALF
      end
      if codes ~= last then line[#line + 1] = "\27[" .. codes .. "m" end
      last = codes
      line[#line + 1] = character
    end
    lines[#lines + 1] = table.concat(line) .. "\27[0m\n"
  end
  return table.concat(lines)
end

-- --- files within escapes -------------------------------------------------------

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(bytes)
  local digits, out = {}, {}
  for i = 0, 63 do digits[i] = ALPHABET:sub(i + 1, i + 1) end
  for i = 1, #bytes - 2, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    out[#out + 1] = digits[a >> 2] .. digits[(a & 3) << 4 | b >> 4]
      .. digits[(b & 15) << 2 | c >> 6] .. digits[c & 63]
  end
  local rest = #bytes % 3
  if rest > 0 then
    local a, b = bytes:byte(-rest, -1)
    b = rest == 2 and b or 0
    out[#out + 1] = digits[a >> 2] .. digits[(a & 3) << 4 | b >> 4]
      .. (rest == 2 and digits[(b & 15) << 2] or "=") .. "="
  end
  return table.concat(out)
end

-- In pieces of at most 4096 bytes; q=2 keeps the terminal from answering.
local function kitty(png)
  local data, out = base64(png), {}
  for i = 1, #data, 4096 do
    local more = i + 4096 <= #data and 1 or 0
    local head = i == 1 and "f=100,a=T,q=2,m=" or "m="
    out[#out + 1] = "\27_G" .. head .. more .. ";" .. data:sub(i, i + 4095) .. "\27\\"
  end
  return table.concat(out) .. "\n"
end

local function iterm2(png)
  return ("\27]1337;File=inline=1;size=%d:%s\7\n"):format(#png, base64(png))
end

local function png_of(pixels)
  return files.in_temporary("image.show", function(folder)
    local path = folder .. "/image.png"
    local ok, message = core.write_png(path, pixels)
    if not ok then return nil, message end
    return files.read(path)
  end)
end

-- --- all together -----------------------------------------------------------------

--- Returns the maximum size of an image: in columns and lines of half blocks, or in
-- screen pixels.
-- @tparam string protocol
-- @tparam ?integer columns of text, default: the terminal's width
-- @treturn integer width
-- @treturn integer height
function M.room(protocol, columns)
  local across, down, width, height = core.terminal_size()
  across = across and across > 0 and across or 80
  down = down and down > 0 and down or 24
  columns = math.min(columns or across, across)
  if protocol == "blocks" then return columns, 2 * math.max(1, down - 2) end
  local cell_width = width and width > 0 and width // across or 9
  local cell_height = height and height > 0 and height // down or 18
  return columns * cell_width, math.max(1, down - 2) * cell_height
end

--- Returns the protocol to use for this terminal.
-- @tparam ?string wanted a protocol
-- @treturn ?string the protocol; nil if standard output is not a terminal
-- @treturn ?string message
function M.protocol(wanted)
  if wanted then return wanted end
  if not core.isatty(1) then
    return nil, "image.show: standard output is not a terminal; use torus.image.write instead"
  end
  return detect()
end

--- Encodes an image as bytes for a terminal.
-- @tparam tensor pixels (height, width, 3) uint8, contiguous
-- @tparam string protocol
-- @tparam[opt] table opts true_colour and utf8 for half blocks, default: from the
-- environment
-- @treturn ?string bytes
-- @treturn ?string message
-- @raise for another protocol
function M.encode(pixels, protocol, opts)
  local o = options.resolve("image.terminal.encode", opts, {
    true_colour = { default = M.has_true_colour(os.getenv), type = "boolean" },
    utf8 = { default = has_utf8(os.getenv), type = "boolean" },
  })
  options.argument("image.terminal.encode", "protocol", protocol, { choices = M.protocols })
  if protocol == "blocks" then return M.blocks(pixels, o) end
  if protocol == "sixel" then return core.sixel(pixels) .. "\n" end
  local png, message = png_of(pixels)
  if not png then return nil, message end
  return protocol == "kitty" and kitty(png) or iterm2(png)
end

-- The share of each old pixel in each new one: (new, old), each row sums to 1.
local function weights(new, old)
  local rows, scale = {}, old / new
  for i = 1, new do
    local low, high, row = (i - 1) * scale, i * scale, {}
    for k = 1, old do
      row[k] = math.max(0, math.min(high, k) - math.max(low, k - 1)) / scale
    end
    rows[i] = row
  end
  return engine.tensor(rows)
end

--- Downscales an image: each new pixel is the mean of the area it covers.
-- @tparam tensor x (height, width, channels) float32
-- @tparam integer height at most that of x
-- @tparam integer width at most that of x
-- @treturn tensor
function M.shrink(x, height, width)
  local h, w, c = x:size(1), x:size(2), x:size(3)
  local columns = engine.matmul(weights(height, h), x:reshape(h, w * c)):reshape(height, w, c)
  local swapped = columns:transpose(1, 2):contiguous():reshape(w, height * c)
  return engine.matmul(weights(width, w), swapped):reshape(width, height, c)
    :transpose(1, 2):contiguous()
end

return M
