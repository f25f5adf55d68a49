-- Linear algebra: PyTorch's figures, residuals, singular and ill-conditioned
-- matrices, and what is said where there is no result.
local torus = require "torus"
local core = require "torus.core"
local gradcheck = require "spec.support.gradcheck"
local raises = require "spec.support.raises"

local linalg = torus.linalg
local FLOAT64 = { dtype = "float64" }

local function T(values) return torus.tensor(values, FLOAT64) end

local function largest(x)
  return x:numel() == 0 and 0 or x:abs():max():item()
end

-- A matrix with these singular values, between two rotations.
local function with_values(values, m, n, dtype)
  local u = linalg.qr(torus.randn({ m, #values }, FLOAT64))
  local v = linalg.qr(torus.randn({ n, #values }, FLOAT64))
  return ((u * T(values)):matmul(v:transpose())):to(dtype or "float64")
end

local function symmetric(x) return (x + x:transpose()) * 0.5 end

-- float64: other sums, and a condition of up to some hundreds; float32: the
-- same in its precision.
local TOLERANCE = { float64 = 1e-11, float32 = 1e-3 }

-- What linalg_torch.py calls.
local functions = {
  inverse = linalg.inverse, det = linalg.det, solve = linalg.solve,
  qr = linalg.qr, lstsq = linalg.lstsq,
  slogdet = function(x) return (select(2, linalg.slogdet(x))) end,
  cholesky = function(x)
    local eye = torus.eye(x:size(-1), { dtype = x.dtype })
    return linalg.cholesky(symmetric(x:matmul(x:transpose())) + eye)
  end,
  eigh = function(x)
    local w, v = linalg.eigh(symmetric(x))
    return w, (v * (w * -0.25):exp():unsqueeze(-2)):matmul(v:transpose())
  end,
  -- V diag(exp(-w / 4)) V^-1; with a + bi as the matrix {{a, -b}, {b, a}}.
  eig = function(x)
    local re, im, v_re, v_im = linalg.eig(x)
    local n, size = x:size(-1), (re * -0.25):exp():unsqueeze(-2)
    local c = size * (im * 0.25):cos():unsqueeze(-2)
    local s = size * (im * -0.25):sin():unsqueeze(-2)
    local function block(a, b)
      return torus.cat({ torus.cat({ a, -b }, -1), torus.cat({ b, a }, -1) }, -2)
    end
    local product = block(v_re * c - v_im * s, v_re * s + v_im * c)
      :matmul(linalg.inverse(block(v_re, v_im)))
    return product:narrow(-2, 1, n):narrow(-1, 1, n)
  end,
  svd = function(x)
    local u, s, vt = linalg.svd(x)
    return s, (u * s:cos():unsqueeze(-2)):matmul(vt)
  end,
}

for dtype, tolerance in pairs(TOLERANCE) do
  describe("PyTorch's figures in " .. dtype, function()
    local t, counts = torus.load("data/reference/linalg.safetensors")

    local function close(key, got, name)
      local want = t[key]
      assert.are.same(want.shape, got.shape, name)
      local difference = largest(want - got:detach():to("float64"))
      assert.is_true(difference <= tolerance * math.max(1, largest(want)),
        ("%s: off by %g"):format(name, difference))
    end

    for name, f in pairs(functions) do
      it("of " .. name .. " and its gradients", function()
        for case = 1, tonumber(counts[name]) do
          local key = ("%s.%d."):format(name, case)
          local inputs, loss = {}, nil
          for i = 1, 2 do
            local x = t[key .. "x" .. i]
            inputs[i] = x and torus.variable(x:to(dtype))
          end
          for i, y in ipairs { f(table.unpack(inputs)) } do
            close(key .. "y" .. i, y, key .. "y" .. i)
            local part = (y * t[key .. "g" .. i]:to(dtype)):sum()
            loss = loss and loss + part or part
          end
          for i, g in ipairs(torus.grad(loss, inputs)) do
            close(key .. "d" .. i, g, key .. "d" .. i)
          end
        end
      end)
    end
  end)
end

describe("residuals", function()
  before_each(function() torus.manual_seed(3) end)

  -- n eps, and a few more for the product that tests it.
  local function limit(dtype, n, scale)
    return 20 * n * (dtype == "float64" and 2.3e-16 or 1.2e-7) * (scale or 1)
  end

  for _, dtype in ipairs { "float64", "float32" } do
    it("are of the size of rounding, in " .. dtype, function()
      for _, n in ipairs { 1, 2, 17, 60 } do
        local a = torus.randn({ 3, n, n }, { dtype = dtype })
        local b = torus.randn({ 3, n, 4 }, { dtype = dtype })
        local at, eye = a:transpose(), torus.eye(n, { dtype = dtype })
        local x = linalg.solve(a, b)
        assert.is_true(largest(a:matmul(x) - b) < limit(dtype, n, largest(x) * largest(a)))
        local w, v = linalg.eigh(a)
        assert.is_true(largest(v:transpose():matmul(v) - eye) < limit(dtype, n))
        assert.is_true(largest((v * w:unsqueeze(-2)):matmul(v:transpose())
          - (a + at) * 0.5) < limit(dtype, n, largest(w)))
        local steps = w:narrow(-1, 2, n - 1) - w:narrow(-1, 1, n - 1)
        assert.is_true(n == 1 or steps:min():item() >= 0)
        local re, im, x_re, x_im = linalg.eig(a)
        local size = (re:square() + im:square()):max():sqrt():item()
        re, im = re:unsqueeze(-2), im:unsqueeze(-2)
        assert.is_true(largest(a:matmul(x_re) - x_re * re + x_im * im) < limit(dtype, n, size))
        assert.is_true(largest(a:matmul(x_im) - x_re * im - x_im * re) < limit(dtype, n, size))
        assert.is_true(largest((x_re:square() + x_im:square()):sum(-2) - 1) < limit(dtype, n))
        local positive = a:matmul(at) + eye
        local l = linalg.cholesky(positive)
        assert.is_true(largest(l:matmul(l:transpose()) - positive)
          < limit(dtype, n, largest(positive)))
      end
    end)

    it("of tall and wide matrices are, in " .. dtype, function()
      for _, size in ipairs { { 5, 3 }, { 3, 5 }, { 1, 7 }, { 40, 13 }, { 13, 40 } } do
        local m, n = size[1], size[2]
        local a = torus.randn({ 2, m, n }, { dtype = dtype })
        local eye = torus.eye(math.min(m, n), { dtype = dtype })
        local u, s, vt = linalg.svd(a)
        assert.is_true(largest((u * s:unsqueeze(-2)):matmul(vt) - a)
          < limit(dtype, m + n, largest(s)))
        assert.is_true(largest(u:transpose():matmul(u) - eye) < limit(dtype, m + n))
        assert.is_true(largest(vt:matmul(vt:transpose()) - eye) < limit(dtype, m + n))
        local q, r = linalg.qr(a)
        assert.is_true(largest(q:matmul(r) - a) < limit(dtype, m + n, largest(r)))
        assert.is_true(largest(q:transpose():matmul(q) - eye) < limit(dtype, m + n))
        for i = 2, math.min(m, n) do
          assert.equal(0, largest(r:narrow(-2, i, 1):narrow(-1, 1, i - 1)))
        end
        -- What is left is at right angles to the columns; of the solutions of a
        -- wide system it is the shortest, in the span of the rows.
        local b = torus.randn({ 2, m, 2 }, { dtype = dtype })
        local x = linalg.lstsq(a, b)
        local rest = a:matmul(x) - b
        assert.is_true(largest(a:transpose():matmul(rest))
          < limit(dtype, m + n, largest(a) * largest(b) * 10))
        local pinv = linalg.pinv(a)
        assert.is_true(largest(pinv:matmul(b) - x) < limit(dtype, m + n, 30 * largest(b)))
        assert.is_true(largest(a:matmul(pinv):matmul(a) - a) < limit(dtype, m + n, 10))
      end
    end)
  end
end)

describe("ill-conditioned matrices", function()
  it("have small residuals and errors as large as their condition", function()
    torus.manual_seed(4)
    for digits = 2, 12, 2 do
      local condition = 10.0 ^ digits
      local a = with_values({ 1, 0.3, 0.1, 1 / condition }, 4, 4)
      local x = torus.randn({ 4 }, FLOAT64)
      local b = a:matmul(x)
      local got = linalg.solve(a, b)
      assert.is_true(largest(a:matmul(got) - b) < 1e-15 * (1 + largest(got)))
      assert.is_true(largest(got - x) < 1e-15 * condition)
      assert.is_true(largest(linalg.lstsq(a, b) - x) < 1e-15 * condition)
      local _, s = linalg.svd(a)
      assert.is_true(math.abs(s[4]:item() - 1 / condition) < 1e-15)
    end
  end)

  -- H_ij = 1/(i + j - 1) has an inverse of integers.
  it("as Hilbert's give the integers of their inverses", function()
    local rows = {}
    for i = 1, 4 do
      rows[i] = {}
      for j = 1, 4 do rows[i][j] = 1 / (i + j - 1) end
    end
    local exact = { { 16, -120, 240, -140 }, { -120, 1200, -2700, 1680 },
      { 240, -2700, 6480, -4200 }, { -140, 1680, -4200, 2800 } }
    -- condition 1.6e4
    assert.is_true(largest(linalg.inverse(T(rows)) - T(exact)) < 6480 * 1.6e4 * 2.3e-16)
    assert.is_near(1 / 6048000, linalg.det(T(rows)):item(), 1e-18)
    assert.is_near(-math.log(6048000), (select(2, linalg.slogdet(T(rows)))):item(), 1e-11)
  end)

  it("are not singular for the scale of their rows and columns", function()
    local a = T { { 1e-20, 0 }, { 0, 1e20 } }
    assert.same({ 1e20, 1e-20 }, linalg.solve(a, T { 1, 1 }):totable())
    a = T { { 1, 1 }, { 1e-20, 2e-20 } }
    assert.is_true(largest(linalg.solve(a, T { 3, 5e-20 }) - T { 1, 2 }) < 1e-14)
  end)
end)

describe("singular matrices", function()
  local one = { { 1, 1 }, { 1, 1 } }
  local fine = { { 2, 1 }, { 1, 3 } }

  it("are named by their number in the batch", function()
    local batch = T { fine, fine, one, one }
    raises("solve: matrix 3 of the batch is singular", function()
      linalg.solve(batch, T { { 1 }, { 2 } })
    end)
    raises("inverse: the matrix is singular", function() linalg.inverse(T(one)) end)
    raises("inverse: matrix (2,1) of the batch is singular", function()
      linalg.inverse(batch:reshape(2, 2, 2, 2))
    end)
    raises("cholesky: matrix 3 of the batch is not positive definite", function()
      linalg.cholesky(batch - torus.eye(2, FLOAT64) * 0.5)
    end)
    raises("solve_triangular: the matrix is singular", function()
      linalg.solve_triangular(T { { 0, 0 }, { 1, 1 } }, T { 1, 1 })
    end)
    raises("solve: the matrix is singular", function()
      linalg.solve(T { { 1, 2, 3 }, { 4, 5, 6 }, { 7, 8, 9 } }, T { 1, 2, 3 })
    end)
    raises("solve: matrix 1 of the batch is singular", function()
      linalg.solve(torus.zeros(2, 3, 3), torus.ones(3))
    end)
  end)

  it("have determinants and values", function()
    assert.equal(0, linalg.det(T(one)):item())
    local sign, logarithm = linalg.slogdet(T { one, fine })
    assert.same({ 0, 1 }, sign:totable())
    assert.equal(-math.huge, logarithm[1]:item())
    assert.is_near(math.log(5), logarithm[2]:item(), 1e-14)
    local x = linalg.lstsq(T(one), T { 1, 3 })
    assert.is_true(largest(x - 1) < 1e-14) -- (1, 1) of all with sum 2
  end)

  it("have a gradient of the determinant, their cofactors", function()
    for _, rows in ipairs { { { 1, 2 }, { 2, 4 } }, { { 0, 0 }, { 0, 0 } },
      { { 0, 3 }, { 0, 5 } } } do
      local x = torus.variable(T(rows))
      local g = torus.grad(linalg.det(x), x)
      local want = { { rows[2][2], -rows[2][1] }, { -rows[1][2], rows[1][1] } }
      assert.is_true(largest(g - T(want)) < 1e-14)
    end
    local magic = torus.variable(T { { 1, 2, 3 }, { 4, 5, 6 }, { 7, 8, 9 } })
    local cofactors = T { { -3, 6, -3 }, { 6, -12, 6 }, { -3, 6, -3 } }
    assert.is_true(largest(torus.grad(linalg.det(magic), magic) - cofactors) < 1e-13)
    local x = torus.variable(torus.zeros({ 3, 3 }, FLOAT64))
    assert.equal(0, largest(torus.grad(linalg.det(x), x)))
  end)

  it("have no other gradients, and say so", function()
    local x = torus.variable(T { fine, one })
    raises("slogdet: no gradient, matrix 2 of the batch is singular", function()
      local _, logarithm = linalg.slogdet(x)
      torus.grad(logarithm[1], x)
    end)
    raises("lstsq: no gradient, matrix 2 of the batch has rank 1, less than its 2 rows "
      .. "and 2 columns", function()
      torus.grad(linalg.lstsq(x, T { { 1 }, { 2 } }):sum(), x)
    end)
    raises("qr: no gradient, column 2 of matrix 2 of the batch depends on the ones before it",
      function() torus.grad(linalg.qr(x):sum(), x) end)
  end)
end)

describe("equal values", function()
  local function leaf(rows) return torus.variable(T(rows)) end
  local twice = { { 2, 0, 0 }, { 0, 2, 0 }, { 0, 0, 5 } }

  it("have no gradient of their vectors, and say so", function()
    local x = leaf { { { 1, 0, 0 }, { 0, 2, 0 }, { 0, 0, 5 } }, twice }
    local weights = T { { 1, 2, 3 }, { 4, 5, 6 }, { 7, 9, 8 } }
    raises("eigh: no gradient of the vectors, eigenvalues 1 and 2 of matrix 2 of the batch "
      .. "are equal", function()
      local _, v = linalg.eigh(x)
      torus.grad((v * weights):sum(), x)
    end)
    raises("svd: no gradient of the vectors, singular values 2 and 3 of matrix 2 of the batch "
      .. "are equal", function()
      local u = linalg.svd(x)
      torus.grad((u * weights):sum(), x)
    end)
    raises("svd: no gradient of the vectors, singular value 2 of the matrix is zero", function()
      local y = leaf { { 1, 0 }, { 0, 0 }, { 0, 0 } }
      local u = linalg.svd(y)
      torus.grad((u * weights:narrow(2, 1, 2)):sum(), y)
    end)
  end)

  it("have gradients of their own", function()
    local x = leaf(twice)
    assert.is_true(largest(torus.grad(linalg.eigh(x):sum(), x) - torus.eye(3, FLOAT64)) < 1e-14)
    local _, s = linalg.svd(x)
    assert.is_true(largest(torus.grad(s:sum(), x) - torus.eye(3, FLOAT64)) < 1e-14)
    local zero = leaf { { 0, 0 }, { 0, 0 }, { 0, 0 } }
    assert.is_true(largest(torus.grad(select(2, linalg.svd(zero)):sum(), zero)) <= 1)
  end)

  it("don't matter to the vectors of others", function()
    local x = leaf { { 1, 0.5, 0 }, { 0.5, 2, 0.3 }, { 0, 0.3, 4 } }
    local equal = leaf { { 3, 0, 0 }, { 0, 3, 0 }, { 0, 0, 1 } }
    local function lowest(y)
      local _, v = linalg.eigh(y)
      return v:narrow(2, 1, 1):matmul(v:narrow(2, 1, 1):transpose())
    end
    gradcheck.check(lowest, { x }, 1, "lowest")
    -- Of v v^T with v = e3 the change by A is (e3 a^T + a e3^T) / (1 - 3),
    -- a = the other elements of the third column.
    local weights = T { { 1, 2, 3 }, { 4, 5, 6 }, { 7, 9, 8 } }
    local g = torus.grad((lowest(equal) * weights):sum(), equal)
    local want = T { { 0, 0, 3 + 7 }, { 0, 0, 6 + 9 }, { 3 + 7, 6 + 9, 0 } } * (0.5 / -2)
    assert.is_true(largest(g - want) < 1e-14)
  end)

  it("raise also where the choice of vectors does not matter: 0/0", function()
    local x = torus.variable(torus.eye(2, FLOAT64) * 1.5)
    raises("eigenvalues 1 and 2 of the matrix are equal", function()
      local w, v = linalg.eigh(x)
      torus.grad((v * w:exp():unsqueeze(-2)):matmul(v:transpose()):sum(), x)
    end)
  end)

  it("that are close have a precise nearest rotation", function()
    torus.manual_seed(5)
    local rotation = linalg.qr(torus.randn({ 3, 3 }, FLOAT64))
    local x = torus.variable(rotation:matmul(torus.eye(3, FLOAT64)
      + T { { 0, 0, 0 }, { 0, 1e-9, 0 }, { 0, 0, 3e-9 } }))
    local weights = torus.randn({ 3, 3 }, FLOAT64)
    local u, _, vt = linalg.svd(x)
    local g = torus.grad((u:matmul(vt) * weights):sum(), x)
    -- What is antisymmetric beside a rotation turns it, the rest does nothing.
    local turned = rotation:transpose():matmul(weights)
    local want = rotation:matmul(turned - turned:transpose()) * 0.5
    assert.is_true(largest(g - want) < 1e-6) -- rounding / the gap of 1e-9
  end)
end)

describe("shapes and layouts", function()
  it("of no matrix, of no row and of one", function()
    assert.same({ 0, 3 }, linalg.solve(torus.zeros(0, 3, 3), torus.ones(3)).shape)
    assert.same({ 4, 0, 2 }, linalg.solve(torus.zeros(0, 0), torus.ones(4, 0, 2)).shape)
    assert.same({ 2 }, linalg.det(torus.zeros(2, 0, 0)).shape)
    assert.same({ 1, 1 }, linalg.det(torus.zeros(2, 0, 0)):totable())
    local sign, logarithm = linalg.slogdet(torus.zeros(0, 0))
    assert.same({ 1, 0 }, { sign:item(), logarithm:item() })
    local u, s, vt = linalg.svd(torus.zeros(2, 3, 0))
    assert.same({ { 2, 3, 0 }, { 2, 0 }, { 2, 0, 0 } }, { u.shape, s.shape, vt.shape })
    local q, r = linalg.qr(torus.zeros(0, 4))
    assert.same({ { 0, 0 }, { 0, 4 } }, { q.shape, r.shape })
    assert.same({ 0, 0 }, linalg.lstsq(torus.zeros(0, 2), torus.zeros(0)):totable())
    local w, v = linalg.eigh(torus.full({ 1, 1, 1 }, 3))
    assert.same({ { { 3 } }, { { { 1 } } } }, { w:totable(), v:totable() })
  end)

  it("broadcast batches", function()
    torus.manual_seed(6)
    local a, b = torus.randn({ 2, 1, 3, 3 }, FLOAT64), torus.randn({ 4, 3, 2 }, FLOAT64)
    local x = linalg.solve(a, b)
    assert.same({ 2, 4, 3, 2 }, x.shape)
    assert.same(linalg.solve(a[2][1], b[3]):totable(), x[2][3]:totable())
  end)

  it("of other memory give the same bits", function()
    torus.manual_seed(7)
    local a = torus.randn({ 4, 3, 3 }, FLOAT64)
    local b = torus.randn({ 4, 3 }, FLOAT64)
    local function moved(x) return x:transpose(1, -1):copy():transpose(1, -1) end
    assert.is_false(moved(a):is_contiguous())
    for _, name in ipairs { "inverse", "det", "slogdet", "eigh", "eig", "svd", "qr",
      "cofactor" } do
      local one, two = { torus[name](a) }, { torus[name](moved(a)) }
      for i, y in ipairs(one) do assert.same(y:totable(), two[i]:totable(), name) end
    end
    for _, name in ipairs { "solve", "lstsq", "solve_triangular" } do
      assert.same(torus[name](a, b):totable(), torus[name](moved(a), moved(b)):totable())
    end
  end)

  it("that don't fit are named", function()
    local a = torus.ones(2, 3)
    raises("inverse: expected square matrices, got tensor (2,3) float32",
      function() linalg.inverse(a) end)
    raises("svd: expected matrices, got tensor (3) float32", function() linalg.svd(a[1]) end)
    raises("solve: expected right-hand sides of 3 rows for tensor (3,3) float32, got tensor (2) "
      .. "float32", function() linalg.solve(torus.eye(3), torus.ones(2)) end)
    raises("lstsq: expected right-hand sides of 2 rows for tensor (2,3) float32, got tensor (3,1) "
      .. "float32", function() linalg.lstsq(a, torus.ones(3, 1)) end)
    raises("solve: dtypes differ", function()
      linalg.solve(torus.eye(2), torus.ones({ 2 }, FLOAT64))
    end)
    raises("eigh: matrix 2 of the batch has an infinity or NaN", function()
      linalg.eigh(torus.tensor { { { 1 } }, { { 0 / 0 } } })
    end)
    raises("lstsq: the matrix or its right-hand side has an infinity or NaN", function()
      linalg.lstsq(torus.eye(2), torus.tensor { math.huge, 1 })
    end)
    raises("pinv: expected matrices, got 3", function() linalg.pinv(3) end)
  end)

  it("are bit-identical with any number of threads", function()
    local threads = torus.threads()
    torus.manual_seed(8)
    local a = torus.randn({ 50, 12, 12 }, FLOAT64)
    local results = {}
    for _, n in ipairs { 1, 2, 5 } do
      torus.set_threads(n)
      local text = {}
      for _, name in ipairs { "inverse", "eigh", "eig", "svd", "qr" } do
        for _, y in ipairs { torus[name](a) } do text[#text + 1] = core.to_bytes(y:copy()) end
      end
      results[#results + 1] = table.concat(text)
    end
    torus.set_threads(threads)
    assert.is_true(results[1] == results[2] and results[1] == results[3])
  end)
end)

describe("eigenvalues of matrices that are not symmetric", function()
  local function sorted(A)
    local re, im = linalg.eig(A)
    local list = torus.stack({ re, im }, 2):totable()
    table.sort(list, function(a, b)
      if math.abs(a[1] - b[1]) > 1e-9 then return a[1] < b[1] end
      return a[2] < b[2]
    end)
    return list
  end

  local function close(want, got, tolerance)
    assert.equal(#want, #got)
    for i, pair in ipairs(want) do
      for k = 1, 2 do assert.is_true(math.abs(pair[k] - got[i][k]) < (tolerance or 1e-13)) end
    end
  end

  it("are those of closed forms", function()
    local c, s = math.cos(0.3), math.sin(0.3)
    close({ { c, -s }, { c, s } }, sorted(T { { c, -s }, { s, c } }))
    -- The companion matrix of (x - 1) (x + 2) (x^2 + 4).
    close({ { -2, 0 }, { 0, -2 }, { 0, 2 }, { 1, 0 } }, sorted(T {
      { -1, -2, -4, 8 }, { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 } }))
    -- A cyclic permutation: the sixth roots of unity.
    local roots = {}
    for k = 0, 5 do roots[k + 1] = { math.cos(k * math.pi / 3), math.sin(k * math.pi / 3) } end
    table.sort(roots, function(a, b)
      if math.abs(a[1] - b[1]) > 1e-9 then return a[1] < b[1] end
      return a[2] < b[2]
    end)
    close(roots, sorted(torus.eye(6, FLOAT64):roll(1, 1)))
  end)

  it("have vectors whose largest element is real and positive", function()
    torus.manual_seed(9)
    local _, _, re, im = linalg.eig(torus.randn({ 20, 7, 7 }, FLOAT64))
    local at = (re:square() + im:square()):argmax(2):unsqueeze(2)
    assert.is_true(re:gather(2, at):min():item() > 0)
    assert.equal(0, largest(im:gather(2, at)))
  end)

  it("change with the matrix as the roots of a polynomial do", function()
    -- (x^2 + b x + c): d re / d b = -1/2, d im / d c = 1 / (2 im).
    local b, c = torus.variable(T(0.4)), torus.variable(T(2))
    local zero, one = T(0), T(1)
    local A = torus.stack({ torus.stack({ zero, one }), torus.stack({ -c, -b }) })
    local re, im = linalg.eig(A)
    local function near(want, got) assert.is_true(math.abs(want - got) < 1e-13) end
    near(-0.5, torus.grad(re[1], b, { retain_graph = true }):item())
    near(0.5 / im[1]:item(), torus.grad(im[1], c):item())
  end)

  it("that coincide have no gradient of their vectors, and say so", function()
    local x = torus.variable(T { { { 1, 2 }, { 0, 3 } }, { { 2, 0 }, { 0, 2 } } })
    raises("eig: no gradient of the vectors, eigenvalues 1 and 2 of matrix 2 of the batch are "
      .. "equal", function()
      local _, _, re = linalg.eig(x)
      torus.grad((re * T { { 1, 2 }, { 3, 5 } }):sum(), x)
    end)
    -- Their sum is the trace.
    local g = torus.grad(linalg.eig(x):sum(), x)
    assert.is_true(largest(g - torus.eye(2, FLOAT64)) < 1e-13)
  end)

  it("of a matrix without enough vectors have no gradient, and say so", function()
    local x = torus.variable(T { { { 1, 0 }, { 0, 3 } }, { { 2, 1 }, { 0, 2 } } })
    assert.same({ { 1, 3 }, { 2, 2 } }, (linalg.eig(x)):totable())
    raises("eig: no gradient, the eigenvectors of matrix 2 of the batch are linearly "
      .. "dependent", function()
      torus.grad(linalg.eig(x):sum(), x)
    end)
  end)

  it("of no or bad matrices", function()
    local re, im, x, y = linalg.eig(torus.zeros(2, 0, 0))
    assert.same({ { 2, 0 }, { 2, 0 }, { 2, 0, 0 }, { 2, 0, 0 } },
      { re.shape, im.shape, x.shape, y.shape })
    raises("eig: expected square matrices, got tensor (2,3) float32",
      function() linalg.eig(torus.ones(2, 3)) end)
    raises("eig: matrix 2 of the batch has an infinity or NaN", function()
      linalg.eig(torus.tensor { { { 1 } }, { { 1 / 0 } } })
    end)
  end)
end)

describe("numbers near the largest", function()
  it("are decomposed without overflow", function()
    local a = torus.tensor { { 3e38, 0 }, { 0, 1 } }
    local want = torus.tensor { 1, 3e38 }
    assert.same(want:totable(), (linalg.eigh(a)):totable())
    assert.near(3e38 ^ 0.5, linalg.cholesky(a)[{ 1, 1 }]:item(), 1e13)
  end)

  it("are factors of determinants, in any order", function()
    local factors = {}
    for i = 1, 100 do factors[i], factors[100 + i] = 1e4, 1e-4 end
    local x = torus.variable(torus.diag(T(factors)))
    local det = linalg.det(x)
    assert.near(1, det:item(), 1e-12)
    local g = torus.grad(det, x)
    assert.near(1e-4, g[{ 1, 1 }]:item(), 1e-16)
    assert.near(1e4, g[{ 101, 101 }]:item(), 1e-8)
    assert.equal(math.huge, linalg.det(torus.diag(T { 1e200, 1e200 })):item())
    assert.equal(0, linalg.det(torus.diag(T { 1e200, 1e200, 0 })):item())
  end)

  it("are told from those that are none", function()
    for _, rows in ipairs { { { 1, 0 / 0 }, { 0 / 0, 1 } }, { { 1 / 0, 0 }, { 0, 1 } } } do
      raises("cholesky: the matrix has an infinity or NaN",
        function() linalg.cholesky(torus.tensor(rows)) end)
    end
  end)
end)

describe("the pseudoinverse", function()
  it("has correct derivatives", function()
    for _, shape in ipairs { { 3, 2 }, { 2, 3 } } do
      local inputs = gradcheck.inputs({ shape }, "contiguous")
      gradcheck.check(linalg.pinv, inputs, 1, "pinv")
      gradcheck.check(linalg.pinv, inputs, 2, "pinv")
    end
  end)
end)
