--- Checks that what a program writes survives a loss of power: the calls by which it
-- writes, flushes and renames are recorded by a library that is loaded before it
-- (durable.c).
local files = require "torus.files"

local M = {}

--- Compiles the recording library.
-- @tparam string folder where the library goes, and the records
-- @treturn function of a command, which runs it in the shell and returns its events:
-- {type =, path =, to =}, type being "write", "fsync", "rename" or "mkdir"
function M.recorder(folder)
  local library, log = folder .. "/durable.so", folder .. "/durable.log"
  assert(os.execute(("${CC:-gcc} -shared -fPIC -o %s spec/support/durable.c -ldl")
    :format(library)))
  local before = os.getenv "LD_PRELOAD" or ""
  return function(command)
    assert(files.write(log, ""))
    assert(os.execute(("LD_PRELOAD='%s %s' DURABLE_LOG=%s %s"):format(before, library, log,
      command)))
    local events = {}
    for type, path, to in files.read(log):gmatch "(%l+)\t([^\t\n]*)\t([^\t\n]*)\n" do
      events[#events + 1] = { type = type, path = path, to = to }
    end
    return events
  end
end

local function folder_of(path) return path:match "^(.*)/[^/]*$" end

local function is_inside(path, folder)
  return path == folder or path:sub(1, #folder + 1) == folder .. "/"
end

-- Without a file that has been written but not flushed, and without a folder in which an
-- entry has been renamed but which has not been flushed, below a path.
local function check_flushed(state, path, problems)
  for file in pairs(state.written) do
    if is_inside(file, path) then
      problems[#problems + 1] = ("%s was renamed before %s was flushed"):format(path, file)
    end
  end
  for entry in pairs(state.entries) do
    if is_inside(folder_of(entry), path) then
      problems[#problems + 1] = ("%s was renamed before the folder of %s was flushed")
        :format(path, entry)
    end
  end
end

local function rename(state, event, problems)
  check_flushed(state, event.path, problems)
  for entry, type in pairs(state.entries) do
    if type == "rename" and folder_of(entry) ~= folder_of(event.to) then
      problems[#problems + 1] = ("%s was renamed before the folder of %s was flushed")
        :format(event.path, entry)
    end
  end
  state.entries[event.path] = nil
  state.entries[event.to] = "rename"
end

local function add(state, event, problems)
  if event.type == "write" then
    state.written[event.path] = true
  elseif event.type == "rename" then
    rename(state, event, problems)
  elseif event.type == "mkdir" then
    state.entries[event.path] = "mkdir"
  else
    state.written[event.path] = nil
    for entry in pairs(state.entries) do
      if folder_of(entry) == event.path then state.entries[entry] = nil end
    end
  end
end

--- Finds what a loss of power could damage: files renamed before they were flushed, and
-- renamed or created entries of folders that were not flushed afterwards, before the next
-- rename in another folder or the end.
-- @tparam table events
-- @tparam[opt] function observe called with each event, the set of paths that have been
-- written but not flushed before it, and the list of problems, to which it may add
-- @treturn {string,...} problems
-- @treturn {string,...} the paths that files were renamed to, in order
function M.problems(events, observe)
  local state = { written = {}, entries = {} }
  local problems, renamed = {}, {}
  for _, event in ipairs(events) do
    if observe then observe(event, state.written, problems) end
    add(state, event, problems)
    if event.type == "rename" then renamed[#renamed + 1] = event.to end
  end
  for entry, type in pairs(state.entries) do
    problems[#problems + 1] = ("the folder of %s was not flushed after its %s"):format(entry,
      type)
  end
  return problems, renamed
end

return M
