-- What scripts/dev/spec.sh says about a file of specs, and what it counts.
local folders = require "spec.support.folders"
local lfs = require "lfs"

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

-- Runs a file with this text. Returns what was printed, and "passed failed".
local function run(text)
  local folder = folders.new()
  assert(lfs.mkdir(folder))
  local path = folder .. "/some_spec.lua"
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  local pipe = assert(io.popen(string.format("RESULTS=%s MODE=plain SANITIZER= "
    .. "BUILD=%s scripts/dev/spec.sh %s 2>&1", folder, os.getenv "TORUS_BUILD" or "build",
    path)))
  local printed = pipe:read "a"
  assert(pipe:close())
  for name in lfs.dir(folder) do
    if name:match "%.result$" then
      return printed, (read(folder .. "/" .. name):gsub("\n", ""))
    end
  end
end

local function it_block(name, body)
  return string.format("it(%q, function() %s end) ", name, body)
end

local function described(...)
  return "describe(\"a file\", function() " .. table.concat { ... } .. " end)"
end

describe("A file of specs", function()
  teardown(folders.clear)

  it("that passes is one line", function()
    local printed, result = run(described(it_block("adds", "assert.equal(2, 1 + 1)"),
      it_block("subtracts", "assert.equal(0, 1 - 1)")))
    assert.equal("2 0", result)
    assert.matches("^[^\n]*some_spec%.lua +%d+ s   2 passed, 0 failed\n$", printed)
  end)

  it("that fails is preceded by its reasons", function()
    local printed, result = run(described(it_block("adds", "assert.equal(3, 1 + 1)"),
      it_block("raises", "error 'an error of its own'"), it_block("passes", "")))
    assert.equal("1 2", result)
    assert.matches("Expected:\n%(number%) 3", printed)
    assert.matches("an error of its own", printed)
    assert.matches("1 passed, 2 failed\n$", printed)
  end)

  it("that ends its process has failed", function()
    local printed, result = run(described(it_block("passes", ""), it_block("ends", "os.exit(0)")))
    assert.equal("0 1", result)
    assert.matches("some_spec%.lua ended without a result %(exit status 0%)", printed)
  end)

  it("that does not compile has failed", function()
    local _, result = run "describe("
    assert.equal("0 1", result)
  end)
end)
