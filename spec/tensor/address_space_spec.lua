-- Little address space: OpenBLAS would look for it without end.
local sanitized = (os.getenv "LD_PRELOAD" or "") ~= ""

describe("little address space", function()
  if sanitized then return end -- the sanitizer takes terabytes

  local function run(kilobytes)
    local pipe = io.popen(("ulimit -v %d; timeout 60 scripts/torus -e '%s' 2>&1; "
      .. "echo status $?"):format(kilobytes, [[
      local torus = require "torus"
      torus.set_threads(4)
      local x = torus.ones(400, 400)
      io.write(x:matmul(x):sum():item(), " ")]]))
    local said = pipe:read("a")
    pipe:close()
    return said
  end

  it("is enough, or a message, and always an end", function()
    local worked = 0
    for _, megabytes in ipairs { 90, 130, 180, 250, 400, 1000 } do
      local said = run(megabytes * 1024)
      local ok = said == "64000000 status 0\n"
      if ok then worked = worked + 1
      else assert.matches("out of memory.*status 1\n", said) end
    end
    assert.is_true(worked >= 2)
    assert.matches("OpenBLAS needs 130 MB of address space", run(90 * 1024))
  end)
end)
