-- Short attacks with fixed seeds; `make fuzz storm kill programs` are the long ones.
local kill = require "spec.attack.kill"
local lfs = require "lfs"
local mutate = require "spec.attack.mutate"
local programs = require "spec.attack.programs"
local readers = require "spec.attack.readers"
local storm = require "spec.attack.storm"

local CORPUS = "spec/attack/corpus"

local function names_in(folder)
  local names = {}
  for name in lfs.dir(folder) do
    if name:sub(1, 1) ~= "." then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function bytes_of(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "a"
  file:close()
  return bytes
end

describe("an attack on", function()
  teardown(readers.clean)

  for _, reader in ipairs(names_in(CORPUS)) do
    it("the reader of " .. reader .. " finds nothing", function()
      local draw = mutate.generator(1)
      for _, name in ipairs(names_in(CORPUS .. "/" .. reader)) do
        local bytes = bytes_of(CORPUS .. "/" .. reader .. "/" .. name)
        readers[reader](bytes)
        for number = 1, 150 do
          local mutated = mutate.bytes(bytes, draw)
          local start = os.clock()
          local ok, message = pcall(readers[reader], mutated)
          if ok and os.clock() - start > 1 then ok, message = false, "takes long" end
          if not ok then
            error(("%s, mutation %d: %s\n%q"):format(name, number, message,
              mutated:sub(1, 1000)), 0)
          end
        end
      end
    end)
  end

  it("run folders finds nothing", function()
    local faults = mutate.runs(120, 1)
    assert.same({}, faults)
  end)

  it("autodiff finds the values and gradients that PyTorch found", function()
    local count, faults = programs.run "data/reference/programs"
    assert.equal(500, count)
    assert.same({}, faults)
  end)

  it("all public functions gets values or one message at the caller's line", function()
    local result = storm.in_folder(function() return storm.run(3000, 1) end)
    assert.same({}, result.faults)
  end)

  it("training runs changes no bit of those that are resumed", function()
    local result = kill.run(3, 1, { "hnn" }, 40)
    assert.same({}, result.faults)
    assert.is_true(result.kills >= 3)
  end)
end)
