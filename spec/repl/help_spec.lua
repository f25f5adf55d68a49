local torus = require "torus"
local entries = require "torus.help.entries"

local help = torus.help

-- The first line of a text.
local function head(...) return (help(...):match("^[^\n]*")) end

describe("help", function()
  it("says where to start", function()
    assert.matches("Tab completes names", help())
    assert.matches('help "tensor:sum"', help())
  end)

  it("finds an entry by its name, in full or in short", function()
    for _, name in ipairs { "torus.nn.Linear", "nn.Linear", "Linear", "linear" } do
      assert.matches("^torus%.nn%.Linear%(inputs, outputs%[, opts%]%)$", head(name))
    end
    assert.matches("^Adam:step%(%[grads%]%)$", head "Adam:step")
    assert.matches("^torus%.integrate%(opts%)$", head "integrate")
    assert.matches("^torus%.zeros%(", head "torus.zeros(2, 3)")
  end)

  it("finds what the descriptions of friction and force refer to", function()
    assert.matches('torus%.help "friction"', help "integrate")
    assert.equal("torus.friction", head "friction")
    assert.equal("torus.forces", head "forces")
  end)

  it("finds a function by each of its names", function()
    assert.matches("^torus%.rk45%(opts%)$", head "rk45.solve")
  end)

  it("says what another library's name is called here", function()
    assert.matches('^help: no entry is called "clone"; here it is x:copy%(%)$', head "clone")
    assert.matches("here it is torus%.nn%.mse%(x, y%)$", head "nn.MSELoss")
    assert.matches("here it is x:totable%(%)$", head "x:tolist")
    assert.matches("here it is net:named%(%)$", head "state_dict")
  end)

  it("finds methods of tensors", function()
    assert.matches("^torus%.sum%(.*also a method: x:sum", head "tensor:sum")
    assert.matches("^torus%.sum%(", head "x:sum")
    assert.matches("^torus%.reshape%(", head "x:view")
    assert.matches("^tensor:item%(%)$", head "tensor:item")
  end)

  it("finds functions, modules and objects", function()
    local adam = torus.optim.adam { torus.ones(1, { requires_grad = true }) }
    assert.matches("^torus%.integrate%(opts%)$", head(torus.integrate))
    assert.matches("^torus%.nn%.Linear%(", head(torus.nn.Linear))
    assert.matches("^torus%.matmul%(", head(torus.ones(2).matmul))
    assert.matches("^torus%.zeros%(", head(torus.zeros))
    assert.matches("^Adam:step%(", head(adam.step))
    assert.equal("Adam", head(adam))
    assert.equal("tensor", head(torus.ones(2)))
    assert.equal("System", head(torus.systems.pendulum))
    assert.equal("torus.nn", head(torus.nn))
    assert.matches("torus%.nn%.MLP%(opts%)", help(torus.nn))
  end)

  it("shows arguments with defaults, results, errors and an example", function()
    local text = help "torus.flatten"
    assert.matches("first %(int, default 1%)", text)
    assert.matches("\nReturns\n  tensor", text)
    assert.matches("\nErrors\n", help "torus.narrow")
    assert.matches("\nExample\n  ", text)
    assert.matches("dim %(integer|{integer,...}, default all%)", help "sum")
  end)

  it("finds what mentions some words, first where they are the subject", function()
    local text = torus.help "singular values"
    assert.truthy(text:find('No entry is called "singular values"; these mention it', 1, true))
    assert.truthy(text:find("torus.linalg.svd(A)", 1, true))
    assert.truthy(torus.help "eigenvalues":find("mention it:%s+torus%.linalg%.eig"))
    assert.truthy(torus.help "Poincare":find("torus.rk45(opts)", 1, true))
    assert.truthy(torus.help "learning rate":find("mention it", 1, true))
    assert.truthy(torus.help "POINCARÉ":find("torus.rk45(opts)", 1, true))
    assert.truthy(torus.help "xyzzy":find("help() shows where to start", 1, true))
  end)

  it("offers the nearest names for an unknown one", function()
    assert.matches("the nearest: nn%.Linear", help "nn.Liner")
    assert.matches("the nearest: integrate", help "intergrate")
    assert.matches("^help: no entry is called \"xyzzy\"", help "xyzzy")
    assert.matches("^help: got nil", help(nil))
    assert.matches("^help: nothing is known about 3", help(3))
  end)

  it("keeps to the width of a terminal", function()
    for _, entry in ipairs(entries.all()) do
      for line in require("torus.help.text").of(entry):gmatch("[^\n]+") do
        -- Code stays as it was written, and so does a call.
        if not line:find("^%s%s") and not line:find("%(") then
          assert.is_true(#line <= 80, entry.name .. ": " .. line)
        end
      end
    end
  end)

  it("loads its texts only when somebody asks", function()
    local pipe = assert(io.popen([[scripts/torus -e '
      local torus = require "torus"
      print(package.loaded["torus.help"], package.loaded["torus.reference"])
      torus.help "zeros"
      print(package.loaded["torus.reference"] ~= nil)']]))
    assert.equal("nil\tnil\ntrue\n", pipe:read("a"))
    pipe:close()
  end)
end)
