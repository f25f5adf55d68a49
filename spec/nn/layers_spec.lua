-- Layers against figures of PyTorch (spec/support/kit_torch.py), and their derivatives
-- against finite differences.
local raises = require "spec.support.raises"
local steady = require "spec.support.steady"
local torus = require "torus"

local nn = torus.nn
local figures = assert(torus.load("data/reference/kit.safetensors"))
-- float64: sums in another order; float32: some dozen terms at 6e-8 each, and sums over
-- times and pixels of them
local TOLERANCE = { float64 = 1e-11, float32 = 2e-4 }

local function part(name)
  local found = {}
  for key, tensor in pairs(figures) do
    if key:sub(1, #name + 1) == name .. "." then found[key:sub(#name + 2)] = tensor end
  end
  return found
end

local function close(expected, got, dtype, what)
  assert.same(expected.shape, got.shape, what)
  local off = (expected - got:detach():to("float64")):abs():max():item()
  local scale = math.max(1, expected:abs():max():item())
  assert.is_true(off <= TOLERANCE[dtype] * scale, ("%s: off by %g"):format(what, off))
end

local function weights_of(figure)
  local weights = {}
  for key, tensor in pairs(figure) do
    local name = key:match("^weights%.(.*)")
    if name then weights[name] = tensor end
  end
  return weights
end

local function load_weights(layer, figure)
  local weights = weights_of(figure)
  for _, entry in ipairs(layer:named_buffers()) do weights[entry[1]] = entry[2] end
  assert(layer:load_parameters(weights))
end

-- Results and first gradients of call(x), which returns a list of tensors.
local function compare(figure, layer, dtype, call)
  local x = torus.variable(figure.x:to(dtype):copy())
  local loss
  for i, y in ipairs { call(x) } do
    close(figure["y" .. i], y, dtype, "result " .. i)
    local term = (y * figure["g" .. i]:to(dtype)):sum()
    loss = loss and loss + term or term
  end
  local named = layer:named_parameters()
  local inputs = { x }
  for i, entry in ipairs(named) do inputs[i + 1] = entry[2] end
  local g = torus.grad(loss, inputs)
  close(figure.dx, g[1], dtype, "gradient of x")
  for i, entry in ipairs(named) do
    close(figure["grad." .. entry[1]], g[i + 1], dtype, "gradient of " .. entry[1])
  end
end

local layers = {
  layer_norm = function(o) return nn.LayerNorm(5, o) end,
  layer_norm2 = function(o) return nn.LayerNorm({ 4, 5 }, o) end,
  batch_norm1d = function(o) return nn.BatchNorm1d(4, o) end,
  batch_norm2d = function(o)
    return nn.BatchNorm2d(3, { momentum = 0.3, dtype = o.dtype })
  end,
  conv_transpose = function(o) return nn.ConvTranspose2d(3, 2, o) end,
  conv_transpose2 = function(o)
    return nn.ConvTranspose2d(3, 2, { stride = 2, output_padding = 1, dtype = o.dtype })
  end,
  conv_transpose3 = function(o)
    return nn.ConvTranspose2d(3, 2, { stride = 3, padding = 0, bias = false, dtype = o.dtype })
  end,
  max_pool = function() return nn.MaxPool2d(2) end,
  max_pool3 = function() return nn.MaxPool2d(3, { stride = 2, padding = 1 }) end,
  avg_pool = function() return nn.AvgPool2d(2) end,
  avg_pool3 = function() return nn.AvgPool2d(3, { stride = 2, padding = 1 }) end,
}

for name, make in pairs(layers) do
  for dtype in pairs(TOLERANCE) do
    it(("%s has PyTorch's values and gradients in %s"):format(name, dtype), function()
      local layer, figure = make { dtype = dtype }, part(name)
      load_weights(layer, figure)
      compare(figure, layer, dtype, function(x) return layer(x) end)
    end)
  end

  it(name .. " has right second derivatives", function()
    local layer, figure = make { dtype = "float64" }, part(name)
    load_weights(layer, figure)
    -- two vectors alone are normalised to signs
    local x = name == "batch_norm1d" and figure.x or figure.x[{ { 1, 2 } }]:copy()
    assert(torus.gradcheck(function(v) return layer(v) end, x, { order = 2 }))
  end)
end

for _, name in ipairs { "batch_norm1d", "batch_norm2d" } do
  it(name .. " follows statistics, and uses them in evaluation", function()
    local layer, figure = layers[name] { dtype = "float64" }, part(name)
    load_weights(layer, figure)
    layer(figure.x)
    close(figure["after.running_mean"], layer.running_mean, "float64", "running mean")
    close(figure["after.running_var"], layer.running_var, "float64", "running variance")
    assert.equal(1, layer.num_batches_tracked:item())
    layer:eval()
    compare(part(name .. ".eval"), layer, "float64", function(x) return layer(x) end)
    assert.equal(1, layer.num_batches_tracked:item())
    assert(torus.gradcheck(function(v) return layer(v) end, figure.x, { order = 2 }))
  end)
end

local recurrent = {
  gru = function(o) return nn.GRU(3, 4, o) end,
  gru2 = function(o) return nn.GRU(3, 4, { layers = 2, dtype = o.dtype }) end,
  gru_plain = function(o) return nn.GRU(3, 4, { bias = false, dtype = o.dtype }) end,
  lstm = function(o) return nn.LSTM(3, 4, o) end,
  lstm2 = function(o) return nn.LSTM(3, 4, { layers = 2, dtype = o.dtype }) end,
}

for name, make in pairs(recurrent) do
  for dtype in pairs(TOLERANCE) do
    it(("%s has PyTorch's values and gradients in %s"):format(name, dtype), function()
      local layer, figure = make { dtype = dtype }, part(name)
      load_weights(layer, figure)
      local h, c = figure.h:to(dtype), name:find("lstm") and figure.c:to(dtype) or nil
      compare(figure, layer, dtype, function(x) return layer(x, h, c) end)
    end)
  end

  it(name .. " has right second derivatives, and continues from its states", function()
    local layer, figure = make { dtype = "float64" }, part(name)
    load_weights(layer, figure)
    local x = figure.x
    assert(torus.gradcheck(function(v) return layer(v) end, x[{ { 1, 2 } }]:copy(), { order = 2 }))
    local all = layer(x)
    local first, state, cell = layer(x[{ { 1, 3 } }])
    local second = layer(x[{ { 4, 5 } }], state, cell)
    close(all, torus.cat({ first, second }, 1), "float64", "both parts")
  end)
end

describe("Embedding", function()
  it("has PyTorch's values and gradients", function()
    for dtype in pairs(TOLERANCE) do
      local layer, figure = nn.Embedding(6, 3, { dtype = dtype }), part "embedding"
      load_weights(layer, figure)
      compare(figure, layer, dtype, function(scale) return layer(figure.index) * scale end)
    end
  end)

  it("says what is wrong with an index", function()
    local layer = nn.Embedding(6, 3)
    raises("Embedding: expected integers as the index, got tensor (2) float32",
      function() layer(torus.ones(2)) end)
    raises("Embedding: expected indices from 1 to 6, got 7",
      function() layer(torus.full({ 1 }, 7, { dtype = "int64" })) end)
    raises("Embedding: expected indices from 1 to 6, got 0",
      function() layer(torus.tensor({ 5, 0 }, { dtype = "int64" })) end)
    assert.same({ 0, 3 }, layer(torus.zeros({ 0 }, { dtype = "int64" })).shape)
  end)
end)

describe("Dropout", function()
  it("keeps the mean, and drops the share it was asked to", function()
    local layer = nn.Dropout(0.3, { generator = torus.generator(4) })
    local y = layer(torus.ones(100000))
    -- five standard errors
    assert.near(0.7, y:gt(0):to("float32"):mean():item(), 5 * math.sqrt(0.21 / 1e5))
    assert.near(1 / 0.7, y:max():item(), 1e-6)
    assert.same(y:totable(),
      nn.Dropout(0.3, { generator = torus.generator(4) })(torus.ones(100000)):totable())
  end)

  it("does nothing in evaluation", function()
    local x = torus.randn(5)
    assert.equal(x, nn.Dropout(0.9):eval()(x))
  end)

  it("drops gradients where it dropped values", function()
    local x = torus.variable(torus.ones(50))
    local y = nn.Dropout(0.5)(x)
    assert.same(y:totable(), torus.grad(y:sum(), x):totable())
  end)

  it("refuses a share of one", function()
    raises("Dropout: p: expected less than 1, got 1", function() nn.Dropout(1) end)
  end)
end)

describe("activations as modules", function()
  it("are the functions of their names", function()
    local x = torus.linspace(-3, 3, 13, { dtype = "float64" })
    local methods = { ReLU = "relu", Softplus = "softplus", Sigmoid = "sigmoid", Tanh = "tanh",
      GELU = "gelu", SiLU = "silu", ELU = "elu", LeakyReLU = "leaky_relu" }
    for name, method in pairs(methods) do
      assert.same(x[method](x):totable(), nn[name]()(x):totable(), name)
    end
    assert.same(x:leaky_relu(0.3):totable(), nn.LeakyReLU(0.3)(x):totable())
  end)

  it("have values of their formulas", function()
    local values = {
      ReLU = function(x) return math.max(x, 0) end,
      Softplus = function(x) return math.log(1 + math.exp(x)) end,
      Sigmoid = function(x) return 1 / (1 + math.exp(-x)) end,
      Tanh = function(x) return (math.exp(x) - math.exp(-x)) / (math.exp(x) + math.exp(-x)) end,
      SiLU = function(x) return x / (1 + math.exp(-x)) end,
      ELU = function(x) return x < 0 and math.exp(x) - 1 or x end,
      LeakyReLU = function(x) return math.max(x, 0) + 0.01 * math.min(x, 0) end,
    }
    for name, value in pairs(values) do
      for _, x in ipairs { -2.5, -0.5, 0, 0.5, 2.5 } do
        local got = nn[name]()(torus.tensor(x, { dtype = "float64" })):item()
        assert.near(value(x), got, 1e-14, name)
      end
    end
    -- Phi(1) from a table of the normal distribution
    assert.near(0.841344746068543,
      nn.GELU()(torus.tensor(1, { dtype = "float64" })):item(), 1e-14)
  end)
end)

describe("modules", function()
  local function network()
    return nn.Sequential { nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.5),
      nn.Sequential { nn.Linear(4, 1) } }
  end

  it("switch all members between training and evaluation", function()
    local net = network()
    assert.equal(net, net:eval())
    assert.is_false(net[2].training or net[4].training or net[5][1].training)
    net:train()
    assert.is_true(net.training and net[2].training and net[5][1].training)
    raises("Module:train: on: expected a boolean, got 1", function() net:train(1) end)
  end)

  it("save, load and convert buffers, which are no parameters", function()
    local net, other = network(), network()
    net(torus.randn(6, 2))
    assert.equal(6, #net:parameters())
    local names = {}
    for i, entry in ipairs(net:named_buffers()) do names[i] = entry[1] end
    assert.same({ "2.running_mean", "2.running_var", "2.num_batches_tracked" }, names)
    assert(other:load_parameters(net:named()))
    assert.same(net[2].running_var:totable(), other[2].running_var:totable())
    assert.equal(1, other[2].num_batches_tracked:item())
    local x = torus.randn(3, 2)
    assert.same(net:eval()(x):totable(), other:eval()(x):totable())
    net:to("float64")
    assert.equal("float64", net[2].running_mean.dtype)
    assert.equal("int64", net[2].num_batches_tracked.dtype)
    assert.is_false(net[2].running_mean.requires_grad)
    net(x:to("float64"))
  end)

  it("are energies whose gradients can be trained", function()
    torus.manual_seed(3)
    local net = nn.Sequential { nn.Linear(2, 16), nn.LayerNorm(16), nn.Tanh(), nn.Linear(16, 1) }
    local s = torus.rand(64, 2) * 2 - 1
    local adam = torus.optim.adamw(net:parameters(), { lr = 0.01 })
    local first, last
    for _ = 1, 200 do
      local x = torus.variable(s)
      local g = torus.grad(net(x):sum(), x, { create_graph = true })
      local loss = nn.mse(g, s)
      last = loss:item()
      first = first or last
      adam:step(torus.grad(loss, net:parameters(), { allow_unused = true }))
    end
    assert.is_true(last < 0.1 * first, last .. " of " .. first)
  end)

  it("keep a steady size in training without a collectgarbage", function()
    local net = nn.Sequential { nn.Conv2d(1, 8), nn.BatchNorm2d(8), nn.ReLU(),
      nn.MaxPool2d(2), nn.ConvTranspose2d(8, 8, { stride = 2, output_padding = 1 }),
      nn.AvgPool2d(2), nn.Dropout(0.2), function(x) return x:reshape(10, 16, -1) end,
      nn.GRU(32, 16), nn.LayerNorm(16), nn.LSTM(16, 8) }
    local sgd = torus.optim.sgd(net:parameters(), { lr = 1e-3, momentum = 0.9 })
    steady(150, function()
      net:zero_grad()
      net(torus.randn(16, 8, 20, 1)):square():mean():backward()
      sgd:step()
    end)
  end)
end)

describe("pooling", function()
  it("sends gradients of ties to the first, and lets NaN through", function()
    local x = torus.variable(torus.ones(1, 2, 2, 1))
    local g = torus.grad(torus.max_pool2d(x, 2):sum(), x)
    assert.same({ 1, 0, 0, 0 }, g:reshape(4):totable())
    local y = torus.tensor({ 1, 0 / 0, 3, 4 }):reshape(1, 2, 2, 1):max_pool2d(2):item()
    assert.is_true(y ~= y)
    local negative = torus.full({ 1, 2, 2, 1 }, -5)
    assert.equal(-5, negative:max_pool2d(2, 2, 1):max():item()) -- not the padding
  end)

  it("is bit-identical with any number of threads", function()
    local x = torus.variable(torus.randn(5, 33, 31, 7))
    local seen, before = nil, torus.threads()
    for _, threads in ipairs { 1, 2, 7 } do
      torus.set_threads(threads)
      local y = torus.avg_pool2d(x, 3, 2, 1):sum() + torus.max_pool2d(x, 4):square():sum()
      local g = torus.grad(y, x):totable()
      seen = seen or g
      assert.same(seen, g)
    end
    torus.set_threads(before)
  end)

  it("says what does not fit", function()
    raises("avg_pool2d: expected images (n,h,w,c) of at least one pixel that windows fit, "
      .. "with a padding of half of them at most, got shape (1,2,2,1), kernel 3, stride 3 "
      .. "and padding 0",
      function() torus.avg_pool2d(torus.ones(1, 2, 2, 1), 3) end)
    raises("MaxPool2d: option \"padding\": expected at most half the kernel, 1, got 2",
      function() nn.MaxPool2d(2, { padding = 2 }) end)
    raises("BatchNorm1d: expected at least 2 numbers for each channel in training, got "
      .. "tensor (1,3) float32", function() nn.BatchNorm1d(3)(torus.ones(1, 3)) end)
    raises("GRU: expected x of shape (time,batch,3), got (5,3)",
      function() nn.GRU(3, 4)(torus.ones(5, 3)) end)
    raises("LSTM: expected cell of shape (1,2,4), got (2,4)", function()
      nn.LSTM(3, 4)(torus.ones(5, 2, 3), torus.ones(1, 2, 4), torus.ones(2, 4))
    end)
    raises("ConvTranspose2d: option \"output_padding\": expected less than the stride, 1, "
      .. "got 1", function() nn.ConvTranspose2d(1, 1, { output_padding = 1 }) end)
  end)
end)
