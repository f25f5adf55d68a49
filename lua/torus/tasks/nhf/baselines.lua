--- Neural Hamiltonian Flows on mixtures and other densities; see
-- torus.experiments.baselines. The paper shows pictures and gives no figures.
-- @module torus.tasks.nhf.baselines
local report = require "torus.tasks.nhf.report"

local M = {}

M.default_scale = "quick"

M.scales = {
  quick = "Preset `small`; nats.",
  full = "Preset `long`; nats.",
  fine = "Preset `fine`; nats.",
}

-- The preset of each scale, and how much longer it trains than `small`.
local PRESETS = { quick = { "small", 1 }, full = { "long", 4 }, fine = { "fine", 1 } }

-- name, label, changes, cost of `small` in seconds
local TARGETS = {
  { "mixture2", "2 modes", { target = "mixture", modes = 2 }, 90 },
  { "mixture4", "4 modes", { target = "mixture", modes = 4 }, 90 },
  { "soft4", "4 modes, soft-uniform prior", { target = "mixture", modes = 4,
    prior = "soft_uniform" }, 100 },
  { "mixture8", "8 modes", { target = "mixture", modes = 8 }, 90 },
  { "rings", "two rings", { target = "rings" }, 90 },
  { "moons", "two moons", { target = "moons" }, 90 },
  { "line3", "3 modes, d = 1", { target = "mixture", modes = 3,
    dimension = 1 }, 60 },
  { "mixture4d16", "4 modes, d = 16", { target = "mixture", modes = 4,
    dimension = 16 }, 90 },
}

--- @tparam string scale
-- @treturn {table,...}
function M.rows(scale)
  local rows = {}
  for i, entry in ipairs(TARGETS) do
    local name, label, changes, cost = table.unpack(entry)
    rows[i] = { name = name, label = label, changes = changes,
      preset = PRESETS[scale][1], cost = PRESETS[scale][2] * cost }
  end
  return rows
end

-- The minimum and maximum of all the runs' shares of modes, relative to the even
-- share.
local function shares(found)
  local low, high = math.huge, -math.huge
  for _, result in ipairs(found) do
    for _, share in ipairs(result.shares or {}) do
      share = share * #result.shares
      low, high = math.min(low, share), math.max(high, share)
    end
  end
  if high < low then return "–" end
  return string.format("%.2f to %.2f", low, high)
end

local function modes(found)
  local low, high, of
  for _, result in ipairs(found) do
    local n = result.modes_found
    if n then
      low, high = math.min(low or n, n), math.max(high or n, n)
      of = result.modes
    end
  end
  if not of then return "–" end
  return low == high and string.format("%d of %d", low, of)
    or string.format("%d to %d of %d", low, high, of)
end

M.columns = {
  { title = "ELBO", key = "elbo", format = "%.3f" },
  { title = "−entropy", key = "negative_entropy", format = "%.3f" },
  { title = "gap", key = "gap", format = "%.3f" },
  { title = "importance bound", key = "importance", format = "%.3f" },
  { title = "divergence", key = "divergence", format = "%.3f" },
  { title = "ln density − ELBO", key = "density_minus_elbo",
    format = "%.3f" },
  { title = "its minimum", key = "least_density_minus_elbo", format = "%.3f" },
  { title = "integral", key = "integral", format = "%.4f" },
  { title = "its error", key = "integral_error", format = "%.4f" },
  { title = "error of the inverse", key = "inverse", format = "%.1e" },
  { title = "modes found", text = modes },
  { title = "shares", text = shares },
}

M.notes = {
  "*Gap*: how far the ELBO is below the target's negative entropy, which a "
  .. "perfect flow attains. *Importance bound*: with 64 samples of f(p|q); "
  .. "*divergence*: how far it is below the negative entropy, an upper bound "
  .. "of KL(target ‖ flow). Both are means over samples of the difference of "
  .. "logarithms, so their error is below that of the ELBO itself. *Shares*: "
  .. "minimum and maximum share of the flow's samples near one mode, 1 is even. "
  .. "*Its minimum*: over 64 samples, whose bound comes from 256 draws each. "
  .. "*Integral*: of the density, by importance sampling.",
}

--- @tparam Module model
-- @tparam Target target
-- @treturn table numbers
function M.measure(model, target)
  return report.measure(model, target, { quadrature = 64 })
end

return M
