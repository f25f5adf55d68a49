local dkjson = require "dkjson"
local json = require "torus.json"

local function kind(value) return getmetatable(value).__jsontype end

describe("json.decode", function()
  it("reads what JSON can say", function()
    local value = assert(json.decode [==[
      { "a": [1, -2.5, 1e3, 0, -0.0, []], "b": {"c": true, "d": false, "e": null},
        "": "\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 é" } ]==])
    assert.are.equal("object", kind(value))
    assert.are.equal("array", kind(value.a))
    assert.are.equal("array", kind(value.a[6]))
    assert.are.equal("object", kind(value.b))
    assert.are.same({ 1, -2.5, 1000.0, 0, -0.0 }, { table.unpack(value.a, 1, 5) })
    assert.are.equal("integer", math.type(value.a[1]))
    assert.are.equal("float", math.type(value.a[3]))
    assert.is_true(value.b.c)
    assert.is_false(value.b.d)
    assert.is_nil(value.b.e)
    assert.are.equal('"\\/\b\f\n\r\té😀 é', value[""])
    assert.are.equal(5, json.decode "5")
    assert.are.equal("x", json.decode '"x"')
  end)

  it("reads what is written", function()
    local text = dkjson.encode({ list = { 1, 2.5, "a\0b\127\n" }, none = {},
      deep = { { { true } } } }, { indent = true })
    local value = assert(json.decode(text))
    assert.are.same({ 1, 2.5, "a\0b\127\n" }, setmetatable(value.list, nil))
    assert.is_true(value.deep[1][1][1])
  end)

  it("refuses what is none", function()
    for text, pattern in pairs {
      [""] = "line 1, column 1: expected a value, got the end",
      ["null"] = "it is null",
      ['{"a": 1 "b": 2}'] = 'column 9: expected a comma or }, got "\\""',
      ["[1 2]"] = 'expected a comma or %], got "2"',
      ["[1,]"] = 'expected a value, got "%]"',
      ["[,1]"] = "expected a value",
      ['{"a": 1,}'] = "expected a key in quotes",
      ['{"a" 1}'] = "expected a colon",
      ["{a: 1}"] = "expected a key in quotes",
      ["{1: 2}"] = "expected a key in quotes",
      ['{"a": 1, "a": 2}'] = 'duplicate key "a"',
      ['{"a": null, "a": 2}'] = 'duplicate key "a"',
      ['{"a": 1} x'] = "expected nothing after the value",
      ['{"a": 1}{}'] = "expected nothing after the value",
      ["/* no */ 1"] = "expected a value",
      ["1 // no"] = "expected nothing after the value",
      ["[1\n, // no\n2]"] = "line 2, column 3: expected a value",
      ["[01]"] = "expected a value",
      ["[1.]"] = "expected a comma",
      ["[.5]"] = "expected a value",
      ["[+1]"] = "expected a value",
      ["[0x10]"] = "expected a comma",
      ["[1e999]"] = "expected a number within the range of floats",
      ["[NaN]"] = "expected a value",
      ["[Infinity]"] = "expected a value",
      ["[truefalse]"] = "expected a value",
      ["'a'"] = "expected a value",
      ['"a'] = 'expected a closing "',
      ['"a\nb"'] = "expected no control character",
      ['"\\x41"'] = "expected an escape sequence",
      ['"\\ud800"'] = "expected an escape sequence",
      ['"\\udc00\\ud800"'] = "expected an escape sequence",
      ["\xef\xbb\xbf{}"] = "expected a value",
      ["{"] = "expected a key in quotes, got the end",
      ["["] = "expected a value, got the end",
      [("["):rep(100000)] = "nested too deeply: more than 200 levels",
    } do
      local value, message = json.decode(text)
      assert.is_nil(value, text)
      assert.matches(pattern, message)
      assert.is_nil(message:find "\n")
    end
    assert(json.decode(("["):rep(200) .. ("]"):rep(200)))
  end)

  it("says where long lines are wrong, and what key of any length", function()
    local long = ('{"%s": 1,\n x'):format(("a"):rep(1000000))
    local start = os.clock()
    local _, message = json.decode(long)
    -- By the square of the line it would be an hour.
    assert.is_true(os.clock() - start < 2)
    assert.matches("^line 2, column 2: expected a key in quotes", message)
    _, message = json.decode(('{"%s": 1, "%s": 2}'):format(("a\\n"):rep(1000), ("a\\n"):rep(1000)))
    assert.matches("duplicate key ", message)
    assert.is_true(#message < 300)
  end)
end)
