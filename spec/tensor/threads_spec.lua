local torus = require "torus"
local raises = require "spec.support.raises"

describe("the number of threads", function()
  local function with_threads(n, f)
    local before = torus.threads()
    torus.set_threads(n)
    local ok, result = pcall(f)
    torus.set_threads(before)
    return assert(ok and result, result)
  end

  -- Everything as bytes: every bit counts.
  local function work()
    local g = torus.generator(1)
    local out = {}
    for _, dtype in ipairs { "float32", "float64" } do
      local function random(...)
        return torus.randn({ ... }, { dtype = dtype, generator = g, requires_grad = true })
      end
      local x = random(4, 17, 18, 5)
      local w, b = random(6, 5, 3, 3), random(6)
      local y = x:conv2d(w, b, { padding = 1, stride = 1 })
      -- Wide and even: convolved by way of small tiles in float32.
      local image, kernel = random(2, 16, 16, 32), random(32, 32, 3, 3)
      local feature = image:conv2d(kernel, { padding = 1 })
      local a, c = random(190, 130), random(130, 170)
      local product = a:matmul(c)
      local batched = random(7, 20, 30):matmul(random(30, 9))
      local long = random(100003)
      local wide = random(3, 40000, 2)
      local order = torus.randperm(40000, { generator = g })
      local results = { x, y, feature, product, batched, long, long:sum(), long:tanh(),
        long:exp() * long, wide:sum(2), wide:max(1), wide:logsumexp(2),
        wide:transpose():mean(2), long:to("float64"), x:permute(4, 3, 2, 1):copy(),
        wide:index_select(2, order) }
      local loss = (y:tanh() * y):sum() + (feature:tanh() * feature):sum()
        + product:square():mean() + long:softplus():sum() + wide:sigmoid():sum()
        + batched:sum()
      for _, gradient in ipairs(torus.grad(loss, { x, w, b, image, kernel, a, c, long, wide })) do
        results[#results + 1] = gradient
      end
      for _, result in ipairs(results) do out[#out + 1] = torus.to_bytes(result) end
    end
    return out
  end

  it("changes no bit of any result", function()
    local one = with_threads(1, work)
    for _, n in ipairs { 2, 3 } do
      local more = with_threads(n, work)
      assert.equal(#one, #more)
      for i, bytes in ipairs(one) do
        if bytes ~= more[i] then error(("result %d differs with %d threads"):format(i, n)) end
      end
    end
  end)

  it("must be one that can be", function()
    raises("set_threads: expected 1..256, got 0", function() torus.set_threads(0) end)
    raises("set_threads: expected an integer as the number of threads, got 1.5",
      function() torus.set_threads(1.5) end)
    assert.is_true(torus.threads() >= 1)
  end)
end)
