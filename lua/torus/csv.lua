--- Tables of numbers as text: CSV and similar formats.
--
-- One row per line, numbers separated by delimiters, optionally a first line of names.
-- Lines that are empty or begin with # are skipped, except that names may stand in the last
-- such line before the first row, as NumPy writes them: `# t,q,p`.
-- @module torus.csv

local core = require "torus.core"
local files = require "torus.files"
local options = require "torus.options"

local M = {}

local MAX_COLUMNS = 1000000

local LOAD = {
  delimiter = { type = "string" },
  header = { type = "boolean" },
  dtype = { default = "float32", type = "string" },
  missing = {},
}

-- The delimiter of a line: the first of these that it contains.
local function delimiter_of(line)
  for _, delimiter in ipairs { "\t", ";", "," } do
    if line:find(delimiter, 1, true) then return delimiter end
  end
  return line:find("%S%s+%S") and " " or ","
end

-- Strips surrounding spaces from a cell or a line. Not by a pattern that backtracks over
-- every length, which would take quadratic time for a long run of spaces.
local function trimmed(text) return text:match("^%s*(.*%S)") or "" end

-- The cells of a line without surrounding spaces; nil for an unclosed quote. "" within
-- quotes stands for a quote.
local function quoted_cells(line, delimiter)
  local cells, at = {}, 1
  while true do
    at = line:find("[^ ]", at) or #line + 1
    if line:sub(at, at) == '"' then
      local text, stop = "", at + 1
      while true do
        local quote = line:find('"', stop, true)
        if not quote then return nil end
        text = text .. line:sub(stop, quote - 1)
        stop = quote + 1
        if line:sub(stop, stop) ~= '"' then break end
        text, stop = text .. '"', stop + 1
      end
      cells[#cells + 1] = text
      at = line:find("[^ ]", stop) or #line + 1
      if at <= #line and line:sub(at, at) ~= delimiter then return nil end
    else
      local stop = line:find(delimiter, at, true) or #line + 1
      cells[#cells + 1] = trimmed(line:sub(at, stop - 1))
      at = stop
    end
    if at > #line then return cells end
    at = at + 1
  end
end

local function cells_of(line, delimiter)
  if line:find('"', 1, true) then return quoted_cells(line, delimiter) end
  local cells = {}
  if delimiter == " " then
    for cell in line:gmatch("%S+") do cells[#cells + 1] = cell end
    return cells
  end
  for cell in (line .. delimiter):gmatch("([^" .. delimiter .. "]*)[" .. delimiter .. "]") do
    cells[#cells + 1] = trimmed(cell)
  end
  return cells
end

local WORDS = { nan = 0 / 0, inf = math.huge, infinity = math.huge }

-- A decimal number, nan or inf, or nil.
local function number_of(text)
  local exponent = text:find("^[+-]?%.?%d") and text:match("^[+-]?[%d.]+(.*)$")
  if exponent and (exponent == "" or exponent:find("^[eE][+-]?%d+$")) then
    return tonumber((text:gsub("^%+", "")))
  end
  local sign, word = text:lower():match("^([+-]?)(%a+)$")
  local value = WORDS[word]
  return value and (sign == "-" and -value or value)
end

-- The range of an integer dtype; nil for a float dtype.
local RANGES = { int64 = { math.mininteger, math.maxinteger },
  int32 = { -1 << 31, (1 << 31) - 1 }, uint8 = { 0, 255 }, bool = { 0, 1 } }

local function is_of(value, dtype)
  local range, integer = RANGES[dtype], math.tointeger(value)
  return not range or integer ~= nil and integer >= range[1] and integer <= range[2]
end

-- Rows are stored as bytes, since a table of numbers would be several times as large.
local function packed(values, dtype)
  local parts, code = {}, RANGES[dtype] and "j" or "d"
  for first = 1, #values, 100 do
    local last = math.min(first + 99, #values)
    parts[#parts + 1] = ("<" .. code:rep(last - first + 1)):pack(
      table.unpack(values, first, last))
  end
  return table.concat(parts)
end

-- The numbers of a row, or nil and a message.
local function row_of(cells, o)
  local values = {}
  for i, cell in ipairs(cells) do
    local value = number_of(cell)
    if not value and cell == "" then value = o.missing end
    if not value then
      return nil, ("column %d: expected a number, got %s"):format(i,
        cell == "" and "an empty cell (option \"missing\" sets the value of empty cells)"
        or options.show(cell))
    end
    if not is_of(value, o.dtype) then
      return nil, ("column %d: expected a number that %s can represent, got %s"):format(i, o.dtype,
        options.show(cell))
    end
    values[i] = value
  end
  return values
end

local function is_header(cells)
  for _, cell in ipairs(cells) do
    if number_of(cell) then return false end
  end
  return true
end

-- The names in a comment above the first row, if it has one for each column.
local function names_in(comment, delimiter, columns)
  local cells = cells_of(trimmed(comment:gsub("^#+", "")), delimiter)
  return cells and #cells == columns and is_header(cells) and cells or nil
end

-- state: delimiter, columns, names, the last comment and the rows so far.
local function add_line(state, line, number, o)
  local function fail(problem) return nil, ("line %d: %s"):format(number, problem) end
  state.delimiter = state.delimiter or delimiter_of(line)
  if state.delimiter == " " then line = trimmed(line) end
  local cells = cells_of(line, state.delimiter)
  if not cells then return fail("unclosed quote") end
  if not state.columns then
    if #cells > MAX_COLUMNS then
      return fail(("expected at most %d columns"):format(MAX_COLUMNS))
    end
    state.columns = #cells
    if o.header or o.header == nil and is_header(cells) then
      state.names = cells
      return true
    end
    if state.comment and o.header == nil and #cells > 1 then
      state.names = names_in(state.comment, state.delimiter, #cells)
    end
  end
  if #cells ~= state.columns then
    return fail(("expected %d columns as in the first line, got %d"):format(state.columns,
      #cells))
  end
  local values, problem = row_of(cells, o)
  if not values then return fail(problem) end
  state.rows[#state.rows + 1] = packed(values, o.dtype)
  return true
end

local function read_lines(bytes, o)
  local state = { rows = {}, delimiter = o.delimiter }
  if bytes:find("\0", 1, true) then return nil, "it is not text: it contains a zero byte" end
  bytes = bytes:gsub("^\xef\xbb\xbf", ""):gsub("\r\n?", "\n")
  local number = 0
  for line in (bytes .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    if line:sub(1, 1) == "#" then
      state.comment = line
    elseif line:find("%S") then
      local ok, problem = add_line(state, line, number, o)
      if not ok then return nil, problem end
    end
  end
  return state
end

local function check_delimiter(where, delimiter)
  if delimiter and (#delimiter ~= 1 or delimiter:find('[%w."+%-%^%]%%\\\r\n]')) then
    options.raise("%s: option \"delimiter\": expected one character such as \",\", got %s",
      where, options.show(delimiter))
  end
end

--- Reads a table of numbers.
-- @tparam string path
-- @tparam[opt] table opts
-- @tparam[opt] string opts.delimiter one character; default: tab, semicolon, comma or
-- space, the first of these that the first line contains
-- @tparam[opt] boolean opts.header true if the first line contains names; default: true if
-- none of its cells is a number, else names are taken from a comment above it that has one
-- for each column
-- @tparam[opt="float32"] string opts.dtype an integer dtype must be able to represent every
-- number
-- @tparam[opt] number opts.missing the value of empty cells, which are an error by default
-- @treturn[1] tensor (rows, columns)
-- @treturn[1] ?{string,...} the names of the columns
-- @treturn[2] nil
-- @treturn[2] string message with the line and the column of the error
-- @usage
-- x = torus.tensor {{ 0, 1 }, { 0.1, 0.99 }}
-- assert(torus.csv.save("swing.csv", x, { header = { "t", "q" } }))
-- y, names = assert(torus.csv.load("swing.csv"))
-- print(names[2], y[{ 2, 2 }]:item())   -- q  0.99 in float32
function M.load(path, opts)
  options.argument("csv.load", "path", path, { type = "path" })
  local o = options.resolve("csv.load", opts, LOAD)
  check_delimiter("csv.load", o.delimiter)
  if o.missing ~= nil and type(o.missing) ~= "number" then
    options.raise('csv.load: option "missing": expected a number, got %s',
      options.show(o.missing))
  end
  core.zeros({ 0 }, { dtype = o.dtype }) -- raises for an unknown one
  if o.missing and not is_of(o.missing, o.dtype) then
    options.raise('csv.load: option "missing": expected a number that %s can represent, '
      .. 'got %s', o.dtype,
      options.show(o.missing))
  end
  local bytes, message = files.read(path)
  if not bytes then return nil, "csv.load: " .. message end
  local state, problem = read_lines(bytes, o)
  if not state then
    return nil, ("csv.load: %s is not a table of numbers: %s"):format(path, problem)
  end
  local stored = RANGES[o.dtype] and "int64" or "float64"
  local x = core.from_bytes(table.concat(state.rows), stored,
    { #state.rows, state.columns or 0 })
  return o.dtype == stored and x or core.ops.to(x, o.dtype), state.names
end

-- The number with as few digits as reproduce it exactly.
local function text_of(value, digits)
  if math.type(value) == "integer" then return tostring(value) end
  if value == true or value == false then return value and "1" or "0" end
  if value ~= value then return "nan" end
  if value == math.huge or value == -math.huge then return value > 0 and "inf" or "-inf" end
  for precision = digits - 2, digits do
    local text = ("%." .. precision .. "g"):format(value)
    local back = tonumber(text)
    if digits == 9 then back = ("<f"):unpack(("<f"):pack(back)) end
    if back == value or precision == digits then return text end
  end
end

local SAVE = {
  header = { type = "table" },
  delimiter = { default = ",", type = "string" },
}

local function header_line(names, columns, delimiter)
  if #names ~= columns then
    options.raise('csv.save: option "header": expected %d names, one for each column, got %d',
      columns, #names)
  end
  local cells = {}
  for i, name in ipairs(names) do
    if type(name) ~= "string" or name:find("[\r\n%z]") then
      options.raise('csv.save: option "header": expected names on one line, got %s',
        options.show(name))
    end
    local plain = not name:find('["' .. delimiter .. "]") and name:find("^[^%s#]")
      and name:find("%S$")
    cells[i] = plain and name or '"' .. name:gsub('"', '""') .. '"'
  end
  return table.concat(cells, delimiter) .. "\n"
end

--- Writes a tensor as text, with as many digits as are needed to read back the same numbers.
-- @tparam string path
-- @tparam tensor x (rows, columns), or (rows) as one column
-- @tparam[opt] table opts
-- @tparam[opt] {string,...} opts.header the names of the columns
-- @tparam[opt=","] string opts.delimiter
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message
-- @raise if x has another number of dimensions, or the number of names is wrong
-- @usage
-- assert(torus.csv.save("table.csv", torus.rand(5, 2), { header = { "a", "b" } }))
function M.save(path, x, opts)
  options.argument("csv.save", "path", path, { type = "path" })
  local o = options.resolve("csv.save", opts, SAVE)
  check_delimiter("csv.save", o.delimiter)
  local is_tensor = options.is_live(x)
  if not is_tensor or x:dim() ~= 1 and x:dim() ~= 2 then
    options.raise("csv.save: expected a tensor of shape (rows,columns) or (rows), got %s",
      options.show(x))
  end
  local columns = x:dim() == 2 and x:size(2) or 1
  local digits = x.dtype == "float32" and 9 or 17
  local head = o.header and header_line(o.header, columns, o.delimiter)
  local row, rows = 0, x:size(1)
  return core.write_file(path, function()
    if head then
      local text = head
      head = nil
      return text
    end
    row = row + 1
    if row > rows then return nil end
    local cells = x[row]:totable()
    if type(cells) ~= "table" then cells = { cells } end
    for i, value in ipairs(cells) do cells[i] = text_of(value, digits) end
    return table.concat(cells, o.delimiter) .. "\n"
  end)
end

return M
