/* Scalar functions that libm lacks, or whose libm version is not thread-safe.
 * Accurate to a few units in the last place of a double; digamma near its
 * zeros, to that accuracy relative to 1. */
#ifndef TORUS_KERNELS_SPECIAL_H
#define TORUS_KERNELS_SPECIAL_H

/* The inverse of erf: infinite at -1 and 1, NaN outside of [-1, 1]. */
double torus_special_erfinv(double x);
/* log |gamma(x)| */
double torus_special_lgamma(double x);
/* Its derivative: infinite at 0, with the sign of -x, NaN at the negative
 * integers. */
double torus_special_digamma(double x);
/* The n-th derivative of digamma; NaN unless n is an integer from 0 to 170. At
 * 0 and the negative integers infinite for odd n, else NaN. */
double torus_special_polygamma(double n, double x);

#endif
