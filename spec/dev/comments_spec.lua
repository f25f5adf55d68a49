-- The extractor behind help() and the HTML reference.
local comments = assert(loadfile("scripts/dev/docs/comments.lua"))()
local lfs = require "lfs"
local folders = require "spec.support.folders"

-- The entries of a text, and what was reported about it.
local function read(text, language)
  local reports = {}
  local entries = comments["of_" .. (language or "lua")]("file", text,
    function(line, message, ...)
      reports[#reports + 1] = line .. ": " .. message:format(...)
    end)
  return entries, table.concat(reports, "\n")
end

local MODULE = "--- A module.\n-- @module torus.some\nlocal M = {}\n\n"

describe("documentation comments", function()
  it("of Lua become entries", function()
    local entries, reports = read(MODULE .. [[
--- Adds. More
-- words:
--
--     code
-- @tparam tensor x (batch, n)
-- @tparam[opt=2] {integer,...} sizes two
-- @treturn ?tensor the sum
-- @raise when it rains
-- @usage
-- y = torus.some.add(x)
--
-- print(y)
function M.add(x, sizes)
end
]])
    assert.equal("", reports)
    local add = entries[2]
    assert.equal("torus.some", entries[1].name)
    assert.equal("torus.some.add", add.name)
    assert.equal("Adds.", add.summary)
    assert.equal("More\nwords:\n\n    code", add.text)
    assert.are.same({ name = "x", type = "tensor", text = "(batch, n)" },
      add.params[1])
    assert.are.same({ name = "sizes", type = "{integer,...}", text = "two",
      optional = true, default = "2" }, add.params[2])
    assert.are.same({ { type = "tensor", optional = true, text = "the sum" } },
      add.returns)
    assert.are.same({ "when it rains" }, add.raises)
    assert.are.same({ "y = torus.some.add(x)\n\nprint(y)" }, add.usage)
    assert.are.same({ "x", "sizes" }, add.arguments)
    assert.equal(17, add.definition)
  end)

  it("of C name what they document", function()
    local entries, reports = read([[
/*** Zeros.
 * @function torus.zeros
 * @tparam integer n
 * @treturn tensor (n) */
static int zeros(lua_State *L) {
/*** No name. */
]], "c")
    assert.equal("torus.zeros", entries[1].name)
    assert.equal("(n)", entries[1].returns[1].text)
    assert.equal("6: no @function names what this documents", reports)
  end)

  it("have the names under which programs call", function()
    local entries = read(MODULE .. [[
--- @function torus.other
function M.one() end
--- Short.
-- @function two
M.two = M.one
--- A method.
function Adam:step() end
--- Private.
local function three() end
]])
    local names = {}
    for i, entry in ipairs(entries) do names[i] = entry.name end
    assert.are.same({ "torus.some", "torus.other", "torus.some.two",
      "Adam:step" }, names)
    entries = read("--- Tensors.\n-- @module torus.tensor\n-- @public torus\n\n"
      .. "--- Turns.\nfunction M.flip(x) end\n")
    assert.equal("torus.flip", entries[2].name)
  end)

  it("of methods defined as functions of another file leave out the object", function()
    local entries = read(MODULE .. [[
--- Refines.
-- @function HGN:refine
-- @tparam tensor q (batch, n)
function M.refine(model, q) end
--- Adds.
-- @tparam tensor x (n)
function Sum:add(x) end
]])
    assert.are.same({ "q" }, entries[2].arguments)
    assert.are.same({ "x" }, entries[3].arguments)
  end)

  it("with faults are reported, with their lines", function()
    for text, pattern in pairs {
      ["--- Adds.\n-- @tparam tensor z\nfunction M.add(x) end"] =
        "5: torus.some.add: there is no argument z",
      ["--- Adds.\n-- @returns tensor\nfunction M.add() end"] =
        "5: unknown tag @returns",
      ["--- Adds.\n-- @tparam tensor\nfunction M.add() end"] =
        "5: @tparam: expected a type, a name and a text",
      ["--- About nothing.\n\nM.add()"] = "5: a comment that documents nothing",
    } do
      local _, reports = read(MODULE .. text)
      assert.matches(pattern, reports, 1, true)
    end
  end)

  -- What check_names reports of files that are read in the given order.
  local function duplicates(files, order)
    local entries, reports = {}, {}
    for _, name in ipairs(order) do
      local found = comments[name:match("%.lua$") and "of_lua" or "of_c"](name,
        files[name], error)
      table.move(found, 1, #found, #entries + 1, entries)
    end
    comments.check_names(entries, function(entry, message, ...)
      reports[#reports + 1] = entry.file .. ": " .. message:format(...)
    end)
    return reports
  end

  local C = "/*** Makes one.\n * @function torus.some */\n"
  local FILES = { ["a.c"] = C, ["b.c"] = C, ["some.lua"] = MODULE .. "return M",
    ["other.lua"] = MODULE .. "return M" }

  it("may describe a module and the function of its name, in either order", function()
    assert.are.same({}, duplicates(FILES, { "a.c", "some.lua" }))
    assert.are.same({}, duplicates(FILES, { "some.lua", "a.c" }))
  end)

  it("that describe a name twice are reported, in any order", function()
    for _, names in ipairs { { "a.c", "b.c", "some.lua" },
      { "some.lua", "other.lua", "a.c" } } do
      local first, second, third = table.unpack(names)
      for _, order in ipairs { { first, second, third }, { second, first, third },
        { third, first, second }, { first, third, second } } do
        local reports = duplicates(FILES, order)
        assert.equal(1, #reports)
        assert.matches("torus.some is documented twice, first at ", reports[1], 1, true)
      end
    end
  end)

  it("result in the same reference whatever the order of the files", function()
    local folder = folders.new()
    assert(lfs.mkdir(folder))
    local paths = {}
    for name, text in pairs { ["a.c"] = C, ["some.lua"] = FILES["some.lua"] } do
      paths[#paths + 1] = folder .. "/" .. name
      local file = assert(io.open(paths[#paths], "wb"))
      assert(file:write(text))
      assert(file:close())
    end
    local output = folder .. "/reference.lua"
    local function written(first, second)
      assert(os.execute(("lua5.4 scripts/dev/docs/reference.lua %s %s %s"):format(output,
        first, second)))
      local file = assert(io.open(output, "rb"))
      local text = file:read("a")
      file:close()
      return text
    end
    local text = written(paths[1], paths[2])
    assert.equal(text, written(paths[2], paths[1]))
    assert.matches("torus.some", text, 1, true)
    folders.clear()
  end)
end)
