--- Gradients, and how to fit something with them.
--
--     scripts/torus examples/02_gradients.lua
--
-- Every operation on a tensor with requires_grad is recorded. Gradients are
-- exact derivatives, by the chain rule from the result back to the inputs.
local torus = require "torus"

local function section(title) print("\n--- " .. title) end

section("torus.grad: the derivative of a function")
local x = torus.tensor({ 0, 0.5, 1 }, { requires_grad = true })
local y = (x:sin() ^ 2):sum()
-- d/dx sin(x)^2 = 2 sin(x) cos(x) = sin(2x)
print("by torus:", torus.grad(y, x))
print("by hand: ", (x * 2):sin():detach())

-- Several at once: a list of tensors gives a list of gradients. The energy of
-- a pendulum of unit mass and length, and Hamilton's equations from it:
-- dq/dt = dH/dp, dp/dt = -dH/dq.
local q = torus.tensor(0.3, { requires_grad = true })
local p = torus.tensor(2, { requires_grad = true })
local H = p ^ 2 / 2 + (1 - q:cos()) * 9.81
local dq, dp = table.unpack(torus.grad(H, { q, p }))
print(("dH/dq = %.4f (9.81 sin 0.3 = %.4f), dH/dp = %g")
  :format(dq:item(), 9.81 * math.sin(0.3), dp:item()))

section("backward: gradients kept with the parameters")
-- Training loops do it differently: `backward` adds to `grad` of every leaf,
-- that is, of every tensor that you made with requires_grad.
local w = torus.tensor({ 1, 2 }, { requires_grad = true })
local loss = (w * torus.tensor { 3, 4 }):sum()
loss:backward()
print("w.grad:", w.grad)

section("a fit by gradient descent")
-- A ball is thrown up: height = h + v t - g t^2 / 2. From noisy heights, find
-- h, v and g. The true answer is 1.5, 12 and 9.81.
torus.manual_seed(1)
local float64 = { dtype = "float64" }
local t = torus.linspace(0, 2, 200, float64)
local heights = t * 12 - t ^ 2 * (9.81 / 2) + 1.5
  + torus.randn(t:size(1), float64) * 0.05

-- The model is linear in its three parameters, one column for each.
local columns = torus.stack({ torus.ones_like(t), t, t ^ 2 * -0.5 }, 2)

local theta = torus.zeros(3, { dtype = "float64", requires_grad = true })
for step = 0, 4000 do
  local error = ((columns:matmul(theta) - heights) ^ 2):mean()
  local gradient = torus.grad(error, theta)
  -- The update itself must not be recorded.
  torus.no_grad(function() theta:add_(gradient, -0.3) end)
  if step % 1000 == 0 then
    print(("step %4d  error %.6f"):format(step, error:item()))
  end
end
print(("descent: h = %.3f  v = %.3f  g = %.3f")
  :format(table.unpack(theta:totable())))
-- What remains is the noise: 0.05^2 = 0.0025.

section("the same for a curve that is not linear, by Adam")
-- A damped oscillation: q = A e^(-c t) cos(w t). Adam scales each parameter's
-- steps by the size of its past gradients, so that one rate suits all three.
local time = torus.linspace(0, 6, 300, float64)
local swing = (time * -0.3):exp() * (time * 4):cos() * 1.2
  + torus.randn(time:size(1), float64) * 0.02

local function parameter(start)
  return torus.tensor(start, { dtype = "float64", requires_grad = true })
end
local A, c, omega = parameter(1), parameter(0), parameter(3.7)
local adam = torus.optim.adam({ A, c, omega }, { lr = 0.02 })
for step = 0, 1000 do
  local model = A * (-c * time):exp() * (omega * time):cos()
  local error = ((model - swing) ^ 2):mean()
  adam:zero_grad() -- or `backward` would add to the last step's gradients
  error:backward()
  adam:step()
  if step % 250 == 0 then
    print(("step %4d  error %.6f"):format(step, error:item()))
  end
end
print(("Adam: A = %.3f  c = %.3f  omega = %.3f  (true: 1.2, 0.3, 4)")
  :format(A:item(), c:item(), omega:item()))
