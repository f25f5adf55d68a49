--- Checks that the peers of scripts/bench.lua do torus's work: both get the
-- same parameters and inputs in float64, and their losses and gradients are
-- compared.
--
--     scripts/torus spec/support/compare_peers.lua [PYTHON] [JOB]
local command = require "torus.runs.command"
local torus = require "torus"

local DOUBLE = { dtype = "float64" }
-- Sums in another order, and PyTorch's softplus, the identity from 20 on.
local TOLERANCE = 1e-8

local here = arg[0]:match("^(.*)/[^/]*$") or "."
local folder_of_peers = here .. "/../../scripts/dev/peers"
local python = arg[1] or os.getenv "TORUS_PYTHON" or "python3"
local only = arg[2]

local function random(...) return torus.randn({ ... }, DOUBLE) end

local function channels_first(x)
  return x:transpose(-1, -2):transpose(-2, -3)
end

local function joined(modules)
  local list = {}
  for _, module in ipairs(modules) do
    for _, parameter in ipairs(module:parameters()) do
      list[#list + 1] = parameter
    end
  end
  return list
end

local function energy()
  return torus.nn.MLP { sizes = { 2, 128, 128, 1 }, activation = "softplus",
    scalar = true, dtype = "float64" }
end

-- Each has its programs, and gives parameters, the peers' inputs, the loss, and unless nothing is
-- differentiated the gradients of the parameters.
local jobs = {
  { "hgn", { "hgn_torch.py", "hgn_jax.py hgn" }, function()
    local model = torus.models.hgn(DOUBLE)
    local frames = torus.rand({ 2, 31, 32, 32, 3 }, DOUBLE)
    local epsilon = random(2, 4, 4, 48)
    local grads, numbers = model:gradients(frames, { epsilon = epsilon })
    return model:parameters(),
      { channels_first(frames), channels_first(epsilon) }, numbers.loss, grads
  end },
  { "decoder", { "decoder_torch.py", "hgn_jax.py decoder" }, function()
    local model = torus.models.hgn(DOUBLE)
    local q = random(6, 4, 4, 16)
    local targets = torus.rand({ 6, 32, 32, 3 }, DOUBLE)
    local weight = 1 / targets:numel()
    local squares, _, grads = model:decoder_gradients(q, targets, weight)
    return model.decoder:parameters(),
      { channels_first(q), channels_first(targets) }, squares * weight, grads
  end },
  { "hamiltonian", { "hamiltonian_torch.py", "hgn_jax.py hamiltonian" }, function()
    local model = torus.models.hgn(DOUBLE)
    local q, p = random(2, 4, 4, 16), random(2, 4, 4, 16)
    local weights = random(31, 2, 4, 4, 16)
    local parameters = joined { model.K, model.V }
    local loss = (model:rollout(q, p).q * weights):sum()
    return parameters,
      { channels_first(q), channels_first(p), channels_first(weights) },
      loss:item(), torus.grad(loss, parameters)
  end },
  { "hnn", { "mlp_torch.py hnn", "mlp_jax.py hnn" }, function()
    local net = torus.nn.MLP { sizes = { 2, 200, 200, 1 }, activation = "tanh",
      scalar = true, dtype = "float64" }
    local x, rate = random(750, 2), random(750, 2)
    local gq, gp = torus.field(torus.joint(net), x:narrow(2, 1, 1),
      x:narrow(2, 2, 1))
    local loss = ((gp - rate:narrow(2, 1, 1)):square()
      + (gq + rate:narrow(2, 2, 1)):square()):mean() * 0.5
    return net:parameters(), { x, rate }, loss:item(),
      torus.grad(loss, net:parameters(), { allow_unused = true })
  end },
  { "nhf", { "mlp_torch.py nhf", "mlp_jax.py nhf" }, function()
    local model = torus.models.nhf(DOUBLE)
    local q, epsilon = random(512, 2), random(512, 2)
    local loss = -model:elbo(q, { epsilon = epsilon }):mean()
    return model:parameters(), { q, epsilon }, loss:item(),
      torus.grad(loss, model:parameters(), { allow_unused = true })
  end },
  { "rollout", { "mlp_torch.py rollout", "mlp_jax.py rollout" }, function()
    local K, V = energy(), energy()
    local q, p = random(64, 2), random(64, 2)
    local way = torus.integrate { H = torus.separable(K, V), q = q, p = p,
      dt = 0.1, steps = 50 }
    return joined { K, V }, { q, p },
      (way.q[-1]:square() + way.p[-1]:square()):sum():item()
  end },
}

-- In one row; a parameter that moves nothing has no gradient, or zeros.
local function flat(list, shapes)
  local pieces = {}
  for i, shape in ipairs(shapes) do
    pieces[i] = (list[i] or torus.zeros_like(shape)):detach():reshape(-1)
  end
  return torus.cat(pieces, 1)
end

local function run_peer(script, folder)
  local pipe = assert(io.popen(("'%s' -B '%s'/%s --check '%s' 2>&1"):format(
    python, folder_of_peers, script, folder)))
  local text = pipe:read("a")
  local loss = tonumber(text:match("loss (%S+)"))
  if not pipe:close() or not loss then
    error(script .. ": " .. text:match("([^\n]*)\n*$"), 0)
  end
  return loss
end

local function compare_with(script, folder, parameters, loss, grads)
  local theirs = run_peer(script, folder)
  local off, gradients_off = math.abs(theirs / loss - 1), 0
  if grads then
    local expected = assert(torus.npy.load(folder .. "/gradients.npy"))
    local difference = flat(grads, parameters) - expected
    gradients_off = math.sqrt(difference:square():sum():item()
      / expected:square():sum():item())
  end
  print(("%-22s %10d %18.12f %18.12f %8.1e %9s"):format(script,
    flat(parameters, parameters):numel(), loss, theirs, off,
    grads and ("%.1e"):format(gradients_off) or "-"))
  return math.max(off, gradients_off) <= TOLERANCE
end

-- Whether all peers that are there do the same; one that fails says why.
local function compare(scripts, setup, folder)
  local parameters, inputs, loss, grads = setup()
  local function save(name, x)
    assert(torus.npy.save(folder .. "/" .. name .. ".npy", x:contiguous()))
  end
  save("parameters", flat(parameters, parameters))
  for i, x in ipairs(inputs) do save("input" .. i, x) end
  local same = true
  for _, script in ipairs(scripts) do
    local ok, result = pcall(compare_with, script, folder, parameters, loss, grads)
    if not ok then print(result) end
    same = same and ok and result
  end
  return same
end

torus.manual_seed(1)
print(("%-22s %10s %18s %18s %8s %9s"):format("job", "parameters",
  "torus's loss", "the peer's", "off", "gradients"))
local same = true
for _, job in ipairs(jobs) do
  if not only or job[1] == only then
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir '" .. folder .. "'"))
    local ok, result = pcall(compare, job[2], job[3], folder)
    os.execute("rm -r '" .. folder .. "'")
    if not ok then command.die("%s", result) end
    same = same and result
  end
end
os.exit(same, true)
