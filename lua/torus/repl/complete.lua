--- Completion at the prompt: names, options, file names.
--
-- Follows the text before the cursor, such as `a.b[1]:c`, through tables and the `__index`
-- of metatables, without calling anything. In the table of a call it offers the keys of the
-- options; in a string, their choices or the names of files.
-- @module torus.repl.complete
local core = require "torus.core"
local entries = require "torus.help.entries"
local lfs = require "lfs"
local context = require "torus.repl.context"
local keys_of = require("torus.repl.keys").of

local M = {}

local KEYWORDS = {
  "and", "break", "do", "else", "elseif", "end", "false", "for", "function",
  "goto", "if", "in", "local", "nil", "not", "or", "repeat", "return", "then",
  "true", "until", "while",
}
local WIDTH = 78
-- Fields of a tensor besides its methods.
local PROPERTIES = { "dtype", "grad", "is_leaf", "requires_grad", "shape" }
-- Maximum length of a chain of metatables.
local MAX_DEPTH = 10

local function is_callable(value)
  if type(value) == "function" then return true end
  local meta = debug.getmetatable(value)
  return type(meta) == "table" and meta.__call ~= nil
end

local function collect(source, add)
  for key, value in next, source do add(key, value) end
end

-- All names by which `value` can be indexed: {[name] = true if it is callable}.
local function names_of(value)
  local found = {}
  local function add(key, item)
    if type(key) == "string" and key:match("^[%a_][%w_]*$") and found[key] == nil then
      found[key] = is_callable(item)
    end
  end
  local function visit(source, depth)
    if depth > MAX_DEPTH then return end
    if type(source) == "table" then collect(source, add) end
    local meta = debug.getmetatable(source)
    if type(meta) ~= "table" then return end
    -- The parts that a module loads on first use.
    if type(meta.__parts) == "table" then collect(meta.__parts, add) end
    if type(meta.__index) == "table" then
      visit(meta.__index, depth + 1)
    elseif meta == core.metatable then
      collect(core.methods, add)
      for _, key in ipairs(PROPERTIES) do add(key, false) end
    end
  end
  visit(value, 1)
  return found
end

-- The keys of the chain at the end of a text: a, b and 1 for `f(a.b[1]`.
local function keys_at_end(text)
  local keys = {}
  local mark
  repeat
    local digits = text:match("%[(%-?%d+)%]$")
    while digits do
      table.insert(keys, 1, math.tointeger(digits))
      text = text:sub(1, -#digits - 3)
      digits = text:match("%[(%-?%d+)%]$")
    end
    local name = text:match("[%a_][%w_]*$")
    if not name then return nil end
    table.insert(keys, 1, name)
    text = text:sub(1, -#name - 1)
    mark = not text:find("%.%.$") and text:match("[.:]$")
    if mark then text = text:sub(1, -2) end
  until not mark
  return keys
end

local function follow(keys, environment)
  local value = environment
  for _, key in ipairs(keys) do
    local ok, item = pcall(function() return value[key] end)
    if not ok or item == nil then return nil end
    value = item
  end
  return value
end

local function common_prefix(words)
  local prefix = words[1]
  for _, word in ipairs(words) do
    local i = 1
    while i <= #prefix and prefix:byte(i) == word:byte(i) do i = i + 1 end
    prefix = prefix:sub(1, i - 1)
  end
  return prefix
end

-- --- options ----------------------------------------------------------------

-- The open bracket that is the table of a call's options, and the function called: `f {`,
-- `f({` or `f(x, {`.
local function call_around(before, brackets, environment)
  for i = #brackets, 1, -1 do
    local bracket = brackets[i]
    if bracket.char == "(" then return nil end
    local outer = brackets[i - 1]
    local inside = outer and outer.char == "("
      and before:sub(1, bracket.at - 1):find("[,(]%s*$")
    local head = before:sub(1, (inside and outer.at or bracket.at) - 1):gsub("%s+$", "")
    local keys = bracket.char == "{" and keys_at_end(head)
    local value = keys and follow(keys, environment)
    if value ~= nil then return i, value end
  end
end

-- The rules of the innermost table: those of the options or, within `series = {{`, those of
-- the items of an option.
local function rules_here(before, here, environment)
  local first, value = call_around(before, here.brackets, environment)
  local rules = first and keys_of(value)
  for i = first or 1, #here.brackets - 1 do
    local key = here.brackets[i].key
    if rules and key then rules = rules[key] and rules[key].items end
  end
  return rules
end

local function begin_with(names, word)
  local found = {}
  for _, name in ipairs(names) do
    if name:sub(1, #word) == word then found[#found + 1] = name end
  end
  table.sort(found)
  return found
end

-- The keys that the table does not have yet.
local function option_candidates(before, here, word, environment)
  local rules = rules_here(before, here, environment)
  if not rules then return {} end
  local given, names = here.brackets[#here.brackets].keys, {}
  for key in next, rules do
    if not given[key] then names[#names + 1] = key end
  end
  return begin_with(names, word)
end

-- --- strings ----------------------------------------------------------------

-- The choices of an option, if it has a list of them.
local function choice_candidates(before, here, environment)
  local top = here.brackets[#here.brackets]
  local rules = top and top.key and rules_here(before, here, environment)
  local rule = rules and rules[top.key]
  if not rule or type(rule.choices) ~= "table" then return {} end
  local names = {}
  for _, choice in ipairs(rule.choices) do
    if type(choice) == "string" then names[#names + 1] = choice end
  end
  return begin_with(names, here.string)
end

local function help_candidates(before, here)
  local called = before:sub(1, #before - #here.string - 1):find("%f[%w_]help%s*%(?%s*$")
  local names, seen = {}, {}
  for _, entry in ipairs(called and entries.all() or {}) do
    local name = entry.name:gsub("^torus%.", "")
    if not seen[name] then names[#names + 1] = name end
    seen[name] = true
  end
  return begin_with(names, here.string)
end

-- The names in a folder; those of folders end with a slash.
local function file_candidates(path)
  if path:find("[\\\n]") then return {}, path end
  local folder, word = path:match("^(.*/)([^/]*)$")
  folder, word = folder or "", word or path
  local names = {}
  pcall(function()
    for name in lfs.dir(folder == "" and "." or folder) do
      local hidden = name:sub(1, 1) == "." and word:sub(1, 1) ~= "."
      if name ~= "." and name ~= ".." and not hidden then
        local is_folder = lfs.attributes(folder .. name, "mode") == "directory"
        names[#names + 1] = is_folder and name .. "/" or name
      end
    end
  end)
  return begin_with(names, word), word
end

-- Candidates within an open string, and the text that they begin with.
local function string_candidates(before, here, environment)
  local names = choice_candidates(before, here, environment)
  if #names == 0 then names = help_candidates(before, here) end
  if #names > 0 then return names, here.string end
  return file_candidates(here.string)
end

-- --- all together -----------------------------------------------------------

local function name_candidates(before, word, environment)
  local head = before:sub(1, -#word - 1)
  local mark = not head:find("%.%.$") and head:match("[.:]$")
  local found
  if mark then
    local keys = keys_at_end(head:sub(1, -2))
    local value = keys and follow(keys, environment)
    if value == nil then return {} end
    found = names_of(value)
  elseif word ~= "" then
    found = names_of(environment)
    for _, keyword in ipairs(KEYWORDS) do found[keyword] = true end
  else
    return {}
  end
  local names = {}
  for name, callable in pairs(found) do
    local hidden = name:sub(1, 1) == "_" and word:sub(1, 1) ~= "_"
    if name:sub(1, #word) == word and not hidden and (mark ~= ":" or callable) then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

--- Returns the possible continuations of the text before the cursor.
-- @tparam string before
-- @tparam[opt=_G] table environment where the first name is looked up
-- @treturn {string,...} names, sorted
-- @treturn string the part of the text that they begin with
-- @treturn string the text to append if there is only one name
function M.candidates(before, environment)
  environment = environment or _G
  local here = context.of(before)
  if here.string then
    local names, word = string_candidates(before, here, environment)
    local close = here.quote ~= "]" and here.quote or ""
    return names, word, #names == 1 and names[1]:sub(-1) ~= "/" and close or ""
  end
  local word = before:match("[%a_][%w_]*$") or ""
  if here.in_comment then return {}, word, "" end
  if here.at_key then
    local names = option_candidates(before, here, word, environment)
    if #names > 0 then return names, word, " = " end
  end
  return name_candidates(before, word, environment), word, ""
end


--- Formats names in columns, to be read downwards.
-- @tparam {string,...} names
-- @treturn string
function M.columns(names)
  local longest = 0
  for _, name in ipairs(names) do longest = math.max(longest, #name) end
  local columns = math.max(1, WIDTH // (longest + 2))
  local rows = (#names + columns - 1) // columns
  local lines = {}
  for row = 1, rows do
    local line = {}
    for i = row, #names, rows do
      line[#line + 1] = names[i] .. (" "):rep(longest + 2 - #names[i])
    end
    lines[row] = table.concat(line):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

--- Handles the Tab key.
-- @tparam string before the text before the cursor; earlier lines of the same
-- input come first
-- @tparam[opt=_G] table environment
-- @treturn string text to insert, perhaps empty
-- @treturn ?string names to show, if there are several
function M.complete(before, environment)
  local names, word, after = M.candidates(before, environment)
  if #names == 0 then
    return before:match("[^\n]*$"):find("%S") and "" or "  "
  end
  if #names == 1 then return names[1]:sub(#word + 1) .. after end
  local insert = common_prefix(names):sub(#word + 1)
  if insert == "" then return "", M.columns(names) end
  return insert
end

return M
