-- What the targets of make ask for before they begin.
describe("setup.sh --check", function()
  local function check(goal, variables)
    -- without the sanitizer's library: its tools are not ours
    local pipe = assert(io.popen(string.format(
      "env -u LD_PRELOAD %s scripts/dev/setup.sh --check %s 2>&1", variables,
      goal)))
    local said = pipe:read("a")
    return pipe:close() == true, said
  end

  it("is content where everything is there", function()
    assert.are.same({ true, "" }, { check("build", "") })
  end)

  it("asks for the Lua modules that the library takes", function()
    local hidden = "LUA_PATH_5_4='/none/?.lua' LUA_CPATH_5_4='/none/?.so'"
    for _, goal in ipairs { "build", "demo" } do
      local ok, said = check(goal, hidden)
      assert.is_false(ok)
      assert.matches("missing [^\n]*lua%-dkjson lua%-filesystem", said)
    end
  end)
end)
