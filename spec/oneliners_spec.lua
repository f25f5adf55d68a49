-- What people write every hour, a line each, with what must come back: a page of
-- the whole library at a glance. Each line is an expression, =>, and the value that it
-- has; or an expression, raises, and a part of the message.
--
-- f, i and b make tensors of float64, int64 and bool.
local torus = require "torus"

local function maker(dtype)
  return function(x) return torus.tensor(x, { dtype = dtype }) end
end
local names = setmetatable({ torus = torus, f = maker "float64", i = maker "int64",
  b = maker "bool", nan = 0 / 0, inf = math.huge }, { __index = _G })

local TOPICS = {
  { "numbers of all dtypes", [[
    i{1, 2, 3} + i{1, 1, 1}                                 => {2, 3, 4}
    (i{1, 2, 3} + 1).dtype                                  => "int64"
    (i{1, 2, 3} * f{0.5, 0.5, 0.5}).dtype                   => "float64"
    (i{1, 2, 3} + torus.ones(3)).dtype                      => "float32"
    (torus.ones(2) + f{1, 1}).dtype                         => "float64"
    i{7, -7} // 2                                           => {3, -4}
    i{7, -7} % 3                                            => {1, 2}
    i{1, 2, 3}:sum()                                        => 6
    i{1, 2, 4}:mean()                                       => 7 / 3
    i{3, 1, 2}:max()                                        => 3
    i{1, 2, 3}:eq(i{1, 0, 3}).dtype                         => "bool"
    f{1, 2, 3}:gt(2)                                        => {false, false, true}
    f{1, 2, 3}:gt(1):sum()                                  => 2
    torus.tensor{true, false}.dtype                         => "bool"
    b{true, false} & b{true, true}                          => {true, false}
    b{true, false} | b{false, false}                        => {true, false}
    ~b{true, false}                                         => {false, true}
    f{{0.1, 0.9}, {0.8, 0.2}}:argmax(2):eq(i{2, 2}):to("float32"):mean() => 0.5
    torus.zeros(2, { dtype = "uint8" }).dtype               => "uint8"
  ]] },
  { "selecting", [[
    (function(x) return x[x:gt(0)] end)(f{1, -2, 3})        => {1, 3}
    (function(x) x[x:lt(0)] = 0 return x end)(f{1, -2, 3})  => {1, 0, 3}
    f{10, 20, 30}[i{3, 1}]                                  => {30, 10}
    (function(x) x[i{1, 3}] = f{9, 8} return x end)(f{1, 2, 3}) => {9, 2, 8}
    f{0, 5, 0, 7}:nonzero()                                 => {{2}, {4}}
    f{1, 2, 3, 4}:masked_select(b{true, false, false, true}) => {1, 4}
    f{1, 2, 3}:masked_fill(b{false, true, false}, -1)       => {1, -1, 3}
    f{1, 2, 3}:flip(1)                                      => {3, 2, 1}
    f{1, 2, 3}:roll(1, 1)                                   => {3, 1, 2}
    f{{1, 2}, {3, 4}}:tril()                                => {{1, 0}, {3, 4}}
    f{{1, 2}, {3, 4}}:triu()                                => {{1, 2}, {0, 4}}
    f{{1, 2}, {3, 4}}:diag()                                => {1, 4}
    f{1, 2}:diag()                                          => {{1, 0}, {0, 2}}
    #f{1, 2, 3, 4}:chunk(2)                                 => 2
    f{1, 2, 3, 4, 5}:split({2, 3})[2]                       => {3, 4, 5}
    f{{1, 2}, {3, 4}}:unbind(1)[2]                          => {3, 4}
    f{1, 2}:tile(2)                                         => {1, 2, 1, 2}
    torus.meshgrid(f{1, 2}, f{3, 4, 5}).shape               => {2, 3}
    select(2, torus.meshgrid(f{1, 2}, f{3, 4, 5}))[2][3]    => 5
    (function(s) for k, v in ipairs(f{1, 2, 3}) do s = s + k * v end return s end)(0) => 14
    #f{5, 6, 7}                                             => 3
  ]] },
  { "order and statistics", [[
    (f{3, 1, 2}:sort())                                     => {1, 2, 3}
    select(2, f{3, 1, 2}:sort())                            => {2, 3, 1}
    (f{3, 1, 2}:sort(1, true))                              => {3, 2, 1}
    f{3, 1, 2}:argsort()                                    => {2, 3, 1}
    (f{5, 9, 7, 1}:topk(2))                                 => {9, 7}
    select(2, f{5, 9, 7, 1}:topk(2))                        => {2, 3}
    (f{2, 1, 2, 3, 1}:unique())                             => {1, 2, 3}
    f{1, 2, 3}:cumsum(1)                                    => {1, 3, 6}
    f{1, 2, 3}:cumprod(1)                                   => {1, 2, 6}
    f{1, 2, 3, 4}:prod()                                    => 24
    b{false, true}:any():item()                             => true
    b{false, true}:all():item()                             => false
    f{3, 1, 2}:median()                                     => 2
    f{1, 2, 3, 4}:quantile(0.5)                             => 2.5
    f{0, 0.1, 0.9, 1}:histc(2, 0, 1)                        => {2, 2}
    i{1, 2, 2, 3}:bincount()                                => {1, 2, 1}
    f{nan, 1}:isnan()                                       => {true, false}
    f{inf, 1}:isinf()                                       => {true, false}
    f{nan, inf}:nan_to_num(0, 9, -9)                        => {0, 9}
    torus.allclose(f{1, 2}, f{1, 2 + 1e-9})                 => true
    f{1, 2, 3, 4}:var(1, { correction = 1 })                => 5 / 3
    f{1, 2, 3, 4}:std(1, { correction = 0 })                => 1.25 ^ 0.5
    f{{1, 2}, {3, 4}}:argmax()                              => 4
  ]] },
  { "mathematics", [[
    torus.atan2(f{1}, f{-1})                                => {3 * math.pi / 4}
    f{0.5}:asin()                                           => {math.pi / 6}
    f{0.5}:acos()                                           => {math.pi / 3}
    f{1}:atan()                                             => {math.pi / 4}
    f{1}:tan()                                              => {math.tan(1)}
    f{1}:sinh()                                             => {(math.exp(1) - math.exp(-1)) / 2}
    f{1}:cosh()                                             => {(math.exp(1) + math.exp(-1)) / 2}
    f{0.5}:atanh()                                          => {math.log(3) / 2}
    f{0.5}:erf()                                            => {0.5204998778}
    f{3}:erfc() * 1e5                                       => {2.209049699858544}
    f{5}:lgamma()                                           => {math.log(24)}
    f{-1.5, 2.5, 3.5}:round()                               => {-2, 2, 4}
    f{-1.5}:trunc()                                         => {-1}
    f{-1.5}:ceil()                                          => {-1}
    f{8}:log2()                                             => {3}
    f{1000}:log10()                                         => {3}
    torus.hypot(f{3}, f{4})                                 => {5}
    f{1}:silu()                                             => {1 / (1 + math.exp(-1))}
    f{1}:gelu()                                             => {0.8413447461}
    f{0, 0}:log_softmax(1)                                  => {-math.log(2), -math.log(2)}
    f{1, 2}:outer(f{3, 4})                                  => {{3, 4}, {6, 8}}
    f{1, 0, 0}:cross(f{0, 1, 0})                            => {0, 0, 1}
    torus.einsum("ij,jk->ik", f{{1, 2}, {3, 4}}, f{{1, 0}, {0, 1}}) => {{1, 2}, {3, 4}}
    torus.einsum("bij,bj->bi", torus.ones(2, 2, 2), torus.ones(2, 2)) => {{2, 2}, {2, 2}}
    torus.einsum("ii->", f{{1, 2}, {3, 4}})                 => 5
  ]] },
  { "linear algebra", [[
    torus.linalg.solve(f{{2, 0}, {0, 4}}, f{2, 4})          => {1, 1}
    torus.linalg.det(f{{1, 2}, {3, 4}})                     => -2
    torus.linalg.inverse(f{{1, 2}, {3, 4}})                 => {{-2, 1}, {1.5, -0.5}}
    torus.linalg.cholesky(f{{4, 2}, {2, 3}})                => {{2, 0}, {1, 2 ^ 0.5}}
    (torus.linalg.eigh(f{{2, 1}, {1, 2}}))                  => {1, 3}
    (select(2, torus.linalg.eig(f{{0, -1}, {1, 0}})))       => {1, -1}
    (select(2, torus.linalg.svd(f{{3, 0}, {0, -2}})))       => {3, 2}
    (torus.linalg.slogdet(f{{1, 2}, {3, 4}}))               => -1
    torus.linalg.lstsq(f{{1, 0}, {1, 1}, {1, 2}}, f{1, 3, 5}) => {1, 2}
    (function(q, r) return q:matmul(r) end)(torus.linalg.qr(f{{1, 2}, {3, 4}})) => {{1, 2}, {3, 4}}
  ]] },
  { "Fourier transforms", [[
    (torus.fft.rfft(f{1, 0, 0, 0}))                         => {1, 1, 1}
    (function(a, b) return torus.fft.irfft(a, b, 3) end)(torus.fft.rfft(f{1, 2, 3})) => {1, 2, 3}
  ]] },
  { "derivatives", [[
    torus.jacobian(function(x) return x * x end, f{1, 2})   => {{2, 0}, {0, 4}}
    torus.hessian(function(x) return (x ^ 3):sum() end, f{1, 2}) => {{6, 0}, {0, 12}}
    select(2, torus.vjp(function(x) return x * x end, f{1, 2}, f{1, 1})) => {2, 4}
    select(2, torus.jvp(function(x) return x * x end, f{1, 2}, f{1, 0})) => {2, 0}
    torus.hvp(function(x) return (x ^ 3):sum() end, f{1, 2}, f{1, 1}) => {6, 12}
    torus.gradcheck(function(x) return x:sin():sum() end, f{0.3, 0.7}) => true
  ]] },
  { "losses and layers", [[
    torus.nn.cross_entropy(f{{0, 0}}, i{1})                 => math.log(2)
    torus.nn.huber(f{0}, f{2})                              => 1.5
    torus.nn.bce_with_logits(f{0}, f{1})                    => math.log(2)
    torus.nn.LayerNorm(2)(torus.tensor{{1, 3}}):round()     => {{-1, 1}}
    (function(d) d:eval() return d(torus.ones(2)) end)(torus.nn.Dropout(0.5)) => {1, 1}
  ]] },
  { "random numbers", [[
    torus.randint(1, 7, 100):max():item() <= 6              => true
    torus.randint(1, 7, 100).dtype                          => "int64"
    math.abs(torus.full({10000}, 0.3):bernoulli():mean():item() - 0.3) < 0.03 => true
    torus.multinomial(f{0, 0, 1}, 2, true)                  => {3, 3}
  ]] },
  { "mistakes", [[
    f{1}:clamp(5, 2)                                        raises clamp
    torus.arange(1, 2, 0.5, { dtype = "int64" })            raises 0.5
    torus.zeros(2, { dtpe = "float32" })                    raises did you mean "dtype"
    torus.linalg.solve(f{{1, 1}, {1, 1}}, f{1, 2})          raises singular
    f{1, 2}:sume()                                          raises did you mean "sum"
    torus.zeross(2)                                         raises did you mean "zeros"
    torus.cat(f{1}, f{2})                                   raises got tensor (1) float64
  ]] },
}

local function value_of(code)
  local chunk = assert(load("return " .. code, code, "t", names))
  local value = chunk()
  if not torus.is_tensor(value) then return value end
  return value:dim() == 0 and value:item() or value:totable()
end

-- Numbers within a few units of float32's last place.
local function same(got, wanted)
  if type(wanted) == "number" then
    return type(got) == "number" and math.abs(got - wanted) <= 1e-6 * math.max(1, math.abs(wanted))
  end
  if type(wanted) ~= "table" then return got == wanted end
  if type(got) ~= "table" or #got ~= #wanted then return false end
  for k, item in ipairs(wanted) do
    if not same(got[k], item) then return false end
  end
  return true
end

local show = require("torus.repl.show").show

local function check(line)
  local code, text = line:match("^(.-)%s+raises%s+(.+)$")
  if code then
    local ok, message = pcall(value_of, code)
    assert(not ok, line .. ": raised nothing")
    assert(tostring(message):find(text, 1, true), tostring(message))
    return
  end
  local wanted
  code, wanted = line:match("^(.-)%s+=>%s+(.+)$")
  local got = value_of(code)
  assert(same(got, value_of(wanted)), line .. ": got " .. show(got))
end

describe("one-liners of", function()
  for _, topic in ipairs(TOPICS) do
    it(topic[1], function()
      local faults = {}
      for line in topic[2]:gmatch("[^\n]+") do
        line = line:match("^%s*(.-)%s*$")
        if line ~= "" then
          local ok, message = pcall(check, line)
          if not ok then faults[#faults + 1] = tostring(message) end
        end
      end
      assert(#faults == 0, table.concat(faults, "\n"))
    end)
  end
end)
