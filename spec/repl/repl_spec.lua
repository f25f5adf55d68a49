local repl = require "torus.repl"

-- Runs lines through a session; returns what it wrote, what it complained
-- about, the prompts, its environment and the number of failures.
local function converse(lines, environment, clock)
  local out, complaints, prompts = {}, {}, {}
  local at = 0
  environment = environment or setmetatable({}, { __index = _G })
  local session = repl.session({
    read = function(prompt)
      prompts[#prompts + 1] = prompt
      at = at + 1
      if lines[at] == "^C" then return "", true end
      return lines[at]
    end,
    write = function(text) out[#out + 1] = text end,
    complain = function(text) complaints[#complaints + 1] = text end,
    clock = clock,
  }, environment)
  local failures = session:run()
  return {
    out = table.concat(out), complaints = table.concat(complaints),
    prompts = table.concat(prompts), environment = environment,
    failures = failures,
  }
end

describe("repl", function()
  it("prints the values of expressions", function()
    assert.equal('3\n"a"\n{1, 2}\n', converse({ "1 + 2", '"a"', "{1, 2}" }).out)
    assert.equal("1\nnil\n2\n", converse({ "1, nil, 2" }).out)
    assert.equal("nil\n", converse({ "nothing" }).out)
  end)

  it("runs statements silently", function()
    local talk = converse { "x = 4", "if x then y = x + 1 end" }
    assert.equal("", talk.out)
    assert.equal(5, talk.environment.y)
  end)

  it("helps who asks", function()
    for _, line in ipairs { "help", " help() " } do
      local talk = converse { line }
      assert.matches("Tab completes names", talk.out)
      assert.matches("torus.systems", talk.out)
      assert.equal("", talk.complaints)
    end
    assert.equal("5\n", converse({ "help = 5", "help" }).out)
  end)

  it("keeps the last value in _", function()
    assert.equal("7\n8\n", converse({ "7", "_ + 1" }).out)
  end)

  it("keeps what local declares", function()
    local talk = converse {
      "local x = 2", "local function f() return x * 2 end", "f()",
      "local a, b = 3, 4", "a + b", "local c <const> = 5",
    }
    assert.equal("4\n7\n", talk.out)
    assert.equal("", talk.complaints)
  end)

  it("keeps what follows a comment", function()
    local talk = converse { "1 --[[x]] + 2;", "1 --[[x]] + 4" }
    assert.equal("5\n", talk.out)
    assert.equal("", talk.complaints)
  end)

  it("prints values in front of comments", function()
    local talk = converse { '"--" -- a', "1, '-- b' -- c", "--[[ d ]] 2 -- e", "3; -- f" }
    assert.equal('"--"\n1\n"-- b"\n2\n', talk.out)
    assert.equal("", talk.complaints)
  end)

  it("names the line of an error", function()
    for _, case in ipairs {
      { 1, "local x = nothing.field" },
      { 2, "local x, y =", "  1, nothing.field" },
      { 3, "local f = function()", "", "  error('boo') end f()" },
      { 2, "local function g()", "  error('boo') end g()" },
      { 1, "local x <const> = nothing.field" },
      { 1, "torus.ones(2)[3]" },
      { 1, "torus.ones(2)[3] -- the last -- but one" },
      { 1, "torus.ones(2)[3]; -- the last" },
      { 3, "(1 +", "  2 +", "nothing.field)" },
    } do
      local talk = converse { table.unpack(case, 2) }
      assert.equal("prompt:" .. case[1] .. ":", talk.complaints:match("^prompt:%d+:"))
    end
  end)

  it("forgets a value when local declares its name alone", function()
    assert.equal("nil\nnil\n",
      converse({ "x, y = 1, 2", "local x", "x", "local y, z", "y" }).out)
  end)

  it("leaves the globals of other modules alone", function()
    local talk = converse {
      "local string, type = 'mine', 5", "string .. type", "torus = require 'torus'",
      "torus.zeros(2)", "_G.string.rep('a', 2)", "local function print() return 7 end",
      "print()",
    }
    assert.equal("", talk.complaints)
    assert.equal('"mine5"\n[0., 0.]  float32 (2)\n"aa"\n7\n', talk.out)
    assert.is_function(type)
  end)

  it("prints nothing before a semicolon", function()
    local talk = converse { "5;", "_", '"a;b";  -- a; comment', "_", "1, 2;",
      "x = 3;", "'end;'" }
    assert.equal('5\n"a;b"\n"end;"\n', talk.out)
    assert.matches("^prompt:1: bad argument", converse({ "string.rep();" }).complaints)
  end)

  it("tells how long a command took", function()
    local seconds = 0
    local function clock()
      seconds = seconds + 0.25
      return seconds
    end
    local talk = converse({ ":time 1 + 1", ":time x = (", "3)", "x", ":time 5;",
      ":times 3", ":time", ":time error('boo', 0)", ":time ::a::" }, nil, clock)
    assert.equal("2\n250 ms\n250 ms\n3\n250 ms\n250 ms\n", talk.out)
    assert.equal([[
prompt: unknown command :times (known: :time)
prompt: :time: expected Lua after it, got nothing
boo
]], talk.complaints)
    assert.matches("^5\n%d+ us\n$", converse({ ":time 5" }).out)
  end)

  it("asks for more until the input is whole", function()
    local talk = converse { "for i = 1, 2 do", "  total = (total or 0) + i", "end", "total" }
    assert.equal("3\n", talk.out)
    assert.equal("> >> >> > > ", talk.prompts)
    assert.equal("{1, 2}\n", converse({ "{", "1,", "2}" }).out)
    assert.equal('"a\\nb"\n', converse({ "[[a", "b]]" }).out)
  end)

  it("goes on after errors of every kind", function()
    local talk = converse {
      "x = = 1", "error('boo')", "nothing.field", "error{code = 3}", "1 + 1",
    }
    assert.equal("2\n", talk.out)
    assert.equal(4, talk.failures)
    assert.truthy(talk.complaints:find("prompt:1: unexpected symbol near '='", 1, true))
    assert.truthy(talk.complaints:find("prompt:1: boo\n", 1, true))
    assert.truthy(talk.complaints:find("global 'nothing'", 1, true))
    assert.truthy(talk.complaints:find("error value: {code = 3}", 1, true))
  end)

  it("names the prompt's line also for a single call", function()
    local talk = converse { "string.rep()" }
    assert.truthy(talk.complaints:find("^prompt:1: bad argument"))
  end)

  it("shows the calls that led to an error, without its own", function()
    local talk = converse { "function f() error('deep') end", "function g() f() end", "g()" }
    assert.equal([[
prompt:1: deep
    prompt:1: in function 'f'
    prompt:1: in function 'g'
]], talk.complaints)
  end)

  it("leaves the library's calls out", function()
    local torus = require "torus"
    local talk = converse({ "x:matmul(x)" }, { x = torus.zeros(2, 3) })
    assert.equal("prompt:1: matmul: inner sizes differ, (2,3) x (2,3)\n", talk.complaints)
  end)

  it("reports input that ends in the middle", function()
    local talk = converse { "x = (" }
    assert.equal(1, talk.failures)
    assert.truthy(talk.complaints:find("<eof>", 1, true))
  end)

  it("drops what the user gives up", function()
    local talk = converse { "x = (", "^C", "1" }
    assert.equal("1\n", talk.out)
    assert.equal(0, talk.failures)
  end)

  it("leaves at exit and quit", function()
    assert.equal("1\n", converse({ "1", "exit", "2" }).out)
    assert.equal("1\n", converse({ "1", "quit", "2" }).out)
    assert.equal("1\n", converse({ "1", "exit()", "2" }).out)
    assert.equal("1\n", converse({ "1", " quit ();", "2" }).out)
    assert.equal("3\n2\n", converse({ "exits = 3", "exits", "2" }).out)
  end)

  it("prints what follows =, as Lua's prompt does", function()
    assert.equal("3\n4\n", converse({ "= 1 + 2", "=4" }).out)
  end)
end)

describe("scripts/torus", function()
  -- The whole output and the exit status of a shell command.
  local function run(command)
    local pipe = io.popen("{ " .. command .. "\n} 2>&1; echo \"status $?\"")
    local text = pipe:read("a")
    pipe:close()
    local output, status = text:match("^(.*)status (%d+)\n$")
    return output, tonumber(status)
  end

  it("reads from a pipe without prompts, torus at hand", function()
    local output, status = run("printf 'torus ~= nil\\n1 + 1\\n' | scripts/torus")
    assert.equal("true\n2\n", output)
    assert.equal(0, status)
  end)

  it("tells by its status that an input failed, and goes on", function()
    local output, status = run("printf 'error(\"boo\", 0)\\n5\\n' | scripts/torus")
    assert.equal("boo\n5\n", output)
    assert.equal(1, status)
  end)

  it("runs a script with arguments from anywhere", function()
    local script = os.tmpname()
    local file = assert(io.open(script, "w"))
    file:write([[assert(require "torus"); assert(torus == nil); print(...); os.exit(3)]])
    file:close()
    local here = run("pwd"):gsub("\n", "")
    local output, status = run(("cd / && '%s/scripts/torus' %s a 'b c'"):format(here, script))
    os.remove(script)
    assert.equal("a\tb c\n", output)
    assert.equal(3, status)
  end)

  it("works through a symbolic link", function()
    local link = os.tmpname()
    os.remove(link)
    run(("ln -s \"$PWD/scripts/torus\" %s"):format(link))
    local output = run(("cd / && %s -e 'print(require(\"torus\") ~= nil)'"):format(link))
    os.remove(link)
    assert.equal("true\n", output)
  end)

  it("says what to do when nothing is built", function()
    local output, status = run("TORUS_BUILD=/nonexistent scripts/torus -e ''")
    assert.equal("torus: /nonexistent/torus/core.so is missing: run make first\n", output)
    assert.equal(1, status)
  end)

  local _, has_script = run("command -v script")
  local has_edit = pcall(require, "torus.edit")
  local on_terminal = has_script == 0 and has_edit and it or pending
  on_terminal("edits, completes and keeps a history on a terminal", function()
    local home = os.tmpname()
    os.remove(home)
    run("mkdir " .. home)
    -- Each key in its time: what comes before the prompt is lost.
    local output = run(([[
      { sleep 0.6; printf '#tor\t.arang\t(42)\n'; sleep 0.3
        printf '\004'; sleep 0.2; } |
      env -u XDG_STATE_HOME HOME=%s TERM=vt100 script -qec scripts/torus /dev/null
    ]]):format(home))
    local history = run("cat " .. home .. "/.torus_history")
    run("rm -r " .. home)
    assert.truthy(output:find("\n42\r?\n"), output)
    assert.truthy(history:find("#torus.arange(42)", 1, true), history)
  end)

  -- What a prompt shows on a terminal that sends it these keys, by commands of a
  -- shell, its status, and the seconds that it took. `await TEXT` waits until the
  -- text has been shown, `keys TEXT` types it. `exec`, since a shell that waits
  -- for a child dies of a Ctrl-C that the child has handled. libedit never frees the
  -- names of functions that were added to it.
  local function on_a_terminal(commands)
    local home = os.tmpname()
    os.remove(home)
    run("mkdir " .. home)
    local start = os.time()
    local output, status = run(([[
      export HOME=%s TERM=vt100 ASAN_OPTIONS=detect_leaks=0
      unset XDG_STATE_HOME TMUX KITTY_WINDOW_ID LC_TERMINAL TERM_PROGRAM TORUS_GRAPHICS
      keys() { printf "$@"; }
      await() {
        for i in $(seq 200); do
          grep -q "$1" $HOME/shown 2>/dev/null && return
          sleep 0.05
        done
      }
      { await '^> '; %s; } |
        script -qefc "exec env --default-signal scripts/torus" $HOME/shown
    ]]):format(home, commands))
    run("rm -r " .. home)
    return output, status, os.time() - start
  end

  -- By themselves they take half a minute and more.
  local LONG = {
    "f = torus.nn.MLP { sizes = { 1, 256, 256, 1 }, activation = [[tanh]], scalar = true } "
      .. "torus.no_grad(function() return torus.integrate { H = torus.separable(f, f), "
      .. "q = x, p = x, dt = 0.01, steps = 1000000 } end)",
    "s = torus.systems.three_body q, p = s:sample { count = 1000000 } s:solve(q, p)",
    "while true do x:sin() end",
    "coroutine.wrap(function() while true do x:sin() end end)()",
    "while true do end",
  }
  on_terminal("stops the engine and Lua at a Ctrl-C, and goes on", function()
    local commands = { "keys 'x = torus.ones(4, 1)\\n'" }
    for i, code in ipairs(LONG) do
      commands[#commands + 1] = ("keys 'print([[be]] .. [[gun%d]]) %s\\n'; await begun%d; "
        .. "sleep 0.3; keys '\\003'; keys 'print([[en]] .. [[ded%d]])\\n'; await ended%d")
        :format(i, code, i, i, i)
    end
    local output, status, seconds = on_a_terminal(table.concat(commands, "; ")
      .. "; keys '\\004'; sleep 0.1")
    local _, count = output:gsub("prompt:1: interrupted", "")
    assert.equal(#LONG, count, output)
    assert.truthy(output:find("ended" .. #LONG, 1, true), output)
    assert.equal(0, status)
    assert.is_true(seconds < 25)
  end)

  on_terminal("is left by a second Ctrl-C where the first is not heard", function()
    local output, status, seconds = on_a_terminal([[
      keys 'print("be" .. "gun") return (("a"):rep(40)):find(("a*"):rep(40) .. "b")\n'
      await begun; keys '\003'; sleep 0.5; keys '\003'; sleep 0.3]])
    assert.is_nil(output:find("interrupted", 1, true), output)
    assert.equal(128 + 2, status)
    assert.is_true(seconds < 20)
  end)

  on_terminal("shows pictures in what the terminal answers that it speaks", function()
    local output, status = on_a_terminal([[
      keys 'torus.image.show(torus.ones(2, 3, 3)), "sho" .. "wn"\n'
      await "$(printf '\033.c')"; keys '\033[?62;4;22c'; await shown
      keys 'torus.image.show(torus.ones(2, 3, 3)), "ag" .. "ain"\n'; await again
      keys '\004'; sleep 0.1]])
    assert.equal(0, status)
    -- Asked once; both pictures are enlarged sixels.
    assert.equal(1, select(2, output:gsub("\27%[c", "")))
    assert.equal(2, select(2, output:gsub('\27P0;1;0q"1;1;%d+;%d+', "")), output)
  end)

  on_terminal("ends a training after its step at a Ctrl-C", function()
    local output, status = on_a_terminal([[
      keys 'config = torus.runs.configuration.make("small", { model = "hnn" })\n'
      keys 'config.steps = 1000000 run = os.tmpname() os.remove(run)\n'
      keys 'print("be" .. "gun") done = torus.runs.train(run, config)\n'
      await begun; sleep 2; keys '\003'
      keys 'io.open(run .. "/checkpoint.safetensors") ~= nil, "en" .. "ded"\n'; await ended
      keys 'os.execute("rm -r " .. run)\n'; sleep 0.3; keys '\004'; sleep 0.1]])
    assert.is_nil(output:find("interrupted\r?\n"), output)
    assert.truthy(output:find('\ntrue\r?\n"ended"\r?\n'), output)
    assert.equal(0, status)
  end)

  on_terminal("does not close or read an editor that completes", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write([[
      local edit, said, editor = require "torus.edit", {}, nil
      local function say(f) said[#said + 1] = select(2, pcall(f, editor, "")) end
      editor = edit.open { complete = function()
        say(editor.close) say(editor.read) say(getmetatable(editor).__gc)
        return "x", ""
      end }
      print("got", editor:read("> "))
      for _, message in ipairs(said) do print(message) end
      editor:close()
    ]])
    file:close()
    -- libedit never frees the names of functions that were added to it.
    local output, status = run(([[
      { sleep 0.6; printf 'a\tb\n'; sleep 0.3; } |
      ASAN_OPTIONS=detect_leaks=0 TERM=vt100 script -qec "scripts/torus %s" /dev/null
    ]]):format(path))
    os.remove(path)
    assert.equal(0, status, output)
    assert.truthy(output:find("got\taxb", 1, true)
      or output:find("got%s+axb"), output)
    assert.equal(3, select(2, output:gsub("the editor is reading a line", "")))
  end)
end)
