--- The measured jobs: each sets itself up and returns a function that does one
-- unit of work. A job loads the modules that it needs, so that the collector of a
-- small one goes through no others.
-- @module torus.bench.rows
local bound = require "torus.bench.bound"
local core = require "torus.core"
local engine = require "torus.engine"

local M = {}

-- Frames of a mass on a spring, rendered anew for every step as in training.
local function data(batch)
  local systems = require "torus.systems"
  local system = systems.mass_spring
  local q, p = system:sample { count = batch, seed = 1 }
  local trajectory = system:solve(q, p)
  return function()
    return system:render(trajectory.q):transpose(1, 2):contiguous()
  end
end

local function hgn_step(o)
  local adam = require "torus.optim.adam"
  local geco = require "torus.optim.geco"
  local hgn = require "torus.models.hgn"
  engine.manual_seed(0)
  local model = hgn.new { precision = o.precision }
  local optimiser = adam.new(model:parameters(), { lr = 1.5e-4 })
  local constraint = geco.new { tolerance = 0.01 }
  local frames = data(o.batch or 16)
  return function(mark)
    local x = frames()
    mark("data")
    local grads, info = model:gradients(x,
      { multiplier = constraint:multiplier(), mark = mark })
    constraint:update(info.mse)
    optimiser:step(grads)
    mark("GECO, Adam")
  end
end

local function decoder(o)
  local hgn = require "torus.models.hgn"
  engine.manual_seed(0)
  local model = hgn.new { precision = o.precision }
  local images = o.batch or 496
  local q = engine.randn(images, 4, 4, 16)
  local targets = engine.rand(images, 32, 32, 3)
  return function()
    model:decoder_gradients(q, targets, 1 / targets:numel())
  end
end

local function hamiltonian(o)
  local hgn = require "torus.models.hgn"
  engine.manual_seed(0)
  local model = hgn.new {}
  local batch = o.batch or 16
  local q, p = engine.randn(batch, 4, 4, 16), engine.randn(batch, 4, 4, 16)
  local g = engine.randn(31, batch, 4, 4, 16)
  local wanted = {}
  for _, net in ipairs { model.K, model.V } do
    for _, parameter in ipairs(net:parameters()) do
      wanted[#wanted + 1] = parameter
    end
  end
  return function(mark)
    local vq, vp = engine.variable(q), engine.variable(p)
    local trajectory = model:rollout(vq, vp)
    mark("forward")
    wanted[#wanted + 1], wanted[#wanted + 2] = vq, vp
    engine.grad((trajectory.q * g):sum(), wanted)
    wanted[#wanted], wanted[#wanted - 1] = nil, nil
    mark("backward")
  end
end

local function hnn(o)
  local adam = require "torus.optim.adam"
  local fused = require "torus.fused"
  local hamiltonians = require "torus.hamiltonian"
  local nn = require "torus.nn"
  engine.manual_seed(0)
  local net = nn.MLP { sizes = { 2, 200, 200, 1 }, activation = "tanh",
    scalar = true }
  local H, parameters = hamiltonians.joint(net), net:parameters()
  local optimiser = adam.new(parameters, { lr = 1e-3 })
  local x = engine.randn(o.batch or 750, 2)
  local q, p = x:narrow(2, 1, 1), x:narrow(2, 2, 1)
  local dq, dp = p * 2, q * -2
  return function()
    local gq, gp = fused.field(H, q, p)
    local loss = ((gp - dq):square() + (gq + dp):square()):mean() * 0.5
    optimiser:step(engine.grad(loss, parameters, { allow_unused = true }))
  end
end

local function energy_net()
  local nn = require "torus.nn"
  return nn.MLP { sizes = { 2, 128, 128, 1 }, activation = "softplus",
    scalar = true }
end

local function rollout(batch)
  return function(o)
    local hamiltonians = require "torus.hamiltonian"
    local integrate = require "torus.integrate"
    engine.manual_seed(0)
    local H = hamiltonians.separable(energy_net(), energy_net())
    local n, steps = o.batch or batch, 200
    local q, p = engine.randn(n, 2), engine.randn(n, 2)
    return function()
      engine.no_grad(function()
        integrate { H = H, q = q, p = p, dt = 0.1, steps = steps }
      end)
    end, steps
  end
end

local function nhf(o)
  local adam = require "torus.optim.adam"
  local flows = require "torus.models.nhf"
  engine.manual_seed(0)
  local model = flows.new { dimension = 2, flows = 5, leaps = 2 }
  local parameters = model:parameters()
  local optimiser = adam.new(parameters, { lr = 3e-4 })
  local x = engine.randn(o.batch or 512, 2)
  return function()
    local loss = -model:elbo(x):mean()
    optimiser:step(engine.grad(loss, parameters, { allow_unused = true }))
  end
end

-- A rollout's gradient to states and weights; what it needs is memory.
local function rollout_gradient(steps, backprop)
  return function(o)
    local hamiltonians = require "torus.hamiltonian"
    local integrate = require "torus.integrate"
    engine.manual_seed(0)
    local K, V = energy_net(), energy_net()
    local H, n = hamiltonians.separable(K, V), o.batch or 64
    local q, p = engine.randn(n, 2), engine.randn(n, 2)
    local wanted = K:parameters()
    table.move(V:parameters(), 1, #wanted, #wanted + 1, wanted)
    return function(mark)
      local vq, vp = engine.variable(q), engine.variable(p)
      local trajectory = integrate { H = H, q = vq, p = vp, dt = 0.1,
        steps = steps, backprop = backprop }
      mark("forward")
      local all = { vq, vp, table.unpack(wanted) }
      local qs, ps = trajectory.q, trajectory.p
      engine.grad((qs * qs + ps * ps):sum(), all)
      mark("backward")
    end
  end
end

-- A sum of ten numbers each, as a script writes it.
local function add_10()
  local x, y = engine.rand(10), engine.rand(10)
  local count = 2000
  return function()
    for _ = 1, count do local _ = x + y end
  end, count
end

-- --- what a row is compared with --------------------------------------------

-- Programs of scripts/dev/peers. Convolutions: PyTorch with channels last and a
-- malloc that keeps its memory.
local function torch_conv(script, name, more)
  return { name = "PyTorch" .. name, library = "torch", malloc = true,
    script = script, args = "--channels-last --steps 3 " .. more,
    compile = more:find("--compile", 1, true) ~= nil,
    bfloat16 = more:find("--bfloat16", 1, true) ~= nil }
end

local function jax_conv(job, name, more)
  return { name = "JAX" .. name, library = "jax", script = "hgn_jax.py",
    args = job .. " --steps 2 " .. more,
    bfloat16 = more:find("--bfloat16", 1, true) ~= nil }
end

local function conv_peers(job)
  local script = job .. "_torch.py"
  return {
    torch_conv(script, "", ""),
    torch_conv(script, ", bfloat16 autocast", "--bfloat16"),
    torch_conv(script, ", torch.compile", "--compile"),
    torch_conv(script, ", bfloat16 and torch.compile", "--bfloat16 --compile"),
    jax_conv(job, "", ""),
    jax_conv(job, ", bfloat16", "--bfloat16"),
  }
end

-- Small networks: the better of one thread and all of them.
local function mlp_peers(args, jax_args)
  return {
    { name = "PyTorch", library = "torch", single = true,
      script = "mlp_torch.py", args = args },
    { name = "PyTorch, force kept", library = "torch", single = true,
      script = "mlp_torch.py", args = args .. " --keep-force" },
    { name = "JAX", library = "jax", script = "mlp_jax.py",
      args = jax_args or args },
    { name = "PyTorch, torch.compile", library = "torch", compile = true,
      single = true, script = "mlp_torch.py",
      args = args .. " --keep-force --compile" },
  }
end

local function add_peers()
  local list = {}
  for i, entry in ipairs { { "PyTorch", "torch" }, { "NumPy", "numpy" },
    { "JAX", "jax" } } do
    list[i] = { name = entry[1], library = entry[2], script = "add.py",
      args = entry[2], plain = true }
  end
  return list
end

local BOTH = { "float32", "bfloat16" }

--- Rows in the order they are reported: name, what, setup(options) ->
-- function(mark)[, units it does], times to repeat, peers in other libraries; count,
-- the name and the batch for torus.bench.bound; precisions, where there are several,
-- and a goal for the ratio in float32 and in the best one.
M.rows = {
  { name = "hgn_step", what = "HGN training step, batch 16", goals = { 3.5, 3 },
    setup = hgn_step, repeats = 3, peers = conv_peers "hgn", precisions = BOTH,
    count = { "hgn_step", 16 } },
  { name = "decoder", what = "decoder, forward and backward, 496 images",
    goals = { 3.3, 2.5 }, setup = decoder, repeats = 3,
    peers = conv_peers "decoder", precisions = BOTH, count = { "decoder", 496 } },
  { name = "hnn_step", what = "HNN step, [2,200,200,1] tanh, batch 750",
    goals = { 2 }, setup = hnn, repeats = 50, peers = mlp_peers "hnn --steps 60",
    count = { "hnn_step", 750 } },
  { name = "nhf_step", what = "NHF step, 5 flows x 2 leapfrog steps, batch 512",
    goals = { 4 }, setup = nhf, repeats = 30, peers = mlp_peers "nhf --steps 30",
    count = { "nhf_step", 512 } },
  { name = "rollout_64", what = "leapfrog step, no gradient, batch 64",
    goals = { 5 }, setup = rollout(64), repeats = 5,
    peers = mlp_peers("rollout --batch 64 --steps 300"),
    count = { "rollout", 64 } },
  { name = "rollout_1", what = "leapfrog step, no gradient, batch 1",
    goals = { 2.5 }, setup = rollout(1), repeats = 5,
    peers = mlp_peers("rollout --batch 1 --steps 300"),
    count = { "rollout", 1 } },
  { name = "hamiltonian", what = "30 leapfrog steps through HGN's "
    .. "convolutional Hamiltonian, forward and backward, batch 16",
    goals = { 5.5 }, setup = hamiltonian, repeats = 3,
    peers = { torch_conv("hamiltonian_torch.py", "", ""),
      jax_conv("hamiltonian", "", "") }, count = { "hamiltonian", 16 } },
  { name = "add_10", what = "x + y, 10 numbers each", goals = { 3 },
    setup = add_10, repeats = 60, peers = add_peers() },
}

for _, backprop in ipairs { "stored", "reversible" } do
  for _, steps in ipairs { 30, 300, 3000 } do
    M.rows[#M.rows + 1] = { name = ("gradient_%s_%d"):format(backprop, steps),
      what = ("gradient of %d leapfrog steps, batch 64, %s"):format(steps,
        backprop),
      setup = rollout_gradient(steps, backprop), repeats = 3 }
  end
end

--- The precisions of a row that this machine computes in.
-- @tparam table row
-- @treturn {string,...}
function M.precisions(row)
  local set = core.isa()
  if row.precisions and (set == "amx" or set == "avx512bf16") then
    return row.precisions
  end
  return { "float32" }
end

--- Multiply-adds of one unit of a row's work.
-- @tparam table row
-- @tparam[opt] integer batch another than the row's
-- @treturn ?number nil where there are none to count
function M.multiply_adds(row, batch)
  return row.count and bound.multiply_adds(row.count[1], batch or row.count[2])
end

--- Bytes of weights that one unit of a row's work reads.
-- @tparam table row
-- @treturn integer
function M.bytes(row) return row.count and bound.bytes(row.count[1]) or 0 end

--- A row by its name, or nil.
-- @tparam string name
function M.find(name)
  for _, row in ipairs(M.rows) do
    if row.name == name then return row end
  end
end

--- The middle one of a list, which this sorts.
-- @tparam {number,...} list or of tables
-- @tparam[opt] string key of the tables
function M.median(list, key)
  table.sort(list, key and function(a, b) return a[key] < b[key] end)
  return list[(#list + 1) // 2]
end

--- Measures one row in this process.
-- @tparam table row
-- @tparam table options batch, precision
-- @treturn table seconds (median of the repeats for one unit of work), least,
-- most, peak_bytes, threads, parts: names and seconds of the median repeat's
function M.measure(row, options)
  local work, units = row.setup(options)
  units = units or 1
  local times = {}
  for i = 0, row.repeats do
    local parts, begin = {}, engine.clock()
    local last = begin
    work(function(name)
      local now = engine.clock()
      parts[#parts + 1] = { name = name, seconds = (now - last) / units }
      last = now
    end)
    if i > 0 then
      times[i] = { seconds = (engine.clock() - begin) / units, parts = parts }
    end
  end
  local middle = M.median(times, "seconds")
  return { seconds = middle.seconds, least = times[1].seconds,
    most = times[#times].seconds, parts = middle.parts,
    peak_bytes = engine.memory().peak_resident_bytes, threads = engine.threads() }
end

return M
