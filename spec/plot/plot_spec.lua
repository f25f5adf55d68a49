local torus = require "torus"
local lfs = require "lfs"
local raises = require "spec.support.raises"

local plot = torus.plot
-- A preloaded sanitizer is for torus alone.
plot.program = "env -u LD_PRELOAD gnuplot"
local has_gnuplot = os.execute("command -v gnuplot >/dev/null 2>&1")

local function size_of(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("a")
  file:close()
  assert.are.equal("\x89PNG\r\n\x1a\n", bytes:sub(1, 8))
  return { string.unpack(">I4I4", bytes, 17) }
end

describe("torus.plot", function()
  local path

  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  if has_gnuplot then
    it("draws lines, points, bands, gaps and odd names", function()
      assert(plot.lines { path = path, title = "it's \"fine\" {a_b} \\n", log = "y",
        xlabel = "step", ylabel = "loss", width = 300, height = 200,
        series = {
          { y = { 1, 10, 0 / 0, 1000 }, label = "it's", style = "linespoints" },
          { x = torus.arange(4), y = torus.rand(4) + 1, low = { 1, 1, 1, 1 },
            high = { 3, 3, 3, 3 }, colour = "#ff0000", style = "dashes" },
          { y = {} },
        } })
      assert.are.same({ 300, 200 }, { table.unpack(size_of(path), 1, 2) })
      assert(plot.scatter { path = path, square = true, xrange = { -1, 1 },
        yrange = { -1, 1 }, series = { { x = torus.randn(50), y = torus.randn(50) } } })
    end)

    it("draws contours, surfaces and several panels", function()
      local x, y = torus.linspace(-1, 1, 7), torus.linspace(0, 2, 5)
      local z = y:reshape(5, 1) * x:reshape(1, 7)
      assert(plot.contour { path = path, x = x, y = y, z = z,
        series = { { x = { -1, 1 }, y = { 0, 2 } } } })
      assert(plot.surface { path = path, x = x, y = y, z = z })
      assert(plot.figure { path = path, columns = 2, width = 640, height = 480,
        title = "all", panels = {
          { kind = "contour", x = x, y = y, z = z, title = "a" },
          { kind = "surface", x = x, y = y, z = z },
          { series = { { y = { 1, 2 } } } } } })
      assert.are.same({ 640, 480 }, { table.unpack(size_of(path), 1, 2) })
    end)

    it("colours points by values, with contour lines alone", function()
      local x = torus.linspace(-1, 1, 9)
      local z = x:reshape(9, 1):square() + x:reshape(1, 9):square()
      local orbit = { x = x, y = x, values = x:square() }
      assert(plot.figure { path = path, columns = 2, width = 500, height = 200,
        panels = {
          { kind = "contour", filled = false, x = x, y = x, z = z,
            colour_label = "energy", series = { orbit } },
          { colour_range = { 0, 2 }, series = { orbit } } } })
      assert.are.same({ 500, 200 }, { table.unpack(size_of(path), 1, 2) })
      raises("values: expected 9 numbers, as many as y has, and neither low, "
        .. "high nor colour next to them, got 2", function()
        plot.lines { path = path, series = { { y = x, values = { 1, 2 } } } }
      end)
      raises("expected two numbers as colour_range, got 1", function()
        plot.lines { path = path, colour_range = { 1 },
          series = { { y = { 1 } } } }
      end)
    end)

    it("puts pictures beside plots, filled outlines and labels", function()
      assert(plot.figure { path = path, widths = { 1, 2.5 }, width = 600,
        height = 200, panels = {
          { series = { { x = { 0, 1, 1, 0 }, y = { 0, 0, 1, 0 },
            style = "filled", colour = "#0000ff" } },
            labels = { { x = 0.5, y = 0.5, text = "it's", align = "center" } } },
          { kind = "image", image = torus.rand(4, 6, 3), title = "noise" } } })
      assert.are.same({ 600, 200 }, { table.unpack(size_of(path), 1, 2) })
      assert.is_nil(io.open(path .. ".image1"))
    end)

    it("leaves nothing when it fails", function()
      local none, message = plot.lines { path = "/nonexistent/a.png",
        series = { { y = { 1 } } } }
      assert.is_nil(none)
      assert.matches("^plot: cannot write /nonexistent/a.png", message)
      none, message = plot.lines { path = path, log = "y",
        series = { { y = { -1, -2 } } } }
      assert.is_true(none == true or message:find("^plot: gnuplot failed: ") == 1)
      assert.is_nil(io.open(path .. ".part"))
    end)

    it("takes no name for a command", function()
      local base = os.tmpname()
      os.remove(base)
      assert(torus.files.make_folder(base))
      for _, first in ipairs { "|", "<", "<echo x; ", "| echo x; " } do
        local name = first .. "touch marker; #.png"
        local pipe = io.popen(("cd %s && %s/scripts/torus -e '%s' 2>&1"):format(
          base, lfs.currentdir(), ([[
          local torus = require "torus"
          torus.plot.program = %q
          assert(torus.plot.figure { path = %q, panels = { { kind = "image",
            image = torus.rand(4, 6, 3) } } })
          ]]):format(plot.program, name)))
        assert.are.equal("", pipe:read("a"))
        pipe:close()
        assert.is_nil(io.open(base .. "/marker"))
        assert.is_table(size_of(base .. "/" .. name))
      end
      os.execute("rm -r " .. base)
    end)

    it("leaves a device where it is", function()
      local before = lfs.attributes "/dev/null"
      assert(plot.lines { path = "/dev/null", series = { { y = { 1 } } } })
      assert.are.equal(before.ino, lfs.attributes("/dev/null", "ino"))
      local none, message = plot.lines { path = "/dev/full",
        series = { { y = { 1 } } } }
      assert.is_nil(none)
      assert.matches("/dev/full: cannot write: No space left", message)
      assert.are.equal("char device", lfs.attributes("/dev/full", "mode"))
    end)

    it("ends with an error where the disk is full", function()
      -- The limit of a file's size is met by gnuplot, or by the final write.
      for _, blocks in ipairs { 1, 12 } do
        local pipe = io.popen(("ulimit -f %d; scripts/torus -e '%s' 2>&1"):format(
          blocks, [[
          local torus = require "torus"
          torus.plot.program = "env -u LD_PRELOAD gnuplot"
          print(torus.plot.lines { path = "]] .. path .. [[", width = 4000,
            height = 4000, series = { { y = torus.rand(1000) } } })]]))
        local said = pipe:read("a")
        pipe:close()
        assert.matches("^nil\tplot: ", said)
        assert.are.equal(0, lfs.attributes(path, "size"))
      end
    end)
  end

  it("says how to get gnuplot where it is missing", function()
    local program = plot.program
    plot.program = "no-such-gnuplot"
    local none, message = plot.lines { path = path, series = { { y = { 1 } } } }
    plot.program = program
    assert.is_nil(none)
    assert.are.equal("plot: gnuplot is not installed (apt-get install gnuplot-nox)",
      message)
  end)

  it("says what it expected", function()
    for pattern, opts in pairs {
      ['unknown option "colour"'] = { colour = "red" },
      ["plot: series: expected at least one"] = { series = {} },
      ["series 1: x: expected 2 numbers, as many as y has, got 1"] =
        { series = { { x = { 1 }, y = { 1, 2 } } } },
      ['series 1: y: expected numbers, got "a" at 1'] = { series = { { y = { "a" } } } },
      ["series 1: y: expected a list of numbers or a tensor, got 3"] =
        { series = { { y = 3 } } },
      ['series 1: option "style": expected one of'] =
        { series = { { y = { 1 }, style = "wavy" } } },
      ["expected low and high together"] = { series = { { y = { 1 }, low = { 0 } } } },
      ["expected two numbers as xrange"] = { xrange = { 1 }, series = { { y = { 1 } } } },
      ["expected a position like"] = { legend = "x; system", series = { { y = { 1 } } } },
    } do
      opts.path = path
      assert.error_matches(function() plot.lines(opts) end, pattern)
    end
    for pattern, panel in pairs {
      ["expected image as a tensor %(height, width, 3%), got tensor %(4,4%) float32"] =
        { kind = "image", image = torus.zeros(4, 4) },
      ["expected image as a tensor %(height, width, 3%), got nil"] =
        { kind = "image" },
      ['label 1: option "text" is missing'] =
        { series = { { y = { 1 } } }, labels = { { x = 1, y = 1 } } },
    } do
      assert.error_matches(function()
        plot.figure { path = path, panels = { panel } }
      end, pattern)
    end
    assert.error_matches(function()
      plot.figure { path = path, widths = { "a" }, panels = { { } } }
    end, 'widths: expected numbers, got "a" at 1')
    assert.error_matches(function() plot.lines {} end, 'option "path" is missing')
    raises("plot.lines: options: expected a table, got 5",
      function() plot.lines(5) end)
    raises("plot.contour: options: expected a table, got nil",
      function() plot.contour() end)
    raises("plot.scatter: options: expected a table, got 5",
      function() plot.scatter(5) end)
    raises('option "series": expected a table, got 5',
      function() plot.scatter { path = path, series = 5 } end)
    raises("plot: series 1: expected a table of options, got 5",
      function() plot.scatter { path = path, series = { 5 } } end)
    raises("plot: series 1: expected a table of options, got tensor (3) float32",
      function() plot.scatter { path = path, series = { torus.zeros(3) } } end)
    raises("expected image as floats from 0 to 1 or uint8, got tensor (2,2,3) int64",
      function()
        plot.figure { path = path, panels = { { kind = "image",
          image = torus.zeros({ 2, 2, 3 }, { dtype = "int64" }) } } }
      end)
    assert.is_nil(io.open(path .. ".part"))
    assert.error_matches(function()
      plot.contour { path = path, x = { 1, 2 }, y = { 1, 2 }, z = torus.zeros(2, 3) }
    end, "expected z of shape %(2,2%), .* got %(2,3%)")
  end)
end)
