local torus = require "torus"
local raises = require "spec.support.raises"
local terminal = require "torus.image.terminal"

-- What a terminal shows of half blocks: rows of pixels {r, g, b}.
local function decode(text, colour_of)
  local rows = {}
  for line in text:gmatch("(.-)\n") do
    local top, bottom, fore, back = {}, {}, nil, nil
    local at = 1
    while at <= #line do
      local codes = line:match("^\27%[([%d;]*)m", at)
      if codes then
        at = at + #codes + 3
        if codes == "0" then fore, back = nil, nil end
        local f, b = codes:match("^(38.-);(4[89].*)$")
        if f then fore, back = colour_of(f), colour_of(b) end
      else
        assert(line:sub(at, at + 2) == "\u{2580}", "a character that is not a half block")
        at = at + 3
        top[#top + 1], bottom[#bottom + 1] = fore, back or false
      end
    end
    assert(fore == nil, "the colour is not reset")
    rows[#rows + 1], rows[#rows + 2] = top, bottom
  end
  return rows
end

local function true_colour(codes)
  local r, g, b = codes:match("^[34]8;2;(%d+);(%d+);(%d+)$")
  return r and { tonumber(r), tonumber(g), tonumber(b) } or false
end

-- The table of 256 colours, from 16 on.
local function of_table(n)
  if n >= 232 then return { 8 + 10 * (n - 232), 8 + 10 * (n - 232), 8 + 10 * (n - 232) } end
  local levels = { 0, 95, 135, 175, 215, 255 }
  n = n - 16
  return { levels[n // 36 + 1], levels[n // 6 % 6 + 1], levels[n % 6 + 1] }
end

local function squared(a, b)
  return (a[1] - b[1]) ^ 2 + (a[2] - b[2]) ^ 2 + (a[3] - b[3]) ^ 2
end

-- Bytes of base64, by the system's own program.
local function from_base64(text)
  local path = os.tmpname()
  assert(torus.files.write(path, text))
  local pipe = assert(io.popen("base64 -d " .. path))
  local bytes = pipe:read("a")
  pipe:close()
  os.remove(path)
  return bytes
end

describe("image.terminal", function()
  torus.manual_seed(5)
  local pixels = (torus.rand(5, 4, 3) * 255):floor():to("uint8")
  local png
  do
    local path = os.tmpname()
    assert(torus.image.write(path, pixels))
    png = torus.files.read(path)
    os.remove(path)
  end

  it("shows each pixel as half a block", function()
    local rows = decode(terminal.blocks(pixels, { true_colour = true }), true_colour)
    assert.equal(6, #rows)
    for y, row in ipairs(pixels:totable()) do assert.same(row, rows[y]) end
    assert.same({ false, false, false, false }, rows[6])
  end)

  it("chooses the nearest of 256 colours", function()
    for _, c in ipairs { { 0, 0, 0 }, { 255, 255, 255 }, { 255, 0, 0 }, { 82, 89, 94 },
      { 47, 48, 49 }, { 200, 210, 90 }, { 115, 20, 240 }, { 238, 238, 238 }, { 3, 3, 5 } } do
      local best = math.huge
      for n = 16, 255 do best = math.min(best, squared(c, of_table(n))) end
      assert.equal(best, squared(c, of_table(terminal.indexed(table.unpack(c)))))
    end
    local rows = decode(terminal.blocks(pixels, { true_colour = false }), function(codes)
      local n = codes:match("^[34]8;5;(%d+)$")
      return n and of_table(tonumber(n)) or false
    end)
    assert.same(of_table(terminal.indexed(table.unpack(pixels:totable()[2][3]))), rows[2][3])
  end)

  it("uses spaces where the locale has no half blocks", function()
    local text = terminal.blocks(torus.tensor({ { { 10, 20, 30 } }, { { 20, 40, 50 } } },
      { dtype = "uint8" }), { true_colour = true, utf8 = false })
    assert.equal("\27[48;2;15;30;40m \27[0m\n", text)
  end)

  it("sends files to kitty in pieces, and to iTerm2", function()
    local big = (torus.rand(60, 60, 3) * 255):floor():to("uint8")
    local text = assert(terminal.encode(big, "kitty"))
    local data, count = {}, 0
    for head, piece, rest in text:gmatch("\27_G([^;]*);([^\27]*)\27\\()") do
      count = count + 1
      assert.is_true(#piece <= 4096)
      assert.equal((count == 1 and "f=100,a=T,q=2,m=" or "m=")
        .. (rest == #text and "0" or "1"), head)
      data[count] = piece
    end
    assert.is_true(count > 2)
    assert.equal("\x89PNG\r\n\x1a\n", from_base64(table.concat(data)):sub(1, 8))
    text = terminal.encode(pixels, "kitty")
    assert.equal(png, from_base64(text:match(";(.-)\27\\\n$")))
    local size, sent = terminal.encode(pixels, "iterm2")
      :match("^\27%]1337;File=inline=1;size=(%d+):(.*)\7\n$")
    assert.equal(#png, tonumber(size))
    assert.equal(png, from_base64(sent))
  end)

  it("sends sixels", function()
    assert.matches('^\27P0;1;0q"1;1;4;5#0;2;.*\27\\\n$', terminal.encode(pixels, "sixel"))
  end)

  it("knows a terminal by what it answers", function()
    local vt340 = "\27[?62;1;4;9;22c"
    assert.equal("sixel", terminal.protocol_of_answer(vt340))
    assert.equal("kitty", terminal.protocol_of_answer("\27_Gi=31;OK\27\\" .. vt340))
    assert.equal("iterm2", terminal.protocol_of_answer("\27P>|iTerm2 3.5\27\\" .. vt340))
    assert.is_nil(terminal.protocol_of_answer("\27[?62;22;44c"))
    assert.is_nil(terminal.protocol_of_answer("\27_Gi=31;EINVAL\27\\\27[?64;1;2c"))
    assert.is_nil(terminal.protocol_of_answer(""))
  end)

  it("knows a terminal by its environment", function()
    local function protocol(variables)
      return terminal.protocol_of_environment(function(name) return variables[name] end)
    end
    assert.equal("kitty", protocol { TERM = "xterm-kitty" })
    assert.equal("iterm2", protocol { LC_TERMINAL = "iTerm2", TERM = "xterm-256color" })
    assert.equal("blocks", protocol { TMUX = "x", KITTY_WINDOW_ID = "1" })
    assert.equal("sixel", protocol { TORUS_GRAPHICS = "sixel", TMUX = "x" })
    assert.is_nil(protocol { TERM = "xterm-256color", TORUS_GRAPHICS = "" })
    local function many(variables)
      return terminal.has_true_colour(function(name) return variables[name] end)
    end
    assert.is_true(many { COLORTERM = "truecolor" })
    assert.is_true(many { TERM = "xterm-kitty" })
    assert.is_false(many { TERM = "xterm-256color" })
  end)

  it("shrinks by means", function()
    local x = torus.tensor { { { 0 }, { 4 } }, { { 8 }, { 12 } }, { { 1 }, { 3 } } }
    assert.near(28 / 6, terminal.shrink(x, 1, 1):item(), 1e-6)
    assert.same({ { { 0 }, { 4 } }, { { 8 }, { 12 } }, { { 1 }, { 3 } } },
      terminal.shrink(x, 3, 2):totable())
    -- two rows of one and a half each
    local two = terminal.shrink(x, 2, 2):totable()
    assert.near((0 + 8 / 2) / 1.5, two[1][1][1], 1e-6)
    assert.near((3 + 12 / 2) / 1.5, two[2][2][1], 1e-6)
  end)
end)

describe("image.show", function()
  -- What a program writes.
  local function output(code, before)
    local path = os.tmpname()
    assert(torus.files.write(path, 'local torus = require "torus"\n' .. code))
    local pipe = io.popen(("%s scripts/torus %s 2>&1"):format(before or "", path))
    local text = pipe:read("a")
    pipe:close()
    os.remove(path)
    return text
  end
  local UTF8 = "LC_ALL=C.UTF-8 COLORTERM=truecolor"

  it("says that there is no terminal", function()
    assert.equal("nil\timage.show: standard output is not a terminal; "
      .. "use torus.image.write instead\n", output "print(torus.image.show(torus.rand(2, 2, 3)))")
  end)

  it("shows images of every kind", function()
    for code, size in pairs {
      ["torus.rand(4, 6, 3)"] = { 4, 6 },
      ["torus.rand(4, 6)"] = { 4, 6 },
      ["torus.zeros({3, 2, 3}, { dtype = 'uint8' })"] = { 4, 2 },
      ["torus.rand(200, 400, 3)"] = { 40, 80 },
      ["torus.rand(400, 200, 3)"] = { 44, 22 },
      ["torus.rand(2, 4, 6, 3)"] = { 12, 18 },
    } do
      local rows = decode(output(("assert(torus.image.show(%s, { protocol = 'blocks' }))")
        :format(code), UTF8), true_colour)
      assert.same(size, { #rows, #rows[1] }, code)
    end
    local rows = decode(output("torus.image.show(torus.rand(2, 2), "
      .. "{ protocol = 'blocks', width = 21 })", UTF8), true_colour)
    assert.same({ 20, 20 }, { #rows, #rows[1] })
  end)

  it("shows what it is given", function()
    local rows = decode(output("torus.image.show(torus.tensor{{0, 1}, {0.5, 2}}, "
      .. "{ protocol = 'blocks' })", UTF8), true_colour)
    assert.same({ { { 0, 0, 0 }, { 255, 255, 255 } }, { { 128, 128, 128 }, { 255, 255, 255 } } },
      rows)
  end)

  it("says what it expected", function()
    raises("image.show: expected an image (height, width, 3) or (height, width), or a film "
      .. "(frames, height, width, 3), got tensor (3) float32",
      function() torus.image.show(torus.rand(3)) end)
    raises("image.show: expected an image", function() torus.image.show(5) end)
    raises("expected pixels, got tensor (0,2,3) float32",
      function() torus.image.show(torus.zeros(0, 2, 3), { protocol = "blocks" }) end)
    raises('option "protocol": expected one of', function()
      torus.image.show(torus.rand(2, 2, 3), { protocol = "vga" })
    end)
  end)
end)
