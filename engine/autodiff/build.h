/* Differentiable operations as C functions, for gradient rules: each takes
 * the scope, accepts NULL and returns a borrowed tensor. */
#ifndef TORUS_AUTODIFF_BUILD_H
#define TORUS_AUTODIFF_BUILD_H

#include "autodiff/op.h"

#define UNARY(name, value, ...)                                                \
  torus_tensor *torus_##name(torus_scope *scope, torus_tensor *x);
#define UNARY1(name, p, d, value, ...)                                         \
  torus_tensor *torus_##name(torus_scope *scope, torus_tensor *x, double a);
#define UNARY2(name, p, d, p2, d2, value, ...)                                 \
  torus_tensor *torus_##name(torus_scope *scope, torus_tensor *x, double a,    \
                             double b);
#define STEP1(name, value, doc) UNARY(name, value, doc)
#define BINARY(name, value, ...)                                               \
  torus_tensor *torus_##name(torus_scope *scope, torus_tensor *x,              \
                             torus_tensor *y);
#define STEP2(name, value, doc) BINARY(name, value, doc)
#define TERNARY(name, value, ...)                                              \
  torus_tensor *torus_##name(torus_scope *scope, torus_tensor *x,              \
                             torus_tensor *y, torus_tensor *z);
#include "kernels/elementwise.def"
#undef UNARY
#undef UNARY1
#undef UNARY2
#undef STEP1
#undef BINARY
#undef STEP2
#undef TERNARY

/* A scalar tensor, and a filled one. */
torus_tensor *torus_scalar(torus_scope *scope, torus_dtype dtype, double value);
torus_tensor *torus_filled(torus_scope *scope, torus_dtype dtype,
                           const torus_shape *shape, double value);

/* Sums over the dimensions in dims; keep leaves them with size 1. */
torus_tensor *torus_sum(torus_scope *scope, torus_tensor *x,
                        const torus_shape *dims, bool keep);
/* Undoes a broadcast: sums x down to the shape. */
torus_tensor *torus_sum_to(torus_scope *scope, torus_tensor *x,
                           const torus_shape *shape);

torus_tensor *torus_reshape(torus_scope *scope, torus_tensor *x,
                            const torus_shape *shape);
torus_tensor *torus_expand(torus_scope *scope, torus_tensor *x,
                           const torus_shape *shape);
/* dims: the old dimension (from 0) at each new position. */
torus_tensor *torus_permute(torus_scope *scope, torus_tensor *x,
                            const torus_shape *dims);
/* Every step[d]-th element from start[d] (from 1), size[d] of them. */
torus_tensor *torus_slice(torus_scope *scope, torus_tensor *x,
                          const torus_shape *start, const torus_shape *size,
                          const torus_shape *step);
/* The adjoint: zeros of the shape with x at those indices. */
torus_tensor *torus_embed(torus_scope *scope, torus_tensor *x,
                          const torus_shape *shape, const torus_shape *start,
                          const torus_shape *step);
/* Elements [start, start + length) of a dimension, start from 0, and the
 * adjoint: zeros with x there, `size` in that dimension. */
torus_tensor *torus_narrow(torus_scope *scope, torus_tensor *x, int dim,
                           int64_t start, int64_t length);
torus_tensor *torus_widen(torus_scope *scope, torus_tensor *x, int dim,
                          int64_t start, int64_t size);
torus_tensor *torus_to(torus_scope *scope, torus_tensor *x, torus_dtype dtype);
torus_tensor *torus_copy(torus_scope *scope, torus_tensor *x);
/* The same values as a new node of the graph. */
torus_tensor *torus_alias(torus_scope *scope, torus_tensor *x);
/* x itself when it is contiguous, else a copy. */
torus_tensor *torus_contiguous(torus_scope *scope, torus_tensor *x);
/* Swaps the last two dimensions. */
torus_tensor *torus_swap(torus_scope *scope, torus_tensor *x);
torus_tensor *torus_matmul(torus_scope *scope, torus_tensor *a,
                           torus_tensor *b);

/* For forward functions: a new contiguous tensor with x's dtype. */
torus_tensor *torus_new_like(torus_scope *scope, const torus_tensor *x,
                             const torus_shape *shape);
/* Scratch memory, or NULL with the scope's error set. */
void *torus_scratch(torus_scope *scope, size_t bytes);

#endif
