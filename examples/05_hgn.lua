--- A Hamiltonian Generative Network, written from scratch.
--
--     scripts/torus examples/05_hgn.lua [--steps N]
--
-- It watches short films of a mass on a spring, 16 frames of 16x16 pixels. From
-- a film it infers an initial state (q, p), integrates it with a Hamiltonian that
-- it learns, and draws a frame from every q of the trajectory. Nobody tells it
-- what a position is. torus.models.hgn is the full model, scripts/train.lua
-- trains it.
local torus = require "torus"
local nn = torus.nn

local FRAMES, SIZE, DT = 16, 16, 0.2 -- 15 steps of 0.2: about one period
local WIDTH, STATE, LATENT = 16, 4, 16 -- channels: of layers; of q and p; of z
local steps = arg[1] == "--steps" and tonumber(arg[2]) or 800
torus.manual_seed(1)

-- --- data: trajectories are simulated now, frames are drawn when needed -------
local data = torus.data.open("mass_spring", { train = 1000, test = 16,
  steps = FRAMES - 1, dt = DT, noise = 0, resolution = SIZE })
local order = torus.data.order { count = 1000, batch = 16, seed = 1 }

-- --- the model ----------------------------------------------------------------
-- "kaiming" weights keep a signal's size through many layers; with smaller ones
-- the frames would hardly depend on the films at first.
local function conv(inputs, outputs, stride)
  return nn.Conv2d(inputs, outputs, { stride = stride, init = "kaiming" })
end

-- From a film, its frames stacked as channels, to the mean and the log-variance
-- of a latent z; after each halving a filter sees a larger part of the image.
local encoder = nn.Sequential {
  conv(3 * FRAMES, WIDTH, 2), nn.ReLU(), conv(WIDTH, WIDTH, 2), nn.ReLU(),
  conv(WIDTH, WIDTH, 2), nn.ReLU(), conv(WIDTH, 2 * LATENT),
}
-- From z to the initial state: q and p are small images, 2x2 with STATE channels.
local f_psi = nn.Sequential {
  conv(LATENT, WIDTH), nn.ReLU(), conv(WIDTH, 2 * STATE),
}
-- Energies, one number per sample. Softplus is smooth: the forces are derivatives
-- of these networks, and training differentiates them once more.
local function energy()
  return nn.Sequential {
    conv(STATE, WIDTH), nn.Softplus(), conv(WIDTH, WIDTH), nn.Softplus(),
    function(x) return x:flatten(2) end, nn.Linear(4 * WIDTH, 1, { bias = false }),
    function(x) return x:squeeze(2) end,
  }
end
local K, V = energy(), energy()
-- A frame from q alone: three doublings from 2x2 to 16x16.
local function double(x) return x:upsample(2) end
local decoder = nn.Sequential {
  double, conv(STATE, WIDTH), nn.LeakyReLU(0.2),
  double, conv(WIDTH, WIDTH), nn.LeakyReLU(0.2),
  double, conv(WIDTH, WIDTH), nn.LeakyReLU(0.2),
  nn.Conv2d(WIDTH, 3), nn.Sigmoid(),
}
local model = nn.Sequential { encoder, f_psi, K, V, decoder }

local function infer(films) -- (batch, FRAMES, SIZE, SIZE, 3)
  local out = encoder(films:permute { 1, 3, 4, 2, 5 }
    :reshape(-1, SIZE, SIZE, 3 * FRAMES))
  return out:chunk(2, -1) -- mean and log-variance of z
end

-- The frames (batch, count + 1, SIZE, SIZE, 3) that follow from z, or only those
-- at some indices.
local function predict(z, count, dt, indices)
  local q, p = f_psi(z):chunk(2, -1)
  local trajectory = torus.integrate { H = torus.separable(K, V), q = q, p = p,
    steps = count or FRAMES - 1, dt = dt or DT, method = "leapfrog" }
  local shown = trajectory.q
  if indices then shown = shown:index_select(1, indices) end
  local images = decoder(shown:flatten(1, 2)) -- all times and samples at once
  return images:reshape(shown:size(1), -1, SIZE, SIZE, 3):transpose(1, 2)
end

-- --- training -----------------------------------------------------------------
-- Eq. (4) of the paper, per value of a pixel: the squared error plus the KL
-- divergence of z from N(0, 1), weighted as for pixels with a noise of 0.07.
local kl_weight = 2 * 0.07 ^ 2 / (SIZE * SIZE * 3)
local held_out = data.test:batch(torus.arange(16, { dtype = "int64" }))

local function test_error()
  return torus.no_grad(function()
    return ((predict((infer(held_out))) - held_out) ^ 2):mean():item()
  end)
end

local still = ((held_out - held_out:mean(2, true)) ^ 2):mean():item()
print(("%d parameters; the mean image of each film has an error of %.2fe-4")
  :format(model:count(), still * 1e4))
local adam = torus.optim.adam(model:parameters(), { lr = 4e-3 })
local started = torus.clock()
for step = 1, steps do
  -- First fit the start of the film, then more and more of it: late frames do not
  -- help while the motion is still wrong.
  local last = math.min(FRAMES - 1, 1 + (FRAMES - 1) * step // 300)
  local films = data.train:batch((order:next()))
  local mean, logvar = infer(films)
  local z = mean + torus.randn_like(mean) * (logvar / 2):exp()
  -- Decoding is nine tenths of the work: five random frames are enough.
  local indices = torus.randperm(last + 1):narrow(1, 1, math.min(5, last + 1))
  local mse = ((predict(z, last, DT, indices) - films:index_select(2, indices)) ^ 2)
    :mean()
  local kl = (mean ^ 2 + logvar:exp() - logvar - 1):sum() / (2 * mean:size(1))
  adam:zero_grad()
  local loss = mse + kl * kl_weight
  loss:backward()
  adam.lr = 4e-3 * math.min(1, 2 * (1 - step / (steps + 1))) -- lower from halfway on
  adam:step()
  if step == 1 or step % 100 == 0 or step == steps then
    print(("step %4d  frames %2d  error %6.2fe-4  KL %5.1f  held-out %6.2fe-4"
      .. "  %4.0f s"):format(step, last + 1, mse:item() * 1e4, kl:item(),
      test_error() * 1e4, torus.clock() - started))
  end
end

-- --- what it has learned ------------------------------------------------------
os.execute("mkdir -p runs/examples")
torus.no_grad(function()
  local z = (infer(held_out))
  local rows = {}
  for _, i in ipairs { 2, 3 } do
    local zi = z:narrow(1, i, 1)
    rows[#rows + 1] = { label = "film " .. i, frames = held_out[i] }
    rows[#rows + 1] = { label = "model", frames = predict(zi)[1] }
    rows[#rows + 1] = { label = "backward", frames = predict(zi, nil, -DT)[1] }
    rows[#rows + 1] = { label = "half speed", frames = predict(zi, nil, DT / 2)[1] }
  end
  local sampled = predict(torus.randn(2, 2, 2, LATENT))
  for i = 1, 2 do rows[#rows + 1] = { label = "sample", frames = sampled[i] } end
  assert(torus.image.write("runs/examples/05_hgn.png",
    torus.image.strip { rows = rows, scale = 3 }))
end)
print(("error %.2f of the mean image's; see runs/examples/05_hgn.png")
  :format(test_error() / still))
