-- The tensors that the models' methods take: dtype, shape, and batches without samples.
local raises = require "spec.support.raises"
local torus = require "torus"

local models = torus.models

local function double(...) return torus.zeros({ ... }, { dtype = "float64" }) end

-- Raises as the method `name` does for its first argument, `argument`, in float64.
local function refuses(where, argument, shape, f)
  raises(('%s: expected %s of dtype float32, as its parameters, got tensor %s float64; convert '
    .. 'it by %s:to("float32") or the module by :to("float64")'):format(where, argument, shape,
      argument), f)
end

describe("tensors of another dtype than the model's", function()
  it("are refused by every method of an HNN and a SympNet", function()
    local q, p = torus.systems.pendulum:sample { count = 1 }
    local hnn = models.hnn { dimension = 1, width = 4 }
    local map = models.sympnet { dimension = 1 }
    for _, name in ipairs { "energy", "motion", "forward", "rollout" } do
      refuses(name == "forward" and "hnn:motion" or "hnn:" .. name, "q", "(1,1)",
        function() hnn[name](hnn, q, p) end)
    end
    refuses("hnn:loss", "q", "(1,1)", function() hnn:loss(q, p, q, p) end)
    local x = q:to("float32")
    refuses("hnn:loss", "dp", "(1,1)", function() hnn:loss(x, x, x, p) end)
    for _, name in ipairs { "forward", "inverse", "rollout" } do
      refuses("sympnet:" .. name, "q", "(1,1)", function() map[name](map, q, p) end)
      refuses("sympnet:" .. name, "p", "(1,1)", function() map[name](map, x, p) end)
    end
    local windows = double(2, 1, 1)
    refuses("hnn:rollout_loss", "q", "(2,1,1)", function() hnn:rollout_loss(windows, windows) end)
    refuses("sympnet:rollout_loss", "q", "(2,1,1)",
      function() map:rollout_loss(windows, windows) end)
    -- The adaptive method works in float64 anyway.
    assert.are.equal("float64", hnn:rollout(q, p, { method = "rk45", steps = 1 }).q.dtype)
    assert.are.equal("float64", hnn:to("float64"):rollout(q, p).q.dtype)
    assert.are.equal("float64", map:to("float64"):rollout(q, p).q.dtype)
  end)

  it("are refused by every method of an HGN", function()
    local hgn = models.hgn { width = 4, frames = 2, phase = "vector", latent = "vector", z = 2,
      prior = "mixture" }
    local frames, x, z = double(1, 2, 32, 32, 3), double(1, 1), double(1, 1, 1, 2)
    for _, name in ipairs { "encode", "infer", "infer_anchor", "reconstruct", "loss", "gradients",
      "first_bad", "locate", "calibrate" } do
      refuses("hgn:" .. name, "frames", "(1,2,32,32,3)", function() hgn[name](hgn, frames) end)
    end
    for _, name in ipairs { "rollout", "energy", "to_first", "decode", "project", "coordinates" }
    do
      refuses("hgn:" .. name, "q", "(1,1)", function() hgn[name](hgn, x, x) end)
    end
    refuses("hgn:decoder_map", "x", "(1,1)", function() hgn:decoder_map(x) end)
    refuses("hgn:refine", "q", "(1,1)", function() hgn:refine(x, x, frames) end)
    refuses("hgn:state_of", "z", "(1,1,1,2)", function() hgn:state_of(z) end)
    refuses("hgn:fit_prior", "mean", "(1,1,1,2)", function() hgn:fit_prior(z, z) end)
    for _, name in ipairs { "continue", "energies", "images" } do
      local long = double(2, 1, 1)
      refuses("hgn:" .. name, "q", "(2,1,1)", function() hgn[name](hgn, { q = long, p = long }) end)
    end
    refuses("hgn:decoder_gradients", "targets", "(1,32,32,3)", function()
      hgn:decoder_gradients(hgn:project(torus.zeros(1, 1)):detach(), double(1, 32, 32, 3), 1)
    end)
    refuses("hgn:coordinate_loss", "states", "(1,2)",
      function() hgn:coordinate_loss(double(1, 2), x, x) end)
  end)

  it("are refused by every method of an NHF and a PixelHNN", function()
    local nhf = models.nhf { dimension = 1, flows = 1, width = 4 }
    local q = double(3, 1)
    for _, name in ipairs { "transport", "log_joint" } do
      refuses("nhf:" .. name, "q", "(3,1)", function() nhf[name](nhf, q, q) end)
    end
    for _, name in ipairs { "encode", "terms", "elbo", "importance_bound", "bounds",
      "log_density" } do
      refuses("nhf:" .. name, "q", "(3,1)", function() nhf[name](nhf, q) end)
    end
    refuses("nhf:terms", "epsilon", "(3,1)",
      function() nhf:elbo(q:to("float32"), { epsilon = q }) end)
    refuses("nhf:evidence", "q", "(3,1)", function()
      nhf:evidence(function(x) return x:sum(2) end, 3, { q = q, p = q:to("float32") })
    end)
    local pixels = models.pixel_hnn { width = 4, resolution = 16 }
    for _, name in ipairs { "encode", "film" } do
      refuses("pixel_hnn:" .. name, "pairs", "(1,2,16,16,3)",
        function() pixels[name](pixels, double(1, 2, 16, 16, 3)) end)
    end
    for _, name in ipairs { "infer", "losses", "reconstruct" } do
      refuses("pixel_hnn:" .. name, "frames", "(1,3,16,16,3)",
        function() pixels[name](pixels, double(1, 3, 16, 16, 3)) end)
    end
    for _, name in ipairs { "decode", "split", "rollout", "energy" } do
      refuses("pixel_hnn:" .. name, "z", "(3,2)",
        function() pixels[name](pixels, double(3, 2)) end)
    end
    local long = double(2, 1, 1)
    for _, name in ipairs { "continue", "energies", "images" } do
      refuses("pixel_hnn:" .. name, "q", "(2,1,1)",
        function() pixels[name](pixels, { q = long, p = long }) end)
    end
  end)
end)

describe("an HGN's states of another shape", function()
  it("are refused, with the shape expected", function()
    local hgn = models.hgn { width = 4, frames = 2, z = 6 }
    local wrong = torus.zeros(1, 3)
    for _, name in ipairs { "energy", "to_first", "rollout" } do
      raises("hgn:" .. name .. ": expected q of shape (batch,4,4,16), got (1,3)",
        function() hgn[name](hgn, wrong, wrong) end)
    end
    raises("hgn:state_of: expected z of shape (batch,4,4,6), got (1,3)",
      function() hgn:state_of(wrong) end)
    raises("integrate: hgn: expected q of shape (batch,4,4,16), got (1,3)",
      function() torus.integrate { H = hgn, q = wrong, p = wrong } end)
    local pixels = models.pixel_hnn { width = 4, resolution = 16 }
    raises("integrate: pixel_hnn: expected q of shape (batch,1), got (1,3)", function()
      torus.integrate { H = pixels, q = wrong, p = wrong, method = "rk4" }
    end)
  end)
end)

describe("a batch without samples", function()
  it("has results without samples", function()
    local frames = torus.zeros(0, 4, 32, 32, 3)
    for _, config in ipairs { {}, { phase = "vector" }, { phase = "vector", latent = "vector" } } do
      local hgn = models.hgn { width = 4, frames = 4, phase = config.phase,
        latent = config.latent }
      assert.are.equal(0, hgn:infer(frames):size(1))
      assert.are.same({ 0, 4, 32, 32, 3 }, hgn:reconstruct(frames).shape)
    end
    for _, kind in ipairs { "mlp", "conv" } do
      local pixels = models.pixel_hnn { width = 4, conv_width = 4, resolution = 16, kind = kind }
      assert.are.same({ 0, 3, 16, 16, 3 },
        pixels:reconstruct(torus.zeros(0, 3, 16, 16, 3)).shape)
    end
    local nhf = models.nhf { dimension = 1, flows = 1, width = 4 }
    local none = torus.zeros(0, 1)
    assert.are.same({ 0 }, nhf:log_density(none).shape)
    assert.are.same({ 0 }, nhf:elbo(none).shape)
    local hnn = models.hnn { dimension = 1, width = 4 }
    assert.are.same({ 3, 0, 1 }, hnn:rollout(none, none, { steps = 2 }).q.shape)
  end)

  it("is refused where the coordinates of its frames are found", function()
    local hgn = models.hgn { width = 4, frames = 4, phase = "vector" }
    local frames, none = torus.zeros(0, 4, 32, 32, 3), torus.zeros(0, 1)
    local text = ": expected frames of at least one sequence, got (0,4,32,32,3)"
    raises("hgn:locate" .. text, function() hgn:locate(frames) end)
    raises("hgn:refine" .. text, function() hgn:refine(none, none, frames) end)
  end)
end)

describe("the grid of nhf:log_density", function()
  local nhf = models.nhf { dimension = 2, flows = 1, width = 4 }
  local q = torus.zeros(1, 2)

  it("has a low corner below the high one", function()
    for _, o in ipairs { { low = { -1, 2 }, high = { 1, -2 }, at = 2 },
      { low = { 1, -2 }, high = { 1, 2 }, at = 1 },
      { low = { -math.huge, -2 }, high = { 1, 2 }, at = 1 },
      { low = { -1, -2 }, high = { 0 / 0, 2 }, at = 1 } } do
      raises(("nhf:log_density: expected low below high, both finite, got low = %s and high = "
        .. "%s at %d"):format(o.low[o.at], o.high[o.at], o.at),
        function() nhf:log_density(q, { low = o.low, high = o.high }) end)
    end
    local nats = nhf:log_density(q, { low = { -8, -8 }, high = { 8, 8 } }):item()
    assert.is_true(nats == nats)
  end)
end)
