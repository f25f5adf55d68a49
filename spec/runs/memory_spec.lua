local torus = require "torus"
local Task = require "torus.tasks.hgn"
local config = require "torus.runs.configuration"

-- Resident memory in pages, where the system tells.
local function resident()
  local file = io.open("/proc/self/statm")
  if not file then return nil end
  local _, pages = file:read("n", "n")
  file:close()
  return pages
end

describe("a long training loop", function()
  it("keeps its memory without a collectgarbage()", function()
    if not resident() then pending("needs /proc") end
    local frames = torus.rand({ 8, 4, 16, 16, 3 },
      { generator = torus.generator(1) })
    local task = Task.new(assert(config.make(nil, { width = 4, z = 3,
      state = 2, resolution = 16, frames = 4, energy_layers = 2, batch = 2 })),
      assert(torus.data.frames(frames)))
    local half
    for step = 1, 2000 do
      task.optimiser:step((task:step(step)))
      if step == 1000 then half = resident() end
    end
    assert.is_true(resident() < 1.01 * half,
      string.format("from %d to %d pages", half, resident()))
  end)
end)
