local raises = require "spec.support.raises"
local torus = require "torus"
local pixel_hnn = torus.models.pixel_hnn
local report = require "torus.tasks.pixel_hnn.report"
local configuration = require "torus.runs.configuration"
local Task = require "torus.tasks.pixel_hnn"

local function largest(x) return x:abs():max():item() end

local function tiny(changes)
  local config = { width = 5, conv_width = 4, resolution = 8, latent = 4,
    dtype = "float64" }
  for key, value in pairs(changes or {}) do config[key] = value end
  return pixel_hnn(config, torus.generator(1))
end

local function some_frames(batch, count)
  return torus.rand({ batch, count, 8, 8, 3 },
    { dtype = "float64", generator = torus.generator(2) })
end

describe("pixel_hnn", function()
  it("has the losses of eqs. (12) to (15)", function()
    local model = tiny()
    local frames = some_frames(3, 3)
    local losses = model:losses(frames)
    local first, second = frames:narrow(2, 1, 2), frames:narrow(2, 2, 2)
    local a, b = model:encode(first), model:encode(second)
    local q, p = model:split(a)
    local next_q, next_p = model:split(b)
    -- (13) and (14), number by number
    local canonical, count = 0, 0
    for i, row in ipairs(q:totable()) do
      for k in ipairs(row) do
        canonical = canonical + (p[i][k]:item()
          - (next_q[i][k]:item() - q[i][k]:item())) ^ 2
        count = count + 1
      end
    end
    assert.is_near(canonical / count, losses.canonical:item(), 1e-12)
    local auto = ((model:decode(a) - first):square():mean():item()
      + (model:decode(b) - second):square():mean():item()) / 2
    assert.is_near(auto, losses.autoencoder:item(), 1e-12)
    -- (12) with differences: dq/dt = dH/dp and dp/dt = -dH/dq
    local vq, vp = torus.variable(q), torus.variable(p)
    local g = torus.grad(model:energy(torus.cat({ vq, vp }, 2)):sum(),
      { vq, vp })
    local hnn = (((next_q - q) - g[2]):square():mean():item()
      + ((next_p - p) + g[1]):square():mean():item()) / 2
    assert.is_near(hnn, losses.hnn:item(), 1e-12)
    assert.is_near(auto + canonical / count + 0.1 * hnn, losses.total:item(),
      1e-12)
  end)

  it("adds its losses by their weights", function()
    local frames = some_frames(3, 3)
    for _, weights in ipairs { { 0.5, 3 }, { 0, 0 }, { 2, 0 } } do
      local losses = tiny { cc_weight = weights[1], hnn_weight = weights[2] }:losses(frames)
      assert.is_true(losses.canonical:item() > 1e-3 and losses.hnn:item() > 1e-3)
      assert.is_near(losses.autoencoder:item() + weights[1] * losses.canonical:item()
        + weights[2] * losses.hnn:item(), losses.total:item(), 1e-12)
    end
  end)

  it("compares with one Runge-Kutta step over a frame, if asked to", function()
    local model, frames = tiny { step = "rk4" }, some_frames(3, 3)
    local now, next_ = model:encode(frames:narrow(2, 1, 2)), model:encode(frames:narrow(2, 2, 2))
    local function slope(z)
      local x = torus.variable(z:detach())
      local g = torus.grad(model:energy(x):sum(), x)
      return torus.cat({ g:narrow(2, 3, 2), -g:narrow(2, 1, 2) }, 2)
    end
    local k1 = slope(now)
    local k2 = slope(now + k1 / 2)
    local k3 = slope(now + k2 / 2)
    local k4 = slope(now + k3)
    local reached = now + (k1 + k2 * 2 + k3 * 2 + k4) / 6
    local loss = model:losses(frames).hnn:item()
    assert.is_near((next_ - reached):square():mean():item(), loss, 1e-12)
    assert.is_true(math.abs((next_ - now - k1):square():mean():item() - loss) > 1e-8)
  end)

  it("encodes the difference from the centre times its gain", function()
    local model, seen = tiny { input_gain = 7 }, nil
    local frames = some_frames(3, 2)
    model:set_centre(frames)
    model.encoder = function(x)
      seen = x
      return torus.zeros({ 3, 4 }, { dtype = "float64" })
    end
    model:encode(frames)
    local mean = (frames[1] + frames[2] + frames[3]) / 3
    assert.is_true(largest(seen:reshape(3, 2, 8, 8, 3) - (frames - mean) * 7) < 1e-13)
  end)

  it("starts near its background, in both frames of a pair", function()
    local colours = { 0.25, 0.5, 0.875 }
    local model = tiny { kind = "conv", background = colours }
    -- The bias of the last layer is all that remains without its weights.
    torus.no_grad(function() model.decoder.output.weight:fill_(0) end)
    local pair = model:decode(torus.ones({ 2, 4 }, { dtype = "float64" }))
    for k, colour in ipairs(colours) do
      assert.is_true(largest(pair:select(5, k) - colour) < 1e-15)
    end
  end)

  for _, kind in ipairs { "mlp", "conv" } do
    it("gives every weight of the " .. kind .. " kind a gradient", function()
      local model = tiny { kind = kind }
      local frames = some_frames(2, 3)
      assert.are.same({ 2, 4 }, model:encode(frames:narrow(2, 1, 2)).shape)
      local parameters = model:named_parameters()
      local list = model:parameters()
      local grads = torus.grad(model:losses(frames).total, list,
        { allow_unused = true })
      for i, entry in ipairs(parameters) do
        local constant = entry[1] == "energy_net.3.bias"
          or entry[1] == "centre"
        assert.is_true(constant or largest(grads[i]) > 0, entry[1])
      end
      -- One weight of each network against central differences.
      for i, entry in ipairs(parameters) do
        if entry[1]:match("1%.weight$") then
          local weight, h = entry[2], 1e-5
          local old = weight:detach():reshape(-1):totable()
          local function at(change)
            local values = table.move(old, 1, #old, 1, {})
            values[1] = values[1] + change
            torus.no_grad(function()
              weight:copy_(torus.tensor(values, { dtype = "float64" })
                :reshape(weight.shape))
            end)
            return model:losses(frames).total:item()
          end
          local slope = (at(h) - at(-h)) / (2 * h)
          at(0)
          assert.is_near(slope, grads[i]:reshape(-1)[1]:item(), 1e-7)
        end
      end
    end)
  end

  it("keeps the two frames of a pair apart in the convolutional kind",
    function()
      local model = tiny { kind = "conv" }
      model.from_latent = function(z) return z:narrow(2, 1, 1):expand(1, 16) end
      model.decoder = function()
        return torus.arange(6, { dtype = "float64" }):reshape(1, 1, 1, 6)
          :expand(1, 8, 8, 6)
      end
      local pair = model:decode(torus.zeros({ 1, 4 }, { dtype = "float64" }))
      assert.are.same({ 1, 2, 8, 8, 3 }, pair.shape)
      assert.are.same({ 1, 2, 3 }, pair[1][1][3][5]:totable())
      assert.are.same({ 4, 5, 6 }, pair[1][2][3][5]:totable())
    end)

  for _, kind in ipairs { "mlp", "conv" } do
    it("keeps pixels of rectangles where they are, " .. kind, function()
      local model = tiny { kind = kind, resolution = 8, frame_width = 16,
        channels = 2 }
      local frames = torus.rand({ 3, 3, 8, 16, 2 },
        { dtype = "float64", generator = torus.generator(2) })
      local seen
      model.encoder = function(x)
        seen = x
        return torus.zeros({ 3, kind == "mlp" and 4 or 96 }, { dtype = "float64" })
      end
      local pair = frames:narrow(2, 1, 2)
      model:encode(pair)
      seen = seen:reshape(kind == "mlp" and { 3, 2, 8, 16, 2 } or { 3, 8, 16, 2, 2 })
      if kind == "conv" then seen = seen:permute { 1, 4, 2, 3, 5 } end
      assert.is_true(largest(seen - pair * model.config.input_gain) < 1e-15)
      model = tiny { kind = kind, resolution = 8, frame_width = 16, channels = 2 }
      assert.are.same({ 3, 3, 8, 16, 2 }, model:film(pair, { steps = 2 }).shape)
      local losses = model:losses(frames)
      losses.total:backward()
      for _, parameter in ipairs(model.decoder:parameters()) do
        assert.is_true(largest(parameter.grad) > 0)
      end
    end)
  end

  it("rolls out along its energy and back again", function()
    local model = tiny()
    local z = torus.randn({ 3, 4 }, { dtype = "float64",
      generator = torus.generator(4) })
    local trajectory = model:rollout(z, { steps = 20, substeps = 4 })
    assert.are.same({ 21, 3, 2 }, trajectory.q.shape)
    local last = torus.cat({ trajectory.q[21], trajectory.p[21] }, 2)
    assert.is_true(largest(model:energy(last) - model:energy(z)) < 1e-6)
    local back = model:rollout(last, { steps = 20, substeps = 4, dt = -1 })
    assert.is_true(largest(torus.cat({ back.q[21], back.p[21] }, 2) - z) < 1e-6)
    local film = model:film(some_frames(2, 2), { steps = 3 })
    assert.are.same({ 2, 4, 8, 8, 3 }, film.shape)
    local half = model:rollout(z, { steps = 10, substeps = 4 })
    local rest = model:continue(half, { steps = 10, substeps = 4 })
    assert.are.equal(0, largest(rest.q - trajectory.q:narrow(1, 11, 11)))
    assert.are.equal(0, largest(rest.p - trajectory.p:narrow(1, 11, 11)))
  end)

  it("works in the dtype that it is converted to", function()
    local model = tiny({ dtype = "float32" }):to("float64")
    model:set_centre(some_frames(4, 2))
    assert.are.equal("float64", model:film(some_frames(2, 2)).dtype)
    assert.are.equal("float64", model:losses(some_frames(2, 3)).total.dtype)
  end)

  it("says what it expects", function()
    assert.error_matches(function() tiny { latent = 3 } end, "even")
    raises("pixel_hnn: background: expected 3 numbers in [0, 1], one per "
      .. "channel, got {2}",
      function() tiny { background = { 2 } } end)
    assert.error_matches(function()
      tiny():encode(some_frames(2, 3))
    end, "batch,2,8,8,3")
    raises("pixel_hnn: resolution: expected a multiple of 8",
      function() tiny { kind = "conv", resolution = 20 } end)
    local model = tiny()
    raises("pixel_hnn:reconstruct: expected frames of shape (batch,frames,8,8,3), got nil",
      function() model:reconstruct() end)
    for _, name in ipairs { "infer", "reconstruct" } do
      raises("pixel_hnn:" .. name .. ": frames: expected at least two frames, got 1",
        function() model[name](model, some_frames(1, 1)) end)
    end
    raises("pixel_hnn:reconstruct: unknown option \"step\"",
      function() model:reconstruct(some_frames(1, 2), { step = 5 }) end)
    for _, name in ipairs { "decode", "energy", "rollout", "split" } do
      raises("pixel_hnn:" .. name .. ": expected z of shape (batch,4), got 5",
        function() model[name](model, 5) end)
    end
    for _, name in ipairs { "continue", "energies", "images" } do
      raises("pixel_hnn:" .. name .. ": expected a trajectory {q=, p=}, got nil",
        function() model[name](model) end)
      raises("pixel_hnn:" .. name .. ": expected q of shape (steps + 1,batch,2), got nil",
        function() model[name](model, {}) end)
    end
  end)
end)

describe("the restricted pendulum", function()
  it("never passes its angle and starts everywhere on its orbits", function()
    local system = torus.systems.restricted_pendulum
    assert.are.equal(system, torus.systems.get "restricted_pendulum")
    assert.are.equal("restricted_pendulum", system.name)
    local q, p = system:sample { count = 200, seed = 1 }
    local trajectory = system:solve(q, p, { dt = 0.02, steps = 150 })
    assert.is_true(largest(trajectory.q) <= math.pi / 6 + 1e-9)
    assert.is_true(p:min():item() < -0.3 and p:max():item() > 0.3)
    -- The highest point of every orbit has the energy that it started with.
    local c = system.constants
    local top = trajectory.q:abs():max(1):reshape(-1)
    local height = (1 - top:cos()) * (2 * c.m * c.g * c.l)
    assert.is_true(largest(height - system:energy(q, p)) < 2e-3)
    local narrow = system:with { constants = { angle_max = 0.2 } }
    assert.is_true(largest((narrow:sample { count = 200 })) <= 0.2)
  end)
end)

describe("training a pixel_hnn", function()
  local function task_of(changes)
    local given = { model = "pixel_hnn", train_size = 6, test_size = 3,
      frames = 6, batch = 4, resolution = 8, width = 16, steps = 2 }
    for key, value in pairs(changes or {}) do given[key] = value end
    local config = assert(configuration.make("full", given))
    return Task.new(config, assert(Task.open_data(config)))
  end

  it("takes three frames in a row", function()
    local task = task_of()
    local split = task.data.train
    local frames = split:windows({ 2, 5 }, { 1, 3 }, 3)
    local whole = split:batch { 2, 5 }
    assert.are.equal(0, largest(frames[1] - whole[1]:narrow(1, 1, 3)))
    assert.are.equal(0, largest(frames[2] - whole[2]:narrow(1, 3, 3)))
  end)

  it("knows latent sizes and learning rates of systems and kinds", function()
    for name, latent in pairs { mass_spring = 2, two_body = 8,
      three_body = 12 } do
      local config = assert(configuration.make("full", { model = "pixel_hnn",
        system = name, kind = "conv" }))
      assert.are.equal(latent, config.latent)
      assert.are.equal(1.5e-4, config.lr)
    end
  end)

  it("makes the loss smaller", function()
    local task = task_of()
    local first, last
    for i = 1, 40 do
      local grads, numbers = task:step(i)
      task.optimiser:step(grads)
      first, last = first or numbers.loss, numbers.loss
    end
    assert.is_true(last < 0.5 * first)
    assert.is_true(task:evaluate().test_mse > 0)
  end)
end)

describe("the report on a pixel_hnn", function()
  -- A model that sees everything, or nothing, with orbits on a circle.
  local function stub(system, split, static)
    local model = { config = { dtype = "float32", latent = 2 },
      frame_time = 1 }
    function model.reconstruct(_, frames, o)
      local n = frames:size(1)
      local clean = split:clean(torus.arange(n, { dtype = "int64" }))
        :narrow(2, 1, o.steps + 1)
      local angle = torus.arange(0, o.steps):reshape(-1, 1, 1)
        * (2 * math.pi / 10)
      local trajectory = { q = angle:cos():expand(o.steps + 1, n, 1),
        p = angle:sin():expand(o.steps + 1, n, 1) }
      if static then
        clean = clean:narrow(2, 1, 1):expand(table.unpack(clean.shape))
      end
      model.seen = clean
      return clean, trajectory
    end
    function model.continue(_, trajectory) return trajectory end
    function model.images() return model.seen end
    function model.energies(_, trajectory) return trajectory.q:select(3, 1) end
    function model.encode(_, pairs_) return pairs_ end
    function model.decode(_, z) return z end
    return model, system
  end

  local set = torus.data.simulate("pendulum", { train = 1, test = 4,
    noise = 0, resolution = 16 })

  it("finds no fault in the truth", function()
    local n = report.measure(stub("pendulum", set.test), set.test)
    assert.are.equal(0, n.mse_clean)
    assert.are.equal(30, n.valid)
    assert.is_near(1, n.motion, 1e-6)
    assert.is_near(2, n.size, 1e-5)
    assert.is_near(0, n.gap, 1e-5)
  end)

  it("sees that a static image does not move", function()
    local n = report.measure(stub("pendulum", set.test, true), set.test)
    assert.is_true(n.mse_clean > n.mse_still)
    assert.is_true(n.motion < 1e-6)
    assert.is_true(n.valid < 30)
  end)
end)
