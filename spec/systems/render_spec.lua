local torus = require "torus"
local render = require "torus.systems.parts.render"

local function largest(x) return x:abs():max():item() end

describe("System:render", function()
  local pendulum = torus.systems.pendulum

  it("shows a disc with a soft edge where the formula says", function()
    local angle = 0.7
    local frame = pendulum:render(torus.tensor { { angle } }):select(1, 1):totable()
    local radius = math.sqrt(0.5 / math.pi)
    local side = 2 * (1 + radius)
    local background, colour = { 0.321, 0.349, 0.368 }, { 1, 0, 0 }
    for row = 1, 32 do
      for column = 1, 32 do
        local x = (column - 1) / 31 - 0.5 - math.sin(angle) / side
        local y = 0.5 - (row - 1) / 31 + math.cos(angle) / side
        local share = 1 / (1 + math.exp(-80 * (radius / side
          - math.sqrt(x * x + y * y))))
        for c = 1, 3 do
          local want = background[c] + share * (colour[c] - background[c])
          assert.is_true(math.abs(frame[row][column][c] - want) < 1e-5)
        end
      end
    end
  end)

  it("gives a state the same bits at every place and on any threads", function()
    local threads = torus.threads()
    for _, name in ipairs(torus.systems.names()) do
      local system = torus.systems[name]
      local q, p = system:sample { count = 53, seed = 2 }
      q = system:solve(q, p, { steps = 3 }).q[4]:to("float32")
      torus.set_threads(1)
      local all = system:render(q, { resolution = 20 })
      torus.set_threads(2)
      assert.are.equal(0, largest(all - system:render(q, { resolution = 20 })))
      for _, i in ipairs { 1, 2, 17, 50, 53 } do
        local alone = system:render(q:narrow(1, i, 1), { resolution = 20 })
        assert.are.equal(0, largest(all:narrow(1, i, 1) - alone))
        local three = system:render(q:narrow(1, math.min(i, 51), 3),
          { resolution = 20 })
        assert.are.equal(0, largest(all:narrow(1, math.min(i, 51), 3) - three))
      end
    end
    torus.set_threads(threads)
  end)

  it("keeps the leading dimensions of q, also none and empty ones", function()
    assert.are.same({ 32, 32, 3 }, pendulum:render(torus.zeros(1)).shape)
    assert.are.same({ 2, 3, 64, 64, 3 },
      pendulum:render(torus.zeros(2, 3, 1), { resolution = 64 }).shape)
    assert.are.same({ 0, 32, 32, 3 }, pendulum:render(torus.zeros(0, 1)).shape)
  end)

  it("takes another ground, colours, radii, sharpness and width", function()
    local q = torus.zeros(1, 1)
    local black = pendulum:render(q, { background = { 0, 0, 0 },
      colours = { { 0, 0, 1 } }, radii = { 0.3 }, half_width = 2,
      sharpness = 1000, resolution = 101 })
    assert.are.equal(0, largest(black:narrow(4, 1, 2)))
    local area = black:select(4, 3):sum():item() / 100 ^ 2 * 16
    assert.is_true(math.abs(area - math.pi * 0.09) < 0.005)
  end)

  it("has evenly spaced hues", function()
    assert.are.same({ { 1, 0, 0 } }, render.palette(1))
    assert.are.same({ { 1, 0, 0 }, { 0, 1, 0 } }, render.palette(2))
    assert.are.same({ { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } }, render.palette(3))
    assert.are.same({ { 1, 0, 0 }, { 0.5, 1, 0 }, { 0, 1, 1 }, { 0.5, 0, 1 } },
      render.palette(4))
  end)

  it("says what it expected", function()
    local q = torus.zeros(1, 1)
    for pattern, opts in pairs {
      ['unknown option "size"'] = { size = 32 },
      ['option "resolution": expected at least 1'] = { resolution = 0 },
      ["colours: expected 1, one for each body, got 2"] =
        { colours = { { 1, 0, 0 }, { 1, 0, 0 } } },
      ["colour 1: expected three numbers from 0 to 1"] = { colours = { { 255, 0, 0 } } },
      ["background: expected three numbers"] = { background = { 0.5 } },
      ["radii: expected numbers above 0, got %-1 for body 1"] = { radii = { -1 } },
    } do
      assert.error_matches(function() pendulum:render(q, opts) end, pattern)
    end
  end)
end)
