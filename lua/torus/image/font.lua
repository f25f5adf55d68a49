--- Small capitals for labels in pictures: 5 by 7 pixels each.
-- @module torus.image.font
local M = {}

M.width, M.height = 5, 7

-- Seven rows of five pixels from top to bottom; each row is a base-32 digit with its
-- highest bit on the left.
local GLYPHS = {
  A = "ehhvhhh", B = "uhhuhhu", C = "ehggghe", D = "uhhhhhu", E = "vgguggv",
  F = "vgguggg", G = "ehgnhhf", H = "hhhvhhh", I = "e44444e", J = "72222ic",
  K = "hikokih", L = "ggggggv", M = "hrllhhh", N = "hhpljhh", O = "ehhhhhe",
  P = "uhhuggg", Q = "ehhhlid", R = "uhhukih", S = "fgge11u", T = "v444444",
  U = "hhhhhhe", V = "hhhhha4", W = "hhhllla", X = "hha4ahh", Y = "hhha444",
  Z = "v1248gv",
  ["0"] = "ehjlphe", ["1"] = "4c4444e", ["2"] = "eh1248v", ["3"] = "v2421he",
  ["4"] = "26aiv22", ["5"] = "vgu11he", ["6"] = "68guhhe", ["7"] = "v124888",
  ["8"] = "ehhehhe", ["9"] = "ehhf12c",
  [" "] = "0000000", ["."] = "00000cc", [","] = "0000c48", ["-"] = "000e000",
  ["+"] = "044v440", ["="] = "00v0v00", ["("] = "2488842", [")"] = "8422248",
  ["/"] = "01248g0", [":"] = "0cc0cc0", ["%"] = "op248j3", ["_"] = "000000v",
  ["*"] = "04lel40", ["?"] = "eh12404", ["!"] = "4444404", ["'"] = "4480000",
  ["<"] = "248g842", [">"] = "8421248", ["^"] = "4ah0000", ["#"] = "aavavaa",
  ["["] = "e88888e", ["]"] = "e22222e", ["|"] = "4444444",
}
local UNKNOWN = "vhhhhhv"

--- Returns the pixels of a line of text, with one column between letters.
-- @tparam string text shown in capitals
-- @treturn {{integer,...},...} rows of 0 and 1
function M.pixels(text)
  local rows = {}
  for y = 1, M.height do rows[y] = {} end
  for i = 1, #text do
    local glyph = GLYPHS[text:sub(i, i):upper()] or UNKNOWN
    for y = 1, M.height do
      local bits = tonumber(glyph:sub(y, y), 32)
      local row = rows[y]
      if i > 1 then row[#row + 1] = 0 end
      for x = M.width - 1, 0, -1 do row[#row + 1] = bits >> x & 1 end
    end
  end
  return rows
end

return M
