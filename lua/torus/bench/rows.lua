--- The measured jobs: each sets itself up and gives a function that does one
-- unit of work.
-- @module torus.bench.rows
local torus = require "torus"

local M = {}

-- Two moving discs' worth of data would be rendered; here any pictures do.
local function data(batch)
  local system = torus.systems.mass_spring
  local q, p = system:sample { count = batch, seed = 1 }
  local way = system:solve(q, p)
  return function()
    return system:render(way.q):transpose(1, 2):contiguous()
  end
end

local function hgn_step(o)
  torus.manual_seed(0)
  local model = torus.models.hgn {}
  local optimiser = torus.optim.adam(model:parameters(), { lr = 1.5e-4 })
  local geco = torus.optim.geco { tolerance = 0.01 }
  local frames = data(o.batch or 16)
  return function(mark)
    local x = frames()
    mark("data")
    local grads, info = model:gradients(x,
      { multiplier = geco:multiplier(), mark = mark })
    geco:update(info.mse)
    optimiser:step(grads)
    mark("GECO, Adam")
  end
end

local function decoder(o)
  torus.manual_seed(0)
  local model = torus.models.hgn {}
  local images = o.batch or 496
  local q = torus.randn(images, 4, 4, 16)
  local targets = torus.rand(images, 32, 32, 3)
  return function()
    model:decoder_gradients(q, targets, 1 / targets:numel())
  end
end

local function hamiltonian(o)
  torus.manual_seed(0)
  local model = torus.models.hgn {}
  local batch = o.batch or 16
  local q, p = torus.randn(batch, 4, 4, 16), torus.randn(batch, 4, 4, 16)
  local g = torus.randn(31, batch, 4, 4, 16)
  local wanted = {}
  for _, net in ipairs { model.K, model.V } do
    for _, parameter in ipairs(net:parameters()) do
      wanted[#wanted + 1] = parameter
    end
  end
  return function(mark)
    local vq, vp = torus.variable(q), torus.variable(p)
    local way = model:rollout(vq, vp)
    mark("forward")
    wanted[#wanted + 1], wanted[#wanted + 2] = vq, vp
    torus.grad((way.q * g):sum(), wanted)
    wanted[#wanted], wanted[#wanted - 1] = nil, nil
    mark("backward")
  end
end

local function hnn(o)
  torus.manual_seed(0)
  local net = torus.nn.MLP { sizes = { 2, 200, 200, 1 }, activation = "tanh",
    scalar = true }
  local H, parameters = torus.joint(net), net:parameters()
  local optimiser = torus.optim.adam(parameters, { lr = 1e-3 })
  local x = torus.randn(o.batch or 750, 2)
  local q, p = x:narrow(2, 1, 1), x:narrow(2, 2, 1)
  local dq, dp = p * 2, q * -2
  return function()
    local gq, gp = torus.field(H, q, p)
    local loss = ((gp - dq):square() + (gq + dp):square()):mean() * 0.5
    optimiser:step(torus.grad(loss, parameters, { allow_unused = true }))
  end
end

local function energy_net()
  return torus.nn.MLP { sizes = { 2, 128, 128, 1 }, activation = "softplus",
    scalar = true }
end

local function rollout(batch)
  return function(o)
    torus.manual_seed(0)
    local H = torus.separable(energy_net(), energy_net())
    local n, steps = o.batch or batch, 200
    local q, p = torus.randn(n, 2), torus.randn(n, 2)
    return function()
      torus.no_grad(function()
        torus.integrate { H = H, q = q, p = p, dt = 0.1, steps = steps }
      end)
    end, steps
  end
end

local function nhf(o)
  torus.manual_seed(0)
  local model = torus.models.nhf { dimension = 2, flows = 5, leaps = 2 }
  local parameters = model:parameters()
  local optimiser = torus.optim.adam(parameters, { lr = 3e-4 })
  local x = torus.randn(o.batch or 512, 2)
  return function()
    local loss = -model:elbo(x):mean()
    optimiser:step(torus.grad(loss, parameters, { allow_unused = true }))
  end
end

-- A rollout's gradient to states and weights; what it needs is memory.
local function rollout_gradient(steps, backprop)
  return function(o)
    torus.manual_seed(0)
    local K, V = energy_net(), energy_net()
    local H, n = torus.separable(K, V), o.batch or 64
    local q, p = torus.randn(n, 2), torus.randn(n, 2)
    local wanted = K:parameters()
    table.move(V:parameters(), 1, #wanted, #wanted + 1, wanted)
    return function(mark)
      local vq, vp = torus.variable(q), torus.variable(p)
      local way = torus.integrate { H = H, q = vq, p = vp, dt = 0.1,
        steps = steps, backprop = backprop }
      mark("forward")
      local all = { vq, vp, table.unpack(wanted) }
      torus.grad((way.q * way.q + way.p * way.p):sum(), all)
      mark("backward")
    end
  end
end

--- Rows in the order they are reported: name, what, setup(options) ->
-- function(mark)[, units it does], times to repeat, the peer's script with its
-- arguments, a pattern that finds its seconds or milliseconds.
M.rows = {
  { name = "hgn_step", what = "HGN training step, batch 16", goal = 3.5,
    setup = hgn_step, repeats = 3,
    peer = { script = "hgn_torch.py", args = "--channels-last --steps 3",
      malloc = true, pattern = "step ([%d.]+)s", scale = 1 } },
  { name = "decoder", what = "decoder, forward and backward, 496 images",
    goal = 3.3, setup = decoder, repeats = 3,
    peer = { script = "decoder_torch.py", args = "--steps 3", own = true,
      malloc = true, pattern = "step ([%d.]+)s", scale = 1 } },
  { name = "hnn_step", what = "HNN step, [2,200,200,1] tanh, batch 750",
    goal = 2.5, setup = hnn, repeats = 50,
    peer = { script = "mlp_torch.py", args = "hnn --steps 60",
      pattern = "median ([%d.]+) ms", scale = 1e-3, threads = { 1, 2 } } },
  { name = "nhf_step", what = "NHF step, 5 flows x 2 leapfrog steps, batch 512",
    goal = 4, setup = nhf, repeats = 30,
    peer = { script = "mlp_torch.py", args = "nhf --steps 30",
      pattern = "median ([%d.]+) ms", scale = 1e-3, threads = { 1, 2 } } },
  { name = "rollout_64", what = "leapfrog step, no gradient, batch 64",
    goal = 5, setup = rollout(64), repeats = 5,
    peer = { script = "mlp_torch.py", args = "rollout --batch 64 --steps 300",
      pattern = "median ([%d.]+) ms", scale = 1e-3, threads = { 1, 2 } } },
  { name = "rollout_1", what = "leapfrog step, no gradient, batch 1",
    goal = 20, setup = rollout(1), repeats = 5,
    peer = { script = "mlp_torch.py", args = "rollout --batch 1 --steps 300",
      pattern = "median ([%d.]+) ms", scale = 1e-3, threads = { 1, 2 } } },
  { name = "hamiltonian", what = "30 leapfrog steps through HGN's "
    .. "convolutional Hamiltonian, forward and backward, batch 16",
    setup = hamiltonian, repeats = 3,
    peer = { script = "hamiltonian_torch.py", args = "--steps 3", own = true,
      malloc = true, pattern = "step ([%d.]+)s", scale = 1 } },
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

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end
M.median = median

--- Measures one row in this process.
-- @tparam table row
-- @tparam table options batch, profile
-- @treturn table seconds (median of the repeats for one unit of work), least,
-- most, peak_bytes, threads, parts (seconds by name, with profile)
function M.measure(row, options)
  local work, units = row.setup(options)
  units = units or 1
  local times, parts, order = {}, {}, {}
  for i = 0, row.repeats do
    local begin = torus.clock()
    local last = begin
    work(function(name)
      local now = torus.clock()
      if i > 0 and options.profile then
        if not parts[name] then
          parts[name] = {}
          order[#order + 1] = name
        end
        table.insert(parts[name], (now - last) / units)
      end
      last = now
    end)
    if i > 0 then times[i] = (torus.clock() - begin) / units end
  end
  local found = {}
  for i, name in ipairs(order) do
    found[i] = { name = name, seconds = median(parts[name]) }
  end
  local m = median(times)
  return { seconds = m, least = times[1], most = times[#times],
    peak_bytes = torus.memory().peak_resident_bytes, threads = torus.threads(),
    parts = found }
end

return M
