--- PixelHNN on the restricted pendulum, where it is known to work, and on the
-- four systems, where according to the paper it predicts a static image; see
-- torus.experiments.baselines. Frames have no noise.
-- @module torus.tasks.pixel_hnn.baselines
local report = require "torus.tasks.pixel_hnn.report"

local M = {}

M.default_scale = "quick"

M.scales = {
  quick = "4,000 steps for the restricted pendulum, 600 for the others, with "
    .. "a learning rate that decays to a hundredth; errors × 10⁴.",
  full = "15,000 steps, as in the paper; errors × 10⁴.",
}

local RESTRICTED = {
  { name = "restricted-rk4", label = "restricted pendulum, rk4",
    changes = { step = "rk4" } },
  { name = "restricted-euler", label = "restricted pendulum, differences",
    changes = { step = "euler" } },
}

local SYSTEMS = { { "mass_spring", "mass on a spring" },
  { "pendulum", "pendulum" }, { "two_body", "two bodies" },
  { "three_body", "three bodies" } }

local FORMS = { { "plain", "the paper's form" }, { "full", "ours" } }

-- Seconds of a step, about.
local STEP = 0.06

local function scaled(row, steps, quick)
  row.preset = row.preset or "full"
  row.changes.noise = 0
  row.changes.steps = quick and steps or nil
  row.changes.lr_decay = quick and "cosine" or nil
  row.cost = (quick and steps or 15000) * STEP
  return row
end

--- @tparam string scale
-- @treturn {table,...}
function M.rows(scale)
  local quick, rows = scale == "quick", {}
  for i, row in ipairs(RESTRICTED) do
    local changes = { system = "restricted_pendulum", step = row.changes.step }
    rows[i] = scaled({ name = row.name, label = row.label,
      changes = changes }, 4000, quick)
  end
  for _, system in ipairs(SYSTEMS) do
    for _, form in ipairs(FORMS) do
      rows[#rows + 1] = scaled({ name = system[1] .. "-" .. form[1],
        label = system[2] .. ", " .. form[2], preset = form[1],
        changes = { system = system[1] } }, 600, quick)
    end
  end
  return rows
end

M.columns = {
  { title = "steps ahead", key = "steps", format = "%.0f" },
  { title = "MSE", key = "mse_clean", scale = 1e4 },
  { title = "own mean image", key = "mse_still", scale = 1e4 },
  { title = "auto-encoder", key = "autoencoder", scale = 1e4 },
  { title = "valid steps", key = "valid", format = "%.1f" },
  { title = "their median", key = "valid_median", format = "%.0f" },
  { title = "motion", key = "motion", format = "%.2f" },
  { title = "gap", key = "gap", format = "%.3f" },
}

M.notes = {
  "*MSE*: of rollouts from the first pair of 64 test sequences against "
  .. "noise-free frames; *own mean image*: of each sequence's; *auto-encoder*: of the "
  .. "first pair. *Valid steps*: until a frame's squared error exceeds 0.025 "
  .. "of its squared norm; the background counts, so a static image stays valid "
  .. "for long where bodies are small. *Motion*: variance over time in units of "
  .. "the data's, 0 for a static image. *Gap*: how near a latent orbit comes to "
  .. "its start again, in units of its largest distance from it.",
}

--- @tparam Module model
-- @tparam Dataset data
-- @treturn table numbers
function M.measure(model, data) return report.measure(model, data.test) end

return M
