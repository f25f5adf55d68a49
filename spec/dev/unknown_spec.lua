-- Unknown names of modules and objects: one message at the caller's line, which suggests the
-- name that was probably meant.
local raises = require "spec.support.raises"
local torus = require "torus"

-- Evaluates an expression; its message is raised at this line.
local function refused(text, expression, object)
  local read = assert(load("local torus, x = ... return " .. expression, "=spec"))
  local ok, message = pcall(read, torus, object)
  assert.is_false(ok, expression)
  assert.equal("spec:1: " .. text, message)
end

describe("an unknown name", function()
  it("in a part of a module is refused like one in the module", function()
    refused('torus.optim.schedule has no "cosin", did you mean "cosine"?',
      "torus.optim.schedule.cosin")
    refused('torus.optim.schedule has no "StepLR"; here it is torus.optim.schedule.step('
      .. 'optimiser, { every = n })', "torus.optim.schedule.StepLR")
    refused('torus.data.targets has no "mixtur", did you mean "mixture"?',
      "torus.data.targets.mixtur")
    refused('torus.data.measured has no "shape"', "torus.data.measured.shape")
    refused('torus.data.hnn_data has no "mak", did you mean "make"?', "torus.data.hnn_data.mak")
    refused('torus.measures.convergence has no "rhatt", did you mean "rhat"?',
      "torus.measures.convergence.rhatt")
    refused('torus.measures has no "convergense", did you mean "convergence"?',
      "torus.measures.convergense")
    refused('torus.runs.configuration has no "mkae", did you mean "make"?',
      "torus.runs.configuration.mkae")
    refused('a log has no field or method "opne", did you mean "open"?', "torus.runs.log.opne")
    refused('torus.nn.initialise has no "bonud", did you mean "bound"?',
      "torus.nn.initialise.bonud")
    refused('torus.models.hgn has no "neww", did you mean "new"?', "torus.models.hgn.neww")
    -- Other keys than strings are only absent, and the parts that exist can be read.
    assert.is_nil(torus.measures.convergence[1])
    assert.is_function(torus.measures.convergence.rhat)
    -- Tables of options are not modules.
    assert.is_nil(torus.models.hgn.rules.widht)
  end)

  it("of a module is refused if it is another library's, or a misspelt method", function()
    local net = torus.nn.Sequential { torus.nn.Linear(2, 2) }
    refused('a module has no method "state_dict"; here it is net:named()', "x:state_dict()", net)
    refused('a module has no method "cuda"; here it is not needed: torus runs on CPUs', "x:cuda()",
      net)
    refused('a module has no method "paramters", did you mean "parameters"?', "x:paramters()",
      net)
    refused('a module has no method "zero_gard", did you mean "zero_grad"?',
      "x:zero_gard()", torus.models.hgn { width = 8, frames = 3 })
    raises('a module has no method "clone"', function() net:clone() end)
  end)

  it("of a module is nil otherwise: a class may have optional fields", function()
    local Mine = torus.nn.Module.class("Mine")
    function Mine:forward(x)
      if self.name or self.scale or self.parameter or self.n_parameters or self.modules
        or self.children or self.buffers then return nil end
      return x
    end
    assert.equal(3, torus.nn.Module.instance(Mine)(3))
    assert.is_nil(torus.nn.Linear(2, 2).wieght)
    assert.is_nil(torus.nn.Linear(2, 2)[1])
  end)

  it("of what a module holds does not matter to the module", function()
    local w = torus.ones({ 2 }, { requires_grad = true })
    local set = torus.data.simulate("pendulum", { train = 2, test = 2, steps = 2 })
    local adam = torus.optim.adam { w }
    for _, held in ipairs { torus.systems.pendulum, set, set.train, adam,
      torus.optim.schedule.cosine(adam, { steps = 3 }) } do
      local Mine = torus.nn.Module.class("Mine")
      local mine = torus.nn.Module.instance(Mine, { held = held })
      mine:register("layer", torus.nn.Linear(1, 1))
      assert.equal(2, #mine:parameters())
      assert.is_string(tostring(mine))
      assert.equal(held, mine:copy().held)
      assert.is_false(torus.nn.Module.is_module(held))
      raises("adam: params: expected a list of at least one tensor",
        function() torus.optim.adam(held) end)
      raises("Module.instance: class: expected one of Module.class",
        function() torus.nn.Module.instance(held) end)
    end
  end)

  it("of an optimiser or a schedule is refused", function()
    local w = torus.ones({ 2 }, { requires_grad = true })
    local text = 'an optimiser has no field or method "stepp", did you mean "step"?'
    for _, name in ipairs { "adam", "adamw", "sgd", "rmsprop", "lbfgs" } do
      refused(text, "x:stepp()", torus.optim[name] { w })
    end
    local adam = torus.optim.adam { w }
    refused('an optimiser has no field or method "state_dict"; here it is optimiser:state()',
      "x:state_dict()", adam)
    local schedule = torus.optim.schedule.cosine(adam, { steps = 3 })
    refused('a schedule has no field or method "get_lr"; here it is schedule:rate()',
      "x:get_lr()", schedule)
    refused('a schedule has no field or method "setp", did you mean "step"?', "x:setp(1)",
      torus.optim.schedule.plateau(adam))
  end)

  it("of a system or a data set is refused", function()
    refused('a system has no field or method "sovle", did you mean "solve"?',
      "torus.systems.pendulum:sovle()")
    assert.is_nil(torus.systems.pendulum.varying)
    local set = torus.data.simulate("pendulum", { train = 2, test = 2 })
    refused('a data set has no field or method "batch"; here it is set.train:batch(indices)',
      "x:batch({ 1 })", set)
    refused('a part of a data set has no field or method "btach", did you mean "batch"?',
      "x.train:btach({ 1 })", set)
    assert.is_nil(set.train.clean_unknown)
    refused('a set of batches has no field or method "nxt", did you mean "next"?', "x:nxt()",
      torus.data.tensors { torus.ones(3) })
    refused('an order has no field or method "nxet", did you mean "next"?', "x:nxet()",
      torus.data.order { count = 2, batch = 1 })
  end)
end)
