--- Measures torus, and the same work in other libraries, in one run.
--
-- Every figure comes from a process of its own, so that memory peaks are the
-- job's. Rounds of torus and its peers alternate, so that other load on the machine
-- affects all. Ratios are taken within a round, with the best peer of that round.
local argparse = require "argparse"
local bound = require "torus.bench.bound"
local command = require "torus.runs.command"
local core = require "torus.core"
local files = require "torus.files"
local json = require "dkjson"
local options = require "torus.options"
local peers = require "torus.bench.peers"
local rows = require "torus.bench.rows"
local torus = require "torus"

local parser = argparse("bench.lua", "Times typical workloads of torus. With --peer, "
  .. "also times PyTorch, torch.compile, bfloat16 autocast, JAX and NumPy, whichever "
  .. "are installed, and compares with the fastest of them.")
parser:option("--only", "Run only these rows."):args("+"):argname("ROW")
parser:option("--rounds", "Number of rounds per row.", "5"):argname("N"):convert(command.count)
parser:option("--batch", "Use another batch size."):argname("N"):convert(command.count)
parser:flag("--peer", "Also time the same work in other libraries.")
parser:option("--python", "Python with these libraries, unless the environment variable "
  .. "TORUS_PYTHON names one.", os.getenv "TORUS_PYTHON" or "python3"):argname("PROGRAM")
parser:option("--patience", "Time limit for a peer in seconds, including compilation.",
  "1200"):argname("N"):convert(command.count)
parser:option("--minutes", "Time limit for all rows. Each row gets an equal share of "
  .. "the time that is left, and stops starting peers and rounds when it is used up."
  ):argname("N"):convert(command.count)
parser:option("--json", "Also write the results to a JSON file."):argname("FILE")
parser:flag("--profile", "Also show the time of each part in a job's median run.")
parser:flag("--list", "Print the names of the rows and exit.")
parser:option("--child"):hidden(true)
parser:option("--precision"):hidden(true)

-- A peer this many times slower than the best of its first round isn't asked again.
local HOPELESS = 2
-- No peer is started with fewer seconds left.
local SHORTEST = 5

local here = arg[0]:match("^(.*)/[^/]*$") or "."
local folder = here .. "/dev/peers"

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function measure_own(args, row, precision)
  local words = { quote(here .. "/torus"), quote(arg[0]), "--child", row.name,
    "--precision", precision }
  if args.batch then words[#words + 1] = "--batch " .. args.batch end
  if args.threads then
    table.insert(words, 1, "TORUS_THREADS=" .. args.threads)
  end
  local pipe = assert(io.popen(table.concat(words, " ") .. " 2>&1"))
  local text = pipe:read("a")
  local figures = pipe:close() and json.decode(text)
  if not figures then command.die("row %s failed:\n%s", row.name, text) end
  return figures
end

-- --- rounds -----------------------------------------------------------------

-- Seconds until `finish`, a time of torus.clock; without one there is no limit.
local function left(finish) return finish and finish - torus.clock() or math.huge end

local function measure_peer(args, entry, finish)
  -- Half of the remaining time, so that the following peers get their turn.
  local patience = math.min(args.patience, left(finish) / 2) // 1
  if patience < SHORTEST then return nil, "no time left" end
  local seconds, found = peers.measure(entry.peer, { python = args.python,
    folder = folder, patience = patience, batch = args.batch,
    threads = entry.threads })
  if seconds then return seconds, found end
  return nil, "failed: " .. found
end

-- What one round measured: torus by precision, peers by name.
local function run_round(args, row, asked, finish)
  local round = { own = {}, peers = {} }
  for _, precision in ipairs(rows.precisions(row)) do
    round.own[precision] = measure_own(args, row, precision)
  end
  for _, entry in ipairs(asked) do
    if not entry.given_up then
      local seconds, found = measure_peer(args, entry, finish)
      if seconds then
        round.peers[entry.peer.name] = seconds
        entry.seconds[#entry.seconds + 1] = seconds
        entry.threads = found
      else
        entry.given_up = found
      end
    end
  end
  return round
end

-- The least seconds of a round's peers, in float32 or in any precision.
local function best_peer(round, asked, any)
  local best, name = math.huge, nil
  for _, entry in ipairs(asked) do
    local seconds = round.peers[entry.peer.name]
    if seconds and (any or not entry.peer.bfloat16) and seconds < best then
      best, name = seconds, entry.peer.name
    end
  end
  return name and best, name
end

local function give_up_slow(round, asked)
  local narrow, wide = best_peer(round, asked, true), best_peer(round, asked)
  for _, entry in ipairs(asked) do
    local seconds = round.peers[entry.peer.name]
    local best = entry.peer.bfloat16 and narrow or wide
    if seconds and best and seconds > HOPELESS * best then
      entry.given_up = "one round, far behind"
    end
  end
end

-- --- results ----------------------------------------------------------------

-- Own seconds of a round: in float32, or the best precision's.
local function own_of(round, best)
  local chosen = round.own.float32
  for _, figures in pairs(best and round.own or {}) do
    if figures.seconds < chosen.seconds then chosen = figures end
  end
  return chosen
end

-- One line of the table, in float32 or in the best precision of each.
local function result_of(row, rounds, asked, best)
  local own, ratios, times, names, peak = {}, {}, {}, {}, 0
  for i, round in ipairs(rounds) do
    own[i] = own_of(round, best)
    peak = math.max(peak, own[i].peak_bytes)
    local seconds, name = best_peer(round, asked, best)
    if seconds then
      times[#times + 1] = seconds
      ratios[#ratios + 1] = seconds / own[i].seconds
      names[name] = (names[name] or 0) + 1
    end
  end
  local middle = rows.median(own, "seconds")
  local result = { row = row.name, what = row.what, rounds = #rounds,
    precision = row.precisions and (best and "best of each" or "float32") or nil,
    threads = middle.threads, seconds = middle.seconds, least = own[1].seconds,
    most = own[#own].seconds, peak_bytes = peak, parts = middle.parts,
    goal = row.goals and row.goals[best and 2 or 1] }
  if #ratios > 0 then
    result.peer_seconds, result.ratio = rows.median(times), rows.median(ratios)
    result.ratio_least, result.ratio_most = ratios[1], ratios[#ratios]
    for name, count in pairs(names) do
      if not result.peer or count > names[result.peer] then result.peer = name end
    end
  end
  return result
end

local function add_peers(result, asked)
  result.peers = {}
  for i, entry in ipairs(asked) do
    local list = entry.seconds
    result.peers[i] = { name = entry.peer.name, rounds = #list,
      seconds = #list > 0 and rows.median(list) or nil, note = entry.given_up }
  end
end

local function count_running(asked)
  local count = 0
  for _, entry in ipairs(asked) do
    if not entry.given_up then count = count + 1 end
  end
  return count
end

-- All rounds of a row, or as many as are likely to end before `finish`. They end where a
-- peer is lost that was near the best: the others would be compared with worse ones.
local function run_rounds(args, row, asked, finish)
  local rounds = {}
  for i = 1, args.rounds do
    local begin, running = torus.clock(), count_running(asked)
    local round = run_round(args, row, asked, finish)
    if i > 1 and count_running(asked) < running then break end
    rounds[i] = round
    if i == 1 then give_up_slow(rounds[1], asked) end
    -- After the first round slow peers are left out, and one number of threads.
    local took = torus.clock() - begin
    if left(finish) < (i == 1 and took / 2 or took) then break end
  end
  return rounds
end

-- A row's lines of the table. finish: when they should be there, or nil.
local function run_row(args, row, versions, finish)
  local asked = {}
  for _, peer in ipairs(versions and row.peers or {}) do
    local missing = peers.missing(peer, versions)
    asked[#asked + 1] = { peer = peer, seconds = {},
      given_up = missing and "missing: " .. missing or nil }
  end
  local rounds = run_rounds(args, row, asked, finish)
  local list = { result_of(row, rounds, asked) }
  if row.precisions then list[2] = result_of(row, rounds, asked, true) end
  local work = rows.multiply_adds(row, args.batch)
  local least = work
    and math.max(work / args.peak, rows.bytes(row) / args.read_rate)
  for _, result in ipairs(list) do
    result.bound = least
    if versions then add_peers(result, asked) end
  end
  return list
end

-- --- the table --------------------------------------------------------------

local function time_text(seconds)
  if not seconds then return "-" end
  if seconds >= 1 then return ("%.2f s"):format(seconds) end
  if seconds >= 1e-3 then return ("%.2f ms"):format(seconds * 1e3) end
  if seconds >= 1e-6 then return ("%.1f us"):format(seconds * 1e6) end
  return ("%.0f ns"):format(seconds * 1e9)
end

local function print_row(args, r)
  local what = r.precision and r.what .. "; " .. r.precision or r.what
  if r.rounds < args.rounds then
    what = ("%s; rounds: %d"):format(what, r.rounds)
  end
  local line = ("| %s | %s (%s to %s) | %.2f GB | %s |"):format(what,
    time_text(r.seconds), time_text(r.least), time_text(r.most),
    r.peak_bytes / 1e9, time_text(r.bound))
  if r.ratio then
    line = line .. (" %s, %s | %.2f (%.2f to %.2f) | %s |"):format(
      time_text(r.peer_seconds), r.peer, r.ratio, r.ratio_least, r.ratio_most,
      r.goal and ("%g"):format(r.goal) or "-")
  elseif args.peer then
    line = line .. " - | - | - |"
  end
  print(line)
  for _, part in ipairs(args.profile and r.parts or {}) do
    print(("|   %s | %s | %.0f%% |"):format(part.name, time_text(part.seconds),
      100 * part.seconds / r.seconds))
  end
end

-- Every peer of a row, below the table.
local function print_peers(results)
  print("\n| work | peer | median | rounds |\n| --- | --- | --- | --- |")
  local last
  for _, r in ipairs(results) do
    for _, peer in ipairs(r.row ~= last and r.peers or {}) do
      print(("| %s | %s | %s | %s |"):format(r.row, peer.name,
        time_text(peer.seconds), peer.rounds
          .. (peer.note and "; " .. peer.note or "")))
    end
    last = r.row
  end
end

local FLAGS = { "avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16" }

local function machine()
  local file = io.open("/proc/cpuinfo")
  local text = file and file:read("a") or ""
  if file then file:close() end
  local has, found = text:match("flags%s*:([^\n]*)") or "", {}
  for _, flag in ipairs(FLAGS) do
    if (has .. " "):find(" " .. flag .. " ", 1, true) then
      found[#found + 1] = flag
    end
  end
  return { processor = text:match("model name%s*:%s*([^\n]*)")
    or "unknown processor", flags = found, kernels = core.isa() }
end

local function print_head(args, results)
  local m, versions = results.machine, results.versions
  print(("%s with %s; kernels for %s, %d threads; %s on %s"):format(m.processor,
    #m.flags > 0 and table.concat(m.flags, " ") or "no vector extensions known here",
    m.kernels, args.threads or torus.threads(), torus._VERSION, _VERSION))
  if versions then
    local list = {}
    for _, name in ipairs { "python", "torch", "jax", "numpy" } do
      list[#list + 1] = name .. " " .. (versions[name] or "missing")
    end
    if not versions.compile then list[#list + 1] = "torch.compile missing" end
    print("peers: " .. table.concat(list, ", "))
  end
  print(("medians of %d rounds (minimum to maximum); bound: multiply-adds of direct "
    .. "loops at %.0f GFLOP/s, or weights that one core reads at %.0f GB/s"):format(
      args.rounds, 2e-9 * args.peak, 1e-9 * args.read_rate))
  print("\n| work | torus | peak memory | bound |"
    .. (args.peer and " best peer | times faster | goal |" or ""))
  print("| --- | --- | --- | --- |" .. (args.peer and " --- | --- | --- |" or ""))
end

-- --- the command ------------------------------------------------------------

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
    versions = results.versions, rows = { table.unpack(results) } },
    { indent = true }) .. "\n"))
end

local function main(args)
  if args.child then
    io.write(json.encode(rows.measure(row_of(args.child),
      { batch = args.batch, precision = args.precision })))
    return
  end
  if args.list then
    for _, row in ipairs(rows.rows) do print(row.name, row.what) end
    return
  end
  local list, results = chosen(args), { machine = machine() }
  if args.peer then
    local versions, message = peers.versions(args.python, folder)
    if not versions then command.die("--peer: %s", message) end
    results.versions = versions
  end
  args.peak, args.read_rate = bound.peak(), bound.read_rate()
  print_head(args, results)
  local finish = args.minutes and torus.clock() + 60 * args.minutes
  for i, row in ipairs(list) do
    local share = finish and left(finish) / (#list - i + 1)
    for _, result in ipairs(run_row(args, row, results.versions,
      share and torus.clock() + share)) do
      results[#results + 1] = result
      print_row(args, result)
    end
    io.stdout:flush()
  end
  if args.peer then print_peers(results) end
  if args.json then save(args.json, results) end
end

command.main(parser, main)
