local exposed = require "spec.support.exposed"

describe("reference", function()
  it("documents everything that is public", function()
    local all, lacking = exposed.all(), {}
    for _, item in ipairs(all) do
      if #item.missing > 0 then
        lacking[#lacking + 1] = ("%s (%s): %s"):format(item.name,
          item.position or "engine", table.concat(item.missing, ", "))
      end
    end
    print(("\npublic functions and methods: %d, documented: %d"):format(#all,
      #all - #lacking))
    assert.equal("", table.concat(lacking, "\n"))
  end)

  it("has examples that run", function()
    local pipe = assert(io.popen([[
      root=$PWD && folder=$(mktemp -d) && cd "$folder" || exit 1
      "$root/scripts/torus" "$root/spec/support/run_usage.lua" 2>&1
      status=$?
      cd / && rm -rf "$folder"
      exit $status]]))
    local said = pipe:read("a")
    assert.is_true(pipe:close() == true, said)
    print(said:match("[^\n]*\n$"))
  end)
end)
