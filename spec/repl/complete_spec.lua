local torus = require "torus"
local complete = require "torus.repl.complete"

describe("repl.complete", function()
  local called
  local class = { method = function() called = true end, size = 3 }
  class.__index = class
  local environment = {
    alpha = { beta = { gamma = 1, _hidden = 2 }, list = { { inner = 1 } } },
    alpine = 1,
    object = setmetatable({ field = 1 }, { __index = setmetatable({ own = print }, class) }),
    text = "a string",
    fun = function() called = true end,
  }

  local function candidates(before)
    return (complete.candidates(before, environment))
  end

  it("finds globals and keywords", function()
    assert.same({ "alpha", "alpine" }, candidates("x = al"))
    assert.same({ "repeat", "return" }, candidates("re"))
    assert.same({}, candidates("nothing_like_it"))
  end)

  it("follows fields and list items", function()
    assert.same({ "beta", "list" }, candidates("print(alpha."))
    assert.same({ "gamma" }, candidates("alpha.beta.g"))
    assert.same({ "inner" }, candidates("alpha.list[1].i"))
    assert.same({ "gamma" }, candidates('"a"..alpha.beta.'))
    assert.same({}, candidates("alpha.list[2].i"))
  end)

  it("keeps names with an underscore for who asks", function()
    assert.same({ "gamma" }, candidates("alpha.beta."))
    assert.same({ "_hidden" }, candidates("alpha.beta._"))
  end)

  it("follows metatables, and after a colon offers what can be called", function()
    assert.same({ "field", "method", "own", "size" }, candidates("object."))
    assert.same({ "method", "own" }, candidates("object:"))
    assert.same({ "upper" }, candidates("text:up"))
  end)

  it("offers what a module would load", function()
    environment.module = setmetatable({ here = 1 }, { __parts = { there = "x.there" } })
    assert.same({ "here", "there" }, candidates("module."))
  end)

  it("offers models, systems and what makes data", function()
    environment.torus = torus
    assert.same({ "restricted_pendulum" }, candidates("torus.systems.rest"))
    assert.same({ "hgn" }, candidates("torus.models.hg"))
    assert.same({ "targets" }, candidates("torus.data.ta"))
    assert.is_function(torus.data.targets.get)
    assert.is_function(torus.data.hnn_data.make)
    assert.has_error(function() return torus.data.nothing end, "torus.data has no \"nothing\"")
    torus.systems.define { name = "completed", dimension = 1, normals = 1,
      energy = function(q, p) return (q * q + p * p):sum(2) end,
      sample = function(_, z) return z, z end }
    assert.same({ "completed" }, candidates("torus.systems.comp"))
  end)

  it("knows a tensor's methods and properties", function()
    environment.tensor = torus.zeros(2)
    assert.same({ "logsumexp" }, candidates("tensor:logs"))
    assert.same({ "sigmoid", "sign", "silu", "sin", "sinh", "size" }, candidates("tensor:si"))
    assert.same({ "shape" }, candidates("tensor.sha"))
    assert.same({}, candidates("tensor:sha"))
  end)

  it("calls nothing that is typed", function()
    assert.same({}, candidates("fun()."))
    assert.same({}, candidates("fun().x"))
    assert.same({}, candidates("nosuch.a.b"))
    assert.falsy(called)
  end)

  it("survives a value that fails when indexed", function()
    environment.broken = setmetatable({}, { __index = function() error("boo") end })
    assert.same({}, candidates("broken.x.y"))
    assert.same({}, candidates("broken."))
  end)

  it("offers the options of a call in its table", function()
    environment.torus, environment.help = torus, torus.help
    assert.same({ "method" }, candidates("t = torus.integrate { me"))
    assert.same({ "steps" }, candidates("torus.integrate {\n  H = H, -- a comment, {\n  st"))
    assert.same({ "energies" }, candidates("torus.integrate{H=H,q=f(1, 2),ener"))
    assert.same({ "lr" }, candidates("torus.optim.adam(net:parameters(), { l"))
    assert.same({ "create_graph" }, candidates("torus.grad(y, {x}, { create_"))
    assert.same({ "dtype" }, candidates("torus.zeros(2, 3, { dt"))
    assert.same({ "delay_ms", "scale" }, candidates("torus.image.gif('a', x, { "))
    assert.same({ "depth", "dimension", "dtype" }, candidates("torus.models.hnn { d"))
    assert.same({ "bias" }, candidates("torus.nn.Linear(2, 3, { b"))
    assert.same({ "count" }, candidates("torus.systems.pendulum:sample { c"))
    -- one that is there already, a value, a list within, a table of no call
    assert.same({}, candidates("torus.integrate { method = 'rk4', me"))
    assert.same({ "torus" }, candidates("torus.integrate { q = tor"))
    assert.same({ "torus" }, candidates("torus.grad(y, { tor"))
    assert.same({ "alpha", "alpine" }, candidates("t = { al"))
    assert.equal("thod = ", (complete.complete("torus.integrate { me", environment)))
  end)

  it("offers the choices of an option, and the names that help knows", function()
    environment.torus, environment.help = torus, torus.help
    assert.same({ "leapfrog" }, candidates('torus.integrate { method = "le'))
    assert.equal("og'", (complete.complete("torus.integrate { method = 'leapfr", environment)))
    assert.same({ "optim.geco" }, candidates('help "optim.gec'))
  end)

  it("completes names of files in strings", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(torus.files.make_folder(folder .. "/runs one"))
    for _, name in ipairs { "a.npy", "ab.npy", ".hidden", "c'd" } do
      assert(torus.files.write(folder .. "/" .. name, ""))
    end
    local function insert(text) return complete.complete(text, environment) end
    assert.equal("uns one/", (insert('torus.load("' .. folder .. "/r")))
    assert.equal('.npy"', (insert('f(1, "x"); g("' .. folder .. "/ab")))
    assert.equal("", (insert('g("' .. folder .. "/a")))
    assert.same({ "a.npy", "ab.npy" }, candidates("dofile '" .. folder .. "/a"))
    assert.same({ "a.npy", "ab.npy", "c'd", "runs one/" },
      candidates('x = "' .. folder .. "/"))
    assert.same({ ".hidden" }, candidates('x = "' .. folder .. "/."))
    assert.equal("hidden", (insert("[[" .. folder .. "/.")))
    assert.same({}, candidates('x = "' .. folder .. "/nowhere/a"))
    assert.same({}, candidates('x = "' .. folder .. "/a\\n"))
    assert.same({ "alpha", "alpine" }, candidates('f("' .. folder .. '", al'))
    assert.same({}, candidates("x = 1 -- al"))
    os.execute("rm -r '" .. folder .. "'")
  end)

  it("inserts what all have in common, then lists", function()
    assert.equal("p", (complete.complete("al", environment)))
    local insert, listing = complete.complete("alp", environment)
    assert.equal("", insert)
    assert.equal("alpha   alpine", listing)
    assert.equal("mma", (complete.complete("alpha.beta.ga", environment)))
  end)

  it("indents an empty line", function()
    assert.equal("  ", (complete.complete("", environment)))
    assert.equal("  ", (complete.complete("  ", environment)))
  end)

  it("writes columns that are read downwards", function()
    local names = {}
    for i = 1, 9 do names[i] = ("n"):rep(20) .. i end
    local first = complete.columns(names):match("^[^\n]*")
    assert.equal(names[1] .. "  " .. names[4] .. "  " .. names[7], first)
  end)
end)
