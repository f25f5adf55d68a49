--- Films from cameras and phones, read by the program ffmpeg.
-- @module torus.data.films.ffmpeg
local core = require "torus.core"
local files = require "torus.files"

local M = {}

--- The file extensions that are read by ffmpeg.
M.ends = { "mp4", "mov", "m4v", "avi", "mkv", "webm", "mpg", "mpeg", "ogv", "wmv" }

-- Maximum size of a frame, above that of any camera.
local MAX_PIXELS = 1 << 28

local MISSING = "%s: films other than GIF are read by the program ffmpeg, which is not "
  .. "installed: install the package ffmpeg (apt install ffmpeg, brew install ffmpeg), "
  .. "or save the frames as PNGs in a folder"

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function is_there() return (os.execute("command -v ffmpeg >/dev/null 2>&1")) end

-- Writes each frame as a PPM, whose header has its size. Frames become evenly spaced in
-- time, which a phone's are not. The protocol whitelist keeps a file from referring to
-- others.
local function command(path, errors)
  return "ffmpeg -nostdin -v error -protocol_whitelist file -i " .. quoted("file:" .. path)
    .. " -map 0:v:0 -vf fps=source_fps -f image2pipe -c:v ppm -pix_fmt rgb24 - 2>"
    .. quoted(errors)
end

-- The next frame, or nil at the end.
local function read_ppm(pipe)
  local magic = pipe:read("l")
  if not magic then return nil end
  local width, height = (pipe:read("l") or ""):match("^(%d+) (%d+)$")
  local white = pipe:read("l")
  width, height = math.tointeger(tonumber(width)), math.tointeger(tonumber(height))
  local fits = magic == "P6" and white == "255" and width and height and width > 0
    and height > 0 and width <= MAX_PIXELS // height
  local bytes = fits and pipe:read(3 * width * height)
  if not bytes or #bytes < 3 * width * height then return nil end
  return core.decode(bytes, "u1", false, "uint8", { height, width, 3 })
end

-- Makes ffmpeg describe the frames that `command` produces.
local function describing(path)
  return "ffmpeg -nostdin -hide_banner -v info -protocol_whitelist file -i "
    .. quoted("file:" .. path)
    .. " -map 0:v:0 -vf fps=source_fps,showinfo -frames:v 1 -f null - 2>&1"
end

--- Returns the time from one frame of a film to the next.
-- @tparam string path
-- @treturn ?number seconds; nil if ffmpeg is missing or cannot tell
-- @usage
-- ffmpeg = require "torus.data.films.ffmpeg"
-- print(ffmpeg.interval("no_such_film.mp4"))   -- nil
function M.interval(path)
  local pipe = is_there() and io.popen(describing(path), "r")
  if not pipe then return nil end
  local said = pipe:read("a")
  pipe:close()
  local frames, seconds = said:match("frame_rate: *(%d+)/(%d+)")
  frames, seconds = tonumber(frames), tonumber(seconds)
  return frames and frames > 0 and seconds > 0 and seconds / frames or nil
end

local function first_line(path)
  local file = io.open(path, "r")
  local line = file and file:read("l")
  if file then file:close() end
  return line
end

-- `errors` is a file for the messages of ffmpeg.
local function read(path, each, errors)
  local pipe, message = io.popen(command(path, errors), "r")
  if not pipe then return nil, message end
  local count, problem = 0, nil
  local sound, raised = pcall(function()
    while not problem do
      local frame = read_ppm(pipe)
      if not frame then break end
      count, problem = count + 1, each(frame)
    end
  end)
  local ok = pipe:close()
  if not sound then error(raised, 0) end
  if problem then return nil, path .. ": " .. problem end
  if ok and count > 0 then return true end
  return nil, string.format("%s: ffmpeg cannot read it as a film: %s", path,
    (first_line(errors) or "it has no frame"):gsub("^%[[^%]]*%] ", ""))
end

--- Reads the frames of a film one after the other.
-- @tparam string path
-- @tparam function each called with each frame, (height, width, 3) uint8; a message that
-- it returns ends the reading
-- @treturn ?boolean true
-- @treturn ?string message
-- @usage
-- ffmpeg = require "torus.data.films.ffmpeg"
-- print(ffmpeg.read("no_such_film.mp4", print))   -- nil and a message
function M.read(path, each)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  file:close()
  if not is_there() then return nil, MISSING:format(path) end
  return files.in_temporary("data", function(folder)
    return read(path, each, folder .. "/errors")
  end)
end

return M
