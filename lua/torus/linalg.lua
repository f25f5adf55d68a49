--- Linear algebra: systems of equations and decompositions of matrices.
--
--     local w, V = torus.linalg.eigh(stiffness)      -- normal modes
--     local velocity = torus.linalg.solve(mass, p)   -- M(q)^-1 p, batched
--
-- Matrices are the last two dimensions; the leading ones are a batch, and the batches
-- of two arguments broadcast. Everything works in float32 or float64 and is
-- differentiable to any order, within the limits given below. A matrix without a
-- result raises an error with its index in the batch. Each matrix is processed by
-- one thread, by OpenBLAS's LAPACK; results are bit-identical with any number of
-- threads. All functions except pinv and matrix_exp are also methods of tensors: `a:inverse()`.
-- @module torus.linalg
local core = require "torus.core"
local options = require "torus.options"

local ops = core.ops

local M = {}

--- Solves A X = B by LU factorisation with partial pivoting.
--
-- A matrix counts as singular if a pivot is no larger than its rounding error,
-- however its rows and columns are scaled. Gradients: A^-T g for B,
-- -(A^-T g) X^T for A.
-- @function torus.linalg.solve
-- @tparam tensor A (..., n, n)
-- @tparam tensor B (..., n, k); or vectors, if it is (n) or has the shape of
-- A without its last dimension
-- @treturn tensor X, like B, with both batches broadcast
-- @raise if a matrix is singular
-- @usage torus.linalg.solve(torus.tensor{{2,0},{0,4}}, torus.tensor{2,4}) -- {1, 1}
M.solve = ops.solve

--- Solves A X = B for a triangular A; its other triangle is not read.
-- @function torus.linalg.solve_triangular
-- @tparam tensor A (..., n, n)
-- @tparam tensor B as in solve
-- @tparam[opt=false] boolean upper true for upper triangular, false for lower
-- triangular matrices
-- @treturn tensor X, like B, with both batches broadcast
-- @raise if a diagonal element is zero
-- @usage
-- A = torus.tensor{{2, 0}, {1, 4}}
-- x = torus.linalg.solve_triangular(A, torus.tensor{2, 5})   -- 1 1
M.solve_triangular = ops.solve_triangular

--- Returns the inverse. `solve(A, B)` is faster and more accurate than
-- `inverse(A):matmul(B)`.
-- @function torus.linalg.inverse
-- @tparam tensor A (..., n, n)
-- @treturn tensor (..., n, n)
-- @raise if a matrix is singular, as in solve
-- @usage
-- y = torus.linalg.inverse(torus.tensor{{2, 0}, {0, 4}})   -- 0.5, 0.25
M.inverse = ops.inverse

--- Returns the determinant, which is 1 for an empty matrix.
--
-- Its gradient is the matrix of cofactors, also for singular matrices; second
-- derivatives need a nonsingular one.
-- @function torus.linalg.det
-- @tparam tensor A (..., n, n)
-- @treturn tensor (...)
-- @usage print(torus.linalg.det(torus.tensor{{1, 2}, {3, 4}}))   -- -2
M.det = ops.det

--- Returns the sign of the determinant and the logarithm of its absolute value, for
-- matrices whose determinant itself would overflow.
-- @function torus.linalg.slogdet
-- @tparam tensor A (..., n, n)
-- @treturn tensor the sign, (...): 1, -1, or 0 for a singular matrix
-- @treturn tensor the logarithm, (...): -infinity for a singular matrix, which has no
-- gradient
-- @usage
-- sign, logarithm = torus.linalg.slogdet(torus.tensor{{2, 0}, {0, 4}})   -- 1, ln 8
M.slogdet = ops.slogdet

--- Cholesky factorisation: returns the lower triangular L with L L^T = A.
--
-- The symmetric part (A + A^T)/2 is factorised, so that every element of A has a
-- gradient.
-- @function torus.linalg.cholesky
-- @tparam tensor A (..., n, n)
-- @treturn tensor (..., n, n), zero above the diagonal
-- @raise if a matrix is not positive definite
-- @usage
-- L = torus.linalg.cholesky(torus.tensor{{4, 2}, {2, 3}})
-- print(L:matmul(L:transpose()))
M.cholesky = ops.cholesky

--- Eigenvalues and eigenvectors of symmetric matrices: A = V diag(w) V^T.
--
-- The symmetric part (A + A^T)/2 is decomposed. The sign of each vector is
-- LAPACK's choice. w always has gradients; a column of V has one if its eigenvalue
-- differs from the others by more than rounding. Otherwise the gradient raises.
-- @function torus.linalg.eigh
-- @tparam tensor A (..., n, n)
-- @treturn tensor w, (..., n), ascending
-- @treturn tensor V, (..., n, n), one eigenvector per column
-- @raise if a matrix contains an infinity or NaN
-- @usage
-- K = torus.tensor{{2, -1}, {-1, 2}}   -- two masses, three springs
-- w, V = torus.linalg.eigh(K)
-- print(w:sqrt())   -- the frequencies 1 and sqrt 3
M.eigh = ops.eigh

--- Eigenvalues and eigenvectors of square matrices that need not be symmetric:
-- A v = w v. Both are complex, so that there are real and imaginary parts.
--
-- The order of the values is LAPACK's; conjugate values follow each other, the one with the
-- positive imaginary part first. Vectors have unit length, and their largest element is real
-- and positive. The values have gradients if the matrix is diagonalisable; a column of vectors
-- has one if its value differs from the others by more than rounding. Otherwise the gradient
-- raises. Where two elements of a vector are equally large, either is the real one, and a vector
-- alone is not continuous there; what does not depend on its phase is.
--
-- The eigenvalues of a monodromy matrix are the Floquet multipliers of a periodic orbit:
-- examples/19_stability.lua, which computes Lyapunov exponents as well.
-- @function torus.linalg.eig
-- @tparam tensor A (..., n, n)
-- @treturn tensor real parts of w, (..., n)
-- @treturn tensor imaginary parts of w, (..., n)
-- @treturn tensor real parts of the vectors, (..., n, n), one per column
-- @treturn tensor imaginary parts of the vectors, (..., n, n)
-- @raise if a matrix contains an infinity or NaN
-- @usage
-- -- The linearised motion of a damped oscillator: w = -0.1 +- 0.995 i.
-- A = torus.tensor{{0, 1}, {-1, -0.2}}
-- re, im = torus.linalg.eig(A)
-- print(re, im)
M.eig = ops.eig

--- Singular values and vectors: A = U diag(s) Vt, with r = min(m, n).
--
-- s always has gradients (a subgradient at zero); the vectors have gradients if their
-- values are distinct from the others and, if m and n differ, not zero.
-- @function torus.linalg.svd
-- @tparam tensor A (..., m, n)
-- @treturn tensor U, (..., m, r), one vector per column
-- @treturn tensor s, (..., r), descending
-- @treturn tensor Vt, (..., r, n), one vector per row
-- @raise if a matrix contains an infinity or NaN
-- @usage
-- U, s, Vt = torus.linalg.svd(torus.randn(5, 3))
-- print(table.unpack(U.shape))   -- 5  3
M.svd = ops.svd

--- QR factorisation: A = Q R with orthonormal columns in Q and upper triangular R,
-- r = min(m, n).
--
-- The signs are LAPACK's choice: the diagonal of R may be negative. Gradients exist if
-- the first r columns are linearly independent.
-- @function torus.linalg.qr
-- @tparam tensor A (..., m, n)
-- @treturn tensor Q, (..., m, r)
-- @treturn tensor R, (..., r, n)
-- @usage Q, R = torus.linalg.qr(torus.randn(5, 3))
M.qr = ops.qr

--- Least squares: returns the X that minimises |A X - B|, the one of minimum norm if
-- there are several, by singular value decomposition.
--
-- Gradients exist if the rank is min(m, n).
-- @function torus.linalg.lstsq
-- @tparam tensor A (..., m, n)
-- @tparam tensor B (..., m, k); or vectors, if it is (m) or has the shape of
-- A without its last dimension
-- @tparam[opt=epsilon*max(m,n)] number rcond singular values below rcond times
-- the largest one count as zero
-- @treturn tensor (..., n, k), or (..., n) for vectors
-- @raise if a matrix or right-hand side contains an infinity or NaN
-- @usage
-- local t = torus.linspace(0, 1, 50)
-- local y = t * 3 + 1
-- local columns = torus.stack({ torus.ones_like(t), t }, 2)
-- local offset, slope = table.unpack(torus.linalg.lstsq(columns, y):totable())
M.lstsq = ops.lstsq

--- Returns the pseudoinverse: `pinv(A):matmul(B)` is `lstsq(A, B)`.
-- @tparam tensor A (..., m, n)
-- @tparam[opt] number rcond as in lstsq
-- @treturn tensor (..., n, m)
-- @usage
-- print(table.unpack(torus.linalg.pinv(torus.randn(5, 3)).shape))   -- 3  5
function M.pinv(A, rcond)
  if not options.is_live(A) or A:dim() < 2 then
    options.raise("pinv: expected matrices, got %s", options.show(A))
  end
  return ops.lstsq(A, core.eye(A:size(-2), { dtype = A.dtype }), rcond)
end

core.name_functions(M)

-- Coefficients of the diagonal Pade approximant of degree 13, and the norm up to which its
-- error is below the rounding of float64 (Higham 2005, table 2.3).
local PADE = { [0] = 64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800,
  129060195264000, 10559470521600, 670442572800, 33522128640, 1323241920, 40840800, 960960,
  16380, 182, 1 }
local PADE_NORM = 5.371920351148152

--- Returns the exponential of matrices, exp(A) = I + A + A^2 / 2 + ...: the flow of the linear
-- equation dy/dt = A y after a unit of time.
--
-- By scaling, a Pade approximant and squaring (Higham 2005). Differentiable to any order.
-- @tparam tensor A (..., n, n)
-- @treturn tensor (..., n, n)
-- @raise if a matrix contains an infinity or NaN
-- @usage
-- J = torus.tensor{{0, 1}, {-1, 0}}
-- print(torus.linalg.matrix_exp(J * (math.pi / 2)))   -- a quarter turn: {0, 1}, {-1, 0}
function M.matrix_exp(A)
  if not options.is_live(A) or A:dim() < 2 or A:size(-1) ~= A:size(-2)
    or A.dtype ~= "float32" and A.dtype ~= "float64" then
    options.raise("matrix_exp: expected square matrices in float32 or float64, got %s",
      options.show(A))
  end
  if A:numel() == 0 then return ops.mul(A, 1) end
  -- The number of squarings of each matrix, (..., 1, 1): more than needed would cost accuracy.
  local squarings = core.no_grad(function()
    local norms = ops.max(A:detach():abs():sum(-2, true), -1, true)
    if not norms:isfinite():all():item() then
      options.raise("matrix_exp: expected finite matrices, got an infinity or a NaN")
    end
    return ops.maximum((norms / PADE_NORM):maximum(1):log2():ceil(), 0)
  end)
  A = A * squarings:neg():exp2()
  local I = core.eye(A:size(-1), { dtype = A.dtype })
  local A2 = A:matmul(A)
  local A4 = A2:matmul(A2)
  local A6 = A4:matmul(A2)
  -- b[k] I + b[k + 2] A^2 + ... of the odd or the even coefficients
  local function half(first)
    local b = function(k) return PADE[first + k] end
    return A6:matmul(A6 * b(12) + A4 * b(10) + A2 * b(8))
      + A6 * b(6) + A4 * b(4) + A2 * b(2) + I * b(0)
  end
  local U, V = A:matmul(half(1)), half(0)
  local X = ops.solve(V - U, V + U)
  for k = 1, squarings:max():item() // 1 do
    X = ops.where(squarings:ge(k), X:matmul(X), X)
  end
  return X
end

return M
