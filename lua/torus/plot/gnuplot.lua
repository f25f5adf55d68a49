--- gnuplot: building scripts and running them.
-- @module torus.plot.gnuplot
local files = require "torus.files"
local glyphs = require "torus.plot.glyphs"
local image = require "torus.image"
local options = require "torus.options"

local M = {}

-- --- text -------------------------------------------------------------------

--- Converts numbers to a list.
-- @tparam string where for messages
-- @param values a list or a tensor
-- @treturn {number,...}
function M.list_of(where, values)
  if options.is_live(values) then values = values:detach():reshape(-1):totable() end
  if type(values) ~= "table" then
    options.raise("%s: expected a list of numbers or a tensor, got %s", where,
      options.show(values))
  end
  for i, value in ipairs(values) do
    if type(value) ~= "number" then
      options.raise("%s: expected numbers, got %s at %d", where,
        options.show(value), i)
    end
  end
  return values
end

--- Returns true if a number is neither NaN nor infinite.
-- @tparam number x
-- @treturn boolean
function M.is_finite(x) return x == x and x ~= math.huge and x ~= -math.huge end

--- Formats a number for gnuplot, which skips NaN.
-- @tparam number x
-- @treturn string
function M.number(x)
  return M.is_finite(x) and string.format("%.10g", x) or "NaN"
end

--- Quotes a text for gnuplot.
-- @tparam string text
-- @treturn string
function M.quoted(text)
  -- Escaped, as a backtick would run a command.
  local line = glyphs.shown(tostring(text)):gsub("[\r\n]", " "):gsub('[\\"`]', function(c)
    return ("\\%03o"):format(c:byte())
  end)
  return '"' .. line .. '"'
end

local function lines_of(text, characters)
  local lines, line = {}, nil
  for word in text:gmatch("%S+") do
    local longer = line and line .. " " .. word
    if longer and (utf8.len(longer) or #longer) <= characters then
      line = longer
    else
      lines[#lines + 1], line = line, word
    end
  end
  lines[#lines + 1] = line or ""
  return lines
end

--- Breaks a text at spaces into lines of similar length, at most `characters` each, quoted
-- for gnuplot. A longer word gets a line to itself.
-- @tparam string text
-- @tparam integer characters
-- @treturn string
-- @usage
-- gnuplot = require "torus.plot.gnuplot"
-- print(gnuplot.wrapped("energy of the modes", 12))   -- "energy of"."\n"."the modes"
function M.wrapped(text, characters)
  text = tostring(text)
  local lines = lines_of(text, characters)
  for narrower = characters - 1, 1, -1 do
    local other = lines_of(text, narrower)
    if #other > #lines then break end
    lines = other
  end
  for i, each in ipairs(lines) do lines[i] = M.quoted(each) end
  return table.concat(lines, '."\\n".')
end

--- Adds a line to a script.
-- @tparam table script its lines, the number of its data blocks, and its images
-- @tparam string text a format if arguments follow
-- @param ... its arguments
function M.add(script, text, ...)
  script[#script + 1] = select("#", ...) > 0 and text:format(...) or text
end

--- Adds data to a script.
-- @tparam table script
-- @tparam {string,...} lines
-- @treturn string the name of the block
function M.add_block(script, lines)
  script.blocks = (script.blocks or 0) + 1
  local name = "$data" .. script.blocks
  M.add(script, name .. " << END_OF_DATA")
  for _, line in ipairs(lines) do M.add(script, line) end
  M.add(script, "END_OF_DATA")
  return name
end

-- --- formats of pictures ------------------------------------------------------

-- Pixels per inch for formats with a size on paper: the same as points per inch, so that
-- a font has the same relative size in all formats.
local DOTS = 72

-- `finish` is the end of a complete file.
local FORMATS = {
  png = { start = "^\x89PNG\r\n\x1a\n", finish = "%z%z%z%zIEND\xaeB`\x82$",
    terminal = function(width, height, font)
      -- Without a font cairo shows no text; libgd has small built-in fonts.
      if not glyphs.any() then
        return ("png %s size %d,%d"):format(font > 12 and "medium" or "small", width, height)
      end
      return ("pngcairo noenhanced size %d,%d font ',%d'"):format(width, height, font)
    end },
  pdf = { start = "^%%PDF%-", finish = "%%%%EOF%s*$",
    terminal = function(width, height, font)
      return ("pdfcairo noenhanced fontscale 1 size %gin,%gin font ',%d'"):format(
        width / DOTS, height / DOTS, font)
    end },
  -- Text for a terminal; width and height are columns and lines.
  text = { start = "^[\f\n]", finish = "\27%[[%d;]*m%s*$",
    terminal = function(width, height)
      return ("dumb noenhanced size %d,%d ansi256"):format(width, height)
    end },
  svg = { start = "^<%?xml", finish = "</svg>%s*$",
    terminal = function(width, height, font)
      return ("svg noenhanced size %d,%d font 'sans-serif,%d' background '#ffffff'"):format(
        width, height, font)
    end },
}

--- Returns the format of a figure from its file extension; PNG if there is none.
-- @tparam string where for the message
-- @tparam string path
-- @treturn string "png", "pdf" or "svg"
-- @raise for any other extension
function M.format_of(where, path)
  local extension = path:match("[^/]%.([^./]*)$")
  local format = extension and extension:lower() or "png"
  if not FORMATS[format] or format == "text" then
    options.raise("%s: path: expected a name that ends in .png, .pdf or .svg, got %s",
      where, options.show(path))
  end
  return format
end

--- Returns the script line that selects the output format.
-- @tparam string format
-- @tparam integer width in pixels
-- @tparam integer height in pixels
-- @tparam integer font font size
-- @treturn string
function M.terminal(format, width, height, font)
  return "set terminal " .. FORMATS[format].terminal(width, height, font)
end

-- --- running it ---------------------------------------------------------------

local function shell_quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function write_images(script, folder)
  for _, one in ipairs(script.images) do
    local ok, message = image.write(folder .. "/" .. one.name, one.pixels)
    if not ok then return nil, "plot: cannot write " .. message end
  end
  return true
end

-- gnuplot reports success even if it could not write the file.
local function complete(format, picture, said)
  if picture:find(FORMATS[format].start) and picture:find(FORMATS[format].finish) then
    return picture
  end
  return nil, "plot: gnuplot wrote an incomplete file; is the disk full? "
    .. said
end

-- Runs gnuplot in a private folder, in which all files have plain names: gnuplot runs
-- some names as commands, and in a shared folder a name could be a link.
local function execute(script, folder, program)
  local ok, message = files.write(folder .. "/plot.gp", "set output 'plot'\n"
    .. table.concat(script, "\n") .. "\nset output\n")
  if not ok then return nil, "plot: cannot write " .. message end
  local _, status
  ok, _, status = os.execute(string.format("cd %s && %s plot.gp >errors 2>&1",
    shell_quoted(folder), program))
  local said = (files.read(folder .. "/errors") or ""):gsub("^%s+", "")
    :gsub("%s+", " ")
  if status == 127 then
    return nil, "plot: gnuplot is not installed (apt-get install gnuplot-nox)"
  end
  if not ok then return nil, "plot: gnuplot failed: " .. said end
  return complete(script.format, files.read(folder .. "/plot") or "", said)
end

local function draw(script, folder, program)
  local ok, message = write_images(script, folder)
  if not ok then return nil, message end
  return execute(script, folder, program)
end

--- Runs a script and returns the figure.
-- @tparam table script with format and images
-- @tparam string program the command that runs gnuplot
-- @treturn ?string the contents of the figure's file
-- @treturn ?string message
function M.run(script, program)
  return files.in_temporary("plot", function(folder)
    return draw(script, folder, program)
  end)
end

return M
