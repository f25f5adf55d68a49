--- The context of the cursor in a Lua text: within a string, the arguments of a call, or the
-- keys of a table.
-- @module torus.repl.context
local M = {}

local CLOSING = { [")"] = "(", ["]"] = "[", ["}"] = "{" }

-- The end of a string whose opening quote is at `at`; nil if it is not closed.
local function end_of_string(text, at)
  local quote = text:sub(at, at)
  local i = at + 1
  while i <= #text do
    local char = text:sub(i, i)
    if char == "\\" then
      i = i + 1
    elseif char == quote then
      return i
    end
    i = i + 1
  end
end

-- The end of a long bracket that begins at `at`, or nil, and the position of its content,
-- nil if there is no long bracket.
local function end_of_long(text, at)
  local _, open, equals = text:find("^%[(=*)%[", at)
  if not open then return nil end
  local _, close = text:find("]" .. equals .. "]", open + 1, true)
  return close, open + 1
end

-- The end of a comment at `at`; nil if the cursor is within it.
local function end_of_comment(text, at)
  local close, content = end_of_long(text, at + 2)
  if content then return close end
  return text:find("\n", at, true)
end

local Scan = {}
Scan.__index = Scan

function Scan:open(char, at)
  self.brackets[#self.brackets + 1] = { char = char, at = at, keys = {}, argument = 1 }
  self.before = char
end

function Scan:close(char)
  local top = self.brackets[#self.brackets]
  if top and top.char == CLOSING[char] then table.remove(self.brackets) end
  self.before = char
end

-- A comma ends an item of a table or an argument.
function Scan:separate(char)
  local top = self.brackets[#self.brackets]
  if top then top.key, top.argument = nil, top.argument + 1 end
  self.before = char
end

-- A name; in a table it is a key if an equals sign follows.
function Scan:name(text, at, last)
  local top = self.brackets[#self.brackets]
  local word = text:sub(at, last)
  if top and top.char == "{" and self:at_key() and text:find("^%s*=[^=]", last + 1)
    or top and top.char == "{" and self:at_key() and text:find("^%s*=$", last + 1) then
    top.key = word
    top.keys[word] = true
  end
  if last < #text then self.before = "name" end
end

function Scan:at_key()
  local top = self.brackets[#self.brackets]
  return top ~= nil and top.char == "{"
    and (self.before == "{" or self.before == "," or self.before == ";")
end

-- Reads a token at `at`. Returns the position of the next one, or nil at an open string or
-- comment.
function Scan:token(text, at)
  local char = text:sub(at, at)
  if char:find("%s") then return at + 1 end
  if text:find("^%-%-", at) then
    local last = end_of_comment(text, at)
    self.in_comment = not last
    return last and last + 1
  end
  if char == '"' or char == "'" then
    local last = end_of_string(text, at)
    if not last then self.quote, self.string = char, text:sub(at + 1) end
    self.before = "string"
    return last and last + 1
  end
  local close, content = end_of_long(text, at)
  if content then
    if not close then self.quote, self.string = "]", text:sub(content) end
    self.before = "string"
    return close and close + 1
  end
  local last = select(2, text:find("^[%a_][%w_]*", at))
  if last then
    self:name(text, at, last)
    return last + 1
  end
  if char:find("[%(%[{]") then
    self:open(char, at)
  elseif CLOSING[char] then
    self:close(char)
  elseif char == "," or char == ";" then
    self:separate(char)
  else
    self.before = char
  end
  return at + 1
end

--- Reads the text before the cursor.
-- @tparam string text
-- @treturn table `brackets`, the open ones, outermost first, each {char =, at =,
-- keys = {name = true}, key = the one whose value is being written, argument = the number of
-- the item}; `string` and `quote` of an open string; `in_comment`; `at_key`, true if a key of
-- a table can follow
function M.of(text)
  local scan = setmetatable({ brackets = {}, before = "" }, Scan)
  local at = 1
  while at and at <= #text do at = scan:token(text, at) end
  return { brackets = scan.brackets, string = scan.string, quote = scan.quote,
    in_comment = scan.in_comment or false, at_key = scan:at_key() and not scan.string }
end

return M
