-- Writes every documentation comment of the library and the engine as one Lua
-- table, which help() and the HTML pages read. Needs neither torus nor LDoc.
--
--   reference.lua OUTPUT FILE...
--
-- Reports faults of comments on standard error; exit status 1 if there is any.
package.path = "scripts/dev/docs/?.lua;" .. package.path
local comments = require "comments"

local faults = 0
local function reporter(path)
  return function(line, message, ...)
    faults = faults + 1
    io.stderr:write(("%s:%d: %s\n"):format(path, line, message:format(...)))
  end
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = assert(file:read("a"))
  file:close()
  return text
end

-- Tables without a name for their keys' order come out sorted.
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
local entries, first = {}, {}
for i = 2, #arg do
  local path = arg[i]
  local read_file = path:match("%.lua$") and comments.of_lua or comments.of_c
  local report = reporter(path)
  for _, entry in ipairs(read_file(path, read(path), report)) do
    local before = first[entry.name]
    -- Classes of different files may share a name; public names may not.
    local callable = before and before.kind == "module"
    if before and not callable and entry.name:find("^torus%.") then
      report(entry.line, "%s is documented twice, first at %s:%d", entry.name,
        before.file, before.line)
    end
    first[entry.name] = before or entry
    entries[#entries + 1] = entry
  end
end

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
