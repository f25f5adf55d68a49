#include "kernels/gemm.h"

#include <cblas.h>

#include "core/threads.h"
#include "kernels/blas.h"

/* Large enough that packing the operands again for every block costs a few
 * percent, small enough that a 200 x 200 product feeds two threads. */
#define BLOCK_M 128
#define BLOCK_N 256

#define T float
#define NAME(x) x##_f32
#define CBLAS_GEMM cblas_sgemm
#include "kernels/gemm.inc"
#undef T
#undef NAME
#undef CBLAS_GEMM

#define T double
#define NAME(x) x##_f64
#define CBLAS_GEMM cblas_dgemm
#include "kernels/gemm.inc"
