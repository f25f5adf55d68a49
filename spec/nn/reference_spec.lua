-- The operations that networks are made of, against figures from PyTorch
-- (spec/support/make_reference.py).
local torus = require "torus"

local FOLDER = "data/reference/"
-- float64: sums in another order; float32: 65 terms and more at 6e-8 each.
local TOLERANCE = { float64 = 1e-9, float32 = 1e-4 }

local function close(expected, got, dtype, what)
  assert.are.same(expected.shape, got.shape, what)
  local difference = (expected - got:detach():to("float64")):abs():max():item()
  local scale = math.max(1, expected:abs():max():item())
  assert.is_true(difference <= TOLERANCE[dtype] * scale,
    string.format("%s: off by %g", what, difference))
end

local function input(tensors, name, dtype)
  return torus.variable(tensors[name]:to(dtype))
end

for dtype in pairs(TOLERANCE) do
  describe("PyTorch's figures in " .. dtype, function()
    it("conv2d and its gradients", function()
      local t, meta = torus.load(FOLDER .. "conv2d.safetensors")
      for i = 1, tonumber(meta.cases) do
        local x, w = input(t, i .. ".x", dtype), input(t, i .. ".w", dtype)
        local y = torus.conv2d(x, w, {
          stride = math.tointeger(tonumber(meta[i .. ".stride"])),
          padding = math.tointeger(tonumber(meta[i .. ".padding"])) })
        local g = torus.grad(y, { x, w },
          { grad_output = t[i .. ".g"]:to(dtype) })
        close(t[i .. ".y"], y, dtype, "y of case " .. i)
        close(t[i .. ".dx"], g[1], dtype, "dx of case " .. i)
        close(t[i .. ".dw"], g[2], dtype, "dw of case " .. i)
      end
    end)

    it("matmul and its gradients", function()
      local t, meta = torus.load(FOLDER .. "matmul.safetensors")
      for i = 1, tonumber(meta.cases) do
        local a, b = input(t, i .. ".a", dtype), input(t, i .. ".b", dtype)
        local y = a:matmul(b)
        local g = torus.grad(y, { a, b },
          { grad_output = t[i .. ".g"]:to(dtype) })
        close(t[i .. ".y"], y, dtype, "y of case " .. i)
        close(t[i .. ".da"], g[1], dtype, "da of case " .. i)
        close(t[i .. ".db"], g[2], dtype, "db of case " .. i)
      end
    end)

    it("softplus, its first and its second derivative", function()
      local t = torus.load(FOLDER .. "softplus.safetensors")
      local x = input(t, "x", dtype)
      local y = x:softplus()
      local first = torus.grad(y:sum(), x, { create_graph = true })
      local second = torus.grad(first:sum(), x)
      close(t.y, y, dtype, "y")
      close(t.first, first, dtype, "first derivative")
      close(t.second, second, dtype, "second derivative")
    end)
  end)
end
