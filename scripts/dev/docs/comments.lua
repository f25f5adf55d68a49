-- Documentation comments as tables.
--
-- Reads `---` comments in Lua and `/***` comments in C, with LDoc's tags, and
-- returns one entry each:
--
--   {name =, kind = "function" | "value" | "class" |
--    "module", file =, line =, definition =,
--    summary =, text =, section =, params = {{name =, type =, optional =,
--    default =, text =}, ...}, arguments = {"x", ...} or nil, returns =
--    {{type =, text =}, ...}, raises = {...}, usage = {...}, see = {...}}
--
-- A function is named after its file's module and its definition:
-- torus.image.write; a method after the table that it is defined on:
-- Adam:step. `@function NAME` sets the name under which it is public, in full or
-- within the module, and
-- `@public NAME` in a module's comment the table that holds its functions.
-- `@type NAME` documents a class as a whole.
local M = {}

local KNOWN = {}
for name in ([[module function param tparam return treturn error raise usage
  see within public type]]):gmatch("%S+") do
  KNOWN[name] = true
end

-- --- comments -----------------------------------------------------------------

local function split_lines(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\r?\n") do lines[#lines + 1] = line end
  return lines
end

-- Each block as {line =, lines = {...}, after = number of the next line}.
local function lua_blocks(lines)
  local blocks, i = {}, 1
  while i <= #lines do
    local first = lines[i]:match("^%s*%-%-%-%s(.*)$")
    if first then
      local block = { line = i, lines = { first } }
      i = i + 1
      while lines[i] and lines[i]:match("^%s*%-%-") do
        block.lines[#block.lines + 1] = lines[i]:match("^%s*%-%-%-?%s?(.*)$")
        i = i + 1
      end
      block.after = i
      blocks[#blocks + 1] = block
    else
      i = i + 1
    end
  end
  return blocks
end

local function c_blocks(lines)
  local blocks, i = {}, 1
  while i <= #lines do
    local first = lines[i]:match("^%s*/%*%*%*%s*(.*)$")
    if first then
      local block = { line = i, lines = {} }
      local line, last = first, false
      repeat
        local body = line:match("^(.-)%s*%*/%s*$")
        if body then line, last = body, true end
        block.lines[#block.lines + 1] = line
        i = i + 1
        line = lines[i] and lines[i]:gsub("^%s*%*%f[^*]%s?", "", 1)
        if line and line:match("^%s*/$") then i, last = i + 1, true end
      until last or not line
      block.after = i
      blocks[#blocks + 1] = block
    else
      i = i + 1
    end
  end
  return blocks
end

-- --- tags ---------------------------------------------------------------------

-- A type at the start of a text, which may hold braces with spaces in them.
local function take_type(text)
  local depth = 0
  for i = 1, #text do
    local c = text:sub(i, i)
    if c == "{" or c == "(" then depth = depth + 1 end
    if c == "}" or c == ")" then depth = depth - 1 end
    if c == " " and depth == 0 then
      return text:sub(1, i - 1), text:sub(i + 1):match("^%s*(.*)$")
    end
  end
  return text, ""
end

local function mark_optional(item, modifier)
  if item.type and item.type:sub(1, 1) == "?" then
    item.type, item.optional = item.type:sub(2), true
  end
  if modifier:find("%f[%w]opt%f[%W]") then
    item.optional = true
    item.default = modifier:match("%f[%w]opt=(.*)$")
  end
  return item
end

local readers = {}

function readers.tparam(entry, text, modifier)
  local kind, rest = take_type(text)
  local name, words = rest:match("^([%w_%.]+)%s*(.*)$")
  if not name then return "expected a type, a name and a text" end
  entry.params[#entry.params + 1] =
    mark_optional({ name = name, type = kind, text = words }, modifier)
end

function readers.param(entry, text, modifier)
  local name, words = text:match("^([%w_%.]+)%s*(.*)$")
  if not name then return "expected a name and a text" end
  entry.params[#entry.params + 1] =
    mark_optional({ name = name, text = words }, modifier)
end

function readers.treturn(entry, text, modifier)
  local kind, words = take_type(text)
  if kind == "" then return "expected a type" end
  -- What comes instead, as LDoc numbers it: nil and a message.
  if modifier == "2" and kind == "nil" then return end
  if modifier == "2" then words = "after nil: " .. words end
  entry.returns[#entry.returns + 1] =
    mark_optional({ type = kind, text = words }, modifier)
end

readers["return"] = function(entry, text)
  entry.returns[#entry.returns + 1] = { text = text }
end

function readers.error(entry, text)
  entry.raises[#entry.raises + 1] = "returns nil and a message: " .. text
end

function readers.raise(entry, text) entry.raises[#entry.raises + 1] = text end
function readers.usage(entry, text) entry.usage[#entry.usage + 1] = text end
function readers.see(entry, text)
  for name in text:gmatch("[^%s,]+") do entry.see[#entry.see + 1] = name end
end
function readers.within(entry, text) entry.section = text end

readers["function"] = function(entry, text)
  entry.name, entry.kind = text:match("^[%w_%.:]+$"), "function"
  if not entry.name then return "expected a name" end
end
function readers.module(entry, text)
  entry.name, entry.kind = text:match("^[%w_%.]+$"), "module"
  if not entry.name then return "expected a name" end
end

function readers.public(entry, text) entry.public = text end
function readers.type(entry, text)
  entry.name, entry.kind = text:match("^[%w_]+$"), "class"
  if not entry.name then return "expected a name" end
end

local function joined(lines) return (table.concat(lines, " "):gsub("%s+", " ")) end

-- Without the indentation that all lines share.
local function code_of(lines)
  while lines[1] and not lines[1]:find("%S") do table.remove(lines, 1) end
  while #lines > 0 and not lines[#lines]:find("%S") do table.remove(lines) end
  local indent
  for _, line in ipairs(lines) do
    local spaces = line:match("^(%s*)%S")
    if spaces and (not indent or #spaces < indent) then indent = #spaces end
  end
  for i, line in ipairs(lines) do lines[i] = line:sub((indent or 0) + 1) end
  return table.concat(lines, "\n")
end

-- The first sentence, and what follows it.
local function split_summary(text)
  local from = 1
  while true do
    local stop = text:find("[%.;:]%s", from)
    local paragraph = text:find("\n%s*\n", from)
    if paragraph and (not stop or paragraph < stop) then
      return text:sub(1, paragraph - 1), text:sub(paragraph)
    end
    if not stop then return text, "" end
    -- "et al. 2019", "eq. (3)" and an initial do not end a sentence.
    if text:sub(stop, stop) == "." and not text:find("^%s+[%l%d%(]", stop + 1)
      and not text:sub(1, stop):find("%f[%w]%a%.$") then
      return text:sub(1, stop), text:sub(stop + 1)
    end
    from = stop + 1
  end
end

local function read_block(block, report)
  local entry = { line = block.line, params = {}, returns = {}, raises = {},
    usage = {}, see = {} }
  local prose, tag, modifier, words = {}, nil, nil, nil
  local function close()
    if not tag then return end
    local text = tag == "usage" and code_of(words) or joined(words)
    local problem = readers[tag](entry, text:match("^%s*(.-)%s*$"), modifier)
    if problem then report(block.line, "@%s: %s, got %q", tag, problem, text) end
  end
  for _, line in ipairs(block.lines) do
    local name, rest = line:match("^%s*@(%w+)(.*)$")
    if name then
      close()
      tag, modifier, words = nil, "", nil
      if KNOWN[name] then
        local brackets, after = rest:match("^%[(.-)%](.*)$")
        tag, modifier, words = name, brackets or "", { after or rest }
      else
        report(block.line, "unknown tag @%s", name)
      end
    elseif tag then
      words[#words + 1] = line
    else
      prose[#prose + 1] = line
    end
  end
  close()
  local summary, text = split_summary(table.concat(prose, "\n"))
  entry.summary = joined { summary }:match("^%s*(.-)%s*$")
  entry.text = text:gsub("^[ \t]*\n*", ""):gsub("%s+$", "")
  return entry
end

-- --- definitions ----------------------------------------------------------------

local function arguments_of(lines, number)
  local text = table.concat(lines, " ", number, math.min(number + 4, #lines))
  local inside = text:match("%((.-)%)")
  local list = {}
  for name in (inside or ""):gmatch("[%w_%.]+") do list[#list + 1] = name end
  return list
end

-- What the line after a comment defines: a table, a mark and a name; the
-- arguments of a function.
local function definition_at(lines, number)
  local line = lines[number] or ""
  local name = line:match("^%s*function%s+([%w_%.:]+)%s*%(")
  if not name then name = line:match("^%s*([%w_%.]+)%s*=%s*function%s*%(") end
  if name then return name, arguments_of(lines, number) end
  local inner = line:match("^%s*local%s+function%s+([%w_]+)")
  if inner then return "local", arguments_of(lines, number) end
  if line:match("^%s*local%s") then return "local" end
  return line:match("^%s*([%w_]+%.[%w_]+)%s*[=,][^=]")
end

-- torus.image and M.write make torus.image.write; Adam:step stays.
local function public_name(module, definition)
  local owner, mark, name = definition:match("^([%w_]+)([%.:])([%w_]+)$")
  if not owner then return nil end
  if owner == "M" and mark == "." then return module .. "." .. name end
  return owner .. mark .. name
end

-- Leaves out the object of a method that is defined as a function of another file: HGN:refine
-- is M.refine(model, ...).
local function drop_object(entry, definition)
  local first = entry.arguments[1]
  if not first or not entry.name:find(":", 1, true) or definition:find(":", 1, true) then
    return
  end
  for _, p in ipairs(entry.params) do
    if p.name == first then return end
  end
  table.remove(entry.arguments, 1)
end

local function check_arguments(entry, report)
  local known = {}
  for _, name in ipairs(entry.arguments) do known[name] = true end
  for _, p in ipairs(entry.params) do
    -- A table's keys are written as opts.key.
    if not known[p.name:match("^[^%.]+")] and not known["..."] then
      report(entry.line, "%s: there is no argument %s", entry.name, p.name)
    end
  end
end

--- The entries of a Lua file, its module first.
-- @tparam string path for messages
-- @tparam string text
-- @tparam function report of a line number, a format and values
-- @treturn {table,...}
function M.of_lua(path, text, report)
  local lines, entries = split_lines(text), {}
  local module, public -- its name, and that of the table it is public as
  for _, block in ipairs(lua_blocks(lines)) do
    local entry = read_block(block, report)
    entry.file = path
    local definition, arguments = definition_at(lines, block.after)
    if entry.kind == "function" and not entry.name:find("[.:]") then
      entry.name = (public or module or "?") .. "." .. entry.name
    end
    if entry.kind == "module" then
      module, public = entry.name, entry.public
      entries[#entries + 1] = entry
    elseif definition ~= "local" or entry.name then
      if definition and (arguments or definition ~= "local") then
        entry.definition, entry.arguments = block.after, arguments
        entry.kind = entry.kind or arguments and "function" or "value"
        entry.name = entry.name or public_name(public or module or "?",
          definition)
      end
      if not entry.name then
        report(block.line, "a comment that documents nothing: no definition "
          .. "follows, and no @function names one")
      else
        if arguments then
          drop_object(entry, definition)
          check_arguments(entry, report)
        end
        entries[#entries + 1] = entry
      end
    end
  end
  if not module then report(1, "no @module") end
  return entries
end

--- The entries of a C file.
-- @tparam string path for messages
-- @tparam string text
-- @tparam function report as of_lua's
-- @treturn {table,...}
function M.of_c(path, text, report)
  local entries = {}
  for _, block in ipairs(c_blocks(split_lines(text))) do
    local entry = read_block(block, report)
    entry.file = path
    if entry.name then
      entries[#entries + 1] = entry
    else
      report(block.line, "no @function names what this documents")
    end
  end
  return entries
end

--- Reports every public name that is documented more than once, whatever the order of
-- the entries. A module that can be called is documented twice: as a module and as a
-- function. Classes of different files may share a name.
-- @tparam {table,...} entries of any number of files
-- @tparam function report of an entry, a format and values
function M.check_names(entries, report)
  local first = { module = {}, other = {} }
  for _, entry in ipairs(entries) do
    if entry.name:find("^torus%.") then
      local known = first[entry.kind] or first.other
      local before = known[entry.name]
      if before then
        report(entry, "%s is documented twice, first at %s:%d", entry.name,
          before.file, before.line)
      end
      known[entry.name] = before or entry
    end
  end
end

return M
