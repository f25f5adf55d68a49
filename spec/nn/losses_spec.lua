-- Losses against figures of PyTorch (spec/support/kit_torch.py).
local raises = require "spec.support.raises"
local torus = require "torus"

local nn = torus.nn
local figures = assert(torus.load("data/reference/kit.safetensors"))
local t = {}
for name, tensor in pairs(figures) do
  local short = name:match("^loss%.(.*)")
  if short then t[short] = tensor end
end

local function with(opts, reduction)
  local o = { reduction = reduction }
  for key, value in pairs(opts or {}) do o[key] = value end
  return o
end

local cases = {
  mse = { nn.mse, "t" }, l1 = { nn.l1, "t" },
  huber = { nn.huber, "t", { delta = 0.7 } },
  cross_entropy = { nn.cross_entropy, "index" },
  smooth = { nn.cross_entropy, "index", { label_smoothing = 0.2 } },
  shares = { nn.cross_entropy, "share" },
  bce = { nn.bce_with_logits, "yes" },
  bce_weight = { nn.bce_with_logits, "yes", { positive_weight = t.weight } },
  nll = { function(x, target, o) return nn.gaussian_nll(x, target, t.v, o) end, "t" },
  nll_full = { function(x, target, o) return nn.gaussian_nll(x, target, t.v, o) end, "t",
    { full = true } },
}

for name, case in pairs(cases) do
  describe(name, function()
    it("has PyTorch's values and gradients", function()
      for _, reduction in ipairs { "mean", "sum", "none" } do
        local x = torus.variable(t.x:copy())
        local y = case[1](x, t[case[2]], with(case[3], reduction))
        local key = name .. "." .. reduction
        assert.same(t[key].shape, y.shape)
        assert.is_true((y - t[key]):abs():max():item() < 1e-13)
        local g = torus.grad(y:sum(), x)
        assert.is_true((g - t[key .. ".dx"]):abs():max():item() < 1e-13)
      end
    end)

    it("has second derivatives", function()
      local order = name == "l1" and 1 or 2 -- that of l1 is zero
      assert(torus.gradcheck(function(x)
        return case[1](x, t[case[2]], with(case[3], "none"))
      end, t.x, { order = order }))
    end)
  end)
end

describe("losses", function()
  it("stay finite and exact far out", function()
    local far = torus.tensor({ 1000, -1000 }, { dtype = "float64" })
    assert.same({ 0, 0 }, nn.bce_with_logits(far, torus.tensor({ 1, 0 },
      { dtype = "float64" }), { reduction = "none" }):totable())
    assert.same({ 1000, 1000 }, nn.bce_with_logits(far, torus.tensor({ 0, 1 },
      { dtype = "float64" }), { reduction = "none" }):totable())
    local index = torus.tensor({ 2 }, { dtype = "int64" })
    assert.equal(2000, nn.cross_entropy(far:reshape(1, 2), index):item())
  end)

  it("are smooth at a score of zero", function()
    local x = torus.zeros(1, { dtype = "float64", requires_grad = true })
    local y = nn.bce_with_logits(x, torus.ones(1, { dtype = "float64" }))
    local g = torus.grad(y, x, { create_graph = true })
    assert.equal(-0.5, g:item())
    assert.equal(0.25, torus.grad(g:sum(), x):item())
  end)

  it("have a smallest variance of a normal distribution", function()
    local function nll(v, opts)
      local variance = torus.tensor({ v }, { dtype = "float64", requires_grad = true })
      local mean = torus.tensor({ 0.5 }, { dtype = "float64" })
      local loss = nn.gaussian_nll(mean, torus.zeros(1, { dtype = "float64" }), variance, opts)
      return loss:item(), torus.grad(loss, variance):item()
    end
    local value, slope = nll(0.01, { eps = 0.04 })
    assert.near((math.log(0.04) + 0.25 / 0.04) / 2, value, 1e-13)
    assert.equal(0, slope)
    value, slope = nll(0.01)
    assert.near((math.log(0.01) + 0.25 / 0.01) / 2, value, 1e-13)
    assert.near((1 / 0.01 - 0.25 / 0.01 ^ 2) / 2, slope, 1e-10)
    -- 1e-6 by default; the quotient is 2.5e5
    assert.near((math.log(1e-6) + 0.25 / 1e-6) / 2, (nll(0)), 1e-9)
  end)

  it("take images of classes, channels last", function()
    local scores = torus.randn(2, 3, 3, 5)
    local classes = scores:argmax(4)
    assert.same({ 2, 3, 3 }, nn.cross_entropy(scores, classes, { reduction = "none" }).shape)
  end)

  it("say what does not fit", function()
    raises("mse: expected target of shape (4,1), got (4)",
      function() nn.mse(torus.ones(4, 1), torus.ones(4)) end)
    raises("cross_entropy: expected target of shape (4), got (4,1)", function()
      nn.cross_entropy(torus.ones(4, 3), torus.zeros(4, 1, { dtype = "int64" }))
    end)
    raises("cross_entropy: expected target as probabilities of shape (2,3), or as classes in an "
      .. 'integer dtype, got tensor (2) float32; target:to("int64") holds classes', function()
      torus.nn.cross_entropy(torus.ones(2, 3), torus.tensor { 1, 2 })
    end)
    raises("cross_entropy: expected classes from 1 to 3, got 0", function()
      nn.cross_entropy(torus.ones(1, 3), torus.zeros(1, { dtype = "int64" }))
    end)
    raises("l1: option \"reduction\": expected one of \"mean\", \"sum\", \"none\"; got \"all\"",
      function() nn.l1(torus.ones(1), torus.ones(1), { reduction = "all" }) end)
    raises("gaussian_nll: expected variance of shape (2), got (1)", function()
      nn.gaussian_nll(torus.ones(2), torus.ones(2), torus.ones(1))
    end)
  end)
end)
