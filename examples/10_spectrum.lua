--- Fourier transforms: the power spectrum of a trajectory.
--
--     scripts/torus examples/10_spectrum.lua
--
-- A complex number is a pair of real tensors here, so a spectrum is two ordinary
-- tensors. The picture goes to runs/examples/ (it needs gnuplot; the rest does
-- not).
local torus = require "torus"
local fft = torus.fft

local function section(title) print("\n--- " .. title) end

local float64 = { dtype = "float64" }

section("a signal and back")
local t = torus.arange(0, 63, 1, float64) / 64
local signal = (t * (2 * math.pi * 5)):cos() * 3 + (t * (2 * math.pi * 12)):sin()
local re, im = fft.rfft(signal)
print("elements:", re:size(1), "of", signal:size(1), "samples")
-- A wave of 5 turns with amplitude 3 has 3/2 of the 64 samples in element 6,
-- and a sine is imaginary.
print(("5 turns: %.1f%+.1fi   12 turns: %.1f%+.1fi"):format(
  re[6]:item(), im[6]:item(), re[13]:item(), im[13]:item()))
print(("back: off by %.1e"):format(
  (fft.irfft(re, im, 64) - signal):abs():max():item()))

section("pendulums")
-- Unit mass and length, g = 9.81, let go at rest from several angles, all in
-- one batch (batch, 1).
local g = 9.81
local pendulum = torus.separable(
  function(p) return p:square():sum(2) * 0.5 end,
  function(q) return (1 - q:cos()):sum(2) * g end)
local angles = torus.tensor({ 0.1, 1, 2, 3 }, float64)
local dt, steps = 0.02, 4095

local function roll(start)
  return torus.integrate { H = pendulum, method = "yoshida4", dt = dt,
    steps = steps, q = start:unsqueeze(2), p = torus.zeros_like(start):unsqueeze(2) }
end
local q = torus.no_grad(roll, angles).q:squeeze(3):transpose() -- (batch, time)

-- The samples begin and end anywhere in a swing. A window that falls to zero at
-- both ends keeps a line from spreading over the whole spectrum. With Gauss's
-- curve a line is such a curve too, and its logarithm a parabola.
local samples = steps + 1
local window = (torus.linspace(-5, 5, samples, float64):square() * -0.5):exp()
local function power_of(x)
  local a, b = fft.rfft(x * window)
  return a:square() + b:square()
end
local power = power_of(q)
local frequencies = fft.rfftfreq(samples, dt, float64)

-- A line lies between elements, at the vertex of the parabola through the
-- logarithms of the largest element and its neighbours.
local function peak_of(row)
  local i = row:detach():argmax(1):item()
  local low, mid, high = row[i - 1]:log(), row[i]:log(), row[i + 1]:log()
  local shift = (low - high) / (low - mid * 2 + high) * 0.5
  return (shift + (i - 1)) / (samples * dt)
end

-- Exactly: f = sqrt(g) agm(1, cos(angle/2)) / 2 pi, by Gauss's arithmetic and
-- geometric mean; small swings have sqrt(g) / 2 pi.
local function exact_frequency(angle)
  local a, b = 1, math.cos(angle / 2)
  for _ = 1, 8 do a, b = (a + b) / 2, math.sqrt(a * b) end
  return math.sqrt(g) * a / (2 * math.pi)
end

print(("small swings: %.6f; elements are %.4f apart"):format(
  math.sqrt(g) / (2 * math.pi), frequencies[2]:item()))
print("angle   peak       exact      difference")
for i, angle in ipairs(angles:totable()) do
  local peak, exact = peak_of(power[i]):item(), exact_frequency(angle)
  print(("%.1f     %.6f   %.6f   %.1e"):format(angle, peak, exact,
    math.abs(peak - exact)))
end

section("overtones")
-- A swing is the same to both sides: only odd multiples of the frequency. The
-- wider the swing, the stronger they are.
print("angle   power at 2 f, 3 f, 4 f, 5 f, of that at f")
for i, angle in ipairs(angles:totable()) do
  local f = exact_frequency(angle)
  local parts = {}
  for k = 1, 5 do
    local at = math.floor(k * f * samples * dt + 0.5) + 1
    parts[k] = power[i][{ { at - 2, at + 2 } }]:sum():item()
  end
  print(("%.1f    "):format(angle) .. (" %.0e"):rep(4):format(
    parts[2] / parts[1], parts[3] / parts[1], parts[4] / parts[1],
    parts[5] / parts[1]))
end

section("gradients flow through")
-- How the frequency changes with the angle: through the transform, the window
-- and 4095 steps of the integrator, against the derivative of the exact one.
local start = torus.variable(torus.tensor({ 2 }, float64))
local found = peak_of(power_of(roll(start).q:reshape(1, samples))[1])
local slope = torus.grad(found, start)
local h = 1e-4
local exact = (exact_frequency(2 + h) - exact_frequency(2 - h)) / (2 * h)
print(("df/dangle at 2: %.5f by gradient, %.5f exactly"):format(
  slope:item(), exact))

section("a filter")
-- A noisy pendulum; what lies above three times its frequency is set to zero.
torus.manual_seed(1)
local noisy = q[3] + torus.randn({ samples }, float64) * 0.5
local a, b = fft.rfft(noisy)
local keep = frequencies:le(3.5 * exact_frequency(2)):to("float64")
local smooth = fft.irfft(a * keep, b * keep, samples)
local function error_of(x) return (x - q[3]):square():mean():sqrt():item() end
print(("error of the samples: %.3f, of the filtered ones: %.3f"):format(
  error_of(noisy), error_of(smooth)))

section("a picture")
os.execute("mkdir -p runs/examples")
local lines = {}
for i, angle in ipairs(angles:totable()) do
  local row = (power[i] / power[i]:max()):log() * (10 / math.log(10))
  lines[i] = { x = frequencies[{ { 1, 400 } }], y = row[{ { 1, 400 } }],
    label = ("angle %.1f"):format(angle) }
end
local ok, message = torus.plot.figure {
  path = "runs/examples/10_spectrum.png", width = 900,
  panels = { { title = "spectra of a pendulum", xlabel = "frequency",
    ylabel = "power in dB", yrange = { -140, 5 }, series = lines, legend = "below" } },
}
print(ok and "see runs/examples/10_spectrum.png" or message)
