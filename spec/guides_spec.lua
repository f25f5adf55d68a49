-- The guides name files, functions, commands and options, and show code: all of
-- it has to be there and to run.
local core = require "torus.core"
local guides = require "spec.support.guides"
local lfs = require "lfs"
local torus = require "torus"

local root = lfs.currentdir()
local tree = guides.tree()
local pages = {}
for i, path in ipairs(guides.pages(tree)) do pages[i] = guides.read(path) end

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function output_of(command)
  local pipe = assert(io.popen(command .. " 2>&1; echo \"status $?\""))
  local text = pipe:read("a")
  pipe:close()
  local output, status = text:match("^(.*)status (%d+)\n$")
  return output, tonumber(status)
end

-- Fails with every line of a list.
local function none(wrong) assert.equal("", table.concat(wrong, "\n")) end

-- Calls f with each item of some lists of every page; what f returns is wrong.
local function each(lists, f)
  local wrong = {}
  for _, page in ipairs(pages) do
    for _, list in ipairs(lists) do
      for _, item in ipairs(page[list]) do
        local message = f(item.text, page)
        if message then
          wrong[#wrong + 1] = ("%s:%d: %s"):format(page.path, item.line, message)
        end
      end
    end
  end
  none(wrong)
end

-- --- paths ----------------------------------------------------------------------

local TOP = { engine = true, lua = true, scripts = true, examples = true,
  spec = true, data = true, [".github"] = true }

-- A pattern for what a path may be: NAME, <name> and * stand for anything.
local function pattern_of(path)
  local text = path:gsub("/$", ""):gsub("[%.%-%+]", "%%%0"):gsub("%*", "[^/]*")
    :gsub("<[%w_]+>", "[^/]+"):gsub("%f[%u]%u%u+%f[^%u]", function(word)
      return word ~= "README" and word ~= "CONTRIBUTING" and word ~= "CHANGELOG"
        and "[^/]+" or nil
    end)
  return "^" .. text .. "$"
end

local function exists(path)
  if tree[path:gsub("/$", "")] then return true end
  local pattern = pattern_of(path)
  for known in pairs(tree) do
    if known:find(pattern) then return true end
  end
  return false
end

local function is_end_of_path(name)
  local pattern = "/" .. pattern_of(name):sub(2)
  for known in pairs(tree) do
    if ("/" .. known):find(pattern) then return true end
  end
  return false
end

-- Files of a page's own: blocks that are one, and what its commands make.
local function is_made(page, path)
  for _, block in ipairs(page.blocks) do
    if block.file == path then return true end
  end
  for _, line in ipairs(page.shell) do
    if line.text:find("--out " .. path, 1, true) then return true end
  end
  return false
end

local SOURCES = { lua = true, c = true, h = true, inc = true, def = true, sh = true, py = true }

local function wrong_path(text, page)
  local path = text:match("^([%w_./*<>+-]+)$")
  if not path or path:find("^%.%w+$") or is_made(page, path) then return nil end
  local top, ending = path:match("^([%w_.]+)/"), path:match("%.(%w+)$")
  if TOP[top] then
    return not exists(path) and "there is no " .. path or nil
  end
  if SOURCES[ending] and not is_end_of_path(path) then
    return "no file is named " .. path
  end
end

-- --- functions --------------------------------------------------------------------
-- A page may name what its recipes would add.

-- Whether a dotted name leads to something in the library: torus.nn.MLP, or
-- torus.options.resolve of a module that the facade does not show.
local function is_known(name)
  local value = torus
  for key in name:gsub("^torus%.?", ""):gmatch("[^.]+") do
    local ok, found = pcall(function() return type(value) == "table" and value[key] end)
    value = ok and found or nil
    if not value then break end
  end
  if value ~= nil then return true end
  local module, key = name, nil
  while module do
    local found, loaded = pcall(require, module)
    if found then
      return key == nil or type(loaded) == "table" and rawget(loaded, key) ~= nil
        or key == "mpi"   -- torus.mpi is only built where Open MPI is installed
    end
    if key then return false end
    module, key = module:match("^(.+)%.([^.]+)$")
  end
  return false
end

local source -- the text of everything that is not a page

local function sources()
  if source then return source end
  local parts = {}
  for path, mode in pairs(tree) do
    if mode == "file" and (path:find("%.[chl][un]?[ac]?$") or path:find("%.def$")
      or path:find("%.py$") or path:find("%.sh$") or path == "Makefile")
      and not path:find("guides_spec") then
      local file = assert(io.open(path, "rb"))
      parts[#parts + 1] = file:read("a")
      file:close()
    end
  end
  source = table.concat(parts, "\n")
  return source
end

local function wrong_name(text, page)
  local last = text:match("([%w_]+)%W*$")
  if last and page.recipes:find("%f[%w_]" .. last .. "%f[^%w_]") then return nil end
  local dotted = text:match("^torus%.[%w_.]*[%w_]")
  if dotted and not dotted:find("%.%u%u") then
    return not is_known(dotted) and "there is no " .. dotted or nil
  end
  local method = text:match("^x:([%w_]+)")
  if method then
    return core.methods[method] == nil and "a tensor has no method " .. method or nil
  end
  -- Names with an underscore are those of the source.
  local identifier = text:match("^[%a_][%w_]*$")
  if identifier and identifier:find("%w_%w") and not identifier:find("%l_%u") then
    local place = sources():find("%f[%w_]" .. identifier .. "%f[^%w_]")
    return not place and "nothing is named " .. identifier or nil
  end
end

-- --- commands ---------------------------------------------------------------------

local function text_of(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

local makefile = text_of("Makefile")
local made_by = makefile .. text_of("scripts/dev/test.sh") -- what variables mean
local targets = {}
for list in makefile:gsub("\\\n", " "):gmatch("%.PHONY:([^\n]+)") do
  for target in list:gmatch("%S+") do targets[target] = true end
end

local helps = {} -- what --help of a script prints

local function help_of(script)
  if not helps[script] then
    local text, status = output_of("scripts/torus " .. script .. " --help")
    helps[script] = status == 0 and text or error(text)
  end
  return helps[script]
end

local function wrong_make(text)
  for word in text:gmatch("%S+") do
    local variable = word:match("^([%u_]+)=")
    if variable and not made_by:find("%f[%w_]" .. variable .. "%f[^%w_]") then
      return "make knows no variable " .. variable
    end
    if not variable and word:find("^%l+$") and not targets[word] then
      return "there is no make target " .. word
    end
  end
end

local function wrong_options(script, rest)
  local help = help_of(script)
  for option in rest:gmatch("%f[^%s]%-%-[%w-]+") do
    if not help:find(option .. "%f[^%w-]") then
      return script .. " has no option " .. option
    end
  end
  for key in rest:gmatch("%-%-set ([%w_]+)=") do
    if not help:find("%f[%w_]" .. key .. "%f[^%w_]") then
      return ("%s --set knows no %s"):format(script, key)
    end
  end
  for option, value in rest:gmatch("(%-%-%l+) ([%l_]+)%f[%s\0]") do
    local choices = help:match(option .. " {([^}]*)}")
    if choices and not ("," .. choices .. ","):find("," .. value .. ",", 1, true) then
      return ("%s %s: expected one of %s, got %s"):format(script, option, choices, value)
    end
  end
end

-- A line of a shell: what it runs, and what it says to it.
local function wrong_command(text, page)
  text = text:gsub("%s+#.*$", "")
  local made = text:match("^make%s+(.+)$")
  if made then return wrong_make(made) end
  local script, rest = text:match("(scripts/[%w_]+%.lua)(.*)$")
  local program, arguments = text:match("^scripts/torus ([%w_]+)%f[%s\0](.*)$")
  if program and program:find("%l") then
    script, rest = "scripts/" .. program .. ".lua", arguments
  end
  if script and exists(script) then return wrong_options(script, rest) end
  if program and program:find("%l") then return "there is no program " .. program end
  for path in text:gmatch("%f[%w.][%w_.]+/[%w_./*-]+") do
    local top = path:match("^([%w_.]+)/")
    if TOP[top] and top ~= "data" and not exists(path) and not is_made(page, path) then
      return "there is no " .. path
    end
  end
end

-- --- code -----------------------------------------------------------------------

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

describe("guides", function()
  local folder -- where their code runs

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(lfs.mkdir(folder))
  end)

  teardown(function() os.execute("rm -r " .. quoted(folder)) end)

  -- scripts/torus in the folder; modules that a page shows are found there.
  local function run(arguments)
    return output_of(("cd %s && LUA_PATH='lua/?.lua;lua/?/init.lua;;' %s %s")
      :format(quoted(folder), quoted(root .. "/scripts/torus"), arguments))
  end

  it("name files and folders that exist", function() each({ "spans" }, wrong_path) end)

  it("name functions and identifiers that exist", function()
    each({ "spans" }, wrong_name)
  end)

  it("name commands and options that exist", function()
    each({ "spans", "shell" }, wrong_command)
  end)

  it("link to pages and headings that exist", function()
    local anchors = {}
    for _, page in ipairs(pages) do
      anchors[page.path] = {}
      for _, heading in ipairs(page.headings) do
        anchors[page.path][guides.anchor(heading.text)] = true
      end
    end
    each({ "links" }, function(target, page)
      if target:find("^https?:") then return end
      local path, anchor = target:match("^([^#]*)#?(.*)$")
      local parts = {}
      for part in (page.path:match("^(.*/)") or ""):gmatch("[^/]+") do parts[#parts + 1] = part end
      for part in path:gmatch("[^/]+") do
        if part == ".." then parts[#parts] = nil else parts[#parts + 1] = part end
      end
      local full = path == "" and page.path or table.concat(parts, "/")
      if not tree[full] then return "a link to nothing: " .. target end
      if anchor ~= "" and not (anchors[full] or {})[anchor] then
        return "a link to no heading: " .. target
      end
    end)
  end)

  for _, page in ipairs(pages) do
    local has_lua = false
    for _, block in ipairs(page.blocks) do has_lua = has_lua or block.kind == "lua" end
    if has_lua then
      it(page.path .. ": its Lua runs", function()
        for _, block in ipairs(page.blocks) do
          if block.kind == "lua" and block.file then
            local inner = block.file:match("^(.*)/")
            if inner then os.execute(("mkdir -p %s/%s"):format(quoted(folder), inner)) end
            write(folder .. "/" .. block.file, table.concat(block.lines, "\n"))
            local said, status = run(("-e 'assert(dofile(%q))'"):format(block.file))
            assert.equal(0, status, said)
          end
        end
        local name = page.path:gsub("/", "-")
        write(folder .. "/" .. name, guides.program(page))
        local said, status = run(quoted(name))
        assert.equal(0, status, said)
      end)
    end

    local typed, answers = guides.transcript(page)
    if typed:find("%S") then
      it(page.path .. ": the prompt answers as shown", function()
        write(folder .. "/typed", typed)
        assert.equal(answers, (run("<typed")))
      end)
    end
  end

  it("README.md has at most 200 lines", function()
    assert.is_true(guides.read("README.md").lines <= 200)
  end)

  -- Each of these pages is complete: it names everything in its folder.
  local COMPLETE = {
    ["scripts/README.md"] = { "^scripts/([%w_]+%.lua)$", "^scripts/dev/([%w_]+%.?%w*)$" },
    ["examples/README.md"] = { "^examples/(%d[%w_]+%.%w+)$", "^examples/([%l-]+%.md)$" },
    ["engine/README.md"] = { "^engine/(%w+)$" },
    ["lua/README.md"] = { "^lua/torus/(%w+)$", "^lua/torus/([%w_]+%.lua)$" },
    ["spec/README.md"] = { "^spec/(%w+)$", "^spec/support/([%w_]+%.%w+)$" },
    ["data/README.md"] = { "^data/(%w+)$" },
  }
  for path, patterns in pairs(COMPLETE) do
    it(path .. " names everything in its folder", function()
      local text, missing = text_of(path), {}
      for known in pairs(tree) do
        for _, pattern in ipairs(patterns) do
          local name = known:match(pattern)
          if name and not text:find("%f[%w_]" .. name:gsub("%p", "%%%0") .. "%f[^%w_]") then
            missing[#missing + 1] = known
          end
        end
      end
      table.sort(missing)
      none(missing)
    end)
  end
end)
