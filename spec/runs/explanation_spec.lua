-- What the keys of a configuration mean: in the command line, at the prompt, in programs.
local torus = require "torus"
local options = require "torus.options"
local tasks = require "torus.tasks"

local configuration = torus.runs.configuration

local function output_of(arguments)
  local pipe = io.popen("scripts/torus train " .. arguments .. " 2>&1")
  local text = pipe:read("a")
  local _, _, status = pipe:close()
  return text, status
end

describe("the explanation of a configuration", function()
  for _, model in ipairs(tasks.names) do
    it("has a sentence about every key of " .. model, function()
      for key, rule in pairs(configuration.rules_of(model)) do
        assert.is_string(rule.doc, key)
        assert.matches("^[%u\"s].*[.]$", rule.doc, key)
        assert.is_nil(rule.doc:find("  ", 1, true), key)
      end
    end)
  end

  it("states default, permitted values, meaning and presets", function()
    assert.are.equal([[
lr = 0.00015  (number from 0)
    Learning rate of Adam.
    Presets: 0.001 in demo, full, sharp, small.]], configuration.explain("hgn", "lr"))
    assert.matches("Presets: 30 in small with phase=vector%.$",
      configuration.explain("hgn", "fit_steps"))
    assert.matches("^fit_method = adam  %(adam or gauss_newton%)\n", configuration.explain(
      "hgn", "fit_method"))
    assert.matches("^seed = 1  %(integer from 0%)\n", configuration.explain("nhf", "seed"))
    assert.matches("^background  %(numbers separated by commas, or median%)\n",
      configuration.explain("hgn", "background"))
    assert.matches("^centre = true  %(true or false%)\n", configuration.explain(
      "pixel_hnn", "centre"))
  end)

  it("has lines of at most 80 characters, and all keys in order", function()
    for _, model in ipairs(tasks.names) do
      local keys = {}
      for line in configuration.explain(model):gmatch("[^\n]+") do
        assert.is_true(#line <= 80, line)
        keys[#keys + 1] = line:match("^[%w_]+")
      end
      assert.are.same(options.sorted_keys(configuration.rules_of(model)), keys)
    end
  end)

  it("finds keys by a part of their name or of what they mean", function()
    local text = configuration.explain("hnn", "learning rate")
    assert.matches("^lr = 0.001 ", text)
    assert.matches("\n\nlr_decay = none ", text)
    assert.matches("\n\nwarmup = 0 ", text)
    local none, message = configuration.explain("hgn", "chartt")
    assert.is_nil(none)
    assert.are.equal('no key of hgn is or mentions "chartt", did you mean "chart"?', message)
    assert.is_nil((configuration.explain("nope")))
  end)

  it("is printed by the command line", function()
    assert.are.equal(configuration.explain("hnn", "width") .. "\n", (output_of "hnn --keys width"))
    assert.are.equal(configuration.explain("nhf") .. "\n", (output_of "--keys nhf"))
    assert.are.equal(configuration.explain("hgn") .. "\n", (output_of "--keys"))
    local text, status = output_of "hnn --keys widht"
    assert.are.equal(1, status)
    assert.are.equal('train.lua: no key of hnn is or mentions "widht", did you mean "width"?\n',
      text)
    assert.matches("%-%-keys", (output_of "--help"))
  end)

  it("is what help says of a key", function()
    assert.are.equal(configuration.explain("hgn", "chart"), torus.help "hgn.chart")
    assert.are.equal(configuration.explain("hnn", "depth"), torus.help "models.hnn.depth")
    assert.matches("no entry is called", torus.help "hnn.no_such_key")
  end)
end)
