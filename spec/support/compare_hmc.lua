--- Hamiltonian Monte Carlo by torus and by NumPyro's NUTS on the same targets, with the
-- same measures of the draws:
--
--     scripts/torus spec/support/compare_hmc.lua [PYTHON] [SEEDS] [OUT.csv] [TARGET]
--
-- PYTHON has NumPyro, or is "none" for torus alone; SEEDS (3) runs of each, of
-- TARGET alone where it is given. Targets, of which moments are known:
--
-- - banana: x of deviation 2, y = x^2 / 2 + noise of deviation 1;
-- - funnel: v of deviation 3, nine numbers of deviation exp(v / 2) (Neal 2003);
-- - reparametrised: the same funnel by z with x = z exp(v / 2), v = 3 z_0;
-- - normal: 100 numbers of deviations 0.01 to 1 (Neal 2011).
--
-- 16 chains in float64, 1,000 transitions of warm-up and 1,000 draws. Seconds are
-- processor time of both, without compilation, NumPyro's chains in one batch too (one
-- after the other, those of the banana take longer). The effective size is the smallest
-- of all numbers' bulk sizes. Of the funnel mean and deviation are those of v, of the
-- others of the last number.
local convergence = require "torus.measures.convergence"
local engine = require "torus.engine"
local torus = require "torus"

local python = arg[1] or "python3"
local seeds = math.tointeger(tonumber(arg[2] or 3))
local here = arg[0]:match("^(.*)/[^/]*$") or "."

local CHAINS, DRAWS, WARMUP = 16, 1000, 1000

local deviations = engine.arange(1, 100, { dtype = "float64" }) / 100

local TARGETS = {
  { name = "banana", d = 2, mean = 2, std = 3,
    log_density = function(q)
      local x, y = q:select(2, 1), q:select(2, 2)
      local square = x:square()
      return square * -0.125 - (y - square * 0.5):square() * 0.5
    end },
  { name = "funnel", d = 10, mean = 0, std = 3,
    log_density = function(q)
      local v, x = q:select(2, 1), q:narrow(2, 2, 9)
      return v:square() / -18 - x:square():sum(2) * (-v):exp() * 0.5 - v * 4.5
    end,
    of = function(draws) return draws:narrow(3, 1, 1) end },
  { name = "reparametrised", d = 10, mean = 0, std = 3,
    log_density = function(q) return q:square():sum(2) * -0.5 end,
    of = function(draws) return draws:narrow(3, 1, 1) * 3 end },
  { name = "normal", d = 100, mean = 0, std = 1,
    log_density = function(q) return (q / deviations):square():sum(2) * -0.5 end },
}

-- One line of the table.
local function measured(target, draws, seconds, divergences)
  local x = target.of and target.of(draws) or draws:narrow(3, target.d, 1)
  local size = convergence.effective_size(draws):min():item()
  local one = convergence.effective_size(x, { kind = "mean" }):item()
  local std = x:std():item()
  return { mean = x:mean():item(), error = std / math.sqrt(one), std = std,
    rhat = convergence.rhat(draws):max():item(), size = size,
    tail = convergence.effective_size(draws, { kind = "tail" }):min():item(),
    divergences = divergences, seconds = seconds, rate = size / seconds }
end

local function own(target, seed)
  local generator = engine.generator(seed)
  local start = engine.randn({ CHAINS, target.d }, { dtype = "float64",
    generator = generator })
  local began = os.clock()
  local chains = torus.hmc { log_density = target.log_density, start = start,
    draws = DRAWS, warmup = WARMUP, generator = generator }
  return measured(target, chains.draws, os.clock() - began, chains.divergences)
end

local function peer(target, seed)
  local path = os.tmpname() .. ".npy"
  local pipe = assert(io.popen(string.format("'%s' '%s/hmc_numpyro.py' %s %d %d %d %d %s "
    .. "2>/dev/null", python, here, target.name, CHAINS, DRAWS, WARMUP, seed, path)))
  local seconds, divergences = pipe:read("n", "n")
  assert(pipe:close() and seconds, "NumPyro is needed: pip install numpyro")
  local found = measured(target, assert(torus.npy.load(path)), seconds, divergences)
  os.remove(path)
  return found
end

local KEYS = { "mean", "error", "std", "rhat", "size", "tail", "divergences", "seconds",
  "rate" }

local lines = { "target,program,seeds," .. table.concat(KEYS, ",") .. ",rate_spread" }
io.stdout:setvbuf("line")
print(string.format("%-15s %-8s %8s %7s %7s %7s %7s %7s %5s %8s %9s %8s", "target", "",
  "mean", "+-", "std", "R-hat", "bulk", "tail", "div.", "seconds", "bulk/s", "spread"))
for _, target in ipairs(TARGETS) do
  if arg[4] and target.name ~= arg[4] then goto continue end
  local rows = { torus = {}, NumPyro = python ~= "none" and {} or nil }
  for seed = 1, seeds do -- in turn, so that other load affects both
    table.insert(rows.torus, own(target, seed))
    if rows.NumPyro then table.insert(rows.NumPyro, peer(target, seed)) end
  end
  for _, program in ipairs { "torus", "NumPyro" } do
    if rows[program] then
      local sum, values, rates = {}, {}, {}
      for i, row in ipairs(rows[program]) do
        for _, key in ipairs(KEYS) do sum[key] = (sum[key] or 0) + row[key] / seeds end
        rates[i] = row.rate
      end
      for i, key in ipairs(KEYS) do values[i] = ("%.6g"):format(sum[key]) end
      local spread = torus.measures.statistics.summary(rates).spread
      lines[#lines + 1] = ("%s,%s,%d,%s,%.4g"):format(target.name, program, seeds,
        table.concat(values, ","), spread)
      print(string.format("%-15s %-8s %8.3f %7.3f %7.3f %7.3f %7.0f %7.0f %5.0f %8.2f "
        .. "%9.0f %8.0f", target.name, program, sum.mean, sum.error, sum.std, sum.rhat,
        sum.size, sum.tail, sum.divergences, sum.seconds, sum.rate, spread))
    end
  end
  if arg[3] then -- after each target, as all of them take minutes
    local file = assert(io.open(arg[3], "w"))
    file:write(table.concat(lines, "\n"), "\n")
    file:close()
  end
  ::continue::
end
