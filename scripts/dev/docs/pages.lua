-- Writes the sources that LDoc makes the HTML reference from: one file for
-- each public module, the operations and the tensor, with every entry under
-- the name by which a program calls it; and names.js for the search.
--
--   pages.lua DIRECTORY NAMES
local torus = require "torus"
local entries = require "torus.help.entries"
local text = require "torus.help.text"

local directory = assert(arg[1], "usage: pages.lua DIRECTORY NAMES")
local names_path = assert(arg[2], "usage: pages.lua DIRECTORY NAMES")

-- Sections of the page of torus, by the file that a comment is in.
local SECTIONS = {
  create = "Creating tensors", random = "Random numbers", grad = "Gradients",
  tensor = "Shapes, indices and products", integrate = "Motion",
  hamiltonian = "Motion", fused = "Motion", rk45 = "Motion",
  safetensors = "Files", npy = "Files", help = "Help", process = "The engine",
  ops = "The engine",
}

-- --- the page of an entry ------------------------------------------------

local function member(value, name)
  if type(value) ~= "table" then return nil end
  local meta = debug.getmetatable(value)
  local parts = meta and meta.__parts
  if parts and not parts[name] then return rawget(value, name) end
  -- Modules raise for what they don't have.
  local ok, found = pcall(function() return value[name] end)
  return ok and found or nil
end

local function value_of(name)
  local value = torus
  for part in name:gsub("^torus%.?", ""):gmatch("[%w_]+") do
    value = member(value, part)
    if value == nil then return nil end
  end
  return value
end

local modules = {} -- by file: the module's entry
local module_names = {}
local classes = {} -- by name: the entry of a documented class
for _, entry in ipairs(entries.all()) do
  if entry.kind == "module" then
    modules[entry.file], module_names[entry.name] = entry, true
  end
  if entry.kind == "class" then classes[entry.name] = entry end
end

local function is_public_module(name)
  return name == "torus" or type(value_of(name)) == "table"
end

-- The nearest public module above a name.
local function public_above(name)
  repeat
    name = name:match("^(.*)%.[%w_]+$")
  until not name or is_public_module(name)
  return name or "torus"
end

-- True if a file documents a class of another one: the same file, one of C, or one in the folder
-- of a class in an init.lua.
local function is_part(file, home)
  local folder = home:match("^(.*/)init%.lua$")
  return file == home or not file:match("%.lua$") or folder and file:sub(1, #folder) == folder
end

-- The page, or nil for what only the library itself uses.
local function page_of(entry)
  if entry.operation then return "operations" end
  local class = entry.kind == "class" and entry.name
    or entry.name:match("^([%w_]+)[:.]")
  if class == "tensor" then return "tensor" end
  if class ~= "torus" then
    local home = classes[class]
    if not home or not is_part(entry.file, home.file) then return nil end
    local module = modules[home.file]
    if not module then return "torus" end
    return is_public_module(module.name) and module.name
      or public_above(module.name)
  end
  if entry.kind == "module" then
    return is_public_module(entry.name) and entry.name or nil
  end
  local value = value_of(entry.name)
  if value == nil then return nil end
  -- A module that can be called has the function on its own page.
  if module_names[entry.name] and type(value) == "table" then
    return entry.name
  end
  return public_above(entry.name)
end

-- --- comments for LDoc --------------------------------------------------------------

-- Markdown takes < for HTML and _ for emphasis; code is left alone.
local function escape(line)
  return (("`" .. "`" .. line):gsub("([^`]*)(`?[^`]*`?)", function(plain, code)
    return plain:gsub("&", "&amp;"):gsub("<", "&lt;")
      :gsub("(%w)_(%w)", "%1\\_%2"):gsub("(%w)_(%w)", "%1\\_%2") .. code
  end):gsub("^``", ""))
end

-- Paragraphs as one line each: LDoc looks for code within a line.
local function add_text(out, words)
  local paragraph = {}
  local function close()
    if #paragraph > 0 then
      out[#out + 1] = "-- " .. escape(table.concat(paragraph, " "))
      paragraph = {}
    end
  end
  for line in (words .. "\n"):gmatch("(.-)\n") do
    local code, item = line:find("^    "), line:find("^%s*[%-*|] ")
    if code or item or not line:find("%S") then close() end
    if code then
      out[#out + 1] = "-- " .. line
    elseif line:find("%S") then
      paragraph[#paragraph + 1] = item and line or line:match("^%s*(.*)$")
    else
      out[#out + 1] = "--"
    end
  end
  close()
end

local function tag(out, name, words)
  out[#out + 1] = "-- @" .. name .. " " .. words:gsub("\n", " ")
end

local function add_parameter(out, p)
  local modifier = p.default and "[opt=" .. p.default:gsub("[%[%]]", "") .. "]"
    or p.optional and "[opt]" or ""
  tag(out, (p.type and "tparam" or "param") .. modifier,
    (p.type and p.type:gsub(" ", "") .. " " or "") .. p.name .. " "
      .. escape(p.text or ""))
end

local function add_return(out, r)
  local optional = r.optional and "?" or ""
  tag(out, r.type and "treturn" or "return",
    (r.type and optional .. r.type:gsub(" ", "") .. " " or "")
      .. escape(r.text or ""))
end

local function add_entry(out, entry, name)
  local method = text.method_of(entry)
  out[#out + 1] = "--- " .. escape(entry.summary)
  add_text(out, entry.text or "")
  tag(out, entry.kind == "value" and "field" or "function", name)
  tag(out, "signature", text.signature(entry))
  if method then tag(out, "method", "x:" .. method) end
  for _, p in ipairs(entry.params or {}) do add_parameter(out, p) end
  for _, r in ipairs(entry.returns or {}) do add_return(out, r) end
  for _, words in ipairs(entry.raises or {}) do tag(out, "errors", escape(words)) end
  for _, code in ipairs(entry.usage or {}) do
    out[#out + 1] = "-- @usage"
    for line in (code .. "\n"):gmatch("(.-)\n") do out[#out + 1] = "-- " .. line end
  end
  for _, other in ipairs(entry.see or {}) do tag(out, "see", other) end
  if entry.file then tag(out, "source", entry.file .. ":" .. entry.line) end
  out[#out + 1] = ""
end

-- --- pages ----------------------------------------------------------------------------

local HEADS = {
  torus = value_of "torus" and entries.get "torus",
  operations = { summary = "Operations of tensors, all differentiable unless "
    .. "they say otherwise.", text = [[
Each is a function of `torus` and a method of tensors: `torus.exp(x)` is
`x:exp()`. Elementwise operations broadcast their inputs against each other,
and a number may be given for a tensor. Parameters follow the inputs, by
position or by name in one table: `x:sum(1, true)`, `x:sum{ dim = 1, keepdim =
true }`.

Inputs that don't fit raise an error that names the operation, what it expected
and the shapes that it got.]] },
}

local pages, order = {}, {}
local function page(name)
  if not pages[name] then
    pages[name] = { name = name, items = {}, classes = {} }
    order[#order + 1] = pages[name]
  end
  return pages[name]
end

local index, seen = {}, {}
local function add_to_page(entry)
  local where = not seen[entry.name .. entry.kind] and page_of(entry)
  if not where then return end
  seen[entry.name .. entry.kind] = true
  if entry.kind == "module" then
    page(where).head = entry
  else
    local list = page(where).items
    list[#list + 1] = entry
  end
end
for _, entry in ipairs(entries.all()) do add_to_page(entry) end

local function section_of(entry)
  if entry.section then return entry.section end
  return SECTIONS[(entry.file or ""):match("([%w_]+)%.%w+$")]
end

local function add_to_index(entry, where, anchor, kind)
  index[#index + 1] = { name = entry.name, page = where, anchor = anchor,
    summary = entry.summary, kind = kind or entry.kind }
end

-- Functions of the module by section, then a section for each class.
local function write_page(p)
  local class_page = p.name == "tensor"
  local head = p.head or HEADS[p.name] or class_page and classes.tensor
    or { summary = "", text = "" }
  local out = { "--- " .. escape(head.summary) }
  add_text(out, head.text or "")
  local kind = class_page and "classmod" or "module"
  tag(out, kind, p.name)
  for _, other in ipairs(head.see or {}) do tag(out, "see", other) end
  out[#out + 1] = ""
  add_to_index({ name = p.name, summary = head.summary }, p.name, nil, kind)

  local sections, list = {}, {}
  for _, entry in ipairs(p.items) do
    local class = entry.kind == "class" and entry.name
      or entry.name:match("^([%w_]+)[:.]")
    if class == "torus" or class_page then class = nil end
    if entry ~= head then
      local title = class or not class_page and p.name == "torus"
        and (section_of(entry) or "Other") or ""
      if not sections[title] then
        sections[title] = { title = title, class = class, items = {} }
        list[#list + 1] = sections[title]
      end
      local s = sections[title]
      if entry.kind == "class" then s.head = entry else s.items[#s.items + 1] = entry end
    end
  end
  for pass = 1, 2 do -- classes last
    for _, s in ipairs(list) do
      if (s.class ~= nil) == (pass == 2) then
        if s.class then
          out[#out + 1] = "--- " .. escape(s.head and s.head.summary or "")
          add_text(out, s.head and s.head.text or "")
          tag(out, "type", s.class)
          out[#out + 1] = ""
          if s.head then add_to_index(s.head, p.name, "Class_" .. s.class, "class") end
        elseif s.title ~= "" then
          out[#out + 1] = "--- " .. s.title
          tag(out, "section", s.title:gsub("%W", "_"))
          out[#out + 1] = ""
        end
        table.sort(s.items, function(a, b) return a.name < b.name end)
        for _, entry in ipairs(s.items) do
          local short = entry.name:match("([%w_]+)$")
          add_entry(out, entry, short)
          add_to_index(entry, p.name, s.class and s.class .. ":" .. short
            or class_page and "tensor:" .. short or short)
        end
      end
    end
  end
  return table.concat(out, "\n") .. "\n"
end

local function write(path, contents)
  local file = assert(io.open(path, "wb"))
  assert(file:write(contents))
  assert(file:close())
end

for _, p in ipairs(order) do
  write(("%s/%s.lua"):format(directory, p.name), write_page(p))
end

-- --- names, for readers and for the search ------------------------------------

table.sort(index, function(a, b)
  local x, y = a.name:gsub("^torus%.", ""), b.name:gsub("^torus%.", "")
  if x:lower() ~= y:lower() then return x:lower() < y:lower() end
  return a.name < b.name
end)
local lines, all = {}, { "# All names, A to Z", "" }
local letter
for i, item in ipairs(index) do
  local folder = item.page == "tensor" and "classes" or "modules"
  local href = ("%s/%s.html%s"):format(folder, item.page,
    item.anchor and "#" .. item.anchor or "")
  local short = item.name:gsub("^torus%.", "")
  if short:sub(1, 1):upper() ~= letter then
    letter = short:sub(1, 1):upper()
    all[#all + 1] = "\n## " .. letter .. "\n"
  end
  all[#all + 1] = ("- [`%s`](../%s) %s"):format(short, href,
    escape(item.summary):gsub("%s+", " "))
  lines[i] = ("[%q,%q,%q,%q]"):format(item.name, item.kind, href,
    item.summary:gsub("`", ""):gsub("%s+", " "))
end
write(directory .. "/names.md", table.concat(all, "\n") .. "\n")
write(names_path, "var NAMES = [\n" .. table.concat(lines, ",\n") .. "\n];\n")
print(("%d names on %d pages"):format(#index, #order))
