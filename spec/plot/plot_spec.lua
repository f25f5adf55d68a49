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
      assert(plot.contour { path = path, z = z })
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
      raises("values: expected 9 numbers, as in y, and neither low, "
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

    -- The colour of a pixel, by gnuplot's own reading of the picture.
    local function pixels(name)
      local pipe = assert(io.popen(("env -u LD_PRELOAD gnuplot -e \"set table; "
        .. "plot '%s' binary filetype=png using 1:2:3:4:5 with rgbalpha\" 2>/dev/null")
        :format(name)))
      local found = {}
      for line in pipe:lines() do
        local x, y, r, g, b = line:match("^%s*(%S+)%s+(%S+)%s+(%S+)%s+(%S+)%s+(%S+)")
        if tonumber(x) then
          found[tonumber(x) .. "," .. tonumber(y)] = { tonumber(r), tonumber(g), tonumber(b) }
        end
      end
      pipe:close()
      return found
    end

    it("reads pictures back", function()
      local name = path .. ".png"
      assert(torus.image.write(name, torus.full({ 2, 3, 3 }, 1)))
      assert.are.same({ 255, 255, 255 }, pixels(name)["0,0"])
      os.remove(name)
    end)

    -- How much of the picture is black.
    local function black(name)
      local count, all = 0, 0
      for _, colour in pairs(pixels(name)) do
        all = all + 1
        if colour[1] + colour[2] + colour[3] < 30 then count = count + 1 end
      end
      assert(all > 0)
      return count / all
    end

    it("shows no boxes for characters that no font has", function()
      local glyphs = require "torus.plot.glyphs"
      assert.are.equal("plain 'text'", glyphs.shown("plain 'text'"))
      assert.are.equal("a?b", glyphs.shown("a\xffb"))
      -- A noncharacter: no font has it.
      assert.are.equal("?", glyphs.shown("\u{10fffe}"))
      local name = path .. ".png"
      assert(plot.lines { path = name, title = "\u{10fffe}\u{1f701}\u{fdfd}", width = 300,
        height = 200, series = { { y = { 1, 2 }, label = "\u{10fffe}" } } })
      assert.is_true(black(name) < 0.1)
      os.remove(name)
    end)

    it("writes PDF and SVG by the end of the name", function()
      for extension, start in pairs { pdf = "%PDF-", svg = "<?xml", PNG = "\x89PNG" } do
        local name = path .. "." .. extension
        assert(plot.lines { path = name, series = { { y = { 1, 2 } } } })
        local content = torus.files.read(name)
        assert.are.equal(start, content:sub(1, #start))
        os.remove(name)
      end
      for _, name in ipairs { "a.jpg", "/tmp/b.", "c.png.gif", "d.npy" } do
        raises("plot.figure: path: expected a name that ends in .png, .pdf or .svg, got \""
          .. name, function() plot.lines { path = name, series = { { y = { 1 } } } } end)
      end
      assert(plot.lines { path = path, series = { { y = { 1 } } } }) -- none: PNG
      assert.is_table(size_of(path))
    end)

    -- The script that gnuplot gets, in place of its picture.
    local function script_of(f, opts)
      local program = plot.program
      plot.program = "cp plot.gp " .. path .. ".gp; " .. program
      assert(f(opts))
      plot.program = program
      local text = torus.files.read(path .. ".gp")
      os.remove(path .. ".gp")
      return text
    end

    it("draws what belongs to one series in one colour", function()
      local script = script_of(plot.lines, { path = path, series = {
        { y = { 1, 2 }, low = { 0, 1 }, high = { 2, 3 } },
        { y = { 3, 4 }, errors = { 0.1, 0.2 }, style = "points" },
        { y = { 5, 6 } }, { y = { 5, 6 }, errors = { 1, 1 }, colour = "red" } } })
      local colours = {}
      for colour in script:gmatch(" lc (%d+)") do colours[#colours + 1] = colour end
      assert.are.same({ "1", "1", "2", "2", "3" }, colours)
      assert.matches("with yerrorbars pt %-1 ps 0 lc rgb ['\"]red['\"]", script)
      assert.matches("1 3 0.1\n2 4 0.2", script)
      -- Without parts gnuplot counts, as ever.
      assert.is_nil(script_of(plot.lines, { path = path,
        series = { { y = { 1, 2 } } } }):find(" lc %d"))
      assert(plot.scatter { path = path, series = { { y = { 1, 2 }, errors = { 1, 1 },
        values = { 0, 1 } } } })
    end)

    it("shows a single sample in a histogram with a logarithmic axis", function()
      local samples = torus.tensor { 0, 0, 0, 0, 0, 3 }
      local script = script_of(plot.histogram, { path = path, log = "y", bins = 2,
        series = { { y = samples } } })
      assert.matches("set yrange %[0%.5:%*%]", script)
      script = script_of(plot.histogram, { path = path, log = "y", bins = 2, density = true,
        series = { { y = samples } } })
      assert.is_near(1 / 6 / 1.5 / 2, tonumber(script:match("set yrange %[([%d.e-]+):%*%]")), 1e-9)
      assert(plot.histogram { path = path, log = "y", series = { { y = samples } } })
    end)

    it("draws text with quotes, backslashes and backticks as it is", function()
      local folder = path:match("^(.*)/")
      local text = script_of(plot.lines, { path = path, title = "'90s `touch ran` a\\b \"x\"",
        series = { { y = { 1, 2 }, label = "'lab" } } })
      assert.truthy(text:find([["'90s \140touch ran\140 a\134b \042x\042"]], 1, true))
      assert.truthy(text:find([[title "'lab"]], 1, true))
      assert(plot.lines { path = path, title = "'90s `touch ran`", series = { { y = { 1, 2 } } } })
      assert.is_nil(io.open(folder .. "/ran"))
      assert.is_nil(io.open("ran"))
    end)

    it("says of a series that nothing of it can be drawn", function()
      local text = script_of(plot.lines, { path = path, log = "y", series = {
        { y = { 1, 2 }, label = "fine" }, { y = { 0 / 0, 1 / 0 }, label = "lost" },
        { y = { -1, 0 } }, { y = {} } } })
      assert.truthy(text:find('title "fine"', 1, true))
      assert.truthy(text:find('keyentry with lines title "lost: no finite numbers"', 1, true))
      assert.truthy(text:find('"series 3: no positive numbers"', 1, true))
      assert.truthy(text:find('"series 4: no numbers"', 1, true))
      text = script_of(plot.lines, { path = path, series = { { y = { 0 / 0 } } } })
      assert.truthy(text:find('"series 1: no finite numbers"', 1, true))
      text = script_of(plot.histogram, { path = path, series = { { y = { 0 / 0 } } } })
      assert.truthy(text:find('"series 1: no finite numbers"', 1, true))
      for _, f in ipairs { plot.contour, plot.surface, plot.heat_map } do
        text = script_of(f, { path = path, x = { 1, 2 }, y = { 1, 2 },
          z = torus.full({ 2, 2 }, 0 / 0) })
        assert.truthy(text:find("'no finite numbers'", 1, true))
      end
    end)

    it("breaks titles that are wider than their panel", function()
      local svg = path .. ".svg"
      local title = "energies of many particles that swing about their places"
      assert(plot.figure { path = svg, columns = 2, width = 600, height = 300, panels = {
        { title = title, series = { { y = { 1, 2 } } } }, { series = { { y = { 1, 2 } } } } } })
      local text = assert(torus.files.read(svg))
      os.remove(svg)
      assert.is_nil(text:find(title, 1, true))
      for word in title:gmatch("%S+") do assert.is_truthy(text:find(word, 1, true), word) end
      assert(plot.lines { path = svg, title = title, series = { { y = { 1, 2 } } } })
      assert.is_truthy(assert(torus.files.read(svg)):find(title, 1, true))
      os.remove(svg)
    end)

    it("labels logarithmic axes with powers of ten", function()
      local text = script_of(plot.lines, { path = path, log = "xy", yrange = { 1.2, 7 },
        series = { { x = { 1e-5, 1 }, y = { 1, 2 } } } })
      assert.truthy(text:find("set format x '%.0te%T'", 1, true))
      assert.truthy(text:find("set format y '%.1te%T'", 1, true))
      assert.truthy(script_of(plot.lines, { path = path, series = { { y = { 1 } } } })
        :find("set format y\n", 1, true))
    end)

    it("counts in the bins of a histogram", function()
      local text = script_of(plot.histogram, { path = path, bins = 4, xlabel = "x",
        series = { { y = { 0, 0.5, 1, 1.5, 3.9, 4, 0 / 0 }, label = "a" },
          { y = torus.full({ 5 }, 2) } } })
      local first, second = text:match("<< END_OF_DATA\n(.-)END_OF_DATA.-<< END_OF_DATA\n(.-)END")
      assert.are.equal("0.5 2\n1.5 2\n2.5 0\n3.5 2\n", first)
      assert.are.equal("0.5 0\n1.5 0\n2.5 5\n3.5 0\n", second)
      assert.truthy(text:find("set ylabel 'count'", 1, true))
      text = script_of(plot.histogram, { path = path, density = true,
        series = { { y = torus.rand(1000) * 3 } } })
      local area, width = 0, tonumber(text:match("using 1:2:%(([%d.]+)%)"))
      for height in text:match("<< END_OF_DATA\n(.-)END"):gmatch(" (%S+)\n") do
        area = area + height * width
      end
      assert.is_true(math.abs(area - 1) < 1e-8)
      assert.truthy(text:find("set ylabel 'density'", 1, true))
    end)

    it("draws heat maps, with empty cells for NaN", function()
      local name = path .. ".png"
      local z = torus.tensor { { 0, 1, 0 }, { 0 / 0, 0, 1 } }
      assert(plot.heat_map { path = name, z = z, width = 400, height = 300,
        xlabel = "x", ylabel = "y", colour_label = "z" })
      local seen = {}
      for _, c in pairs(pixels(name)) do seen[table.concat(c, " ")] = true end
      assert.is_true(seen["53 42 135"] and seen["249 251 14"]) -- ends of the palette
      for _, shape in ipairs { { 1, 1 }, { 1, 4 }, { 3, 1 } } do
        assert(plot.heat_map { path = name, z = torus.rand(shape) })
      end
      os.remove(name)
      raises("x: expected evenly spaced numbers, got 4 after 2 at 3", function()
        plot.heat_map { path = path, x = { 1, 2, 4 }, y = { 1, 2 }, z = z }
      end)
    end)

    it("gives points sizes, and draws arrows", function()
      local text = script_of(plot.scatter, { path = path, series = {
        { y = { 1, 2 }, sizes = { 0.5, 3 }, values = { 7, 8 } },
        { y = { 1, 2 }, dx = { 1, 1 }, dy = { 0, 1 }, style = "arrows" } } })
      assert.truthy(text:find("\n1 1 0.5 7\n2 2 3 8\n", 1, true))
      assert.truthy(text:find("using 1:2:3:4 with points pt 7 ps variable lc palette", 1, true))
      assert.truthy(text:find("using 1:2:3:4 with vectors", 1, true))
      text = script_of(plot.scatter, { path = path,
        series = { { y = { 1, 2 }, sizes = 0.5 } } })
      assert.truthy(text:find("\n1 1 0.5\n2 2 0.5\n", 1, true))
      for message, series in pairs {
        ["sizes: expected 2 numbers, as in y, got 1"] =
          { y = { 1, 2 }, sizes = { 1 }, style = "points" },
        ["sizes: expected finite numbers of at least 0, got -1 at 1"] =
          { y = { 1 }, sizes = { -1 }, style = "points" },
        ["sizes: expected a style with points, got \"lines\""] = { y = { 1 }, sizes = { 1 } },
        ["expected dx and dy with style = \"arrows\""] = { y = { 1 }, style = "arrows" },
        ["expected dx and dy together"] = { y = { 1 }, dx = { 1 } },
      } do
        raises(message, function() plot.lines { path = path, series = { series } } end)
      end
    end)

    it("draws phase portraits whose arrows follow the motion", function()
      local panel = require("torus.plot.portrait").panel {
        H = function(q, p) return (q * q + p * p):sum(2) / 2 end, arrows = 4, points = 5 }
      assert.are.equal("contour", panel.kind)
      assert.are.equal(4, panel.z[1][1]:item())
      assert.are.equal(0, panel.z[3][3]:item())
      local a = panel.series[1]
      for i = 1, a.x:numel() do
        local dx, dy = a.dx:reshape(-1)[i]:item(), a.dy:reshape(-1)[i]:item()
        local q = a.x:reshape(-1)[i]:item() + dx / 2
        local p = a.y:reshape(-1)[i]:item() + dy / 2
        -- along (p, -q)
        assert.is_true(math.abs(dx * q + dy * p) < 1e-12 and dx * p - dy * q > 0)
      end
      local H = torus.systems.pendulum
      local orbit = torus.integrate { H = H:hamiltonian(), q = torus.tensor { { 1 }, { 2 } },
        p = torus.zeros(2, 1), steps = 5 }
      for _, one in ipairs { H, torus.systems.pendulum_friction, H:hamiltonian(),
        torus.separable(torus.nn.MLP { sizes = { 1, 4, 1 }, scalar = true },
          torus.nn.MLP { sizes = { 1, 4, 1 }, scalar = true }) } do
        assert(plot.phase_portrait { path = path, H = one, trajectories = { orbit },
          qrange = { -4, 4 }, points = 11, arrows = 5, series = { { y = { 0, 1 } } } })
      end
      assert(plot.figure { path = path, panels = {
        { kind = "phase_portrait", H = H, points = 11 }, { series = { { y = { 1 } } } } } })
      raises("H: expected a system of one degree of freedom, got two_body with 4",
        function() plot.phase_portrait { path = path, H = torus.systems.two_body } end)
      raises("qrange: expected {low, high}, got {1}", function()
        plot.phase_portrait { path = path, H = H, qrange = { 1 } }
      end)
    end)

    it("shows lines as text, and the rest as pictures, in a terminal", function()
      local function output(code)
        local program = os.tmpname()
        assert(torus.files.write(program, 'local torus = require "torus"\n'
          .. "torus.plot.program = 'env -u LD_PRELOAD gnuplot'\n" .. code))
        local pipe = io.popen("LC_ALL=C.UTF-8 COLORTERM=truecolor scripts/torus " .. program
          .. " 2>&1")
        local text = pipe:read("a")
        pipe:close()
        os.remove(program)
        return text
      end
      local text = output [[print(torus.plot.show { protocol = "blocks", xlabel = "step",
        title = "a loss", log = "y", series = { { y = { 1, 1e-3 }, label = "train" },
        { y = { 0 / 0 }, label = "test" } } })]]
      for _, part in ipairs { "a loss", "step", "1e%-3", "train", "test: no finite numbers",
        "true\n$" } do
        assert.matches(part, text)
      end
      text = output [[print(torus.plot.show { protocol = "blocks", kind = "heat_map",
        z = torus.tensor{{0, 1}, {1, 0}} })]]
      local lines = select(2, text:gsub("\n", ""))
      assert.is_true(lines > 5 and lines <= 23)
      assert.truthy(text:find("48;2;53;42;135", 1, true)) -- an end of the palette
      text = output [[print(torus.plot.show { protocol = "sixel", width = 200, height = 100,
        panels = { { series = { { y = { 1, 2 } } } } } })]]
      assert.matches('^\27P0;1;0q"1;1;200;100', text)
      assert.matches("^nil\tplot.show: standard output is not a terminal; write a file instead: "
        .. 'torus.plot.lines { path = "plot.png"',
        output [[print(torus.plot.show { series = { { y = { 1 } } } })]])
      raises("plot.show: options: expected a table, got 5", function() plot.show(5) end)
      raises("plot.show: protocol: expected one of", function()
        plot.show { protocol = "vga", series = { { y = { 1 } } } }
      end)
      raises('plot.show: unknown option "path"', function()
        plot.show { protocol = "blocks", path = "a.png", series = { { y = { 1 } } } }
      end)
    end)

    it("leaves nothing when it fails", function()
      local none, message = plot.lines { path = "/nonexistent/a.png",
        series = { { y = { 1 } } } }
      assert.is_nil(none)
      assert.matches("^plot: cannot write /nonexistent/a.png", message)
      local program = plot.program
      finally(function() plot.program = program end)
      plot.program = "sh -c 'echo a bad day >&2; exit 3' sh"
      assert(torus.files.write(path, "as before"))
      none, message = plot.lines { path = path, series = { { y = { 1 } } } }
      assert.is_nil(none)
      assert.matches("^plot: gnuplot failed: a bad day", message)
      assert.are.equal("as before", torus.files.read(path))
      assert.is_nil(io.open(path .. ".part"))
    end)

    it("never runs a file name as a command", function()
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
      ["series 1: errors: expected 2 numbers, as in y, got 1"] =
        { series = { { errors = { 1 }, y = { 1, 2 } } } },
      ['series 1: errors: expected a style with lines or points, got "filled"'] =
        { series = { { errors = { 1 }, y = { 1 }, style = "filled" } } },
      ["series 1: x: expected 2 numbers, as in y, got 1"] =
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
