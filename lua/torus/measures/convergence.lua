--- Convergence of Markov chains: rank-normalised split R-hat and effective
-- sample sizes, after Vehtari, Gelman, Simpson, Carpenter and Bürkner,
-- "Rank-normalization, folding, and localization", Bayesian Analysis 2021.
--
--     local run = torus.hmc { ... }
--     local rhat = torus.measures.convergence.rhat(run.draws)   -- (d)
--
-- Draws are (draws, chains, d), or (draws, chains) for a single number. Every
-- chain is first split into halves, so that drift within a chain is detected too.
-- @module torus.measures.convergence
local engine = require "torus.engine"
local fft = require "torus.fft"
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

-- (d, halves, n) float64 from draws (draws, chains, d): each chain's first and
-- last half; for an odd number, the draw in the middle is omitted.
local function halves(where, draws)
  local many = draws:dim() == 3 or draws:dim() == 2
  if not many or draws:size(1) < 4 or draws:size(2) < 1 then
    options.raise("%s: expected draws of shape (draws, chains, d), at least four "
      .. "draws and one chain, got %s", where, options.shape_text(draws))
  end
  if draws:dim() == 2 then draws = draws:unsqueeze(3) end
  local x, n = draws:to("float64"):permute(3, 2, 1), draws:size(1) // 2
  return engine.cat({ x:narrow(3, 1, n), x:narrow(3, draws:size(1) - n + 1, n) }, 2)
    :contiguous()
end

-- z with Phi(z) = u, for 0 < u < 1: Abramowitz and Stegun 26.2.23, accurate to
-- 4.5e-4, then three Newton steps.
local function normal_quantile(u)
  local tail = engine.minimum(u, 1 - u)
  local t = (tail:log() * -2):sqrt()
  local z = t - (t * (t * 0.010328 + 0.802853) + 2.515517)
    / (t * (t * (t * 0.001308 + 0.189269) + 1.432788) + 1)
  for _ = 1, 3 do -- z > 0, with Phi(-z) = tail
    local density = (z:square() * -0.5):exp() / math.sqrt(2 * math.pi)
    z = z + ((z / math.sqrt(2)):erfc() * 0.5 - tail) / density
  end
  return engine.where(u:lt(0.5), -z, z)
end

-- Ranks of the draws of one number; equal draws get their mean rank.
local function ranks(x)
  local _, position, counts = x:unique()
  counts = counts:to("float64")
  local mean_rank = counts:cumsum(1) - (counts - 1) * 0.5
  return mean_rank:index_select(1, position:reshape(-1)):reshape(x.shape)
end

-- Every number's draws (halves, n) replaced by the normal scores of their ranks.
local function normal_scores(x)
  local list = {}
  for i = 1, x:size(1) do
    local r = ranks(x[i])
    list[i] = normal_quantile((r - 0.375) / (r:numel() + 0.25))
  end
  return engine.stack(list, 1)
end

-- Variance within the chains and the estimate of the total variance: (d) each.
local function variances(x)
  local n, means = x:size(3), x:mean(3)
  local within = x:var(3, { correction = 1 }):mean(2)
  return within, within * ((n - 1) / n) + means:var(2, { correction = 1 })
end

local function plain_rhat(x)
  local within, whole = variances(x)
  return (whole / within):sqrt()
end

--- Computes R-hat: the larger of the rank-normalised split R-hat and that of the folded
-- draws, |x - median|, which detects chains of different widths. It is one up to noise if
-- the chains agree; the usual requirement is a value below 1.01.
-- @tparam tensor draws (draws, chains, d) or (draws, chains)
-- @treturn tensor (d) float64; NaN for a number that never changed
-- @usage
-- draws = torus.randn({ 500, 4, 2 }, { generator = torus.generator(1) })
-- print(torus.measures.convergence.rhat(draws):max():item() < 1.01)   -- true
function M.rhat(draws)
  return engine.no_grad(function()
    local x = halves("rhat", draws)
    local middle = x:reshape(x:size(1), -1):quantile(0.5, 2):reshape(-1, 1, 1)
    return engine.maximum(plain_rhat(normal_scores(x)),
      plain_rhat(normal_scores((x - middle):abs())))
  end)
end

-- Autocovariances of (d, m, n) along n, averaged over the m chains: (d, n).
local function autocovariances(x)
  local n = x:size(3)
  local centred = x - x:mean(3, true)
  local length = 1
  while length < 2 * n do length = length * 2 end
  local re, im = fft.rfft(centred, length)
  local power = re:square() + im:square()
  return fft.irfft(power, nil, length):narrow(3, 1, n):mean(2) / n
end

-- The integrated autocorrelation time from correlations by lag (list from lag
-- 0): Geyer's sums of neighbouring lags, while they are positive, made monotonically
-- decreasing. The very last lags are too noisy to be included.
local function correlation_time(rho, n)
  local sum, before, k = 0, math.huge, 0
  while 2 * k + 4 < n do
    local pair = rho[2 * k + 1] + rho[2 * k + 2]
    if not (pair > 0) then break end
    before = math.min(before, pair)
    sum, k = sum + before, k + 1
  end
  -- The first lag after these pairs is added if it is positive.
  return 2 * sum - 1 + math.max(rho[2 * k + 1] or 0, 0)
end

-- Effective sample sizes of (d, m, n): a list. Equation (10) ff. of the paper.
local function sizes_of(x)
  local m, n = x:size(2), x:size(3)
  local within, whole = variances(x)
  local covariance = autocovariances(x)
  local rho = 1 - (within:unsqueeze(2) - covariance) / whole:unsqueeze(2)
  local sizes = {}
  for i = 1, x:size(1) do
    local list = rho[i]:totable()
    list[1] = 1
    -- Antithetic chains may exceed their number of draws, but only up to a limit.
    local time = math.max(correlation_time(list, n), 1 / math.log(m * n, 10))
    sizes[i] = whole[i]:item() > 0 and m * n / time or 0 / 0
  end
  return engine.tensor(sizes, { dtype = "float64" })
end

local KIND = { kind = { default = "bulk",
  choices = { "bulk", "tail", "mean" } } }

--- Computes the effective sample size: the number of independent draws with the same
-- information.
-- @tparam tensor draws (draws, chains, d) or (draws, chains)
-- @tparam[opt] table opts
-- @tparam[opt="bulk"] string opts.kind "bulk", of the rank-normalised draws;
-- "tail", the smaller of those of the 5% and 95% quantiles; "mean", of the unchanged
-- draws, for the error of their mean
-- @treturn tensor (d) float64; NaN for a number that never changed
-- @usage
-- draws = torus.randn({ 500, 4, 2 }, { generator = torus.generator(1) })
-- size = torus.measures.convergence.effective_size(draws)
-- print(size:min():item() > 1500)   -- true
function M.effective_size(draws, opts)
  local o = options.resolve("effective_size", opts, KIND)
  return engine.no_grad(function()
    local x = halves("effective_size", draws)
    if o.kind == "mean" then return sizes_of(x) end
    if o.kind == "bulk" then return sizes_of(normal_scores(x)) end
    local flat, found = draws:to("float64"):reshape(-1, x:size(1)):transpose(), nil
    for _, q in ipairs { 0.05, 0.95 } do
      local edge = flat:quantile(q, -1):reshape(-1, 1, 1)
      local size = sizes_of(x:le(edge):to("float64"))
      found = found and engine.minimum(found, size) or size
    end
    return found
  end)
end

signature.functions("convergence", M, { rhat = "draws: tensor",
  effective_size = "draws: tensor, opts?: table" })

return M
