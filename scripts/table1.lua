--- The paper's Table 1: every model on every system.
local argparse = require "argparse"
local cells = require "torus.experiments.cells"
local command = require "torus.runs.command"
local dist = require "torus.dist"
local report = require "torus.experiments.table1_report"
local table1 = require "torus.experiments.table1"

local parser = argparse("table1.lua",
  "Trains and evaluates the models of the paper's Table 1 on its four systems, "
  .. "cell by cell, and updates table.md, table.csv and table.png after every "
  .. "result. If interrupted, run the same command again to continue.",
  "Scales: quick takes just over an hour on two cores, evening about two, "
  .. "standard about a day; paper uses 50,000 sequences and 100,000 steps.")
parser:option("--scale", "Size of the data and length of training.", "quick")
  :choices(table1.scale_names)
parser:option("--only", "Run only some cells: a row, a system, or ROW,SYSTEM; "
  .. "repeatable.")
  :argname("ROW,SYSTEM"):count("*")
parser:flag("--all", "Also run the rows that are not in the paper: models trained "
  .. "with the stated noise, an HGN with a latent that can be sampled, and one with a "
  .. "vector phase space.")
parser:option("--out", "Output folder (default: runs/table1-SCALE)."):argname("DIR")
parser:flag("--list", "Print the names of the cells and exit.")

local function show(out, scale)
  return function(results)
    local _, problem = command.check(report.write(out, results, scale))
    if problem then io.stderr:write(problem, "\n") end
    print("\n" .. report.markdown(results, scale))
  end
end

local function main(args)
  local only = {}
  for i, text in ipairs(args.only) do
    only[i] = command.check(table1.parse_filter(text))
  end
  local out = args.out or "runs/table1-" .. args.scale
  local chosen = table1.cells(args.scale, { more = args.all, only = only })
  if args.list then
    for _, cell in ipairs(chosen) do print(cell.name) end
    return
  end
  -- The table also shows the results of earlier calls.
  local all = table1.cells(args.scale, { more = true })
  local write = show(out, args.scale)
  command.check(cells.run(chosen, { out = out,
    measure = function(model, data)
      return table1.measure(model, data, args.scale)
    end,
    changed = function() write(command.check(cells.results(out, all))) end }))
  if dist.rank() == 0 then write(command.check(cells.results(out, all))) end
end

command.main(parser, main, { processes = true })
