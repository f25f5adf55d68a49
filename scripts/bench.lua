--- Measures torus, and the same work in PyTorch, in one run.
--
-- Every figure comes from a process of its own, so that memory peaks are the
-- job's. Rounds of torus and its peer alternate, so that other load on the machine
-- affects both. Ratios are taken within a round.
local argparse = require "argparse"
local command = require "torus.runs.command"
local files = require "torus.files"
local json = require "dkjson"
local options = require "torus.options"
local rows = require "torus.bench.rows"
local torus = require "torus"

local parser = argparse("bench.lua",
  "Times the jobs that torus is made for; with --peer also PyTorch's.")
parser:option("--only", "Rows to run, by name."):args("+"):argname("<row>")
parser:option("--rounds", "Rounds of every row.", "5"):convert(command.count)
parser:option("--batch", "Another batch size."):convert(command.count)
parser:flag("--peer", "Also time the same work in PyTorch.")
parser:option("--python", "Python that has PyTorch.", "/usr/bin/python3")
parser:option("--json", "Also write the figures to a file."):argname("<file>")
parser:flag("--profile", "Also show the parts of the median run of each job.")
parser:flag("--list", "Print the names of the rows and exit.")
parser:option("--child"):hidden(true)

local here = arg[0]:match("^(.*)/[^/]*$") or "."

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function output_of(line)
  local pipe = assert(io.popen(line .. " 2>&1"))
  local text = pipe:read("a")
  local ok = pipe:close()
  return text, ok
end

local function child_command(args, row)
  local words = { quote(here .. "/torus"), quote(arg[0]), "--child", row.name }
  if args.batch then words[#words + 1] = "--batch " .. args.batch end
  if args.threads then
    table.insert(words, 1, "TORUS_THREADS=" .. args.threads)
  end
  return table.concat(words, " ")
end

local function measure_own(args, row)
  local text, ok = output_of(child_command(args, row))
  local figures = ok and json.decode(text)
  if not figures then command.die("row %s failed:\n%s", row.name, text) end
  return figures
end

local function check_python(args)
  local text, ok = output_of(quote(args.python) .. " -c 'import torch'")
  if ok then return end
  command.die("--peer: %s has no PyTorch, which is Debian's package "
    .. "python3-torch\n%s", args.python, text:match("([^\n]*)\n*$"))
end

local KEEP_MEMORY = "MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=-1 "
  .. "MALLOC_TOP_PAD_=268435456"

-- Seconds of PyTorch's best setting here: the better thread count, and for
-- large steps a malloc that keeps its memory.
local function measure_peer(args, row)
  local peer, threads, best = row.peer, torus.threads(), math.huge
  local words = { peer.malloc and KEEP_MEMORY or "", quote(args.python), "-B",
    quote(here .. "/../spec/support/" .. peer.script), peer.args,
    args.batch and "--batch " .. args.batch or "", "--threads " }
  local one = peer.single and threads > 1 and 1 or nil
  for _, count in ipairs { threads, one } do
    local text = output_of(table.concat(words, " ") .. count)
    local seconds = tonumber(text:match("step ([%d.]+) s"))
    if not seconds then
      command.die("the peer of %s failed:\n%s", row.name, text)
    end
    best = math.min(best, seconds)
  end
  return best
end

local function time_text(seconds)
  if seconds >= 1 then return ("%.2f s"):format(seconds) end
  if seconds >= 1e-3 then return ("%.2f ms"):format(seconds * 1e3) end
  return ("%.1f us"):format(seconds * 1e6)
end

local function run_row(args, row)
  local own, peers, ratios, peak = {}, {}, {}, 0
  for round = 1, args.rounds do
    own[round] = measure_own(args, row)
    peak = math.max(peak, own[round].peak_bytes)
    if args.peer and row.peer then
      peers[round] = measure_peer(args, row)
      ratios[round] = peers[round] / own[round].seconds
    end
  end
  local middle = rows.median(own, "seconds")
  local result = { row = row.name, what = row.what, rounds = args.rounds,
    threads = middle.threads, seconds = middle.seconds, least = own[1].seconds,
    most = own[#own].seconds, peak_bytes = peak, parts = middle.parts,
    goal = row.goal }
  if #ratios > 0 then
    result.peer_seconds, result.ratio = rows.median(peers), rows.median(ratios)
    result.ratio_least, result.ratio_most = ratios[1], ratios[#ratios]
  end
  return result
end

local function print_row(args, r)
  local line = ("| %s | %s (%s to %s) | %.2f GB |"):format(r.what,
    time_text(r.seconds), time_text(r.least), time_text(r.most),
    r.peak_bytes / 1e9)
  if r.ratio then
    line = line .. (" %s | %.2f (%.2f to %.2f) |"):format(
      time_text(r.peer_seconds), r.ratio, r.ratio_least, r.ratio_most)
  end
  print(line)
  if args.profile then
    for _, part in ipairs(r.parts) do
      print(("|   %s | %s | %.0f%% |"):format(part.name, time_text(part.seconds),
        100 * part.seconds / r.seconds))
    end
  end
  io.stdout:flush()
end

local function machine()
  local file = io.open("/proc/cpuinfo")
  local text = file and file:read("a") or ""
  if file then file:close() end
  return text:match("model name%s*:%s*([^\n]*)") or "unknown processor"
end

local function names()
  local list = {}
  for i, row in ipairs(rows.rows) do list[i] = row.name end
  return list
end

local function row_of(name)
  return rows.find(name)
    or command.die("--only: %s", options.unknown("row", name, names()))
end

local function chosen(args)
  if not args.only then return rows.rows end
  local list = {}
  for i, name in ipairs(args.only) do list[i] = row_of(name) end
  return list
end

local function save(path, results)
  command.check(files.write(path, json.encode({ machine = results.machine,
    rows = { table.unpack(results) } }, { indent = true }) .. "\n"))
end

local function main(args)
  if args.child then
    io.write(json.encode(rows.measure(row_of(args.child), args)))
    return
  end
  if args.list then
    for _, row in ipairs(rows.rows) do print(row.name, row.what) end
    return
  end
  if args.peer then check_python(args) end
  local list, results = chosen(args), { machine = machine() }
  print(("%s, medians of %d rounds (minimum to maximum)"):format(results.machine,
    args.rounds))
  print("| work | torus | peak memory |"
    .. (args.peer and " PyTorch | times faster |" or ""))
  print("| --- | --- | --- |" .. (args.peer and " --- | --- |" or ""))
  for i, row in ipairs(list) do
    results[i] = run_row(args, row)
    print_row(args, results[i])
  end
  if args.json then save(args.json, results) end
end

command.main(parser, main)
