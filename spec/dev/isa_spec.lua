-- The environment variable TORUS_ISA, as the module is opened.
local function output(isa)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  assert(file:write "require 'torus'; print 'opened'")
  file:close()
  local pipe = assert(io.popen(("TORUS_ISA='%s' scripts/torus %s 2>&1"):format(isa, path)))
  local text = pipe:read "a"
  local ok = pipe:close()
  os.remove(path)
  return text, ok
end

describe("TORUS_ISA", function()
  it("forces the instruction set that it names", function()
    local text, ok = output "portable"
    assert.equal("opened\n", text)
    assert.is_true(ok)
  end)

  it("is refused by name where there is no such set", function()
    local text, ok = output "sse9"
    assert.matches('TORUS_ISA: expected portable, avx2 or avx512, got "sse9"', text, 1, true)
    assert.is_nil(ok)
  end)
end)
