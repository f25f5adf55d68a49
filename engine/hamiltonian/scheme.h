/* Integration schemes with a fixed step, as data: a scheme is one row of the
 * table in scheme.c, and everything that integrates reads its coefficients
 * from there.
 *
 * Splitting schemes advance a separable H = K(p) + V(q) by kicks and drifts
 * in turn, `stages` drifts between stages + 1 kicks:
 *
 *   p -= kick[i] dt dV/dq,   q += drift[i] dt dK/dp.
 *
 * Kicks and drifts with a coefficient of zero are left out. Every one can be
 * undone exactly; a symmetric one is undone by a step of -dt.
 *
 * Runge-Kutta schemes (explicit; any H) evaluate the field f at `stages`
 * points x_i = x + dt sum_{j<i} a[i][j] f(x_j) and end at
 * x + dt sum_i b[i] f(x_i). Row 0 of a is zero.
 *
 * Owns nothing; can't fail. */
#ifndef TORUS_HAMILTONIAN_SCHEME_H
#define TORUS_HAMILTONIAN_SCHEME_H

#include <stdbool.h>

#define TORUS_STAGES_MAX 4

typedef struct torus_scheme {
  const char *name;
  const char *doc;
  int order;
  bool splitting;
  bool symmetric;
  int stages;
  double kick[TORUS_STAGES_MAX + 1], drift[TORUS_STAGES_MAX];
  double a[TORUS_STAGES_MAX][TORUS_STAGES_MAX], b[TORUS_STAGES_MAX];
} torus_scheme;

int torus_scheme_count(void);
/* index in [0, torus_scheme_count()) */
const torus_scheme *torus_scheme_at(int index);
/* NULL after the last one. */
const char *torus_scheme_name(int index);
/* NULL when there is none of this name. */
const torus_scheme *torus_scheme_find(const char *name);

#endif
