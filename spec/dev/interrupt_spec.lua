-- Control-C, from a child of the process that gets it.
local function output(body)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  assert(file:write([[
    local core = require "torus.core"
    local function interrupt()
      io.popen("kill -INT $PPID"):close()
    end
  ]], body))
  file:close()
  local pipe = assert(io.popen("scripts/torus " .. path .. " 2>&1"))
  local text = pipe:read("a")
  pipe:close()
  os.remove(path)
  return text
end

describe("a control-C", function()
  it("stops a script where it stands", function()
    local text = output [[
      print("before")
      interrupt()
      for _ = 1, 10 do io.write("") end
      print("after")
    ]]
    assert.matches("before", text)
    assert.matches("interrupted!", text)
    assert.is_nil(text:find("after", 1, true))
  end)

  it("waits for what may not be interrupted", function()
    local text = output [[
      local a, b = core.uninterrupted(function(x)
        interrupt()
        for _ = 1, 10 do io.write("") end
        print("whole")
        return x, "two"
      end, 1)
      for _ = 1, 10 do io.write("") end
      print("after", a, b)
    ]]
    assert.matches("whole", text)
    assert.matches("interrupted!", text)
    assert.is_nil(text:find("after", 1, true))
  end)

  it("that does not come changes nothing", function()
    assert.are.equal("1\ttwo\tfalse\tno\n", output [[
      local a, b = core.uninterrupted(function(x) return x, "two" end, 1)
      print(a, b, pcall(core.uninterrupted, error, "no"))
    ]])
  end)
end)
