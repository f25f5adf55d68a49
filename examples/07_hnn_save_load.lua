--- Learning an energy from motion (a Hamiltonian neural network), saving it to a
--- file and loading it again.
--
--     scripts/torus examples/07_hnn_save_load.lua
--
-- Files go to runs/examples/.
local torus = require "torus"

torus.manual_seed(1)

-- --- data: states of a pendulum and how they change there ----------------------
local pendulum = torus.systems.pendulum
local q, p = pendulum:sample { count = 400, seed = 1 } -- (400, 1) each, float64
-- States along trajectories cover phase space better than initial states alone.
local trajectory = pendulum:solve(q, p, { dt = 0.5, steps = 4 })
q, p = trajectory.q:reshape(-1, 1), trajectory.p:reshape(-1, 1) -- (2000, 1)
local state = torus.cat({ q, p }, 2):float()

-- dH/dq and dH/dp of an energy H(state), which returns (batch); recorded, so that
-- a loss made of them can be differentiated once more.
local function slopes(H, x)
  local at = torus.variable(x)
  return torus.grad(H(at):sum(), at, { create_graph = true })
end

-- What to learn from: -dp/dt and dq/dt. In an experiment they are measured.
local observed = slopes(function(x)
  return pendulum:energy(x:narrow(2, 1, 1), x:narrow(2, 2, 1))
end, state):detach()

-- --- model and training ----------------------------------------------------------
local function network()
  return torus.nn.MLP { sizes = { 2, 64, 64, 1 }, activation = "tanh",
    scalar = true }
end
local H = network()
local adam = torus.optim.adam(H:parameters(), { lr = 5e-3 })
for step = 1, 600 do
  -- The loss compares derivatives only: energies themselves are never observed.
  local loss = ((slopes(H, state) - observed) ^ 2):mean()
  adam:zero_grad()
  loss:backward() -- the last bias, a constant energy, gets no gradient
  adam:step()
  adam.lr = 5e-3 * (1 - step / 600)
  if step % 100 == 0 then
    print(("step %3d  error of the slopes %.5f"):format(step, loss:item()))
  end
end

-- --- does it move like a pendulum? --------------------------------------------------
-- A joint H(q, p) needs a Runge-Kutta scheme, such as rk4.
local function learned(q_, p_) return H(torus.cat({ q_, p_ }, -1)) end
local start = torus.tensor { { 1.5 } }
local guess = torus.no_grad(torus.integrate, { H = learned, method = "rk4",
  q = start, p = start * 0, dt = 0.05, steps = 100 })
local truth = pendulum:solve(start, start * 0, { dt = 0.05, steps = 100 })
print(("after 5 s: angle %.3f, the true one is %.3f"):format(
  guess.q[-1]:item(), truth.q[-1]:item()))

-- --- saving ---------------------------------------------------------------------------
-- A .safetensors file holds named tensors and some text; other programs read it.
os.execute("mkdir -p runs/examples")
local path = "runs/examples/07_energy.safetensors"
assert(torus.save(path, H:named(), { system = pendulum.name }))

-- A network of the same shape, with other weights, loads them. When the outside
-- world fails (a missing or broken file), a function returns nil and a message:
-- `assert` it, or handle it.
local again = network()
local weights, about = torus.load(path)
assert(weights, about)
assert(again:load_parameters(weights))
local same = again(state):eq(H(state)):min():item()
print(("read back an energy of a %s; the same numbers: %s")
  :format(about.system, same))
print(torus.load("runs/examples/not_there.safetensors"))
print(torus.nn.Linear(2, 2):load_parameters(weights))

-- Single arrays for NumPy: numpy.load("runs/examples/07_angles.npy").
assert(torus.npy.save("runs/examples/07_angles.npy", guess.q:reshape(-1)))
print(assert(torus.npy.load("runs/examples/07_angles.npy")):narrow(1, 1, 4))
