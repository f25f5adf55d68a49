-- Misuse of the library's own objects and functions: one message at the caller's
-- line, which names the function.
local torus = require "torus"
local raises = require "spec.support.raises"

local VALUES = { "x", -1, 1.5, true, {}, print, torus.generator(1), torus.ones(2, 3) }

-- Calls f with each value at each position of up to three; what is raised is
-- raised at this file's line.
local function walk(name, f, object)
  local function try(...)
    local args = table.pack(...)
    local ok, message = pcall(function() f(table.unpack(args, 1, args.n)) end)
    message = tostring(message)
    if not ok and not message:find("^spec/dev/misuse_spec.lua:%d+: ") then
      error(("%s raised elsewhere: %s"):format(name, message), 0)
    end
  end
  try(object)
  for _, a in ipairs(VALUES) do
    try(object, a)
    for _, b in ipairs(VALUES) do try(object, a, b) end
  end
end

describe("misuse of", function()
  it("systems, modules, measures and targets names what came", function()
    local pendulum = torus.systems.pendulum
    local q = torus.ones({ 1, 1 }, { dtype = "float64" })
    raises("solve: opts: expected a table, got 5", function() pendulum:solve(q, q, 5) end)
    local net = torus.nn.Linear(2, 2)
    raises("load_parameters: prefix: expected a string, got a table",
      function() net:load_parameters(net:named(), {}) end)
    raises("measure: model: expected a table, got nil", function() torus.train.measure(nil) end)
    raises("measure: data: expected a table, got nil", function() torus.train.measure(net) end)
    local rings = torus.data.targets.get "rings"
    raises("log_density: expected x of shape", function() rings:log_density(5) end)
    raises("image.write", function() torus.image.write("a.png", { torus.ones(2) }) end)
    raises("MLP: size 2: expected an integer, got 2.5",
      function() torus.nn.MLP { sizes = { 2, 2.5 } } end)
    local gone = torus.ones(2)
    gone:release()
    raises("norm: ", function() gone:norm() end)
  end)

  it("sizes that would never end is refused at once", function()
    local huge = math.maxinteger
    local set = torus.data.simulate("pendulum", { train = 2, test = 2, steps = 3 })
    raises("windows: count: expected at most 4, got " .. huge,
      function() set.train:windows({ 1 }, { 1 }, huge) end)
    raises("windows: start 1: expected at most 3, got 4",
      function() set.train:windows({ 1 }, { 4 }, 2) end)
    raises("windows: starts: expected one for each of 2 sequences, got 1",
      function() set.train:windows({ 1, 2 }, { 1 }, 2) end)
    raises("Dataset:longer: steps: expected at most 10000000",
      function() set:longer("test", 1, huge) end)
    raises("Dataset:longer: name: expected one of", function() set:longer("all", 1, 5) end)
    local rings = torus.data.targets.get "rings"
    raises("Target:entropy: count: expected at most 10000000, got " .. huge,
      function() rings:entropy(huge) end)
    raises("modes\": expected at most 100000",
      function() torus.data.targets.mixture { modes = huge } end)
    raises("rk45: option \"steps\": expected at most 10000000", function()
      torus.systems.pendulum:solve(torus.ones(1, 1), torus.ones(1, 1), { steps = huge })
    end)
    raises("polynomial.features: exponents: expected at most 100", function()
      torus.measures.polynomial.features(torus.ones(1, 1), { { huge } })
    end)
    assert.is_false((pcall(torus.latin_hypercube, 4, huge)))
    raises("GRU: option \"layers\": expected at most 1000",
      function() torus.nn.GRU(1, 2, { layers = huge }) end)
  end)

  for _, object in ipairs {
    { "Linear", torus.nn.Linear(2, 2) },
    { "Sequential", torus.nn.Sequential { torus.nn.Linear(2, 2) } },
    { "Adam", torus.optim.adam { torus.variable(torus.ones(2)) } },
    { "Geco", torus.optim.geco { tolerance = 1 } },
  } do
    for _, method in ipairs { "load_parameters", "load_state", "to", "step", "update" } do
      local f = object[2][method]
      if f then
        it(object[1] .. ":" .. method .. " raises at the caller's line",
          function() walk(object[1] .. ":" .. method, f, object[2]) end)
      end
    end
  end
end)
