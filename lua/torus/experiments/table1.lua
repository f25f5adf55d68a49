--- The paper's Table 1: models, systems and scales, and the paper's results.
-- @module torus.experiments.table1
local hgn = require "torus.tasks.hgn"
local measure = require "torus.tasks.frames"
local options = require "torus.options"
local configuration = require "torus.runs.configuration"
local engine = require "torus.engine"

local M = {}

--- The systems, in the paper's order.
M.systems = { "mass_spring", "pendulum", "two_body", "three_body" }

--- Returns the display name of a system.
-- @tparam string system
-- @treturn string
function M.title(system) return (system:gsub("_", " ")) end

-- Rows in the paper's order: the model, and how it differs from the others. The
-- paper's "HNN" is the PixelHNN; `former` is the row's name in older folders.
local ROWS = {
  { name = "pixel_hnn", former = "hnn", title = "PixelHNN",
    model = "pixel_hnn", changes = { kind = "mlp" } },
  { name = "pixel_hnn_conv", former = "hnn_conv", title = "PixelHNN conv",
    model = "pixel_hnn", changes = { kind = "conv" } },
  { name = "hgn_euler", title = "HGN euler", model = "hgn",
    changes = { variant = "euler" } },
  { name = "hgn_determ", title = "HGN determ", model = "hgn",
    changes = { variant = "determ" } },
  { name = "hgn_no_fpsi", title = "HGN no f_psi", model = "hgn",
    changes = { variant = "no_fpsi" } },
  { name = "hgn_leapfrog", title = "HGN leapfrog", model = "hgn",
    changes = { variant = "leapfrog" } },
}

-- Rows beyond the paper's: three models trained on frames with the systems'
-- stated noise too, HGN with a latent to sample from, and HGN with a phase space of
-- the system's own dimension.
local MORE = {
  { of = "pixel_hnn", suffix = "_noisy", title = ", noisy", noisy = true },
  { of = "pixel_hnn_conv", suffix = "_noisy", title = ", noisy", noisy = true },
  { of = "hgn_leapfrog", suffix = "_noisy", title = ", noisy", noisy = true },
  { of = "hgn_leapfrog", suffix = "_generative", title = ", generative",
    changes = hgn.generative },
  { of = "hgn_leapfrog", suffix = "_vector", title = ", vector phase space",
    changes = { phase = "vector" } },
}

-- Degrees of freedom of what the frames show; of two bodies their relative motion, as the
-- centre of mass rests.
local DEGREES = { mass_spring = 1, pendulum = 1, two_body = 2, three_body = 4 }

-- The paper's Table 1: mean and spread of the pixel MSE x 1e4 on the train
-- and on the test set, by row and system.
local PAPER = {
  pixel_hnn = { mass_spring = { 50.38, 1.75, 104.37, 52.51 },
    pendulum = { 69.39, 0.89, 64.62, 0.87 },
    two_body = { 80.52, 1.79, 78.9, 1.93 },
    three_body = { 61.63, 3.31, 57.54, 2.39 } },
  pixel_hnn_conv = { mass_spring = { 18.97, 0.77, 119.09, 69.17 },
    pendulum = { 13.14, 0.66, 106.07, 41.94 },
    two_body = { 7.3, 0.38, 120.71, 44.48 },
    three_body = { 15.22, 1.99, 62.77, 37.57 } },
  hgn_euler = { mass_spring = { 3.67, 1.09, 6.2, 2.69 },
    pendulum = { 5.43, 2.53, 10.93, 4.32 },
    two_body = { 6.62, 3.93, 15.06, 7.01 },
    three_body = { 7.51, 3.49, 9.4, 3.92 } },
  hgn_determ = { mass_spring = { 0.23, 0.23, 3.07, 1.06 },
    pendulum = { 0.79, 1.24, 10.68, 3.19 },
    two_body = { 2.34, 2.3, 14.47, 5.24 },
    three_body = { 4.1, 2.05, 5.17, 1.96 } },
  hgn_no_fpsi = { mass_spring = { 4.95, 1.71, 7.04, 2.55 },
    pendulum = { 6.83, 3.29, 13.98, 4.94 },
    two_body = { 6.35, 3.86, 16.49, 6.6 },
    three_body = { 8.37, 3.13, 10.41, 3.72 } },
  hgn_leapfrog = { mass_spring = { 3.84, 1.07, 6.23, 2.03 },
    pendulum = { 4.9, 1.86, 11.72, 4.14 },
    two_body = { 6.36, 3.29, 16.47, 7.15 },
    three_body = { 7.88, 3.55, 9.8, 3.72 } },
}

-- What the HGNs with vector phase spaces are trained with at every scale.
local VECTOR = { preset = "small", seconds = 0.13, changes = {} }

-- A scale for two cores: HGNs and convolutions of half the width, for `halves`
-- times 600 steps of HGN.
local function reduced(train_size, halves)
  return {
    count = 256,
    data = { train_size = train_size, test_size = 256 },
    hgn = { preset = "sharp", seconds = 0.13,
      changes = { steps = 600 * halves } },
    mlp = { preset = "full", seconds = 0.03,
      changes = { steps = 2000 * halves, lr_decay = "cosine" } },
    conv = { preset = "full", seconds = 0.25,
      changes = { steps = 400 * halves, conv_width = 32, lr = 1e-3,
        lr_decay = "cosine" } },
  }
end

--- The scales: sizes of the data, presets and changes by model, with an estimate of
-- a step's seconds on two cores; `count` sequences of each split are measured.
-- The table is about reconstructions, so its HGNs have the preset `sharp`; vector phase
-- spaces have one preset of their own at every scale.
M.scales = {
  quick = reduced(4000, 2),
  evening = reduced(6000, 3),
  standard = {
    count = 512,
    data = { train_size = 20000, test_size = 2000 },
    hgn = { preset = "sharp", seconds = 0.3, changes = {
      width = 64, steps = 10000, horizon_steps = 1000, kl_warmup = 2000 } },
    mlp = { preset = "full", seconds = 0.03, changes = { steps = 15000 } },
    conv = { preset = "full", seconds = 0.5, changes = { steps = 15000 } },
  },
  paper = {
    count = 2048,
    data = { train_size = 50000, test_size = 10000 },
    hgn = { preset = "sharp", seconds = 0.7, changes = {
      width = 64, decode_frames = 31, steps = 100000, horizon_steps = 1000,
      kl_warmup = 2000, lr = 1.5e-4, lr_decay = "none" } },
    mlp = { preset = "full", seconds = 0.03, changes = { steps = 15000 } },
    conv = { preset = "full", seconds = 0.5, changes = { steps = 15000 } },
  },
}

--- The names of the scales, from the smallest.
M.scale_names = { "quick", "evening", "standard", "paper" }

-- The configuration of one cell, and an estimate of its seconds.
local function configure(row, system, scale)
  local changes = { model = row.model, system = system,
    noise = not row.noisy and 0 or nil }
  local part, data = scale[row.changes.kind or row.model], scale.data
  if row.changes.phase == "vector" then
    part, data = VECTOR, { test_size = scale.data.test_size }
    changes.dimension = DEGREES[system]
  end
  local config, message = configuration.make(part.preset,
    options.joined(changes, data, part.changes, row.changes))
  return assert(config, message), part.seconds * config.steps
end

-- True if one of the filters, each a row, a system or both, matches a cell.
local function matches(only, row, system)
  if #only == 0 then return true end
  for _, filter in ipairs(only) do
    if (not filter.row or filter.row == row)
      and (not filter.system or filter.system == system) then
      return true
    end
  end
  return false
end

-- The row of a name, which may be the former one used in older folders.
local function row_named(name)
  for _, row in ipairs(M.rows()) do
    if row.name == name or row.former == name then return row end
  end
end

local function is_system(name)
  for _, system in ipairs(M.systems) do
    if system == name then return true end
  end
  return false
end

-- All names that a filter may consist of: rows, then systems.
local function names()
  local list = {}
  for i, row in ipairs(M.rows()) do list[i] = row.name end
  return table.move(M.systems, 1, #M.systems, #list + 1, list)
end

--- Reads "ROW", "SYSTEM" or "ROW,SYSTEM".
-- @tparam string text
-- @treturn ?table row and system, either may be nil
-- @treturn ?string message
function M.parse_filter(text)
  local filter = {}
  for name in text:gmatch("[^,]+") do
    local row = row_named(name)
    if row then
      filter.row = row.name
    elseif is_system(name) then
      filter.system = name
    else
      return nil, options.unknown("row or system", name, names())
    end
  end
  return filter
end

--- Returns the rows: name, former (in older folders, or nil), title, model, changes of the
-- configuration, more (not one of the paper's), noisy (trained on the stated
-- noise), paper (the paper's figures by system, or nil).
-- @treturn {table,...} the paper's in its order, then the others
function M.rows()
  local rows, by_name = {}, {}
  for i, row in ipairs(ROWS) do
    rows[i] = { name = row.name, former = row.former, title = row.title,
      model = row.model, changes = row.changes, noisy = false, more = false,
      paper = PAPER[row.name] }
    by_name[row.name] = rows[i]
  end
  for _, more in ipairs(MORE) do
    local of = by_name[more.of]
    rows[#rows + 1] = { name = of.name .. more.suffix,
      former = of.former and of.former .. more.suffix,
      title = of.title .. more.title, model = of.model,
      changes = options.joined(of.changes, more.changes or {}),
      noisy = more.noisy or false, more = true }
  end
  return rows
end

-- The paper's full model first, the rows beyond the paper's last.
local function in_working_order(rows)
  local list = {}
  for _, more in ipairs { false, true } do
    for i = #rows, 1, -1 do
      if rows[i].more == more then list[#list + 1] = rows[i] end
    end
  end
  return list
end

--- Returns the cells of a table in the order in which they are trained: row by row, each
-- system by system, the paper's full model first.
-- @tparam string scale a name of M.scales
-- @tparam[opt] table opts more=false (the rows beyond the paper's as well);
-- only, a list of filters as returned by parse_filter: by default all cells
-- @treturn {table,...} for torus.experiments.cells, with row and system; includes cells
-- beyond the paper's if a filter names their row
function M.cells(scale, opts)
  opts = opts or {}
  local only, cells, named = opts.only or {}, {}, {}
  for _, filter in ipairs(only) do named[filter.row or ""] = true end
  for _, row in ipairs(in_working_order(M.rows())) do
    for _, system in ipairs(M.systems) do
      if matches(only, row.name, system)
        and (not row.more or opts.more or named[row.name]) then
        local config, cost = configure(row, system, M.scales[scale])
        cells[#cells + 1] = { name = row.name .. "-" .. system,
          former = row.former and row.former .. "-" .. system, row = row,
          system = system, config = config, cost = cost }
      end
    end
  end
  return cells
end

--- Measures a trained cell.
-- @tparam Module model
-- @tparam Dataset data
-- @tparam string scale
-- @treturn table train and test, as returned by torus.tasks.frames.measure
function M.measure(model, data, scale)
  return engine.no_grad(function()
    local count = M.scales[scale].count
    return { train = measure.measure(model, data.train, { count = count }),
      test = measure.measure(model, data.test, { count = count }) }
  end)
end

return M
