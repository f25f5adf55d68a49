-- The extractor behind help() and the HTML reference.
local comments = assert(loadfile("scripts/dev/docs/comments.lua"))()

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
end)
