/* What the kernels share of OpenBLAS. */
#ifndef TORUS_KERNELS_BLAS_H
#define TORUS_KERNELS_BLAS_H

#include <stdbool.h>

/* OpenBLAS's own threads change the order of sums: it gets one. Before any call
 * of it; may be called at any time. */
void torus_blas_prepare(void);

/* Makes sure of the buffers of so many callers at a time; false without the
 * address space. OpenBLAS itself would look for it for ever. */
bool torus_blas_reserve(int callers);

#endif
