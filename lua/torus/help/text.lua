--- Documentation entries as text for a terminal.
-- @module torus.help.text
local core = require "torus.core"

local M = {}

local WIDTH = 78

-- --- lines --------------------------------------------------------------------

-- Words of a paragraph in lines that end before WIDTH.
local function wrap(words, indent, out)
  local line = indent
  for word in words:gmatch("%S+") do
    if #line > #indent and #line + 1 + #word > WIDTH then
      out[#out + 1] = line
      line = indent
    end
    line = line .. (#line > #indent and " " or "") .. word
  end
  if #line > #indent then out[#out + 1] = line end
end

-- Paragraphs are wrapped; code and lists stay as they are.
local function prose(text, out)
  local paragraph = {}
  local function close()
    wrap(table.concat(paragraph, " "), "", out)
    paragraph = {}
  end
  for line in (text .. "\n"):gmatch("(.-)\n") do
    if line:find("^    ") or line:find("^%s*[%-|*] ") then
      close()
      out[#out + 1] = line
    elseif line:find("%S") then
      paragraph[#paragraph + 1] = line
    else
      close()
      if #out > 0 and out[#out] ~= "" then out[#out + 1] = "" end
    end
  end
  close()
end

local function heading(out, title)
  if out[#out] ~= "" then out[#out + 1] = "" end
  out[#out + 1] = title
end

-- --- one entry ------------------------------------------------------------------

--- The call that an entry documents: "torus.flatten(x[, first[, last]])".
-- @tparam table entry
-- @treturn string
function M.signature(entry)
  if entry.kind ~= "function" then return entry.name end
  local by_name = {}
  for _, p in ipairs(entry.params) do by_name[p.name] = p end
  local names = entry.arguments
  if not names then
    names = {}
    for _, p in ipairs(entry.params) do
      if not p.name:find("%.%w") then names[#names + 1] = p.name end
    end
  end
  -- What may be left out at the end.
  local required = 0
  for i, name in ipairs(names) do
    if not (by_name[name] and by_name[name].optional) then required = i end
  end
  local text, closing = "", ""
  for i, name in ipairs(names) do
    local comma = i > 1 and ", " or ""
    if i > required then
      text = text .. "[" .. comma .. name
      closing = closing .. "]"
    else
      text = text .. comma .. name
    end
  end
  return ("%s(%s%s)"):format(entry.name, text, closing)
end

--- Returns true if a function of `torus` is also a method of tensors.
-- @tparam table entry
-- @treturn ?string the method's name
function M.method_of(entry)
  local name = entry.name:match("^torus%.([%w_]+)$")
  local first = entry.params and entry.params[1]
  if not name or not first or not core.methods[name] then return nil end
  return name
end

local function parameter(p, out)
  local notes = {}
  if p.type then notes[1] = p.type end
  if p.default then
    notes[#notes + 1] = "default " .. p.default
  elseif p.optional then
    notes[#notes + 1] = "optional"
  end
  local head = "  " .. p.name
  if #notes > 0 then head = head .. " (" .. table.concat(notes, ", ") .. ")" end
  if p.text and p.text ~= "" then head = head .. ": " .. p.text end
  local lines = {}
  wrap(head, "      ", lines)
  lines[1] = lines[1] and "  " .. lines[1]:match("^%s*(.*)$")
  for _, line in ipairs(lines) do out[#out + 1] = line end
end

local function returned(r, out)
  local text = r.text or ""
  if r.type then
    local optional = r.optional and " or nil" or ""
    text = r.type .. optional .. (text ~= "" and ": " .. text or "")
  end
  wrap(text, "  ", out)
end

local function list(out, title, items, write)
  if not items or #items == 0 then return end
  heading(out, title)
  for _, item in ipairs(items) do write(item, out) end
end

local function sentence(item, out) wrap(item, "  ", out) end

--- The text of an entry after its summary.
-- @tparam table entry
-- @treturn string
function M.body(entry)
  local out = {}
  prose(entry.text or "", out)
  return table.concat(out, "\n")
end

--- Everything about one entry.
-- @tparam table entry
-- @treturn string lines, the last one without a newline
function M.of(entry)
  local out = { M.signature(entry) }
  local method = M.method_of(entry)
  if method then
    out[1] = out[1] .. "    also a method: x:" .. method .. "(...)"
  end
  out[2] = ""
  wrap(entry.summary, "", out)
  if entry.text and entry.text ~= "" then
    if entry.text:find("^%s*\n") or entry.kind ~= "function" then
      out[#out + 1] = ""
    end
    prose(entry.text, out)
  end
  list(out, "Arguments", entry.params, parameter)
  list(out, "Returns", entry.returns, returned)
  list(out, "Errors", entry.raises, sentence)
  list(out, "Example", entry.usage, function(code)
    for line in (code .. "\n"):gmatch("(.-)\n") do
      out[#out + 1] = "  " .. line
    end
  end)
  if entry.see and #entry.see > 0 then
    heading(out, "See " .. table.concat(entry.see, ", "))
  end
  return table.concat(out, "\n")
end

--- Entries in two columns, signature and summary.
-- @tparam {table,...} entries
-- @treturn string
function M.table_of(entries)
  local out, width = {}, 0
  local names = {}
  for i, entry in ipairs(entries) do
    names[i] = M.signature(entry)
    if #names[i] <= 34 then width = math.max(width, #names[i]) end
  end
  for i, entry in ipairs(entries) do
    local lines = {}
    wrap(entry.summary, (" "):rep(width + 4), lines)
    if #names[i] > width then
      out[#out + 1] = "  " .. names[i]
    elseif lines[1] then
      lines[1] = "  " .. names[i] .. lines[1]:sub(3 + #names[i])
    else
      lines[1] = "  " .. names[i]
    end
    for _, line in ipairs(lines) do out[#out + 1] = line end
  end
  return table.concat(out, "\n")
end

return M
