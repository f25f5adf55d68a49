--- Weights and data to PyTorch and back, without pickle: safetensors for weights,
--- .npz for arrays.
--
--     scripts/torus examples/13_pytorch.lua      -- writes what PyTorch reads
--     python3 examples/13_pytorch.py             -- checks it, trains, writes back
--     scripts/torus examples/13_pytorch.lua      -- reads what PyTorch wrote
--
-- Files go to runs/examples/. The Python program needs torch, numpy and safetensors.
local torus = require "torus"

local nn = torus.nn
local folder = "runs/examples"
assert(torus.files.make_folder(folder))

local function largest(x) return x:abs():max():item() end

-- --- a network on small images -------------------------------------------------
-- Images have channels last here and first in PyTorch. Weights have the same layout in
-- both, so only data is permuted, and that also before flattening, because the order
-- matters to a Linear layer.
torus.manual_seed(1)
local net = nn.Sequential {
  nn.Conv2d(3, 4), nn.ReLU(),
  function(h) return h:permute(1, 4, 2, 3):flatten(2) end, -- (n,8,8,4) to (n,4*8*8)
  nn.Linear(4 * 8 * 8, 2),
}
local x = torus.rand(5, 8, 8, 3)
local y = net(x)

-- --- to PyTorch ------------------------------------------------------------------
-- Names come from the modules; Lua counts from 1: "1.weight" is PyTorch's "0.weight".
assert(torus.save(folder .. "/to_torch.safetensors", net:named(), { made_by = torus._VERSION }))
assert(torus.npz.save(folder .. "/to_torch.npz", { x = x, y = y }))
print("written: " .. folder .. "/to_torch.safetensors and .npz")

-- --- and back --------------------------------------------------------------------
-- Half precision is read as float32. For a missing or damaged file, the result is nil
-- and a message.
local weights, about = torus.load(folder .. "/from_torch.safetensors")
if not weights then
  print("nothing from PyTorch yet: python3 examples/13_pytorch.py")
  return
end
assert(net:load_parameters(weights))
local theirs = assert(torus.npz.load(folder .. "/from_torch.npz"))
print("read weights of " .. (about.made_by or "another program"))
print(("outputs differ by at most %.1e"):format(largest(net(theirs.x) - theirs.y)))
