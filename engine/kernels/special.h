/* Functions of single numbers that libm does not have, or not in a form that
 * several threads can call. Accurate to some units in the last place of a
 * double, digamma near its zeros to that of 1. */
#ifndef TORUS_KERNELS_SPECIAL_H
#define TORUS_KERNELS_SPECIAL_H

/* log |gamma(x)| */
double torus_special_lgamma(double x);
/* Its derivative: infinite at 0, with the sign of -x, NaN at the negative
 * integers. */
double torus_special_digamma(double x);
/* Derivative number n of digamma; NaN unless n is an integer from 0 to 170. At
 * 0 and the negative integers infinite where n is odd, else NaN. */
double torus_special_polygamma(double n, double x);

#endif
