#include "hamiltonian/scheme.h"

#include <stddef.h>
#include <string.h>

/* Yoshida's triple jump: leapfrog steps of lengths w, 1 - 2w, w with
 * 2 w^3 + (1 - 2w)^3 = 0, so w = 1 / (2 - 2^(1/3)). */
#define OUTER 1.3512071919596576340
#define INNER (1 - 2 * OUTER)

static const torus_scheme schemes[] = {
    {.name = "leapfrog",
     .doc = "half a kick, a drift, half a kick (Stoermer-Verlet)",
     .order = 2,
     .splitting = true,
     .symmetric = true,
     .stages = 1,
     .kick = {0.5, 0.5},
     .drift = {1}},
    {.name = "euler",
     .doc = "explicit Euler, for comparison: energy grows",
     .order = 1,
     .stages = 1,
     .b = {1}},
    {.name = "symplectic_euler",
     .doc = "a kick, then a drift",
     .order = 1,
     .splitting = true,
     .stages = 1,
     .kick = {1, 0},
     .drift = {1}},
    {.name = "rk4",
     .doc = "the classical Runge-Kutta scheme",
     .order = 4,
     .stages = 4,
     .a = {{0}, {0.5}, {0, 0.5}, {0, 0, 1}},
     .b = {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6}},
    {.name = "yoshida4",
     .doc = "three leapfrog steps, the middle one backward (Yoshida 1990)",
     .order = 4,
     .splitting = true,
     .symmetric = true,
     .stages = 3,
     .kick = {OUTER / 2, (OUTER + INNER) / 2, (OUTER + INNER) / 2, OUTER / 2},
     .drift = {OUTER, INNER, OUTER}},
};

int torus_scheme_count(void) {
  return (int)(sizeof schemes / sizeof schemes[0]);
}

const torus_scheme *torus_scheme_at(int index) { return &schemes[index]; }

const char *torus_scheme_name(int index) {
  return index < torus_scheme_count() ? schemes[index].name : NULL;
}

const torus_scheme *torus_scheme_find(const char *name) {
  for (int i = 0; i < torus_scheme_count(); i++) {
    if (strcmp(schemes[i].name, name) == 0) return &schemes[i];
  }
  return NULL;
}
