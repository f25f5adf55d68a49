-- The decoder with products of bfloat16, against the same network by operations
-- of float64, with every number rounded where the kernel rounds it: what is left is
-- the error of float32's sums, and of the few numbers that it rounds the other way.
local engine = require "torus.engine"
local torus = require "torus"

local SLOPE = 0.25

-- The nearest number with 8 significant bits.
local function nearest(x)
  local c = x * (2 ^ 45 + 1)
  return c - (c - x)
end

-- Rounds a value on its way forward, but not its gradient ...
local rounded = torus.custom {
  forward = function(_, x) return nearest(x) end,
  backward = function(_, g) return g end,
}

-- ... and the reverse.
local rounds_gradient = torus.custom {
  forward = function(_, x) return x + 0 end,
  backward = function(_, g) return nearest(g) end,
}

-- The convolution of the doubled image x: at each remainder of a pixel's row and
-- column a convolution of x itself, whose 2 x 2 taps are sums of the kernel's.
local function doubled(x, w)
  local n, h, width = table.unpack(x.shape)
  local parts = {}
  for a = 0, 1 do
    for b = 0, 1 do
      local function under(r, remainder) return r > remainder and 1 or 0 end
      local kernel
      for r = 0, 2 do
        for t = 0, 2 do
          local place = torus.zeros({ 3, 3 }, { dtype = "float64" })
          place[a + under(r, a) + 1][b + under(t, b) + 1] = 1
          local tap = w:narrow(3, r + 1, 1):narrow(4, t + 1, 1) * place
          kernel = kernel and kernel + tap or tap
        end
      end
      parts[#parts + 1] = torus.conv2d(x, rounded(kernel), { padding = 1 })
        :reshape(n, h, width, 1, 1, -1)
    end
  end
  return torus.cat(parts, 4):reshape(n, h, width, 2, 2, -1)
    :permute { 1, 2, 4, 3, 5, 6 }:reshape(n, 2 * h, 2 * width, -1)
end

-- The sum of squared errors of a decoder d.
local function witness(d, q, targets, parameters)
  local at = 0
  local function next_parameter()
    at = at + 1
    return parameters[at]
  end
  local x = rounded(q)
  for _ = 1, d.blocks do
    local w1, b1, w2, b2 = next_parameter(), next_parameter(), next_parameter(),
      next_parameter()
    local inputs = x:size(4)
    local a1 = rounded(rounds_gradient(doubled(x, w1) + b1):leaky_relu(SLOPE))
    local h = rounds_gradient(torus.conv2d(a1, rounded(w2), b2, { padding = 1 }))
      :leaky_relu(SLOPE)
    if d.skip then
      local around = x
      if inputs ~= d.width then
        around = rounded(rounds_gradient(torus.conv2d(x, rounded(next_parameter()),
          next_parameter())))
      end
      h = h + rounds_gradient(around:upsample(2))
    end
    x = rounded(h)
  end
  local w, b = next_parameter(), next_parameter()
  local y = rounds_gradient(torus.conv2d(x, rounded(w), b, { padding = 1 })):sigmoid()
  return (y - targets):square():sum()
end

-- Numbers up to `scale`; with `steps` multiples of scale / steps.
local function numbers(shape, scale, steps)
  local x = torus.rand(shape) * 2 - 1
  return (steps and (x * steps):round() / steps or x) * scale
end

-- Parameters of a decoder d; with `exact` the sums of its forward pass are exact in
-- float32.
local function parameters_of(d)
  local list, inputs = {}, d.state
  local function add(outputs, from, kernel, scale)
    list[#list + 1] = numbers({ outputs, from, kernel, kernel },
      d.exact and scale or 1.7 * (from * kernel * kernel) ^ -0.5, d.exact and 8)
    list[#list + 1] = numbers({ outputs }, d.exact and scale or 0.1, d.exact and 8)
  end
  for _ = 1, d.blocks do
    add(d.width, inputs, 3, 1)
    add(d.width, d.width, 3, 1)
    if d.skip and inputs ~= d.width then add(d.width, inputs, 1, 1) end
    inputs = d.width
  end
  add(d.channels, inputs, 3, 2 ^ -8)
  return list
end

local function variables(list, dtype)
  local copies = {}
  for i, x in ipairs(list) do copies[i] = engine.variable(x:detach():to(dtype)) end
  return copies
end

-- The sum of squares of a decoder and its gradients, of q and the parameters, by the
-- kernel in a precision or by the witness.
local function evaluate(d, precision)
  torus.manual_seed(3)
  local dtype = precision == "bfloat16" and "float32" or "float64"
  local parameters = variables(parameters_of(d), dtype)
  local q = variables({ numbers({ d.images, d.height, d.columns, d.state }, 2, 8) },
    dtype)[1]
  local targets = torus.rand { d.images, d.height << d.blocks, d.columns << d.blocks,
    d.channels }:to(dtype)
  local squares
  if precision == "witness" then
    squares = witness(d, q, targets, parameters)
  else
    squares = torus.decoder_error(q, targets, { parameters = parameters,
      blocks = d.blocks, width = d.width, skip = d.skip, slope = SLOPE,
      precision = precision })
  end
  return squares:item(), engine.grad(squares,
    table.move(parameters, 1, #parameters, 2, { q }))
end

-- The largest relative differences, of the squares and of the gradients.
local function differences(d, from)
  local squares, grads = evaluate(d, "bfloat16")
  local expected, others = evaluate(d, from)
  local most = 0
  for i, g in ipairs(grads) do
    most = math.max(most,
      (g:to "float64" - others[i]):norm():item() / others[i]:norm():item())
  end
  return math.abs(squares / expected - 1), most
end

local function decoder(changes)
  local d = { blocks = 1, width = 8, state = 3, channels = 3, height = 4, columns = 4,
    images = 3, skip = true }
  for key, value in pairs(changes) do d[key] = value end
  return d
end

local set = require("torus.core").isa()
local has_bf16 = set == "amx" or set == "avx512bf16"

-- A spec that needs products of bfloat16.
local function it_multiplies(text, run_spec)
  it(text, function()
    if not has_bf16 then
      pending(set .. " has no products of bfloat16")
      return
    end
    run_spec()
  end)
end

local one_block = {
  {}, { skip = false }, { state = 8, images = 2 }, { channels = 1, images = 17 },
  { width = 20, state = 40, channels = 4, height = 3, columns = 7, images = 1 },
  { width = 33, state = 33, height = 6, columns = 5, skip = false },
  { width = 24, state = 5, channels = 9, height = 16, columns = 16, images = 5 },
}

describe("the decoder with products of bfloat16", function()
  -- The forward pass has no error, and backward there are two layers.
  for i, changes in ipairs(one_block) do
    it_multiplies(("equals the rounded network, one block, %d"):format(i), function()
      changes.exact = true
      local squares, gradients = differences(decoder(changes), "witness")
      assert.is_true(squares < 1e-6, squares)
      assert.is_true(gradients < 2e-5, gradients)
    end)
  end

  -- A number that falls on the other side of a tie moves those of the next layer, some
  -- of which fall on the other side for it: a part of the error of bfloat16 itself.
  for i, changes in ipairs { {}, { skip = false }, { width = 32, state = 32 } } do
    it_multiplies(("is near the rounded network, three blocks, %d"):format(i), function()
      changes.blocks, changes.width = 3, changes.width or 24
      local squares, gradients = differences(decoder(changes), "witness")
      assert.is_true(squares < 1e-4, squares)
      assert.is_true(gradients < 4e-3, gradients)
    end)
  end

  -- The error of numbers with 8 bits through seven layers and back.
  it_multiplies("is near float64", function()
    local squares, gradients = differences(decoder { blocks = 3, width = 64, state = 16,
      images = 8 }, "float32")
    assert.is_true(squares < 1e-3, squares)
    assert.is_true(gradients > 1e-4 and gradients < 0.05, gradients)
  end)

  it("gives the same bits with one thread and two", function()
    local threads = torus.threads()
    local bytes = {}
    for n = 1, 2 do
      torus.set_threads(n)
      local squares, grads = evaluate(decoder { blocks = 3, images = 19 }, "bfloat16")
      local parts = { string.pack("d", squares) }
      for i, g in ipairs(grads) do parts[i + 1] = torus.to_bytes(g) end
      bytes[n] = table.concat(parts)
    end
    torus.set_threads(threads)
    assert.is_true(bytes[1] == bytes[2])
  end)

  it("is float32 where the processor has no such products", function()
    local script = [[
      local torus = require "torus"
      torus.manual_seed(1)
      local bytes = {}
      for i, precision in ipairs { "float32", "bfloat16" } do
        torus.manual_seed(2)
        local model = torus.models.hgn { width = 6, frames = 3, precision = precision }
        local _, q = model:decoder_gradients(torus.randn(2, 4, 4, 16),
          torus.rand(2, 32, 32, 3), 1)
        bytes[i] = torus.to_bytes(q)
      end
      print(bytes[1] == bytes[2])]]
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(script)
    file:close()
    local pipe = assert(io.popen("TORUS_ISA=portable scripts/torus " .. path .. " 2>&1"))
    local text = pipe:read "a"
    pipe:close()
    os.remove(path)
    assert.equal("true\n", text)
  end)
end)

describe("hgn's precision", function()
  it("is float32 unless it is chosen, and part of the configuration", function()
    assert.equal("float32", torus.models.hgn { width = 4, frames = 3 }.config.precision)
    local model = torus.models.hgn { width = 4, frames = 3, precision = "bfloat16" }
    assert.equal("bfloat16", model.config.precision)
    for _, net in ipairs { model.encoder, model.f_psi } do
      assert.equal("bfloat16", net[1].precision)
    end
    assert.equal("bfloat16", model.decoder.output.precision)
  end)

  it("does not go with float64", function()
    local ok, message = pcall(torus.models.hgn, { precision = "bfloat16",
      dtype = "float64" })
    assert.is_false(ok)
    assert.matches('hgn: precision: expected "float32" where dtype is "float64", '
      .. 'got "bfloat16"', message, 1, true)
  end)
end)
