#include "kernels/special.h"

#include <math.h>
#include <stdbool.h>

/* Bernoulli numbers B_2, B_4, ... */
static const double bernoulli[] = {
    1.0 / 6,       -1.0 / 30, 1.0 / 42,      -1.0 / 30,     5.0 / 66,
    -691.0 / 2730, 7.0 / 6,   -3617.0 / 510, 43867.0 / 798, -174611.0 / 330};
#define TERMS 10
/* n! fits a double up to here. */
#define LAST 170

/* Halley's method for erf(y) = x, x from 0 to 1, from an estimate that is right
 * to 0.2 % (Winitzki, A handy approximation for the error function and its
 * inverse, 2008). Each round cubes the error. Beyond 1/2 the tail 1 - x, which
 * is exact there, is matched instead. */
static double inverse_erf(double x) {
  double log_tail = log1p(-x * x), half = log_tail / 2 + 2 / (M_PI * 0.147);
  double y = sqrt(sqrt(half * half - log_tail / 0.147) - half);
  for (int round = 0; round < 2; round++) {
    double miss = x < 0.5 ? erf(y) - x : (1 - x) - erfc(y);
    double step = miss / (M_2_SQRTPI * exp(-y * y));
    y -= step / (1 + y * step);
  }
  return y;
}

double torus_special_erfinv(double x) {
  if (x == 0) return x;
  if (!(fabs(x) < 1)) return fabs(x) == 1 ? x * HUGE_VAL : (double)NAN;
  /* The estimate's difference of roots loses small numbers. */
  if (fabs(x) < 1e-8) return x / M_2_SQRTPI;
  return copysign(inverse_erf(fabs(x)), x);
}

double torus_special_lgamma(double x) {
  int sign; /* lgamma itself would write it to a global variable */
  return lgamma_r(x, &sign);
}

/* log x - 1/(2x) - sum B_2k / (2k x^2k), for x from 10 on */
static double digamma_asymptotic(double x) {
  double square = 1 / (x * x), power = square, sum = 0;
  for (int k = 1; k <= TERMS; k++) {
    sum += bernoulli[k - 1] / (2 * k) * power;
    power *= square;
  }
  return log(x) - 0.5 / x - sum;
}

double torus_special_digamma(double x) {
  if (x == 0) return copysign(HUGE_VAL, -x);
  double result = 0;
  if (x < 0) { /* digamma(x) = digamma(1 - x) - pi / tan(pi x) */
    double fraction = x - rint(x);
    if (!(fraction != 0)) return (double)NAN;
    result = -M_PI / tan(M_PI * fraction);
    x = 1 - x;
  }
  for (; x < 10; x++) result -= 1 / x;
  return result + digamma_asymptotic(x);
}

/* The sum of (q + k)^-s over k >= 0, for s > 1 and q > 0, by the
 * Euler-Maclaurin formula, applied once its terms decrease quickly. */
static double hurwitz_zeta(double s, double q) {
  double sum = 0;
  for (; q < 10 + s; q++) sum += pow(q, -s);
  double power = pow(q, -s);
  sum += power * q / (s - 1) + power / 2;
  double factor =
      s * power / q; /* s ... (s + 2k - 2) / (2k)! q^(-s - 2k + 1) */
  for (int k = 1; k <= TERMS; k++) {
    factor /= k == 1 ? 2 : 2 * k * (2 * k - 1);
    sum += bernoulli[k - 1] * factor;
    factor *= (s + 2 * k - 1) * (s + 2 * k) / (q * q);
  }
  return sum;
}

/* (-1)^(n + 1) n! zeta(n + 1, x). Left of 0 the sum over k from 0 on is that
 * over all integers, which has period 1, without that over the negative ones.
 */
double torus_special_polygamma(double n, double x) {
  if (!(n >= 0 && n <= LAST) || n != rint(n) || isnan(x)) return (double)NAN;
  if (n == 0) return torus_special_digamma(x);
  bool odd = fmod(n, 2) != 0;
  double s = n + 1, factor = (odd ? 1 : -1) * tgamma(s);
  if (x > 0) return isinf(x) ? factor * 0 : factor * hurwitz_zeta(s, x);
  double fraction = x - rint(x);
  if (fraction == 0) return odd ? HUGE_VAL : (double)NAN;
  if (isnan(fraction)) return fraction; /* of -infinity */
  double mirror = odd ? 1 : -1;
  double all = pow(fraction, -s) + hurwitz_zeta(s, 1 + fraction) +
               mirror * hurwitz_zeta(s, 1 - fraction);
  return factor * (all - mirror * hurwitz_zeta(s, 1 - x));
}
