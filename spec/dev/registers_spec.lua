-- TORUS_ISA reaches every kernel.
-- Functions of the engine that use wider registers than their name admits. These
-- would run whatever TORUS_ISA says.
local DISASSEMBLE = [[objdump -d --no-show-raw-insn %s/libtorus.a | awk '
  /^[0-9a-f]+ <.*>:$/ { name = $2; next }
  /%%zmm/ { zmm++; if (name !~ /_avx512/) wide[name] }
  /%%ymm/ { ymm++; if (name !~ /_avx(2|512)/) wide[name] }
  END { print (zmm > 0 && ymm > 0); for (name in wide) print name }']]

describe("a function of the engine", function()
  it("uses no wider registers than the instruction set in its name has", function()
    local build = os.getenv "TORUS_BUILD" or "build"
    local pipe = assert(io.popen(DISASSEMBLE:format(build)))
    local text = pipe:read "a"
    pipe:close()
    local machine = io.popen("uname -m"):read "l"
    assert.equal(machine == "x86_64" and "1\n" or "0\n", text)
  end)
end)
