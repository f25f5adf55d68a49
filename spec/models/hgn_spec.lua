local options = require "torus.options"
local raises = require "spec.support.raises"
local torus = require "torus"
local hgn = torus.models.hgn

local function small(changes)
  local config = { width = 4, z = 3, state = 2, resolution = 16, frames = 4,
    energy_layers = 2, dtype = "float64" }
  for key, value in pairs(changes or {}) do config[key] = value end
  return hgn(config, torus.generator(1))
end

local function some_frames(model, batch)
  local c = model.config
  return torus.rand({ batch or 2, c.frames, c.resolution, c.resolution, 3 },
    { dtype = c.dtype, generator = torus.generator(2) })
end

local function largest_difference(a, b)
  return (a:detach() - b:detach()):abs():max():item()
end

-- A training step of a small model, as PyTorch did it
-- (spec/support/make_reference.py).
local function reference(name, dtype)
  local t, meta = torus.load("data/reference/" .. name .. ".safetensors")
  local config = { dtype = dtype }
  for _, key in ipairs { "variant", "hamiltonian", "closing" } do
    config[key] = meta[key]
  end
  for _, key in ipairs { "width", "z", "resolution", "frames" } do
    config[key] = math.tointeger(tonumber(meta[key]))
  end
  config.state = math.tointeger(tonumber(meta.n))
  config.skip = meta.skip == "true"
  local model = hgn(config)
  local weights = {}
  for key, value in pairs(t) do
    local weight = key:match("^weight%.(.*)$")
    if weight then weights[weight] = value end
  end
  assert(model:load_parameters(weights))
  return model, t, { epsilon = t.epsilon:to(dtype),
    multiplier = tonumber(meta.multiplier) }
end

local function check_reference(name, dtype, tolerance, step)
  local model, t, o = reference(name, dtype)
  local loss, grads = step(model, t.frames:to(dtype), o)
  assert.is_near(t.loss:item(), loss, tolerance)
  for i, entry in ipairs(model:named_parameters()) do
    local expected = t["grad." .. entry[1]]
    local scale = math.max(1e-3, expected:abs():max():item())
    local off = largest_difference(expected, grads[i]:to("float64"))
    assert.is_true(off <= tolerance * scale,
      string.format("%s: off by %g of %g", entry[1], off, scale))
  end
end

local function in_one_piece(model, frames, o)
  local loss = model:loss(frames, o)
  return loss:item(), torus.grad(loss, model:parameters())
end

local function in_chunks(model, frames, o)
  o.chunk = 3
  local grads, numbers = model:gradients(frames, o)
  return numbers.loss, grads
end

describe("HGN", function()
  for _, name in ipairs { "hgn_leapfrog", "hgn_euler" } do
    it("does PyTorch's step of " .. name .. " in float64", function()
      check_reference(name, "float64", 1e-9, in_one_piece)
    end)
    it("does the same in chunks", function()
      check_reference(name, "float64", 1e-9, in_chunks)
    end)
    it("does the same in float32", function()
      -- a leaky ReLU at zero may choose its other side: 1e-4 is for the rest
      check_reference(name, "float32", 1e-4, in_chunks)
    end)
  end

  it("rolls out the states that PyTorch has", function()
    local model, t, o = reference("hgn_leapfrog", "float64")
    local _, parts = model:loss(t.frames:to("float64"), o)
    assert.is_true(largest_difference(t.q, parts.q:transpose(1, 2)) < 1e-12)
  end)

  it("has the paper's sizes by default", function()
    local model = hgn()
    local shapes = {}
    for _, entry in ipairs(model:named_parameters()) do
      shapes[entry[1]] = table.concat(entry[2].shape, " ")
    end
    assert.are.equal("32 93 3 3", shapes["encoder.1.weight"])
    assert.are.equal("64 32 3 3", shapes["encoder.2.weight"])
    assert.are.equal("96 64 3 3", shapes["encoder.8.weight"])
    assert.are.equal("64 48 3 3", shapes["f_psi.1.weight"])
    assert.are.equal("32 64 3 3", shapes["f_psi.3.weight"])
    assert.are.equal("64 16 3 3", shapes["K.1.weight"])
    assert.are.equal("1 64 4 4", shapes["V.readout.weight"])
    assert.are.equal("64 16 1 1", shapes["decoder.1.skip.weight"])
    assert.are.equal("3 64 3 3", shapes["decoder.output.weight"])
    -- as many as PyTorch has (scripts/dev/peers/hgn_torch.py)
    assert.are.equal(955075, model:count())
  end)

  it("takes 64x64 frames with one more halving and one more block", function()
    local model = small { resolution = 64 }
    local q = model:infer(some_frames(model, 1))
    assert.are.same({ 1, 4, 4, 2 }, q.shape)
    assert.are.same({ 1, 64, 64, 3 }, model:decode(q).shape)
  end)

  for _, change in ipairs { { variant = "euler" }, { variant = "determ" },
    { variant = "no_fpsi", z = 4 }, { method = "rk4", hamiltonian = "joint" },
    { closing = "sigmoid", skip = false }, { method = "yoshida4" },
    { latent = "vector" } } do
    local key, value = next(change)
    it("learns as " .. key .. " " .. tostring(value), function()
      local model = small(change)
      local frames = some_frames(model)
      local o = { epsilon = torus.randn(model:encode(frames).shape,
        { dtype = "float64", generator = torus.generator(3) }) }
      local loss, grads = in_one_piece(model, frames, o)
      local chunked, chunked_grads = in_chunks(model, frames, o)
      assert.is_near(loss, chunked, 1e-12)
      for i, entry in ipairs(model:named_parameters()) do
        assert.is_true(largest_difference(grads[i], chunked_grads[i]) < 1e-12,
          entry[1])
      end
    end)
  end

  -- Every form: maps, a latent vector, a vector phase space with either projection.
  local RECTANGLES = {
    { resolution = 24, frame_width = 40, channels = 1 },
    { resolution = 8, frame_width = 24, channels = 2, latent = "vector", z = 4 },
    { resolution = 24, frame_width = 8, phase = "vector", constant_channels = 1 },
    { resolution = 64, frame_width = 80, channels = 4, phase = "vector",
      encoder = "blocks", projection = "dense", variant = "no_fpsi" },
  }
  for _, case in ipairs(RECTANGLES) do
    it(("learns from frames of %d x %d"):format(case.resolution, case.frame_width),
      function()
        local height, width = case.resolution, case.frame_width
        local model = hgn(options.joined({ width = 4, state = 3, frames = 3,
          dtype = "float64", energy_init = "oscillator" }, case),
          torus.generator(1))
        local frames = torus.rand({ 2, 3, height, width, case.channels or 3 },
          { dtype = "float64", generator = torus.generator(2) })
        local function gradients(fused)
          return model:gradients(frames, { fused = fused,
            generator = torus.generator(3) })
        end
        local got, numbers = gradients()
        local want, wanted = gradients(false)
        assert.is_true(math.abs(numbers.mse / wanted.mse - 1) < 1e-12)
        for i, g in ipairs(got) do
          assert.is_true((g - want[i]):norm():item()
            <= 1e-10 * want[i]:norm():item() + 1e-18)
        end
        assert.are.same({ 2, 3, height, width, case.channels or 3 },
          model:reconstruct(frames).shape)
        assert.are.same({ 1, 3, height, width, case.channels or 3 },
          model:sample(1).shape)
      end)
  end

  it("says a whole sequence in a vector of z numbers", function()
    local model = small { latent = "vector" }
    local mean, logvar = model:encode(some_frames(model))
    assert.are.same({ 2, 1, 1, 3 }, mean.shape)
    assert.are.same({ 2, 1, 1, 3 }, logvar.shape)
    assert.are.same({ 2, 2, 2, 2 }, model:state_of(mean).shape)
    -- every place of the state and every number of it hears of every z
    local z = torus.variable(mean:narrow(1, 1, 1))
    local q, p = model:state_of(z)
    for place = 1, 4 do
      local here = torus.cat({ q, p }, -1):reshape(4, -1):select(1, place)
      local grad = torus.grad(here:sum(), z, { retain_graph = true })
      assert.is_true(grad:abs():min():item() > 0)
    end
    assert.are.same({ 5, 4, 16, 16, 3 }, model:sample(5).shape)
    assert.has_error(function()
      small { latent = "vector", variant = "no_fpsi", z = 4 }
    end, "hgn: latent: without f_psi z is the state itself: expected \"map\", "
      .. "got \"vector\"")
  end)

  it("gives the same gradients for every size of chunk", function()
    local model = small()
    local frames = some_frames(model)
    local function with(chunk)
      return (model:gradients(frames, { chunk = chunk,
        generator = torus.generator(4) }))
    end
    local all = with(100)
    for _, chunk in ipairs { 1, 2, 5 } do
      for i, g in ipairs(with(chunk)) do
        assert.is_true(largest_difference(all[i], g) < 1e-12)
      end
    end
  end)

  it("orders gradients as parameters, however these were registered", function()
    local model = small()
    local frames = some_frames(model)
    local function by_name()
      local gradients = model:gradients(frames,
        { generator = torus.generator(4) })
      local found = {}
      for i, entry in ipairs(model:named_parameters()) do
        found[entry[1]] = gradients[i]:totable()
      end
      return found
    end
    local expected = by_name()
    table.insert(model.members, 1, table.remove(model.members)) -- the decoder
    assert.are.equal("decoder.1.conv1.weight", model:named_parameters()[1][1])
    assert.are.same(expected, by_name())
  end)

  it("estimates the error from some of the frames", function()
    local model = small()
    local frames, generator = some_frames(model), torus.generator(5)
    local _, all = model:gradients(frames, { generator = torus.generator(6) })
    local _, every = model:gradients(frames, { decode_frames = 4,
      generator = torus.generator(6) })
    assert.are.equal(all.mse, every.mse)
    local sum = 0
    for _ = 1, 200 do
      local _, some = model:gradients(frames, { decode_frames = 1,
        generator = generator })
      sum = sum + some.mse
    end
    -- the errors of single frames differ by about 5%
    assert.is_near(all.mse, sum / 200, 0.02 * all.mse)
  end)

  it("compares frames up to the horizon, forward and back from the anchor", function()
    local anchor = 5
    local model = small { frames = 7, anchor = anchor, variant = "determ" }
    local frames = some_frames(model)
    -- The last frame is two steps after the anchor.
    for horizon, frames_after in pairs { [0] = 0, [1] = 1, [2] = 2, [3] = 2 } do
      local q, p = model:state_of((model:encode(frames)))
      local after = model:rollout(q, p, { steps = frames_after }).q
      local before = model:rollout(q, p, { steps = horizon, dt = -model.config.dt }).q
      local sum, count = 0, 0
      for t = anchor - horizon, anchor + frames_after do
        local at = t < anchor and before[anchor - t + 1] or after[t - anchor + 1]
        local off = model:decode(at:unsqueeze(1))[1] - frames:select(2, t)
        sum, count = sum + off:square():sum(), count + off:numel()
      end
      local wanted = torus.grad(sum / count, model:parameters(), { allow_unused = true })
      local gradients, numbers = model:gradients(frames, { horizon = horizon })
      assert.is_near((sum / count):item(), numbers.mse, 1e-12)
      local compared = 0
      for i, entry in ipairs(model:named_parameters()) do
        assert.are.equal(wanted[i] == nil, gradients[i] == nil, entry[1])
        if wanted[i] then
          compared = compared + 1
          assert.is_true(largest_difference(wanted[i], gradients[i]) < 1e-12, entry[1])
        end
      end
      assert.is_true(compared > 10)
    end
  end)

  it("goes forward, back, faster and slower", function()
    local model = small()
    local q, p = model:infer(some_frames(model))
    local there = model:rollout(q, p)
    assert.are.same({ 4, 2, 2, 2, 2 }, there.q.shape)
    local back = model:rollout(there.q[4], there.p[4], { dt = -0.125 })
    assert.is_true(largest_difference(q, back.q[4]) < 1e-12)
    local slow = model:rollout(q, p, { dt = 0.125 / 64, steps = 3 * 64 })
    assert.is_true(largest_difference(slow.q[193], there.q[4]) < 1e-2)
  end)

  it("samples sequences from a seed", function()
    local model = small()
    local a = model:sample(2, { generator = torus.generator(7), steps = 5 })
    local b = model:sample(2, { generator = torus.generator(7), steps = 5 })
    assert.are.same({ 2, 6, 16, 16, 3 }, a.shape)
    assert.are.same(a:totable(), b:totable())
    assert.is_true(a:min():item() > 0 and a:max():item() < 1)
    assert.is_false(a.requires_grad)
  end)

  it("decodes in pieces what it decodes at once", function()
    local model = small()
    local q = torus.randn({ 3, 2, 2, 2, 2 }, { dtype = "float64",
      generator = torus.generator(8) })
    local whole, pieces = model:decode(q), model:decode(q, 4)
    assert.are.same({ 3, 2, 16, 16, 3 }, whole.shape)
    assert.is_true(largest_difference(whole, pieces) < 1e-15)
  end)

  it("names the first tensor that is not finite", function()
    local model = small()
    local frames = some_frames(model)
    assert.is_nil(model:first_bad(frames))
    local bad = frames:contiguous() * 1
    bad[{ 1, 1, 1, 1, 1 }] = 0 / 0
    assert.are.equal("the frames", model:first_bad(bad))
    torus.no_grad(function() model.f_psi[2].weight:mul_(0 / 0) end)
    assert.are.equal("f_psi.2.weight", model:first_bad(frames))
  end)

  it("starts near the background it is told", function()
    local model = small { background = { 0.3, 0.4, 0.5 } }
    torus.no_grad(function() model.decoder.output.weight:zero_() end)
    local image = model:decode(torus.zeros({ 1, 2, 2, 2 },
      { dtype = "float64" }))
    assert.is_near(0.4, image[{ 1, 3, 3, 2 }]:item(), 1e-12)
  end)

  it("learns on a black and white background", function()
    for _, colours in ipairs { { 0, 0, 0 }, { 1, 1, 0 } } do
      local model = small { background = colours }
      local adam = torus.optim.adam(model:parameters())
      for _ = 1, 3 do
        local grads, numbers = model:gradients(some_frames(model),
          { generator = torus.generator(3) })
        assert.is_true(math.abs(numbers.loss) < math.huge)
        adam:step(grads)
      end
      -- The encoder's zero is the colour itself.
      assert.are.same(colours, model.background:totable())
    end
  end)

  it("works in the dtype that it is converted to", function()
    local model = small { dtype = "float32", background = { 0.2, 0.3, 0.4 } }
    local frames, epsilon = some_frames(model), torus.ones(2, 2, 2, 3)
    local loss = model:loss(frames, { epsilon = epsilon }):item()
    model:to("float64")
    frames, epsilon = frames:to("float64"), epsilon:to("float64")
    -- The rounding of float32.
    assert.is_near(loss, model:loss(frames, { epsilon = epsilon }):item(), 1e-5)
    assert.are.equal("float64", model:sample(1).dtype)
    assert.are.equal("float64", model:reconstruct(frames).dtype)
  end)

  describe("refuses", function()
    it("a background that is no colour of every channel", function()
      local function fails(background, got)
        raises("hgn: background: expected 3 numbers in [0, 1], one per channel, "
          .. "got " .. got,
          function() small { background = background } end)
      end
      fails({ 0.1, 0.2 }, "{0.1, 0.2}")
      fails({ 0.1, 0.2, 1.5 }, "{0.1, 0.2, 1.5}")
      fails({ 0.1, 0.2, "red" }, "{0.1, 0.2, \"red\"}")
      raises("hgn: option \"background\": expected a table, got 0.3",
        function() small { background = 0.3 } end)
    end)
    it("unknown keys, naming the known ones", function()
      assert.error_matches(function() hgn { widht = 3 } end,
        "hgn: unknown option \"widht\".* %(known: anchor, background, channels")
    end)
    it("a joint Hamiltonian with leapfrog", function()
      assert.error_matches(function() hgn { hamiltonian = "joint" } end,
        "hgn: method: leapfrog needs a separable Hamiltonian")
    end)
    it("a z that is no state, without f_psi", function()
      assert.error_matches(function() hgn { variant = "no_fpsi", z = 48 } end,
        "expected z = 32 %(twice state%), got 48")
    end)
    it("resolutions that the strides do not divide, or far too large",
      function()
        for _, resolution in ipairs { 20, 72, 1000000 } do
          raises("hgn: resolution: expected a multiple of 8 from 8 to 56 or "
            .. "of 16 from 64 to 1024, got " .. resolution,
            function() hgn { resolution = resolution } end)
        end
      end)
    it("a dt by which nothing moves", function()
      raises("hgn: dt: expected a number other than 0, got 0",
        function() small { dt = 0 } end)
    end)
    it("unknown options of every method", function()
      local model = small()
      local frames, q = some_frames(model), torus.zeros(1, 2, 2, 2)
      local o
      local function fails(name, option, f)
        o = { [option] = 1 }
        raises("hgn:" .. name .. ": unknown option \"" .. option .. "\"", f)
      end
      fails("rollout", "step", function() model:rollout(q, q, o) end)
      fails("reconstruct", "step", function() model:reconstruct(frames, o) end)
      fails("sample", "seed", function() model:sample(1, o) end)
      fails("first_bad", "seed", function() model:first_bad(frames, o) end)
      fails("gradients", "steps", function() model:gradients(frames, o) end)
      for _, option in ipairs { "horizon", "decode_frames", "chunk", "mark" } do
        fails("loss", option, function() model:loss(frames, o) end)
      end
    end)
    it("what is no rollout, no state and no noise of it", function()
      local model = small()
      local frames, q = some_frames(model), torus.zeros({ 1, 2, 2, 2 }, { dtype = "float64" })
      raises("hgn:encode: expected frames of shape (batch,4,16,16,3), got nil",
        function() model:encode() end)
      raises("hgn:decode: expected q of shape (...,2,2,2), got nil",
        function() model:decode() end)
      raises("hgn:decode: chunk: expected at least 1, got 0",
        function() model:decode(q, 0) end)
      raises("hgn:rollout: expected p of shape (batch,2,2,2), got (2,2,2)",
        function() model:rollout(q, q[1]) end)
      raises("hgn:images: expected a trajectory {q=, p=}, got nil",
        function() model:images() end)
      for _, name in ipairs { "continue", "images", "energies" } do
        raises("hgn:" .. name .. ": expected q of shape (steps + 1,batch,2,2,2), got nil",
          function() model[name](model, {}) end)
      end
      raises("hgn:loss: expected epsilon of shape (2,2,2,3), got (2,2,3)",
        function() model:loss(frames, { epsilon = torus.zeros(2, 2, 3) }) end)
    end)
    it("frames of another shape", function()
      local model = small()
      assert.error_matches(function() model:encode(torus.zeros(2, 4, 8, 8, 3))
        end, "expected frames of shape %(batch,4,16,16,3%), got %(2,4,8,8,3%)")
    end)
  end)

  describe("first weights", function()
    local SMALL = { width = 8, state = 3, z = 4, resolution = 16, frames = 4,
      energy_layers = 2, dtype = "float64" }

    local function model(changes)
      local given = {}
      for key, value in pairs(SMALL) do given[key] = value end
      for key, value in pairs(changes) do given[key] = value end
      return torus.models.hgn(given, torus.generator(3))
    end

    it("of an oscillator make energies even, with a minimum at zero",
      function()
        local m = model { energy_init = "oscillator", energy_gain = 2 }
        local q = torus.randn({ 5, 2, 2, 3 }, { dtype = "float64",
          generator = torus.generator(4) })
        for _, net in ipairs { m.K, m.V } do
          assert.is_near(0, (net(q) - net(-q)):abs():max():item(), 1e-12)
          local rest = net(torus.zeros({ 1, 2, 2, 3 },
            { dtype = "float64" })):item()
          assert.is_true((net(q * 3) - rest):min():item() > 0)
        end
      end)

    it("of an oscillator keep states of long rollouts near zero", function()
      local q = torus.randn({ 4, 2, 2, 3 }, { dtype = "float64",
        generator = torus.generator(5) })
      local function reach(init)
        local m = model { energy_init = init, energy_gain = 4 }
        local trajectory = m:rollout(q, q, { steps = 400, dt = 0.25 })
        return trajectory.q:abs():max():item()
      end
      assert.is_true(reach "oscillator" < 30)
      assert.is_true(reach "default" > 2 * reach "oscillator")
    end)

    it("take one layer and a joint energy", function()
      local m = model { energy_init = "oscillator", energy_layers = 1,
        hamiltonian = "joint", method = "rk4" }
      local q = torus.randn({ 2, 2, 2, 3 }, { dtype = "float64" })
      assert.is_near(0, (m:energy(q, q) - m:energy(-q, -q)):abs():max():item(),
        1e-12)
    end)

    it("let the posterior start narrow", function()
      local frames = torus.rand({ 2, 4, 16, 16, 3 }, { dtype = "float64" })
      local mean, wide = model({}):encode(frames)
      local same, narrow = model({ posterior_logvar = -5 }):encode(frames)
      assert.is_near(0, (mean - same):abs():max():item(), 1e-12)
      -- The default bias is drawn; it is small beside 5.
      assert.is_near(-5, (narrow - wide):mean():item(), 0.5)
    end)

    it("see frames relative to the background", function()
      local grey = { 0.3, 0.4, 0.5 }
      local m = model { background = grey, input_gain = 8, init = "kaiming" }
      local still = torus.tensor(grey, { dtype = "float64" })
        :expand(2, 4, 16, 16, 3)
      -- Without biases nothing comes out of nothing.
      local mean = m:encode(still:contiguous())
      assert.is_near(0, mean:abs():max():item(), 1e-12)
    end)
  end)
end)
