-- How long can a motion be predicted whose initial state is known as well as frames
-- tell? Rolls true trajectories from states that differ by a little noise, and
-- prints the error between their frames in the first 31, and for how many steps
-- they stay as near as a prediction has to in order to be valid.
--
--   scripts/torus scripts/dev/divergence.lua three_body
--
-- With --noisy: how long can it be predicted by someone who knows the system exactly, but has
-- seen only 31 frames with the system's noise? The state is then fitted to the noisy positions,
-- so that no model of noisy frames can be expected to predict for longer.
local argparse = require "argparse"
local least_squares = require "torus.optim.least_squares"
local statistics = require "torus.measures.statistics"
local torus = require "torus"
local validity = require "torus.measures.validity"

local parser = argparse("divergence.lua", "True trajectories that begin next to each other.")
parser:argument("system", "A built-in system.")
parser:option("--steps", "Steps of a trajectory.", "300"):convert(math.tointeger)
parser:option("--count", "Trajectories.", "64"):convert(math.tointeger)
parser:flag("--noisy", "Fit the states to frames with the system's noise.")
local args = parser:parse()

local WINDOW = 31
local found, system = pcall(torus.systems.get, args.system)
if not found then parser:error(system) end
local q, p = system:sample { count = args.count, split = "test" }
local generator = torus.generator(0)

local function frames(from_q, from_p)
  local motion = system:solve(from_q, from_p, { steps = args.steps })
  return system:render(motion.q):transpose(1, 2):contiguous()
end

local function near(x, scale)
  return x + torus.randn(x.shape, { dtype = x.dtype, generator = generator }) * scale
end

-- The states whose motion fits noisy positions of the first frames best, beginning the search
-- at the true ones.
local function fitted()
  local function positions(x)
    local from_q, from_p = x:chunk(2, 2)
    return system:solve(from_q:contiguous(), from_p:contiguous(), { steps = WINDOW - 1 }).q
      :transpose(1, 2):contiguous()
  end
  local states = torus.cat({ q, p }, 2)
  local observed = near(positions(states), system.noise)
  return least_squares.match(positions, states, observed, 30).x:chunk(2, 2)
end

local truth = frames(q, p)

-- Prints how long the motion from other states stays near.
local function compare(name, from_q, from_p)
  local other = frames(from_q:contiguous(), from_p:contiguous())
  local errors, norms = validity.frame_errors(other, truth)
  local steps = statistics.summary(validity.valid_steps(errors, norms))
  print(("%-20s %-31s mean %.1f +- %.1f, median %g"):format(name,
    ("%.3fe-4"):format(errors:narrow(2, 1, WINDOW):mean():item() * 1e4), steps.mean,
    steps.spread, steps.median))
end

if args.noisy then
  print("noise of positions   error of a pixel in 31 frames   valid steps")
  return compare(("%g"):format(system.noise), fitted())
end
print("noise of the state   error of a pixel in 31 frames   valid steps")
for _, scale in ipairs { 1e-3, 3e-3, 1e-2, 3e-2 } do
  compare(("%g"):format(scale), near(q, scale), near(p, scale))
end
