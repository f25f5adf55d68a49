-- A series is one column of numbers.
local raises = require "spec.support.raises"
local torus = require "torus"

describe("a series", function()
  it("does not join the columns of a matrix", function()
    local x = torus.rand(6, 2)
    for _, kind in ipairs { "lines", "scatter" } do
      local function draws(series)
        return function() torus.plot[kind] { path = "/nowhere/plot.png", series = { series } } end
      end
      local text = "plot: series 1: expected %s of shape (n), got %s; a series "
        .. "has one column, for example %s:select(%d, 1), and %s:reshape(-1) is all of them"
      raises(text:format("y", "(6,2)", "y", 2, "y"), draws { y = x })
      raises(text:format("y", "(3,1,2,2)", "y", 4, "y"), draws { y = torus.rand(3, 1, 2, 2) })
      for _, name in ipairs { "x", "errors", "values", "low", "high" } do
        raises(text:format(name, "(6,2)", name, 2, name),
          draws { y = x:select(2, 1), [name] = x })
      end
    end
  end)

  it("may have sizes of 1 next to the column, as trajectories of one sample do", function()
    local series = require "torus.plot.series"
    local scripts = {}
    for i, shape in ipairs { { 3 }, { 3, 1, 1 }, { 1, 3 }, { 1, 1, 3 } } do
      local script = {}
      series.commands(script, "series 1", { y = torus.tensor({ 1, 4, 9 }):reshape(shape) }, false,
        "")
      scripts[i] = table.concat(script, "\n")
      assert.truthy(scripts[i]:find("1 1\n2 4\n3 9\n", 1, true))
    end
  end)
end)
