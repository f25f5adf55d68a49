-- Films of the true system are recognised, and films whose frames are right but
-- whose order or speed is wrong are not.
local motion = require "torus.tasks.sampled_motion"
local torus = require "torus"

local FRAMES = 16

local function films_of(system, count, speed)
  local q, p = system:sample { count = count, seed = 5 }
  local solved = system:solve(q, p, { dt = system.dt * (speed or 1),
    steps = FRAMES - 1 })
  return system:render(solved.q):transpose(1, 2):contiguous()
end

local function measure(system, films)
  return motion.measure(system, films, { pool = 256 })
end

describe("tasks.sampled_motion", function()
  for _, name in ipairs { "mass_spring", "pendulum", "two_body" } do
    it("recognises films of " .. name, function()
      local system = torus.systems[name]
      local result = measure(system, films_of(system, 4))
      assert.are.equal(1, result.moves)
      assert.is_true(result.motion_distance < 1e-5)
      assert.are.equal(4, result.count)
      assert.are.equal(4, #result.relative)
    end)
  end

  it("finds constants that vary from film to film", function()
    local system = torus.systems.mass_spring_colours
    local q, p, own = system:sample { count = 3, seed = 0,
      split = "sampled motion" }
    local solved = system:solve(q, p, { steps = FRAMES - 1, constants = own })
    local films = system:render(solved.q, { constants = own:unsqueeze(1) })
      :transpose(1, 2):contiguous()
    assert.are.equal(1, measure(system, films).moves)
  end)

  it("compares films learned from noisy frames with mean images of noisy positions", function()
    local system = torus.systems.mass_spring
    local q = torus.tensor({ { 0.2 }, { -0.15 } }, { dtype = "float64" })
    local solved = system:solve(q, torus.zeros_like(q), { steps = FRAMES - 1 })
    -- By quadrature, independently of the measure's random draws: the density at 41 points
    -- from -4 to 4 standard deviations.
    local films = torus.zeros { FRAMES, 2, 32, 32, 3 }
    for z = -4, 4, 0.2 do
      films = films + system:render(solved.q + z * 0.1)
        * (0.2 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi))
    end
    films = films:transpose(1, 2):contiguous()
    assert.are.equal(0, measure(system, films).moves)
    local result = motion.measure(system, films, { pool = 256, noise = 0.1 })
    assert.are.equal(1, result.moves)
    assert.is_true(result.motion_distance < 0.3e-4)
  end)

  it("rejects motion that turns round", function()
    local system = torus.systems.two_body
    local half = films_of(system, 4):narrow(2, 1, FRAMES // 2)
    local turning = torus.cat({ half, half:flip(2) }, 2)
    assert.are.equal(0, measure(system, turning).moves)
  end)

  it("rejects a wrong speed", function()
    local system = torus.systems.mass_spring
    local result = measure(system, films_of(system, 4, 2))
    assert.are.equal(0, result.moves)
  end)

  it("is part of an evaluation", function()
    local rows = motion.rows(measure(torus.systems.mass_spring,
      films_of(torus.systems.mass_spring, 2)))
    assert.are.equal("100% of 2", rows[1][2])
  end)
end)
