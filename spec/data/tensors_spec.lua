local raises = require "spec.support.raises"
local steady = require "spec.support.steady"
local torus = require "torus"

local tensors = torus.data.tensors

local function epoch_of(set)
  local seen, sizes = {}, {}
  for x, y in set:batches() do
    sizes[#sizes + 1] = x:size(1)
    for i, v in ipairs(x:totable()) do
      seen[#seen + 1] = v
      assert.equal(10 * v, y[i]:item()) -- rows stay together
    end
  end
  return seen, sizes
end

local x = torus.arange(7)
local y = (x * 10):double()

describe("torus.data.tensors", function()
  it("shows every sample once in an epoch, in an order of its own", function()
    local set = tensors { x, y, batch = 3, seed = 5 }
    assert.equal(3, #set)
    local first, sizes = epoch_of(set)
    assert.same({ 3, 3, 1 }, sizes)
    local second = epoch_of(set)
    assert.not_same(first, second)
    for _, seen in ipairs { first, second } do
      table.sort(seen)
      assert.same({ 1, 2, 3, 4, 5, 6, 7 }, seen)
    end
  end)

  it("has the same order for the same seed", function()
    local first = epoch_of(tensors { x, y, batch = 2, seed = 5 })
    assert.same(first, epoch_of(tensors { x, y, batch = 3, seed = 5 }))
    assert.not_same(first, epoch_of(tensors { x, y, batch = 2, seed = 6 }))
  end)

  it("keeps the order without shuffle, and drops what fills no batch", function()
    local seen, sizes = epoch_of(tensors { x, y, batch = 3, shuffle = false, last = "drop" })
    assert.same({ 1, 2, 3, 4, 5, 6 }, seen)
    assert.same({ 3, 3 }, sizes)
    assert.equal(2, #tensors { x, batch = 3, last = "drop" })
    assert.equal(1, #tensors { x, batch = math.maxinteger })
  end)

  it("continues from a state, and after a loop that was left", function()
    local set = tensors { x, y, batch = 2, seed = 1 }
    local other = tensors { x, y, batch = 2, seed = 1 }
    set:batches()() -- one batch
    other:load_state(set:state())
    local rest = epoch_of(set)
    assert.equal(5, #rest)
    assert.same(rest, epoch_of(other))
    assert.same(epoch_of(set), epoch_of(other))
  end)

  it("goes on through epochs by next", function()
    local set = tensors { x, batch = 4, shuffle = false }
    assert.same({ 1, 2, 3, 4 }, set:next():totable())
    assert.same({ 5, 6, 7 }, set:next():totable())
    assert.same({ 1, 2, 3, 4 }, set:next():totable())
    assert.equal(2, set:state().epoch)
  end)

  it("batches all dtypes and shapes, as copies", function()
    local images = torus.zeros(4, 2, 2, { dtype = "uint8" })
    local classes = torus.tensor({ 1, 2, 3, 4 }, { dtype = "int64" })
    local set = tensors { images, classes, batch = 2, shuffle = false }
    local a, b = set:next()
    assert.same({ 2, 2, 2 }, a.shape)
    assert.equal("uint8", a.dtype)
    assert.same({ 1, 2 }, b:totable())
    b[1] = 9
    assert.equal(1, classes[1]:item())
    assert.equal("data.tensors(2 tensors, 4 samples, 2 batches)", tostring(set))
  end)

  it("says what does not fit", function()
    raises("data.tensors: expected its batches in a loop: for x, y in set:batches() do", function()
      local step, state = tensors { x }
      step(state)
    end)
    raises("data.tensors: expected at least one tensor, got none", function() tensors {} end)
    raises("data.tensors: expected tensors of the same first size, got tensor (7) float32 and "
      .. "tensor (2) float32", function() tensors { x, torus.ones(2) } end)
    raises("data.tensors: expected a tensor with a first dimension as tensor 2, got 3",
      function() tensors { x, 3 } end)
    raises("data.tensors: unknown option \"bach\", did you mean \"batch\"? (known: batch, "
      .. "last, seed, shuffle)", function() tensors { x, bach = 3 } end)
    raises("data.tensors: option \"batch\": expected at most 7, the number of samples, got 8",
      function() tensors { x, batch = 8, last = "drop" } end)
  end)

  it("keeps a steady size without a collectgarbage", function()
    local set = tensors { torus.randn(4000, 200), batch = 1000 }
    steady(600, function() set:next() end)
  end)
end)
