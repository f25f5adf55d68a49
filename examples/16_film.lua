--- Your own film: from camera pictures to a model of the motion.
--
--     scripts/torus examples/16_film.lua          -- takes seconds
--     scripts/torus examples/16_film.lua 3000     -- learns, in a few minutes
--
-- This program makes a film such as a camera would record: 240 PNGs of a ball swinging in
-- front of a wall, with sensor noise. The same call opens an .mp4, a .gif or an array.
local torus = require "torus"

local out = "runs/examples/16_film"
assert(torus.files.make_folder(out .. "/film"))

-- --- the film ------------------------------------------------------------------

local HEIGHT, WIDTH, COUNT, PERIOD = 66, 100, 240, 24
torus.manual_seed(1)
local wall = torus.image.upscale(torus.rand(11, 20, 3), 6)
  :narrow(1, 1, HEIGHT):narrow(2, 1, WIDTH) * 0.4 + 0.2
local y = torus.arange(1, HEIGHT):reshape(HEIGHT, 1, 1)
local x = torus.arange(1, WIDTH):reshape(1, WIDTH, 1)
for t = 1, COUNT do
  local at = 50 + 30 * math.sin(2 * math.pi * t / PERIOD)
  local ball = ((x - at) ^ 2 + (y - 33) ^ 2):lt(8 ^ 2):to("float32")
  local frame = wall * (1 - ball) + ball * torus.tensor { 1, 0.9, 0.2 }
  assert(torus.image.write(("%s/film/%d.png"):format(out, t),
    frame + torus.randn(HEIGHT, WIDTH, 3) * 0.02))
end

-- --- what a model sees of it ------------------------------------------------------

-- Average 2 x 2 pixels, crop the sides to multiples of 8, remove the wall.
local opts = { length = 12, shrink = 2, fit = "crop", background = "median" }
local set = assert(torus.data.frames(out .. "/film", opts))
print(set)
local frames = set.train:batch { 1, 2, 3, 4, 5, 6, 7, 8 }
print("frames:", table.concat(frames.shape, " x "))

local true_wall = torus.data.frames(wall:expand(2, HEIGHT, WIDTH, 3), { length = 1,
  shrink = 2, fit = "crop" }).train:batch({ 1 })[1][1]
print(("the wall, found to %.4f"):format((set.background - true_wall):abs():mean():item()))

-- Where nothing moves, frames are 1/2: what differs is the ball, whose centre swings.
local moving = (frames - 0.5):abs():sum(5) -- (sequences, frames, height, width)
moving = (moving - 0.15):relu()
local columns = torus.arange(1, frames:size(4))
local centre = ((moving:sum(3) * columns):sum(3) / moving:sum { 3, 4 }):reshape(-1):totable()
local middle = 0
for _, at in ipairs(centre) do middle = middle + at / #centre end
local passages = {}
for t = 2, #centre do
  local a, b = centre[t - 1] - middle, centre[t] - middle
  if a < 0 and b >= 0 then passages[#passages + 1] = t - 1 + a / (a - b) end
end
print(("the ball swings in %.2f frames; made with %d"):format(
  (passages[#passages] - passages[1]) / (#passages - 1), PERIOD))

-- --- learning ----------------------------------------------------------------------

-- The same keys as in scripts/train.lua; film options begin with data_.
local steps = tonumber(arg and arg[1]) or 10
local config = assert(torus.runs.configuration.make("small", { data = out .. "/film",
  data_shrink = 2, data_fit = "crop", background = "median", frames = 12, dt = 1 / 24,
  resolution = 32, frame_width = 48, width = 8, batch = 4, steps = steps,
  save_every = steps, evaluate_every = steps }))
for _, name in ipairs { "config.json", "checkpoint.safetensors", "log.csv" } do
  os.remove(out .. "/run/" .. name) -- of an earlier call
end
local run = assert(torus.runs.train(out .. "/run", config))
local model = run.task.model
local test = set.test:batch { 1 }
local seen = model:reconstruct(test)
print(("after %d steps: squared error of a pixel %.5f, of the mean image %.5f"):format(steps,
  (seen - test):square():mean():item(), (test - test:mean(2, true)):square():mean():item()))

local restored = require("torus.data.films.background").restored
assert(torus.image.write(out .. "/strip.png", torus.image.strip { rows = {
  { label = "film", frames = restored(test[1], set.background) },
  { label = "without wall", frames = test[1] },
  { label = "model", frames = seen[1] } } }))
print("pictures:", out .. "/strip.png")
