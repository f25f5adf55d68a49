--- The same work in other libraries: which of them there are, and a measurement
-- of one. The programs are in scripts/dev/peers.
-- @module torus.bench.peers
local engine = require "torus.engine"
local json = require "dkjson"

local M = {}

-- glibc's malloc gives memory back to the system and takes it again in every step
-- unless it is told to keep it.
local KEEP_MEMORY = "MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=-1 "
  .. "MALLOC_TOP_PAD_=268435456 "

-- The exit status of timeout(1).
local TIMED_OUT = 124

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function output_of(line)
  local pipe = assert(io.popen(line .. " 2>&1"))
  local text = pipe:read("a")
  local ok, _, status = pipe:close()
  return text, ok, status
end

--- Returns the libraries of a Python installation.
-- @tparam string python path of the interpreter
-- @tparam string folder of the peers' programs
-- @treturn ?table versions by name: python, numpy, torch, jax; false where one is
-- missing; compile: whether PyTorch has torch.compile
-- @treturn ?string message instead
function M.versions(python, folder)
  local text, ok = output_of(quote(python) .. " -B "
    .. quote(folder .. "/versions.py"))
  -- A library may print warnings before.
  local found = ok and json.decode(text:match("({.*})%s*$") or "")
  if found then return found end
  return nil, ("%s does not run: %s"):format(python,
    text:match("([^\n]*)\n*$"))
end

--- Returns the reason why a peer can't run.
-- @tparam table peer of torus.bench.rows
-- @tparam table versions as returned by `versions`
-- @treturn ?string nil where it can
function M.missing(peer, versions)
  if not versions[peer.library] then
    return ("no module %s"):format(peer.library)
  end
  if peer.compile and not versions.compile then
    return ("PyTorch %s has no torch.compile"):format(versions.torch)
  end
end

-- Seconds by one call, or nil and the last line that it printed.
local function time(peer, options, threads, patience)
  local words = { peer.malloc and KEEP_MEMORY or "",
    "timeout " .. patience .. " ", quote(options.python), " -B ",
    quote(options.folder .. "/" .. peer.script), " ", peer.args }
  if options.batch and not peer.plain then
    words[#words + 1] = " --batch " .. options.batch
  end
  if threads then words[#words + 1] = " --threads " .. threads end
  local text, _, status = output_of(table.concat(words))
  local seconds = tonumber(text:match("step ([%d.]+) s"))
  if seconds then return seconds end
  if status == TIMED_OUT then
    return nil, ("no answer within %d s"):format(patience)
  end
  return nil, text:match("([^\n]*)\n*$")
end

--- Seconds of one unit of work, by the better number of threads: all, or where the
-- peer is `single` also one.
-- @tparam table peer of torus.bench.rows
-- @tparam table options python, folder, patience in seconds, batch or nil, and threads:
-- the better number where it is known
-- @treturn ?number
-- @treturn integer|string|nil the number of threads, nil where the peer chooses; or a
-- message instead of the seconds
function M.measure(peer, options)
  if peer.plain then return time(peer, options, nil, options.patience) end
  local all = options.threads or engine.threads()
  local alone = peer.single and all > 1 and not options.threads
  local patience = options.patience // (alone and 2 or 1)
  local best, message = time(peer, options, all, patience)
  local threads = all
  local second = alone and time(peer, options, 1, patience)
  if second and (not best or second < best) then best, threads = second, 1 end
  return best, best and threads or message
end

return M
