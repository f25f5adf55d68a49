--- A classifier: which of three spirals does a point belong to?
--
--     scripts/torus examples/11_spirals.lua
--
-- Everything a training loop needs: batches of your own tensors, layers, a loss, an
-- optimiser with a schedule, clipping, accuracy from comparisons, and a saved module.
local torus = require "torus"
local nn, optim = torus.nn, torus.optim

local function section(title) print("\n--- " .. title) end

torus.manual_seed(2)

section("the data")
-- Along an arm the angle grows with the radius; noise blurs it.
local arms, count = 3, 400
local function spirals(n)
  local points, classes = {}, {}
  for arm = 1, arms do
    local r = torus.linspace(0.05, 1, n)
    local angle = r * 5 + 2 * math.pi * arm / arms + torus.randn(n) * 0.4
    points[arm] = torus.stack({ r * angle:cos(), r * angle:sin() }, 2)
    classes[arm] = torus.full({ n }, arm, { dtype = "int64" })
  end
  return torus.cat(points, 1), torus.cat(classes, 1)
end
local x, y = spirals(count)
local test_x, test_y = spirals(count)
local set = torus.data.tensors { x, y, batch = 100, seed = 1 }
print(set)
print("points of each class:", y:bincount())

section("the network")
local net = nn.Sequential {
  nn.Linear(2, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.1),
  nn.Linear(64, 64), nn.LayerNorm(64), nn.ReLU(),
  nn.Linear(64, arms),
}
print(net)

-- A comparison is a bool tensor, and its mean is the fraction that is true.
local function accuracy(points, classes)
  net:eval()
  local right = torus.no_grad(net, points):argmax(2):eq(classes)
  net:train()
  return right:mean():item(), right
end
print(("accuracy before training: %.3f"):format((accuracy(test_x, test_y))))

section("training")
local epochs = 30
local optimiser = optim.adamw(net:parameters(), { lr = 0.01, weight_decay = 0.01 })
local schedule = optim.schedule.cosine(optimiser, { steps = epochs * #set - 20, warmup = 20 })
for epoch, line in torus.progress(epochs) do
  local total = 0
  for points, classes in set:batches() do
    local loss = nn.cross_entropy(net(points), classes)
    optimiser:zero_grad()
    loss:backward()
    optim.clip_norm(net:parameters(), 1)
    optimiser:step()
    schedule:step()
    total = total + loss:item() / #set
  end
  line:note { loss = total, lr = optimiser.lr }
  if epoch % 10 == 0 then
    print(("epoch %2d: loss %.3f, accuracy %.3f, learning rate %.5f"):format(epoch, total,
      accuracy(test_x, test_y), optimiser.lr))
  end
end

section("what it gets wrong")
local share, right = accuracy(test_x, test_y)
print(("accuracy: %.3f"):format(share))
local wrong = ~right -- masks select and count
print(("wrong: %d of %d"):format(wrong:sum():item(), right:numel()))
local radius = test_x:square():sum(2):sqrt()
local inner = radius:lt(0.3)
print(("wrong within a radius of 0.3: %d of %d, beyond it: %d of %d"):format(
  (wrong & inner):sum():item(), inner:sum():item(), (wrong & ~inner):sum():item(),
  (~inner):sum():item()))
-- Rows are the true classes, columns the predicted ones.
net:eval()
local predicted = torus.no_grad(net, test_x):argmax(2)
local confusion = ((test_y - 1) * arms + predicted):bincount { minlength = arms * arms }
print("classes and predictions:", confusion:reshape(arms, arms))

section("kept in a file")
local path = os.tmpname()
assert(torus.save(path, net, { accuracy = ("%.3f"):format(share) }))
local copy = nn.Sequential {
  nn.Linear(2, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.1),
  nn.Linear(64, 64), nn.LayerNorm(64), nn.ReLU(),
  nn.Linear(64, arms),
}
local _, about = assert(torus.load(path, copy))
os.remove(path)
print("its accuracy was", about.accuracy)
print("the copy says the same:",
  copy:eval()(test_x):argmax(2):eq(predicted):all():item())
