--- Tables of the baseline models of HGN, on the tasks they were designed for, each with
-- several seeds, compared with the papers' figures.
--
-- The part `baselines` of a task defines what is trained and how it is measured:
--
--     scales             {[name] = a text above the table}
--     default_scale      name of one of them, for scripts/baselines.lua
--     rows(scale)        {name, label, preset, changes (of a configuration),
--                         cost (seconds, roughly),
--                         reference ({[key] = text})}, ...
--     columns            {title, key, scale, format}, or {title, text} with a
--                         function of a row's results, or {title, reference},
--                         the key of a figure to compare with
--     measure            see torus.experiments.cells
--     notes              texts below the table
--
-- @module torus.experiments.baselines
local cells = require "torus.experiments.cells"
local dist = require "torus.dist"
local lists = require "torus.tasks.lists"
local files = require "torus.files"
local markdown = require "torus.experiments.markdown"
local options = require "torus.options"
local tasks = require "torus.tasks"
local configuration = require "torus.runs.configuration"

local M = {}

--- The models that have baselines.
M.names = tasks.having "baselines"

local function definition(model)
  for _, name in ipairs(M.names) do
    if name == model then return tasks.get(model).baselines end
  end
  return nil, options.unknown("model with baselines", model, M.names)
end

local PLAN = {
  scale = { default = "quick", type = "string" },
  seeds = { default = 3, type = "integer", min = 1 },
  only = { type = "string" },
}

-- The rows whose names begin with a word.
local function selected(all, word)
  local rows, names = {}, {}
  for i, row in ipairs(all) do
    names[i] = row.name
    if not word or row.name:sub(1, #word) == word then
      rows[#rows + 1] = row
    end
  end
  if #rows > 0 then return rows end
  return nil, string.format("expected the beginning of a row's name, got %s "
    .. "(known: %s)", options.show(word), table.concat(names, ", "))
end

local function cell_of(model, row, seed)
  local changes = { model = model, seed = seed }
  for key, value in pairs(row.changes) do changes[key] = value end
  local config, message = configuration.make(row.preset, changes)
  if not config then return nil, row.name .. ": " .. message end
  return { name = row.name .. "-" .. seed, config = config, cost = row.cost }
end

--- Returns the cells of a table.
-- @tparam string model one of names
-- @tparam[opt] table opts scale="quick", "full" or of nhf "fine"; seeds=3; only, the beginning of
-- the names of the rows
-- @treturn ?table rows, each with its cells, and all the cells
-- @treturn ?string message
function M.plan(model, opts)
  local o = options.resolve("baselines", opts, PLAN)
  local known, message = definition(model)
  if not known then return nil, message end
  if not known.scales[o.scale] then
    local names = {}
    for _, name in ipairs { "quick", "full", "fine" } do
      if known.scales[name] then names[#names + 1] = ("%q"):format(name) end
    end
    return nil, string.format("scale: expected %s, got %q",
      table.concat(names, " or "), o.scale)
  end
  local plan = { definition = known, scale = o.scale, cells = {} }
  plan.rows, message = selected(known.rows(o.scale), o.only)
  if not plan.rows then return nil, message end
  -- Seed by seed, so that an early table has something in every row.
  for seed = 1, o.seeds do
    for _, row in ipairs(plan.rows) do
      row.cells = row.cells or {}
      local cell
      cell, message = cell_of(model, row, seed)
      if not cell then return nil, message end
      row.cells[seed], plan.cells[#plan.cells + 1] = cell, cell
    end
  end
  return plan
end

-- --- the table --------------------------------------------------------------

-- The existing results of a row.
local function of_row(row, results)
  local found = {}
  for _, cell in ipairs(row.cells) do
    found[#found + 1] = results[cell.name]
  end
  return found
end

--- Returns the mean and standard deviation of one number over results.
-- @tparam {table,...} found results
-- @tparam string key
-- @treturn ?number mean, nil if no result has it
-- @treturn ?number spread
function M.summary(found, key)
  local list = {}
  for _, result in ipairs(found) do
    if type(result[key]) == "number" then list[#list + 1] = result[key] end
  end
  if #list == 0 then return nil end
  return lists.mean_and_spread(list)
end

local function field(column, row, found)
  if column.reference then
    return row.reference and row.reference[column.reference] or "–"
  end
  if #found == 0 then return "–" end
  if column.text then return column.text(found) end
  local mean, spread = M.summary(found, column.key)
  if not mean then return "–" end
  local scale, format = column.scale or 1, column.format or "%.3g"
  local text = markdown.number(format, mean * scale)
  if #found == 1 then return text end
  return text .. " ± " .. markdown.number(format, spread * scale)
end

--- Returns the table in Markdown.
-- @tparam table plan
-- @tparam table results by the cells' names
-- @treturn string
function M.markdown(plan, results)
  local columns = plan.definition.columns
  local titles, body = { "", "runs" }, {}
  for i, column in ipairs(columns) do titles[i + 2] = column.title end
  for r, row in ipairs(plan.rows) do
    local found = of_row(row, results)
    body[r] = { row.label, #found == #row.cells and tostring(#found)
      or string.format("%d of %d", #found, #row.cells) }
    for i, column in ipairs(columns) do
      body[r][i + 2] = field(column, row, found)
    end
  end
  local parts = { plan.definition.scales[plan.scale] .. "\n",
    markdown.table(titles, body) }
  for _, note in ipairs(plan.definition.notes) do
    parts[#parts + 1] = note .. "\n"
  end
  return table.concat(parts, "\n")
end

--- Returns the table's numbers and their spread over seeds as CSV.
-- @tparam table plan
-- @tparam table results by the cells' names
-- @treturn string
function M.csv(plan, results)
  local head, lines = { "row", "runs" }, {}
  local keys = {}
  for _, column in ipairs(plan.definition.columns) do
    if column.key then
      keys[#keys + 1] = column.key
      table.move({ column.key, column.key .. "_spread" }, 1, 2, #head + 1, head)
    end
  end
  lines[1] = table.concat(head, ",")
  for _, row in ipairs(plan.rows) do
    local found = of_row(row, results)
    local fields = { row.name, tostring(#found) }
    for _, key in ipairs(keys) do
      local mean, spread = M.summary(found, key)
      fields[#fields + 1] = mean and markdown.number("%.9g", mean) or ""
      fields[#fields + 1] = mean and markdown.number("%.9g", spread) or ""
    end
    lines[#lines + 1] = table.concat(fields, ",")
  end
  return table.concat(lines, "\n") .. "\n"
end

local RUN = {
  scale = PLAN.scale, seeds = PLAN.seeds, only = PLAN.only,
  out = { required = true, type = "path" },
  say = { default = print, type = "callable" },
}

--- Trains and measures the cells without a result. After every result, table.md and
-- table.csv in the folder are rewritten and the changed rows are reported.
-- @tparam string model one of names
-- @tparam table opts out, the folder; scale="quick", seeds=3, only, as in plan;
-- say, a function that prints a line (print)
-- @treturn ?string the table in Markdown
-- @treturn ?string message why it ended early
function M.run(model, opts)
  local o = options.resolve("baselines", opts, RUN)
  local plan, message = M.plan(model, { scale = o.scale, seeds = o.seeds,
    only = o.only })
  if not plan then return nil, message end
  local function write(results)
    local text = M.markdown(plan, results)
    local ok, problem = files.write(o.out .. "/table.md", text)
    if ok then
      ok, problem = files.write(o.out .. "/table.csv", M.csv(plan, results))
    end
    if not ok then return nil, problem end
    return text
  end
  local shown = {}
  local function report(results)
    for line in (write(results) or ""):gmatch("[^\n]+") do
      if line:sub(1, 1) == "|" and not shown[line] then o.say(line) end
      shown[line] = true
    end
  end
  local results
  results, message = cells.run(plan.cells, { out = o.out, say = o.say,
    measure = plan.definition.measure, changed = report })
  if not results then return nil, message end
  return dist.rank() == 0 and write(results) or M.markdown(plan, results)
end

return M
