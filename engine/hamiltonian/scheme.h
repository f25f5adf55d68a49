/* Integration schemes with a fixed step, as data: a scheme is one row of the
 * table in scheme.c, and everything that integrates reads its coefficients
 * from there.
 *
 * Splitting schemes advance a separable H = K(p) + V(q) by alternating kicks
 * and drifts, `stages` drifts between stages + 1 kicks:
 *
 *   p -= kick[i] dt dV/dq,   q += drift[i] dt dK/dp.
 *
 * Kicks and drifts with a coefficient of zero are skipped. Every one can be
 * undone exactly; a symmetric one is undone by a step of -dt.
 *
 * Runge-Kutta schemes (any H) evaluate the field f at `stages` points
 * x_i = x + dt sum_j a[i][j] f(x_j) and end at x + dt sum_i b[i] f(x_i). For an
 * explicit one j < i, and row 0 of a is zero; an `implicit` one solves for the
 * points.
 *
 * Extended schemes (any H; Tao 2016) integrate two coupled copies of the phase
 * space, by `stages` symmetric second-order steps of the lengths drift[i] dt.
 *
 * The fused kernels support splitting schemes and explicit Runge-Kutta schemes,
 * whose rows come first.
 *
 * Owns nothing; can't fail. */
#ifndef TORUS_HAMILTONIAN_SCHEME_H
#define TORUS_HAMILTONIAN_SCHEME_H

#include <stdbool.h>

#define TORUS_STAGES_MAX 17   /* of a splitting scheme */
#define TORUS_RK_STAGES_MAX 4 /* of a Runge-Kutta scheme */
#define TORUS_ALIASES_MAX 3

typedef struct torus_scheme {
  const char *name;
  const char *doc;
  const char *aliases[TORUS_ALIASES_MAX]; /* up to the first that is NULL */
  int order;
  bool splitting, implicit, extended;
  bool symmetric; /* a step of -dt undoes one of dt */
  int stages;
  double kick[TORUS_STAGES_MAX + 1], drift[TORUS_STAGES_MAX];
  double a[TORUS_RK_STAGES_MAX][TORUS_RK_STAGES_MAX], b[TORUS_RK_STAGES_MAX];
} torus_scheme;

int torus_scheme_count(void);
/* index in [0, torus_scheme_count()) */
const torus_scheme *torus_scheme_at(int index);
/* True if the fused kernels support it. */
bool torus_scheme_is_fused(const torus_scheme *scheme);
/* The name of a scheme of the fused kernels; NULL after the last one. */
const char *torus_scheme_fused_name(int index);
/* By name or alias; NULL for an unknown name. */
const torus_scheme *torus_scheme_find(const char *name);

#endif
