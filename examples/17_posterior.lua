--- Samples from a posterior: Hamiltonian Monte Carlo and a learned flow side by side.
--
--     scripts/torus examples/17_posterior.lua [STEPS]
--
-- A mass on a spring swings with q(t) = q cos t + p sin t. Its state (q, p) at t = 0 is
-- unknown. Two things were measured, both roughly: its energy, and its distance from the
-- middle, on either side, at t = 0.5. The posterior is then a ring with four denser
-- regions, not a point with an error. Both methods need only the logarithm of that
-- density, up to a constant. STEPS (default 600) is the flow's number of training steps.
local torus = require "torus"

local steps = math.tointeger(tonumber(arg[1] or 600))

local function section(title) print("\n--- " .. title) end

section("the posterior")
-- Energy 2 +- 0.35, squared distance 1.5 +- 0.9, and a normal prior with a standard
-- deviation of 2. For a batch of states (n, 2) it returns n numbers.
local time = 0.5
local function log_density(s)
  local q, p = s:select(2, 1), s:select(2, 2)
  local energy = (q:square() + p:square()) / 2
  local distance = q * math.cos(time) + p * math.sin(time)
  return ((energy - 2) / 0.35):square() * -0.5
    + ((distance:square() - 1.5) / 0.9):square() * -0.5
    + (q:square() + p:square()) / -8
end

-- In two dimensions a grid gives the integrals, as the truth to compare with.
local n, reach = 161, 4
local axis = torus.linspace(-reach, reach, n, { dtype = "float64" })
local grid = torus.stack({ axis:reshape(1, n):expand(n, n):reshape(-1),
  axis:reshape(n, 1):expand(n, n):reshape(-1) }, 2)
local cell = (2 * reach / (n - 1)) ^ 2
local nats = log_density(grid)
local evidence = nats:logsumexp(1):item() + math.log(cell)
local density = (nats - evidence):exp()
print(("ln Z by a grid: %.4f"):format(evidence))

-- The share of each quarter of the ring, counted from the densest direction.
local function quarters(x, weight)
  local angle = x:select(2, 2):atan2(x:select(2, 1)) - time + math.pi / 4
  local quarter = (angle / (math.pi / 2)):floor():remainder(4)
  local shares = {}
  for i = 0, 3 do
    shares[i + 1] = ("%.3f"):format((quarter:eq(i):to("float64") * weight):sum():item())
  end
  return table.concat(shares, "  ")
end

-- Mean squares and the shares of the quarters.
local function describe(name, x, weight)
  local squares = (x:to("float64"):square() * weight:reshape(-1, 1)):sum(1)
  print(("%-5s mean of q^2 %.3f, of p^2 %.3f; quarters %s"):format(name,
    squares[1]:item(), squares[2]:item(), quarters(x, weight)))
end
local function even(x) return torus.full({ x:size(1) }, 1 / x:size(1), { dtype = "float64" }) end
describe("grid", grid, density * cell)

section("Hamiltonian Monte Carlo")
-- 32 chains start all around the ring; step size, mass and trajectory length adapt.
local chains = torus.hmc { log_density = log_density, draws = 500, warmup = 500,
  start = torus.randn({ 32, 2 }, { dtype = "float64", generator = torus.generator(1) }) * 2,
  generator = torus.generator(2) }
print(chains)
describe("HMC", chains:flat(), even(chains:flat()))

section("a Neural Hamiltonian Flow")
-- The flow's samples come with their own density, so the divergence from it to the
-- posterior can be made small without a single sample of the posterior: its evidence
-- bound E[ln g + ln f - ln p] is maximised. At first g is flattened, so that the flow
-- does not lose part of the ring.
local flow = torus.models.nhf({ dimension = 2, flows = 4, width = 32, energy_gain = 2,
  posterior = "full" }, torus.generator(3))
local optimiser = torus.optim.adam(flow:parameters(), { lr = 0.01 })
local noise = torus.generator(4)
for step = 1, steps do
  local flat = math.min(1, 0.2 + 1.6 * step / steps)
  local bound = flow:evidence(function(s) return log_density(s) * flat end, 256,
    { generator = noise }):mean()
  local gradients = torus.grad(-bound, flow:parameters())
  torus.optim.clip_norm(gradients, 10)
  optimiser.lr = 0.01 * 0.5 * (1 + math.cos(math.pi * step / steps)) + 1e-5
  optimiser:step(gradients)
  if step % math.max(1, steps // 5) == 0 then
    local now = torus.no_grad(flow.evidence, flow, log_density, 2000)
    print(("step %4d: bound on ln Z %.3f"):format(step, now:mean():item()))
  end
end

local weights, samples = torus.no_grad(flow.evidence, flow, log_density, 16000,
  { generator = torus.generator(5) })
local estimate = weights:to("float64"):logsumexp(1):item() - math.log(16000)
local relative = (weights:to("float64") - estimate):exp()
print(("ln Z: grid %.3f, bound %.3f, by the weights of 16,000 samples %.3f +- %.3f"):format(
  evidence, weights:mean():item(), estimate, relative:std():item() / math.sqrt(16000)))
print(("the weights leave %.0f%% of the samples"):format(
  100 / relative:square():mean():item()))
describe("flow", samples, even(samples))
-- With importance weights every mean is right, however far the training got.
describe("both", samples, relative / 16000)

section("a picture")
local function points(title, x)
  return { title = title, xlabel = "q", ylabel = "p", square = true,
    xrange = { -reach, reach }, yrange = { -reach, reach },
    series = { { x = x:select(2, 1), y = x:select(2, 2), style = "dots",
      colour = "#08306b" } } }
end
local some = chains:flat()
local every = torus.arange(1, some:size(1), 4, { dtype = "int64" })
assert(torus.files.make_folder("runs/examples"))
local path = "runs/examples/posterior.png"
local ok, message = torus.plot.figure { path = path, columns = 3, width = 1440,
  height = 480, panels = {
    { kind = "contour", levels = 10, title = "the posterior", xlabel = "q", ylabel = "p",
      colour_label = "density",
      x = axis, y = axis, z = density:reshape(n, n), square = true },
    points("Hamiltonian Monte Carlo", some:index_select(1, every)),
    points("Neural Hamiltonian Flow", samples:narrow(1, 1, 4000)),
  } }
print(ok and path or message)
