-- Writes every documentation comment of the library and the engine as one Lua
-- table, which help() and the HTML pages read. Needs neither torus nor LDoc.
--
--   reference.lua OUTPUT FILE...
--
-- Reports faults of comments on standard error; exit status 1 if there is any.
package.path = "scripts/dev/docs/?.lua;" .. package.path
local comments = require "comments"

local faults = 0
local function report(path, line, message, ...)
  faults = faults + 1
  io.stderr:write(("%s:%d: %s\n"):format(path, line, message:format(...)))
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = assert(file:read("a"))
  file:close()
  return text
end

-- The keys are sorted, so that equal entries are written equally.
local function write_value(value, out)
  if type(value) ~= "table" then
    out[#out + 1] = type(value) == "string" and ("%q"):format(value)
      or tostring(value)
    return
  end
  out[#out + 1] = "{"
  for _, item in ipairs(value) do
    write_value(item, out)
    out[#out + 1] = ","
  end
  local keys = {}
  for key in pairs(value) do
    if type(key) == "string" then keys[#keys + 1] = key end
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    local item = value[key]
    if type(item) ~= "table" or next(item) ~= nil or key == "arguments" then
      out[#out + 1] = key .. "="
      write_value(item, out)
      out[#out + 1] = ","
    end
  end
  out[#out + 1] = "}"
end

local output = assert(arg[1], "usage: reference.lua OUTPUT FILE...")
local paths = table.move(arg, 2, #arg, 1, {})
table.sort(paths) -- the result does not depend on the order of the arguments
local entries = {}
for _, path in ipairs(paths) do
  local read_file = path:match("%.lua$") and comments.of_lua or comments.of_c
  local found = read_file(path, read(path), function(...) report(path, ...) end)
  table.move(found, 1, #found, #entries + 1, entries)
end
comments.check_names(entries, function(entry, ...)
  report(entry.file, entry.line, ...)
end)

local out = { "-- Made by make from the comments in the sources.\nreturn {\n" }
for _, entry in ipairs(entries) do
  write_value(entry, out)
  out[#out + 1] = ",\n"
end
out[#out + 1] = "}\n"
local temporary = output .. ".new"
local file = assert(io.open(temporary, "wb"))
assert(file:write(table.concat(out)))
assert(file:close())
assert(os.rename(temporary, output))
os.exit(faults == 0)
