-- Writes the chapter "Operations" of the documentation, from the registry
-- that the engine itself works with. Usage: operations.lua OUTPUT
local torus = require "torus"

local lines = {
  "# Operations",
  "",
  "Every operation is a function of the module and a method of tensors:",
  "`torus.exp(x)` and `x:exp()`. Elementwise ones broadcast, and a number may",
  "stand for a tensor.",
  "",
}
local registry = torus.registry()
table.sort(registry, function(a, b) return a.name < b.name end)
for _, op in ipairs(registry) do
  lines[#lines + 1] = ("`%s`: %s"):format(op.name, op.doc)
  lines[#lines + 1] = ""
end

local file = assert(io.open(assert(arg[1], "usage: operations.lua OUTPUT"), "w"))
assert(file:write(table.concat(lines, "\n")))
assert(file:close())
