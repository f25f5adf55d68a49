--- Table 1 as text, as numbers and as a picture.
-- @module torus.experiments.table1_report
local files = require "torus.files"
local markdown = require "torus.experiments.markdown"
local options = require "torus.options"
local plot = require "torus.plot"
local table1 = require "torus.experiments.table1"

local M = {}

local SPLITS = { "train", "test" }

local title = table1.title

-- --- Markdown ---------------------------------------------------------------

local function e4(x) return markdown.number("%.2f", x and x * 1e4) end

local function with_spread(split, key)
  return e4(split[key]) .. " ± " .. e4(split[key .. "_spread"])
end

-- The paper's layout: two columns for each system.
local function errors(rows, results, key)
  local head, body = { "MSE x 1e4" }, {}
  for _, system in ipairs(table1.systems) do
    for _, split in ipairs(SPLITS) do
      head[#head + 1] = title(system) .. " " .. split
    end
  end
  for _, row in ipairs(rows) do
    local own, any, theirs = { row.title }, false, { "*paper*" }
    for _, system in ipairs(table1.systems) do
      local result = results[row.name .. "-" .. system]
      local paper = row.paper and row.paper[system]
      for i, split in ipairs(SPLITS) do
        own[#own + 1] = result and with_spread(result[split], key) or ""
        theirs[#theirs + 1] = paper and string.format("*%.2f ± %.2f*",
          paper[2 * i - 1], paper[2 * i]) or ""
        any = any or result
      end
    end
    if any then
      body[#body + 1] = own
      if row.paper then body[#body + 1] = theirs end
    end
  end
  return markdown.table(head, body)
end

-- Key, title and format of the numbers of a cell's test sequences.
local DETAILS = {
  { "mse_clean", "MSE, noise-free frames", e4 },
  { "mse_given", "MSE, observed frames", e4 },
  { "mse_noise", "noise floor", e4 },
  { "mse_still", "own mean image", e4 },
  { "ratio", "ratio to that", "%.3f" },
  { "valid", "valid steps", "%.1f" },
  { "energy_mean", "energy", "%.4g" },
  { "energy_spread", "its spread between sequences", "%.2g" },
  { "energy_variance", "its variance in a rollout", "%.2g" },
  { "reversal_mse", "MSE forward and backward", "%.2g" },
}

local function shown(value, format)
  if type(format) == "function" then return format(value) end
  return markdown.number(format, value)
end

local function details(rows, results)
  local head, body = { "model", "system" }, {}
  for _, detail in ipairs(DETAILS) do head[#head + 1] = detail[2] end
  table.move({ "steps", "minutes" }, 1, 2, #head + 1, head)
  for _, row in ipairs(rows) do
    for _, system in ipairs(table1.systems) do
      local result = results[row.name .. "-" .. system]
      if result then
        local line = { row.title, title(system) }
        for _, detail in ipairs(DETAILS) do
          local key, _, format = table.unpack(detail)
          line[#line + 1] = shown(result.test[key], format)
        end
        line[#line + 1] = tostring(result.step)
        line[#line + 1] = string.format("%.1f", result.seconds / 60)
        body[#body + 1] = line
      end
    end
  end
  return markdown.table(head, body)
end

-- Rows on noise-free frames, or those on noisy ones.
local function rows_of(noisy)
  local rows = {}
  for _, row in ipairs(table1.rows()) do
    if row.noisy == noisy then rows[#rows + 1] = row end
  end
  return rows
end

local function any_result(rows, results)
  for _, row in ipairs(rows) do
    for _, system in ipairs(table1.systems) do
      if results[row.name .. "-" .. system] then return true end
    end
  end
end

--- @tparam table results by the cells' names
-- @tparam string scale
-- @treturn string Markdown
function M.markdown(results, scale)
  local clean, noisy = rows_of(false), rows_of(true)
  local s = table1.scales[scale]
  local parts = { string.format("Scale `%s`: %d training sequences, errors on "
    .. "%d of each split, ± between sequences. PixelHNN is the paper's HNN.\n",
    scale, s.data.train_size, math.min(s.count, s.data.test_size)) }
  parts[#parts + 1] = "Noise-free frames:\n\n"
    .. errors(clean, results, "mse_clean")
  parts[#parts + 1] = "On the test sequences (MSE x 1e4):\n\n"
    .. details(clean, results)
  if any_result(noisy, results) then
    parts[#parts + 1] = "Trained and tested on frames with the stated noise, "
      .. "errors against noise-free frames:\n\n" .. errors(noisy, results,
        "mse_clean")
    parts[#parts + 1] = "On the test sequences (MSE x 1e4):\n\n"
      .. details(noisy, results)
  end
  return table.concat(parts, "\n")
end

-- --- numbers ----------------------------------------------------------------

-- Every single number that was measured of any cell, by name.
local function numbers_of(results)
  local names = {}
  for _, result in pairs(results) do
    for _, split in ipairs(SPLITS) do
      for name, value in pairs(result[split]) do
        if type(value) == "number" then names[name] = true end
      end
    end
  end
  return options.sorted_keys(names)
end

--- One line for each cell and split.
-- @tparam table results by the cells' names
-- @treturn string comma-separated values with a header
function M.csv(results)
  local names, lines = numbers_of(results), {}
  for _, row in ipairs(table1.rows()) do
    for _, system in ipairs(table1.systems) do
      local result = results[row.name .. "-" .. system]
      for i, split in ipairs(result and SPLITS or {}) do
        local paper = row.paper and row.paper[system]
        local cells = { row.name, system, split, tostring(result.step),
          string.format("%.1f", result.seconds),
          paper and string.format("%g", paper[2 * i - 1] * 1e-4) or "" }
        for _, name in ipairs(names) do
          local value = result[split][name]
          cells[#cells + 1] = value and markdown.number("%.6g", value) or ""
        end
        lines[#lines + 1] = table.concat(cells, ",")
      end
    end
  end
  local head = "row,system,split,training_steps,seconds,paper_mse"
  for _, name in ipairs(names) do
    head = head .. "," .. (name == "steps" and "rollout_steps" or name)
  end
  return head .. "\n" .. table.concat(lines, "\n") .. "\n"
end

-- --- picture ----------------------------------------------------------------

local COLOURS = { pixel_hnn = "#999999", pixel_hnn_conv = "#555555", hgn_euler = "#d95f02",
  hgn_determ = "#7570b3", hgn_no_fpsi = "#e7298a", hgn_leapfrog = "#1b9e77" }

-- One panel per system: this table's test errors next to the paper's, a column for
-- each row, and the error of the mean image.
local function panel(system, results)
  local own, theirs, still = { x = {}, y = {} }, { x = {}, y = {} }, nil
  local labels = {}
  for i, row in ipairs(table1.rows()) do
    if row.more then break end
    local result = results[row.name .. "-" .. system]
    theirs.x[#theirs.x + 1], theirs.y[#theirs.y + 1] = i + 0.15,
      row.paper[system][3]
    labels[i] = { x = i, y = 0.14, text = row.title:gsub("HGN ", ""),
      align = "center", colour = COLOURS[row.name] }
    if result then
      own.x[#own.x + 1], own.y[#own.y + 1] = i - 0.15,
        (result.test.mse_clean or 0 / 0) * 1e4
      still = result.test.mse_still and result.test.mse_still * 1e4 or still
    end
  end
  local series = {
    { x = own.x, y = own.y, style = "points", colour = "#1b9e77",
      label = "torus" },
    { x = theirs.x, y = theirs.y, style = "points", colour = "#d95f02",
      label = "the paper" } }
  if still then
    series[3] = { x = { 0.5, 6.5 }, y = { still, still }, style = "dashes",
      colour = "#999999", label = "own mean image" }
  end
  return { title = title(system) .. ", test MSE x 1e4", series = series,
    xlabel = "row of the table", ylabel = "test MSE x 1e4",
    labels = labels, log = "y", xrange = { 0.5, 6.5 }, yrange = { 0.1, 10000 },
    legend = "top right" }
end

--- @tparam string path of a .png
-- @tparam table results by the cells' names
-- @treturn ?boolean true
-- @treturn ?string message
function M.picture(path, results)
  local panels = {}
  for i, system in ipairs(table1.systems) do
    panels[i] = panel(system, results)
  end
  return plot.figure { path = path, panels = panels, columns = 2,
    width = 1100, height = 760 }
end

--- Writes table.md, table.csv and table.png.
-- @tparam string out folder
-- @tparam table results by the cells' names
-- @tparam string scale
-- @treturn ?{string,...} files
-- @treturn ?string message
function M.write(out, results, scale)
  local written = {}
  for name, text in pairs { ["table.md"] = M.markdown(results, scale),
    ["table.csv"] = M.csv(results) } do
    local ok, message = files.write(out .. "/" .. name, text)
    if not ok then return nil, message end
    written[#written + 1] = out .. "/" .. name
  end
  table.sort(written)
  local ok, message = M.picture(out .. "/table.png", results)
  if not ok then return written, message end
  written[#written + 1] = out .. "/table.png"
  return written
end

return M
