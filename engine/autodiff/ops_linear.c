/* Matrix products, plain and batched. */
#include "autodiff/build.h"
#include "core/intmath.h"
#include "core/threads.h"
#include "kernels/gemm.h"

/* The memory layout of a matrix (the last two dimensions), for GEMM. */
typedef struct matrix {
  const char *data;
  bool transposed;
  int64_t rows, columns, leading;
  torus_layout batch; /* offsets of the matrices, in elements */
} matrix;

static bool is_row_major(const torus_tensor *x) {
  int n = x->shape.ndim;
  int64_t columns = x->shape.size[n - 1];
  return (x->strides[n - 1] == 1 || columns == 1) &&
         (x->strides[n - 2] >= columns || x->shape.size[n - 2] == 1);
}

static bool is_column_major(const torus_tensor *x) {
  int n = x->shape.ndim;
  int64_t rows = x->shape.size[n - 2];
  return (x->strides[n - 2] == 1 || rows == 1) &&
         (x->strides[n - 1] >= rows || x->shape.size[n - 1] == 1);
}

/* batch: the broadcast shape of the leading dimensions. x is in one of the
 * two orders. */
static matrix matrix_of(const torus_tensor *x, const torus_shape *batch) {
  int n = x->shape.ndim;
  matrix m = {.data = torus_tensor_data(x),
              .rows = x->shape.size[n - 2],
              .columns = x->shape.size[n - 1]};
  m.transposed = !is_row_major(x);
  m.leading = m.transposed ? torus_max(x->strides[n - 1], m.rows)
                           : torus_max(x->strides[n - 2], m.columns);
  torus_tensor leading = *x;
  leading.shape.ndim = n - 2;
  m.batch = torus_tensor_broadcast_layout(&leading, batch);
  return m;
}

typedef struct product {
  torus_dtype dtype;
  matrix a, b;
  char *out;
} product;

static void one_product(const product *p, int64_t i, bool parallel) {
  size_t width = torus_dtype_size(p->dtype);
  const matrix *a = &p->a, *b = &p->b;
  int64_t m = a->rows, n = b->columns, k = a->columns;
  const void *x = a->data + (size_t)torus_layout_offset(&a->batch, i) * width;
  const void *y = b->data + (size_t)torus_layout_offset(&b->batch, i) * width;
  void *out = p->out + (size_t)(i * m * n) * width;
  if (p->dtype == TORUS_FLOAT32) {
    (parallel ? torus_gemm_parallel_f32 : torus_gemm_f32)(
        a->transposed, b->transposed, m, n, k, 1, x, a->leading, y, b->leading,
        0, out, torus_max(n, 1));
  } else {
    (parallel ? torus_gemm_parallel_f64 : torus_gemm_f64)(
        a->transposed, b->transposed, m, n, k, 1, x, a->leading, y, b->leading,
        0, out, torus_max(n, 1));
  }
}

static void product_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  one_product(arg, piece, false);
}

/* Returns true if the sizes fit BLAS, which counts in int. Only the rows of a
 * single product are divided into blocks first. */
static bool fits_blas(const product *p, int64_t products) {
  const matrix *a = &p->a, *b = &p->b;
  int64_t largest = products > 1 ? a->rows : 0;
  const int64_t sizes[] = {a->columns, b->columns, a->leading, b->leading};
  for (int i = 0; i < 4; i++) largest = torus_max(sizes[i], largest);
  return largest <= INT32_MAX;
}

static torus_tensor *in_order(torus_scope *scope, torus_tensor *x) {
  return is_row_major(x) || is_column_major(x) ? x : torus_contiguous(scope, x);
}

static torus_tensor *matmul_forward(torus_scope *scope,
                                    const torus_call *call) {
  char s[TORUS_SHAPE_TEXT], t[TORUS_SHAPE_TEXT];
  const torus_shape *a = &call->in[0]->shape, *b = &call->in[1]->shape;
  if (a->ndim < 2 || b->ndim < 2) {
    return torus_scope_fail(scope, TORUS_EINVAL,
                            "matmul: expected matrices, got shapes %s and %s",
                            torus_shape_format(a, s), torus_shape_format(b, t));
  }
  if (a->size[a->ndim - 1] != b->size[b->ndim - 2]) {
    return torus_scope_fail(scope, TORUS_EINVAL,
                            "matmul: inner sizes differ, %s x %s",
                            torus_shape_format(a, s), torus_shape_format(b, t));
  }
  torus_shape batch, lead_a = *a, lead_b = *b;
  lead_a.ndim -= 2;
  lead_b.ndim -= 2;
  if (!torus_shape_broadcast(&lead_a, &lead_b, &batch) ||
      batch.ndim > TORUS_MAX_DIMS - 2) {
    return torus_scope_fail(scope, TORUS_EINVAL,
                            "matmul: batch sizes don't broadcast, %s x %s",
                            torus_shape_format(a, s), torus_shape_format(b, t));
  }
  torus_shape shape = batch;
  shape.size[shape.ndim++] = a->size[a->ndim - 2];
  shape.size[shape.ndim++] = b->size[b->ndim - 1];
  torus_scope inner;
  torus_scope_init(&inner, false);
  torus_tensor *x = in_order(&inner, call->in[0]);
  torus_tensor *y = in_order(&inner, call->in[1]);
  torus_tensor *out = x && y ? torus_new_like(&inner, x, &shape) : NULL;
  if (out) {
    product p = {out->dtype, matrix_of(x, &batch), matrix_of(y, &batch),
                 torus_tensor_data(out)};
    int64_t products = torus_shape_count(&batch);
    if (!fits_blas(&p, products)) {
      torus_tensor_release(out);
      out =
          torus_scope_fail(&inner, TORUS_EINVAL,
                           "matmul: expected sizes and strides below 2^31, "
                           "which BLAS counts in, got %s x %s",
                           torus_shape_format(a, s), torus_shape_format(b, t));
    } else if (products == 1) {
      one_product(&p, 0, true);
    } else {
      torus_parallel_interruptible(products, product_piece, &p);
    }
  }
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  return out;
}

static torus_tensor *matmul_gradient(torus_scope *scope, const torus_call *call,
                                     int i, torus_tensor *g) {
  if (i == 0) return torus_matmul(scope, g, torus_swap(scope, call->in[1]));
  return torus_matmul(scope, torus_swap(scope, call->in[0]), g);
}

static const torus_op ops[] = {
    {.name = "matmul",
     .inputs = 2,
     .forward = matmul_forward,
     .gradient = matmul_gradient,
     .reads = TORUS_READS_X | TORUS_READS_Y,
     .doc = "matrix product of the last two dimensions; the others are a "
            "batch and broadcast"},
};

const torus_op_family torus_linear_ops = {ops, sizeof ops / sizeof *ops};

torus_tensor *torus_matmul(torus_scope *scope, torus_tensor *a,
                           torus_tensor *b) {
  return torus_apply(scope, &ops[0], (torus_tensor *[]){a, b}, 2, NULL);
}
