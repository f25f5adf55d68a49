-- Misuse of the library's own objects and functions: one message at the caller's
-- line, which names the function.
local core = require "torus.core"
local engine = require "torus.engine"
local exposed = require "spec.support.exposed"
local pool = require "spec.attack.pool"
local raises = require "spec.support.raises"
local torus = require "torus"

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

-- Arguments of a function, of which number k (0: what a method is called on) was released.
local function with_released(item, k, seed)
  local draw, args, count = pool.generator(seed * 977 + k), {}, 0
  local function add(value)
    count = count + 1
    args[count] = value
  end
  local gone = torus.ones(2, 3)
  gone:release()
  if item.name:find "^tensor:" then
    add(k == 0 and gone or torus.ones(2, 3))
  elseif item.name:find "^%w+:" then
    add(item.object)
  end
  local position = 0
  for _, p in ipairs(item.entry and item.entry.params or {}) do
    if not p.name:find("%.") then
      position = position + 1
      if position == k then
        add(gone)
      elseif p.type == "tensor" then
        add(torus.ones(2, 3))
      else
        add(pool.value(p.type, draw))
      end
    end
  end
  return args, count, k == 0 and item.name:find "^tensor:" or k > 0 and k <= position
end

-- Arguments of a tensor function: two times out of three of the documented types.
local function drawn(item, seed)
  local draw, args, n = pool.generator(seed * 977 + #item.name), {}, 0
  local method = item.name:find "^tensor:"
  if method then args[1], n = pool.value("tensor", pool.generator(seed)), 1 end
  for i, p in ipairs(item.entry.params) do
    local own = method and i == 1 and p.type == "tensor"
    if not own and not p.name:find "%." then
      n = n + 1
      if draw(4) > 1 then args[n] = pool.value(p.type, draw) end
    end
  end
  return args, n
end

-- What a message about a released tensor names instead of the function, or nil.
local function wrong_name(item, message)
  local text = message:match "^[^ ]+:%d+: (.*the tensor was released)$"
  local name = text and text:match "^([%w_]+): "
  local elsewhere = name and (core.methods[name] or core.ops[name] or name == "shape"
    or name == "dtype" or name == "requires_grad" or name == "grad" or name == "index")
  if elsewhere and name ~= item.name:match "[%w_]+$" then return item.name .. ": " .. text end
end

describe("misuse of", function()
  it("released tensors names the function that was called", function()
    local faults, count = {}, 0
    for _, item in ipairs(exposed.all()) do
      for seed = 1, 4 do
        for k = 0, 4 do
          local args, n, fits = with_released(item, k, seed)
          local ok, message
          if fits then ok, message = pcall(item.value, table.unpack(args, 1, n)) end
          if ok == false then
            count = count + 1
            local fault = wrong_name(item, tostring(message))
            if fault then faults[fault] = true end
          end
        end
      end
    end
    local list = {}
    for fault in pairs(faults) do list[#list + 1] = fault end
    assert.same({}, list)
    assert.is_true(count > 2000)
  end)

  it("tensor functions names the one that was called, not one of its operations", function()
    local prefixes = { ["torus.fft."] = torus.fft, ["torus.linalg."] = torus.linalg,
      ["torus."] = engine, ["tensor:"] = core.methods }
    local faults, count = {}, 0
    for _, item in ipairs(exposed.all()) do
      local prefix, name = item.name:match "^(.*[.:])([%w_]+)$"
      -- These run a function of the caller's, which may raise messages of its own.
      local runs = name == "no_grad" or name == "enable_grad" or name == "detect_anomaly"
      if prefixes[prefix] and prefixes[prefix][name] and not runs and name ~= "release" then
        for seed = 1, 100 do
          local args, n = drawn(item, seed)
          local ok, message = pcall(item.value, table.unpack(args, 1, n))
          message = not ok and tostring(message)
          if message and message ~= pool.TROUBLE then
            count = count + 1
            if not message:match "^[^ ]+:%d+: (.*)$":find("^" .. name .. "[: ]") then
              faults[#faults + 1] = item.name .. ": " .. message
            end
          end
        end
      end
    end
    assert.same({}, faults)
    assert.is_true(count > 5000)
  end)

  it("functions made of others names the outermost that a script called", function()
    local x = torus.ones(2, 3)
    raises("fft2: expected a float32 or float64 tensor, got int64",
      function() torus.fft.fft2(x:to "int64") end)
    raises("max_pool2d: expected images (n,h,w,c) of at least one pixel that windows fit",
      function() torus.max_pool2d(torus.ones(1, 4, 4, 2), 7) end)
    raises("pinv: expected a number as rcond, got \"small\"",
      function() torus.linalg.pinv(x, "small") end)
    raises("var: dimension 5 is outside of", function() x:var(5) end)
    raises("select: 9 is outside 1..2", function() x:select(1, 9) end)
    raises("index: 9 is outside 1..2", function() return x[9] end)
    raises("randn_like: options are named by strings",
      function() torus.randn_like(x, { 1 }) end)
    raises("hessian: expected a float32 or float64 tensor as input 1",
      function() torus.hessian(print, x:to "uint8") end)
    raises("Linear: a tensor can't have the shape",
      function() torus.nn.Linear(math.maxinteger, 1) end)
    -- A function of the caller's raises its own messages.
    raises("sum: dimension 5 is outside of", function()
      torus.no_grad(torus.sum, x, 5)
    end)
    raises("sum: dimension 5 is outside of", function()
      torus.jacobian(function(y) return y:sum(5) end, x)
    end)
  end)

  it("systems, modules, measures and targets names what came", function()
    local pendulum = torus.systems.pendulum
    local q = torus.ones({ 1, 1 }, { dtype = "float64" })
    raises("solve: opts: expected a table, got 5", function() pendulum:solve(q, q, 5) end)
    local net = torus.nn.Linear(2, 2)
    raises("load_parameters: prefix: expected a string, got 5",
      function() net:load_parameters(net:named(), 5) end)
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

  it("functions made of others names the one that was called", function()
    local x = torus.ones(2, 3)
    raises("any: dimension 3 is outside of a tensor with 2 dimensions",
      function() x:any(3) end)
    raises("all: expected an integer as a dimension, got \"a\"",
      function() x:all { 1, "a" } end)
    assert.same({ true, true }, x:all { dim = 2 }:totable())
    assert.same({ { true } }, x:any({ 1, 2 }, true):totable())
    raises("stack: expected a tensor as input 2, got 5", function() torus.stack { x, 5 } end)
    raises("stack: dimension 5 is outside of a tensor with 2 dimensions",
      function() torus.stack({ x }, 5) end)
    assert.same({ 2, 3, 1 }, torus.stack({ x }, -1).shape)
    assert.equal(6, x:tril(1 << 62):sum():item())
    assert.equal(0, x:triu(1 << 62):sum():item())
    assert.equal(0, x:tril(math.mininteger):sum():item())
    assert.equal(6, x:triu(-2):sum():item())
  end)

  it("sizes that would never end is refused at once", function()
    local huge = math.maxinteger
    local set = torus.data.simulate("pendulum", { train = 2, test = 2, steps = 3 })
    raises("windows: count: expected at most 4, got " .. huge,
      function() set.train:windows({ 1 }, { 1 }, huge) end)
    raises("windows: start 1: expected at most 3, got 4",
      function() set.train:windows({ 1 }, { 4 }, 2) end)
    raises("windows: starts: expected one start for each of 2 sequences, got 1",
      function() set.train:windows({ 1, 2 }, { 1 }, 2) end)
    raises("repeat_interleave: expected at most 67108864 elements along dimension 1",
      function() torus.ones(2):repeat_interleave(huge) end)
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
      local has, f = pcall(function() return object[2][method] end)
      if has and f then
        it(object[1] .. ":" .. method .. " raises at the caller's line",
          function() walk(object[1] .. ":" .. method, f, object[2]) end)
      end
    end
  end
end)
