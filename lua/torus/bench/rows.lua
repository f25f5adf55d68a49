--- The measured jobs: each sets itself up and returns a function that does one
-- unit of work.
-- @module torus.bench.rows
local adam = require "torus.optim.adam"
local engine = require "torus.engine"
local fused = require "torus.fused"
local geco = require "torus.optim.geco"
local hgn = require "torus.models.hgn"
local hamiltonians = require "torus.hamiltonian"
local integrate = require "torus.integrate"
local flows = require "torus.models.nhf"
local nn = require "torus.nn"
local systems = require "torus.systems"

local joint, separable = hamiltonians.joint, hamiltonians.separable

local M = {}

-- Frames of a mass on a spring, rendered anew for every step as in training.
local function data(batch)
  local system = systems.mass_spring
  local q, p = system:sample { count = batch, seed = 1 }
  local trajectory = system:solve(q, p)
  return function()
    return system:render(trajectory.q):transpose(1, 2):contiguous()
  end
end

local function hgn_step(o)
  engine.manual_seed(0)
  local model = hgn.new {}
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
  engine.manual_seed(0)
  local model = hgn.new {}
  local images = o.batch or 496
  local q = engine.randn(images, 4, 4, 16)
  local targets = engine.rand(images, 32, 32, 3)
  return function()
    model:decoder_gradients(q, targets, 1 / targets:numel())
  end
end

local function hamiltonian(o)
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
  engine.manual_seed(0)
  local net = nn.MLP { sizes = { 2, 200, 200, 1 }, activation = "tanh",
    scalar = true }
  local H, parameters = joint(net), net:parameters()
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
  return nn.MLP { sizes = { 2, 128, 128, 1 }, activation = "softplus",
    scalar = true }
end

local function rollout(batch)
  return function(o)
    engine.manual_seed(0)
    local H = separable(energy_net(), energy_net())
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
    engine.manual_seed(0)
    local K, V = energy_net(), energy_net()
    local H, n = separable(K, V), o.batch or 64
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

-- What a row is compared with: a script of spec/support with its arguments.
-- Convolutions: channels last, and a malloc that keeps its memory.
local function conv_peer(script)
  return { script = script, args = "--channels-last --steps 3", malloc = true }
end

-- Small networks: the better of one thread and all of them.
local function mlp_peer(args)
  return { script = "mlp_torch.py", args = args, single = true }
end

--- Rows in the order they are reported: name, what, setup(options) ->
-- function(mark)[, units it does], times to repeat, the peer in PyTorch.
M.rows = {
  { name = "hgn_step", what = "HGN training step, batch 16", goal = 3.5,
    setup = hgn_step, repeats = 3, peer = conv_peer "hgn_torch.py" },
  { name = "decoder", what = "decoder, forward and backward, 496 images",
    goal = 3.3, setup = decoder, repeats = 3,
    peer = conv_peer "decoder_torch.py" },
  { name = "hnn_step", what = "HNN step, [2,200,200,1] tanh, batch 750",
    goal = 2.5, setup = hnn, repeats = 50, peer = mlp_peer "hnn --steps 60" },
  { name = "nhf_step", what = "NHF step, 5 flows x 2 leapfrog steps, batch 512",
    goal = 4, setup = nhf, repeats = 30, peer = mlp_peer "nhf --steps 30" },
  { name = "rollout_64", what = "leapfrog step, no gradient, batch 64",
    goal = 5, setup = rollout(64), repeats = 5,
    peer = mlp_peer "rollout --batch 64 --steps 300" },
  { name = "rollout_1", what = "leapfrog step, no gradient, batch 1",
    goal = 20, setup = rollout(1), repeats = 5,
    peer = mlp_peer "rollout --batch 1 --steps 300" },
  { name = "hamiltonian", what = "30 leapfrog steps through HGN's "
    .. "convolutional Hamiltonian, forward and backward, batch 16",
    setup = hamiltonian, repeats = 3,
    peer = conv_peer "hamiltonian_torch.py" },
}

for _, backprop in ipairs { "stored", "reversible" } do
  for _, steps in ipairs { 30, 300, 3000 } do
    M.rows[#M.rows + 1] = { name = ("gradient_%s_%d"):format(backprop, steps),
      what = ("gradient of %d leapfrog steps, batch 64, %s"):format(steps,
        backprop),
      setup = rollout_gradient(steps, backprop), repeats = 3 }
  end
end

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
-- @tparam table options batch
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
