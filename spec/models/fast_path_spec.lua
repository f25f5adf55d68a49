local torus = require "torus"
local hgn = torus.models.hgn

local CONFIG = { width = 16, z = 8, state = 4, resolution = 16, frames = 8,
  energy_layers = 3, energy_gain = 4, energy_init = "oscillator",
  init = "kaiming", background = { 0.3, 0.3, 0.3 } }
local STEPS, BATCH = 30, 4

local function model(dtype)
  local c = { dtype = dtype }
  for key, value in pairs(CONFIG) do c[key] = value end
  return hgn(c, torus.generator(1))
end

-- The losses of a training that starts from `weights`. All draw the same
-- frames and the same noise, as float32.
local function curve(weights, dtype, fused)
  local m = model(dtype)
  local converted = {}
  for name, value in pairs(weights) do converted[name] = value:to(dtype) end
  assert(m:load_parameters(converted))
  local optimiser = torus.optim.adam(m:parameters(), { lr = 1e-3 })
  local generator, losses = torus.generator(2), {}
  for step = 1, STEPS do
    local frames = torus.rand({ BATCH, CONFIG.frames, 16, 16, 3 },
      { generator = generator }):to(dtype)
    local epsilon = torus.randn({ BATCH, 2, 2, CONFIG.z },
      { generator = generator }):to(dtype)
    local gradients, numbers = m:gradients(frames, { epsilon = epsilon,
      kl_weight = 1e-2, fused = fused })
    optimiser:step(gradients)
    losses[step] = numbers.loss
  end
  return losses
end

local function furthest(a, b)
  local most = 0
  for i, value in ipairs(a) do
    most = math.max(most, math.abs(value - b[i]) / b[i])
  end
  return most
end

describe("a training by the fused kernels", function()
  it("has the loss curve of the general path, within float32's noise",
    function()
      local weights = {}
      for _, entry in ipairs(model("float32"):named_parameters()) do
        weights[entry[1]] = entry[2]:detach()
      end
      local exact = curve(weights, "float64", false)
      local fast = furthest(curve(weights, "float32"), exact)
      local general = furthest(curve(weights, "float32", false), exact)
      assert.is_true(exact[STEPS] < 0.8 * exact[1], "nothing was learned")
      -- Both differ from float64 by rounding alone, which Adam's first steps
      -- enlarge, as they divide by the gradient's size: neither by much more
      -- than the other.
      local found = ("fast %g, general %g"):format(fast, general)
      assert.is_true(fast < 2e-2 and general < 2e-2, found)
      assert.is_true(fast < 4 * general, found)
      local double = furthest(curve(weights, "float64"), exact)
      assert.is_true(double < 1e-9, ("float64: %g"):format(double))
    end)
end)
