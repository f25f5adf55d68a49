-- Nonlinear least squares for batches of small problems, on problems with known solutions.
local least_squares = require "torus.optim.least_squares"
local torus = require "torus"

local DOUBLE = { dtype = "float64" }

-- Draws (a, b) as the values of a exp(-b t) at six times.
local times = torus.tensor({ { 0, 1, 2, 3, 4, 5 } }, DOUBLE)
local function decay(x)
  return x:narrow(2, 1, 1) * (x:narrow(2, 2, 1) * -times):exp()
end

local function furthest(a, b) return (a - b):abs():max():item() end

-- Problems whose guesses lie nearer and further from their solutions.
local function problems(count)
  local generator = torus.generator(1)
  local o = { dtype = "float64", generator = generator }
  local truth = torus.rand({ count, 2 }, o) + 0.2
  local off = torus.rand({ count, 2 }, o) * torus.linspace(0.001, 0.5, count, DOUBLE)
    :unsqueeze(2)
  return truth, truth + off
end

describe("Least squares of many problems", function()
  it("find the arguments of a function from its values", function()
    local truth, guess = problems(40)
    local found = least_squares.match(decay, guess, decay(truth), 30)
    assert.is_true(furthest(found.x, truth) < 1e-7)
    assert.is_true(furthest(found.drawn, decay(truth)) < 1e-7)
  end)

  it("leave each problem alone once it is finished, and keep their order", function()
    local truth, guess = problems(40)
    -- Values that no arguments reach, so that errors remain.
    local targets = decay(truth) + torus.randn({ 40, 6 }, { dtype = "float64",
      generator = torus.generator(2) }) * 0.01
    local calls, rows = 0, 0
    local function counted(x)
      calls, rows = calls + 1, rows + x:size(1)
      return decay(x)
    end
    local all = least_squares.match(counted, guess, targets, 30)
    local rows_of_all = rows
    assert.are.equal(40 * calls, rows)
    calls, rows = 0, 0
    local some = least_squares.match(counted, guess, targets, 30, { tolerance = 1e-6 })
    assert.is_true(rows < rows_of_all / 4)
    assert.is_true(rows < 40 * calls)
    assert.is_true(furthest(some.x, all.x) < 1e-4)
    assert.is_true(((some.error - all.error) / all.error):max():item() < 1e-5)
    assert.is_true(furthest(some.drawn, decay(some.x)) == 0)
    assert.is_true(furthest(some.targets, targets) == 0)
  end)

  it("never end above the error of their guesses", function()
    local _, guess = problems(20)
    local targets = torus.randn({ 20, 6 }, { dtype = "float64",
      generator = torus.generator(3) })
    local before = (decay(guess) - targets):square():sum(2)
    for _, tolerance in ipairs { 0, 0.1 } do
      local found = least_squares.match(decay, guess, targets, 3, { tolerance = tolerance })
      assert.is_true((found.error - before):max():item() <= 0)
    end
  end)
end)
