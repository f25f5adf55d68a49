-- How scripts end on errors: one line for a user's mistake, a traceback for a
-- bug.
local files = require "torus.files"

-- Runs a script whose main function has this body; gives its exit status and
-- what it said.
local function run(body)
  local path = os.tmpname() .. ".lua"
  assert(files.write(path, [[
    local command = require "torus.runs.command"
    local torus = require "torus"
    command.main(require "argparse"("x.lua"), function(args)
      assert(args and torus)
      ]] .. body .. " end)"))
  local _, _, status = os.execute(string.format(
    "scripts/torus %s >/dev/null 2>%s.err", path, path))
  local said = files.read(path .. ".err")
  os.remove(path)
  os.remove(path .. ".err")
  return status, (said:gsub("^[^/ ]+%.lua: ", "NAME: "))
end

local function says(text, body, expected)
  local status, said = run(body)
  assert.are.same({ expected or 1, "NAME: " .. text .. "\n" }, { status, said })
end

local function traces(text, body)
  local status, said = run(body)
  assert.are.equal(1, status)
  assert.matches(text, said)
  assert.matches("stack traceback", said)
end

describe("command.main", function()
  it("says a user's mistake in one line, wherever it is found", function()
    says("zeros: expected sizes from 0, got -1", "torus.zeros(-1)")
    says("hgn: resolution: expected a multiple of 8 from 8 to 56 or of 16 "
      .. "from 64 to 1024, got 20",
      "torus.no_grad(function() torus.models.hgn { resolution = 20 } end)")
    says("set_threads: expected 1..256, got 1000", [[
      local ok, text = xpcall(torus.set_threads, debug.traceback, 1000)
      error(text, 0)]])
  end)

  it("says what the world refused", function()
    says("/none/x: No such file or directory",
      "command.check(io.open('/none/x'))")
    says("gone", "error('gone', 0)")
    says("gone", "command.die('gone')")
    says("5 gone", "command.die('%d gone', 5)")
    says("gone", "command.check(nil, 'gone')")
  end)

  it("says that it was interrupted", function()
    says("interrupted", "error('interrupted!')", 130)
  end)

  it("shows where a bug is", function()
    traces("attempt to perform arithmetic", "local x = nil + 1")
    traces("attempt to index a nil", "torus.data.simulate('pendulum', "
      .. "{ train = 1, test = 1, progress = function() local x = x.y end })")
    traces("something else", "error(setmetatable({}, { __tostring = "
      .. "function() return 'something else' end }))")
  end)

  it("takes no earlier mistake for a bug's", function()
    traces("attempt to perform arithmetic",
      "pcall(torus.zeros, -1) local x = nil + 1")
  end)

  it("lets a script end well", function()
    assert.are.same({ 0, "" }, { run "return" })
  end)
end)
