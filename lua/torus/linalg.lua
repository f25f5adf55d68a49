--- Linear algebra: systems of equations and decompositions of matrices.
--
--     local w, V = torus.linalg.eigh(stiffness)      -- normal modes
--     local velocity = torus.linalg.solve(mass, p)   -- M(q)^-1 p, batched
--
-- Matrices are the last two dimensions; the leading ones are a batch, and where
-- there are two arguments their batches broadcast. Everything is float32 or
-- float64 and differentiable to any order, with the limits named below. A
-- matrix that has no result raises an error with its number in the batch.
-- Each matrix is one thread's, by OpenBLAS's LAPACK; results have the same
-- bits with any number of threads. All but pinv are methods of tensors too:
-- `a:inverse()`.
-- @module torus.linalg
local core = require "torus.core"
local options = require "torus.options"

local ops = core.ops

local M = {}

--- The X with A X = B, by LU factors with row exchanges.
--
-- A matrix counts as singular when a pivot is no larger than its rounding
-- error, however its rows and columns are scaled. Gradients: B gets A^-T g, A
-- gets -(A^-T g) X^T.
-- @function torus.linalg.solve
-- @tparam tensor A (..., n, n)
-- @tparam tensor B (..., n, k); or vectors, where it is (n) or has the shape of
-- A without its last dimension
-- @treturn tensor like B, with both batches broadcast
-- @raise where a matrix is singular
-- @usage torus.linalg.solve(torus.tensor{{2,0},{0,4}}, torus.tensor{2,4}) -- {1, 1}
M.solve = ops.solve

--- The X with A X = B for triangular A, whose other triangle is not read.
-- @function torus.linalg.solve_triangular
-- @tparam tensor A (..., n, n)
-- @tparam tensor B as in solve
-- @tparam[opt=false] boolean upper the triangle: the upper one, or the lower one
-- @treturn tensor like B, with both batches broadcast
-- @raise where a diagonal has a zero
-- @usage
-- A = torus.tensor{{2, 0}, {1, 4}}
-- x = torus.linalg.solve_triangular(A, torus.tensor{2, 5})   -- 1 1
M.solve_triangular = ops.solve_triangular

--- The inverse. `solve(A, B)` is faster and more precise than
-- `inverse(A):matmul(B)`.
-- @function torus.linalg.inverse
-- @tparam tensor A (..., n, n)
-- @treturn tensor (..., n, n)
-- @raise where a matrix is singular, as in solve
-- @usage
-- y = torus.linalg.inverse(torus.tensor{{2, 0}, {0, 4}})   -- 0.5, 0.25
M.inverse = ops.inverse

--- The determinant, of a matrix without rows 1.
--
-- Its gradient is the matrix of cofactors, also where the matrix is singular;
-- second derivatives need a regular one.
-- @function torus.linalg.det
-- @tparam tensor A (..., n, n)
-- @treturn tensor (...)
-- @usage print(torus.linalg.det(torus.tensor{{1, 2}, {3, 4}}))   -- -2
M.det = ops.det

--- Sign and logarithm of the absolute value of the determinant, where the
-- determinant itself would overflow.
-- @function torus.linalg.slogdet
-- @tparam tensor A (..., n, n)
-- @treturn tensor the sign, (...): 1, -1, or 0 of a singular matrix
-- @treturn tensor the logarithm, (...): -infinity of a singular matrix, and
-- then without a gradient
-- @usage
-- sign, logarithm = torus.linalg.slogdet(torus.tensor{{2, 0}, {0, 4}})   -- 1, ln 8
M.slogdet = ops.slogdet

--- The lower triangular L with L L^T = A.
--
-- What is factorised is the symmetric part (A + A^T)/2, so that gradients are
-- those of a function of every element.
-- @function torus.linalg.cholesky
-- @tparam tensor A (..., n, n)
-- @treturn tensor (..., n, n), zero above the diagonal
-- @raise where a matrix is not positive definite
-- @usage
-- L = torus.linalg.cholesky(torus.tensor{{4, 2}, {2, 3}})
-- print(L:matmul(L:transpose()))
M.cholesky = ops.cholesky

--- Eigenvalues and eigenvectors of symmetric matrices: A = V diag(w) V^T.
--
-- What is decomposed is the symmetric part (A + A^T)/2. The sign of each
-- vector is LAPACK's. w has gradients everywhere; a column of V has where its
-- eigenvalue is distinct from the others, by more than rounding. Elsewhere the
-- gradient raises.
-- @function torus.linalg.eigh
-- @tparam tensor A (..., n, n)
-- @treturn tensor w, (..., n), ascending
-- @treturn tensor V, (..., n, n), one vector a column
-- @raise where a matrix has an infinity or NaN
-- @usage
-- K = torus.tensor{{2, -1}, {-1, 2}}   -- two masses, three springs
-- w, V = torus.linalg.eigh(K)
-- print(w:sqrt())   -- the frequencies 1 and sqrt 3
M.eigh = ops.eigh

--- Singular values and vectors: A = U diag(s) Vt, with r = min(m, n).
--
-- s has gradients everywhere, at zero one of several; vectors have where their
-- values are distinct from the others and, where m and n differ, not zero.
-- @function torus.linalg.svd
-- @tparam tensor A (..., m, n)
-- @treturn tensor U, (..., m, r), one vector a column
-- @treturn tensor s, (..., r), descending
-- @treturn tensor Vt, (..., r, n), one vector a row
-- @raise where a matrix has an infinity or NaN
-- @usage
-- U, s, Vt = torus.linalg.svd(torus.randn(5, 3))
-- print(table.unpack(U.shape))   -- 5  3
M.svd = ops.svd

--- A = Q R with orthonormal columns in Q and R upper triangular, r = min(m, n).
--
-- Signs are LAPACK's: the diagonal of R may be negative. Gradients exist where
-- the first r columns are independent.
-- @function torus.linalg.qr
-- @tparam tensor A (..., m, n)
-- @treturn tensor Q, (..., m, r)
-- @treturn tensor R, (..., r, n)
-- @usage Q, R = torus.linalg.qr(torus.randn(5, 3))
M.qr = ops.qr

--- The X that minimises |A X - B|, and among several the one of least norm, by
-- singular values.
--
-- Gradients exist where the rank is min(m, n).
-- @function torus.linalg.lstsq
-- @tparam tensor A (..., m, n)
-- @tparam tensor B (..., m, k); or vectors, where it is (m) or has the shape of
-- A without its last dimension
-- @tparam[opt=epsilon*max(m,n)] number rcond singular values below rcond times
-- the largest one count as zero
-- @treturn tensor (..., n, k), or (..., n) of vectors
-- @raise where a matrix or right-hand side has an infinity or NaN
-- @usage
-- local t = torus.linspace(0, 1, 50)
-- local y = t * 3 + 1
-- local columns = torus.stack({ torus.ones_like(t), t }, 2)
-- local offset, slope = table.unpack(torus.linalg.lstsq(columns, y):totable())
M.lstsq = ops.lstsq

--- The pseudoinverse: `pinv(A):matmul(B)` is `lstsq(A, B)`.
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

return M
