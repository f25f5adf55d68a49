/* OpenBLAS settings shared by the kernels. */
#ifndef TORUS_KERNELS_BLAS_H
#define TORUS_KERNELS_BLAS_H

#include <stdbool.h>

/* Limits OpenBLAS to one thread, as its own threads change the order of sums.
 * To be called before any use of it; may be called repeatedly. */
void torus_blas_prepare(void);

/* Ensures buffers for so many simultaneous callers; false if there is not
 * enough address space, for which OpenBLAS itself would search forever. */
bool torus_blas_reserve(int callers);

#endif
