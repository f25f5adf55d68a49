-- The rules of the house that no other tool knows: which layer may use which,
-- what lies at the top level, how long a file may be, words that tell of unfinished work.
-- Prints one line per breach; exit status 1 if there is any.

local MAX_LINES = 600

-- Each layer of the engine and the layers it may include.
local C_LAYERS = {
  core = { "core" },
  kernels = { "core", "kernels" },
  autodiff = { "core", "kernels", "autodiff" },
  hamiltonian = { "core", "kernels", "autodiff", "hamiltonian" },
  io = { "core", "io" },
  binding = { "core", "kernels", "autodiff", "hamiltonian", "io", "binding" },
}

-- The library's parts in order; a part requires nothing that stands after it.
-- What lies directly in lua/torus stands before all of them.
local LUA_ORDER = {
  help = 0, image = 0, optim = 1, nn = 1, systems = 1, data = 2, measures = 2, plot = 2,
  hmc = 3, models = 3, tasks = 4, runs = 5, bench = 6, experiments = 6, repl = 6,
  train = 6, figures = 7,
}
-- The facade gathers the whole library: it may require anything, and nothing
-- in the library may require it.
local FACADE = "lua/torus/init.lua"

-- What the top level holds besides dotfiles.
local TOP = { "Makefile", "README.md", "engine", "lua", "scripts", "examples", "spec", "data" }

local breaches = 0
local function breach(path, line, ...)
  breaches = breaches + 1
  print(("%s:%d: %s"):format(path, line, string.format(...)))
end

local function files(...)
  local names = {}
  for i, pattern in ipairs { ... } do
    names[i] = "-name '" .. pattern .. "'"
  end
  local find = assert(io.popen("find engine lua scripts examples spec -type f '(' "
    .. table.concat(names, " -o ") .. " ')' | sort"))
  local list = {}
  for path in find:lines() do list[#list + 1] = path end
  find:close()
  return list
end

local function contains(list, value)
  for _, v in ipairs(list) do
    if v == value then return true end
  end
  return false
end

local function check_include(path, number, line)
  local layer = path:match("^engine/(%w+)/")
  local name = line:match('^%s*#%s*include%s*["<]([^">]+)[">]')
  if not layer or not name then return end
  if not C_LAYERS[layer] then
    breach(path, number, "engine/%s is no known layer", layer)
    return
  end
  if name:find("%.%.") then
    breach(path, number, "includes by a relative path: %s", name)
  end
  local target = name:match("^(%w+)/")
  if target and C_LAYERS[target] and not contains(C_LAYERS[layer], target) then
    breach(path, number, "%s may not include %s", layer, name)
  end
  if name:match("^lua") or name:match("^lauxlib") then
    if layer ~= "binding" then
      breach(path, number, "only the binding may include %s", name)
    end
  end
end

local function part_of(module)
  return module:match("^torus%.(%w+)")
end

-- Requires by module: {[name] = {{name, path, line}, ...}}; the modules in order.
local graph, requiring = {}, {}

local function add_edge(path, number, module)
  local from = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", "")
    :gsub("/", ".")
  if not graph[from] then graph[from], requiring[#requiring + 1] = {}, from end
  table.insert(graph[from], { module = module, path = path, number = number })
end

-- Reports each edge that closes a circle of requires.
local function check_circles()
  local state, trail = {}, {}
  local function visit(module)
    state[module] = "open"
    trail[#trail + 1] = module
    for _, edge in ipairs(graph[module] or {}) do
      if state[edge.module] == "open" then
        local first = #trail
        while trail[first] ~= edge.module do first = first - 1 end
        breach(edge.path, edge.number, "a circle of requires: %s -> %s",
          table.concat(trail, " -> ", first), edge.module)
      elseif not state[edge.module] then
        visit(edge.module)
      end
    end
    trail[#trail] = nil
    state[module] = "done"
  end
  for _, module in ipairs(requiring) do
    if not state[module] then visit(module) end
  end
end

local function check_require(path, number, line)
  local here = path:match("^lua/torus/(%w+)")
  if not here or path == FACADE then return end
  if number == 1 and path:match("^lua/torus/%w+/") and not LUA_ORDER[here] then
    breach(path, number, "lua/torus/%s is no known part", here)
  end
  local code = line:gsub("%-%-.*", "")
  for module in code:gmatch("require%s*%(?%s*[\"']([%w_.]+)[\"']") do
    local part = part_of(module)
    add_edge(path, number, module)
    if module == "torus" then
      breach(path, number, "requires the facade; require what is used "
        .. "(torus.engine has the tensor functions)")
    end
    if here == "runs" and module:find("^torus%.tasks%.") then
      breach(path, number, "torus.runs may not require %s: it asks the registry, "
        .. "torus.tasks", module)
    end
    if part and (LUA_ORDER[part] or 0) > (LUA_ORDER[here] or 0) then
      breach(path, number, "torus.%s may not require %s", here, module)
    end
  end
end

-- Outside of a git repository nothing tells what belongs to the project.
local function check_top()
  local list = assert(io.popen(
    "git ls-files --cached --others --exclude-standard 2>/dev/null | cut -d/ -f1 | sort -u"))
  for name in list:lines() do
    if not name:find("^%.") and not contains(TOP, name) then
      breach(name, 1, "does not belong at the top level: %s", table.concat(TOP, ", "))
    end
  end
  list:close()
end

-- Spelled so that this file does not find itself.
local UNFINISHED = { "TO" .. "DO", "FIX" .. "ME", "XX" .. "X", "HA" .. "CK" }
local function check_words(path, number, line)
  for word in line:gmatch("%f[%w_]%u+%f[^%w_]") do
    if contains(UNFINISHED, word) then
      breach(path, number, "unfinished: %s", word)
    end
  end
  if line:find("%s$") then breach(path, number, "space at the end of the line") end
  if line:find("\t") then breach(path, number, "a tab") end
end

for _, path in ipairs(files("*.c", "*.h", "*.inc", "*.def", "*.lua", "*.sh", "*.py")) do
  local number = 0
  for line in io.lines(path) do
    number = number + 1
    check_words(path, number, line)
    if path:find("^engine/") then check_include(path, number, line) end
    if path:find("%.lua$") then check_require(path, number, line) end
  end
  if number > MAX_LINES then
    breach(path, number, "%d lines, the limit is %d", number, MAX_LINES)
  end
end
check_circles()
check_top()
os.exit(breaches == 0)
