--- The guides as a reader sees them: pages of Markdown taken apart into the code,
-- the paths, the links and the tables that they hold.
local lfs = require "lfs"

local M = {}

local function walk(folder, found)
  for name in lfs.dir(folder) do
    local path = folder .. "/" .. name
    if name ~= "." and name ~= ".." and name ~= ".git" then
      found[path:sub(3)] = lfs.attributes(path, "mode")
      if found[path:sub(3)] == "directory" then walk(path, found) end
    end
  end
  return found
end

-- What is built, trained or downloaded is none of the project's files.
local function is_own(path)
  return not (path:find("^build") or path:find("^runs") or path:find("__pycache__"))
end

--- Every file and folder of the project.
-- @treturn {[string]=string} its mode by path, from the top folder
function M.tree()
  local tree = {}
  for path, mode in pairs(walk(".", {})) do
    if is_own(path) then tree[path] = mode end
  end
  return tree
end

--- The pages, sorted by path. A list of changes speaks of what is gone.
-- @tparam table tree
-- @treturn {string,...}
function M.pages(tree)
  local list = {}
  for path in pairs(tree) do
    if path:find("%.md$") and not path:find("CHANGELOG") then list[#list + 1] = path end
  end
  table.sort(list)
  return list
end

-- The name of the file that a block is, where the line before it names one:
-- "A file, `quartic.lua`:"
local function file_named(line) return line:match("`([%w_/]+%.lua)`:$") end

local function add(list, line, text) list[#list + 1] = { line = line, text = text } end

local function read_row(page, number, line)
  local cells = {}
  for cell in line:sub(2):gmatch("([^|]*)|") do cells[#cells + 1] = cell end
  if cells[#cells] == " torus " then page.equivalents = true end
  if not page.equivalents then return false end
  for span in cells[#cells]:gmatch("`([^`]+)`") do
    add(page.cells, number, span)
  end
  return true
end

-- `code` spans and links of a line of text; of a table of equivalents the last
-- cell alone, the others are in other languages.
local function read_text(page, number, line)
  if line:find("^|") then
    if read_row(page, number, line) then return end
  else
    page.equivalents = false
  end
  for span in line:gmatch("`([^`]+)`") do add(page.spans, number, span) end
  local plain = line:gsub("`[^`]*`", "``")
  for target in plain:gmatch("%]%(([^)%s]+)%)") do add(page.links, number, target) end
end

--- Takes a page apart.
-- @tparam string path
-- @treturn table lines (a number); spans, links, cells (of columns headed "torus"),
-- shell (lines of commands) and headings as lists of {line=, text=}; blocks, a
-- list of {line=, kind=, lines=, file=}: fenced ones; recipes, code within lists, which
-- shows what a reader would write
function M.read(path)
  local page = { path = path, spans = {}, links = {}, cells = {}, shell = {},
    headings = {}, blocks = {}, lines = 0, recipes = "" }
  local block, before, joined = nil, "", nil
  for line in io.lines(path) do
    page.lines = page.lines + 1
    local number = page.lines
    local fence = line:match("^```(%w*)")
    if fence and not block then
      block = { line = number, kind = fence, lines = {}, file = file_named(before) }
      page.blocks[#page.blocks + 1] = block
    elseif fence then
      block = nil
    elseif block then
      block.lines[#block.lines + 1] = line
      if block.kind == "sh" then add(page.shell, number, line) end
    elseif line:find("^       %s*%S") then -- code within a list
      page.recipes = page.recipes .. line .. "\n"
    elseif line:find("^    %S") and (before == "" or before:find("^    ")) then
      add(page.shell, number, (line:gsub("^%s+", "")))
    else
      if line:find("^#+ ") then add(page.headings, number, (line:gsub("^#+ ", ""))) end
      -- A span may go on in the next line.
      local text = joined and joined .. " " .. line or line
      local _, ticks = text:gsub("`", "")
      joined = ticks % 2 == 1 and text or nil
      if not joined then read_text(page, number, text) end
    end
    if line ~= "" then before = line end
    if line == "" and not before:find("^    ") then before = before:find(":$") and before or "" end
  end
  return page
end

--- The anchor of a heading, as GitHub makes it.
-- @tparam string heading
-- @treturn string
function M.anchor(heading)
  return (heading:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-"))
end

-- Code of a page on its own lines, so that a message names the page's line.
local function set(lines, number, text)
  lines[number] = (lines[number] and lines[number] .. " " or "") .. text
end

--- The Lua of a page as one program, with the entries of its tables of
-- equivalents between the blocks; files that a block is are left out.
-- @tparam table page
-- @treturn string
function M.program(page)
  local lines = {}
  for number = 1, page.lines do lines[number] = "" end
  for _, block in ipairs(page.blocks) do
    if block.kind == "lua" and not block.file then
      for i, text in ipairs(block.lines) do set(lines, block.line + i, text) end
    end
  end
  for _, cell in ipairs(page.cells) do
    local is_value = load("return " .. cell.text) ~= nil
    set(lines, cell.line, is_value and "do local _ = " .. cell.text .. " end"
      or "do " .. cell.text .. " end")
  end
  return table.concat(lines, "\n")
end

--- What is typed at the prompt in a page's blocks, and what comes back.
-- @tparam table page
-- @treturn string typed
-- @treturn string answers
function M.transcript(page)
  local typed, answers = {}, {}
  for _, block in ipairs(page.blocks) do
    if block.kind == "" then
      for _, line in ipairs(block.lines) do
        local input = line:match("^>>? (.*)$")
        if input then
          typed[#typed + 1] = input
        elseif not line:find("^%$ ") then
          answers[#answers + 1] = line
        end
      end
    end
  end
  return table.concat(typed, "\n") .. "\n", table.concat(answers, "\n") .. "\n"
end

return M
