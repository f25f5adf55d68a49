-- The house check of `make lint` on trees with one planted breach each.
local files = require "torus.files"
local lfs = require "lfs"

local CLEAN = {
  ["engine/core/status.h"] = '#include <stddef.h>\n',
  ["lua/torus/init.lua"] = 'return { nn = require "torus.nn" }\n',
  ["lua/torus/options.lua"] = "return {}\n",
  ["lua/torus/nn/init.lua"] = 'return { linear = require "torus.nn.linear" }\n',
  ["lua/torus/nn/linear.lua"] = 'return require "torus.options"\n',
  ["lua/torus/runs/run.lua"] = 'return require "torus.tasks"\n',
  ["lua/torus/tasks/init.lua"] = "return {}\n",
  ["scripts/train.lua"] = 'print(require "torus")\n',
  ["examples/one.lua"] = 'print(require "torus")\n',
  ["spec/one_spec.lua"] = 'print(require "torus")\n',
}

local program = lfs.currentdir() .. "/scripts/dev/house.lua"

-- Checks the clean tree with other files put in, after a command if there is one; returns
-- whether it passes, and what was printed.
local function check(planted, prepare)
  local base = os.tmpname()
  os.remove(base)
  for _, tree in ipairs { CLEAN, planted or {} } do
    for path, text in pairs(tree) do
      assert(files.make_folder(base .. "/" .. path:match("^(.*)/")))
      assert(files.write(base .. "/" .. path, text))
    end
  end
  local pipe = assert(io.popen(string.format(
    "cd %s && %s && lua5.4 %s 2>&1", base, prepare or "true", program)))
  local said = pipe:read("a")
  local ok = pipe:close() == true
  os.execute("rm -r " .. base)
  return ok, said
end

local function fails(pattern, planted, prepare)
  local ok, said = check(planted, prepare)
  assert.is_false(ok)
  assert.matches(pattern, said)
  local _, lines = said:gsub("\n", "")
  assert.are.equal(1, lines, said)
end

describe("house.lua", function()
  it("passes a clean tree", function()
    assert.are.same({ true, "" }, { check() })
  end)

  it("fails on the facade inside the library", function()
    fails("^lua/torus/nn/mlp.lua:2: requires the facade", {
      ["lua/torus/nn/mlp.lua"] = '-- A network.\nlocal torus = require "torus"\n'
        .. "return torus\n" })
    fails("^lua/torus/nn/mlp.lua:1: requires the facade", {
      ["lua/torus/nn/mlp.lua"] = "return require('torus').zeros\n" })
  end)

  it("fails on a circle of requires", function()
    fails("a circle of requires: torus.nn.one %-> torus.nn.two %-> torus.nn.one",
      { ["lua/torus/nn/one.lua"] = 'return require "torus.nn.two"\n',
        ["lua/torus/nn/two.lua"] = 'return require "torus.nn.one"\n' })
  end)

  it("fails on a layer that requires a later one", function()
    fails("torus.nn may not require torus.models.hgn", {
      ["lua/torus/nn/mlp.lua"] = 'return require "torus.models.hgn"\n' })
    fails("torus.tasks may not require torus.runs.run", {
      ["lua/torus/tasks/one.lua"] = 'return require "torus.runs.run"\n' })
  end)

  it("fails on a model that runs name", function()
    fails("torus.runs may not require torus.tasks.hgn", {
      ["lua/torus/runs/one.lua"] = 'return require "torus.tasks.hgn"\n' })
  end)

  it("fails on a stray file at the top level", function()
    fails("^notes.txt:1: does not belong at the top level", { ["./notes.txt"] = "\n" },
      "git init -q")
    assert.is_true(check({ ["./README.md"] = "\n", ["build/one.o"] = "\n",
      ["./.gitignore"] = "build/\n" }, "git init -q"))
  end)

  it("fails on Lua outside of the binding", function()
    fails("^engine/core/one.c:1: only the binding may include lua.h", {
      ["engine/core/one.c"] = "#include <lua.h>\n" })
  end)
end)
