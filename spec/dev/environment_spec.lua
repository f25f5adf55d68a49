-- The environment variables TORUS_ISA and TORUS_THREADS, as the module is opened.
local function output(value, variable)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  assert(file:write "require 'torus'; print 'opened'")
  file:close()
  local pipe = assert(io.popen(("%s='%s' scripts/torus %s 2>&1"):format(
    variable or "TORUS_ISA", value, path)))
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
    assert.matches('TORUS_ISA: expected portable, avx2, avx512, avx512bf16 or amx, got "sse9"',
      text, 1, true)
    assert.is_nil(ok)
  end)
end)

describe("TORUS_THREADS", function()
  it("may be empty or a number of threads", function()
    for _, value in ipairs { "", "1", "256" } do
      assert.equal("opened\n", (output(value, "TORUS_THREADS")))
    end
  end)

  it("is refused where it is none", function()
    for _, value in ipairs { "0", "-2", "257", "many", "2x", "1.5", "99999999999999999999" } do
      local text, ok = output(value, "TORUS_THREADS")
      assert.equal(('torus: TORUS_THREADS: expected an integer from 1 to 256, got "%s"\n')
        :format(value), text)
      assert.is_nil(ok)
    end
  end)
end)
