#include "hamiltonian/scheme.h"

#include <stddef.h>
#include <string.h>

/* Yoshida's triple jump: leapfrog steps of lengths w, 1 - 2w, w with
 * 2 w^3 + (1 - 2w)^3 = 0, so w = 1 / (2 - 2^(1/3)). */
#define OUTER 1.3512071919596576340
#define INNER (1 - 2 * OUTER)

/* A symmetric composition: leapfrog steps of lengths a, b, ..., then the same
 * lengths in reverse order. Adjacent half kicks are merged. */
#define COMPOSED_OF_7(a, b, c, d)                                              \
  .splitting = true, .symmetric = true, .stages = 7,                           \
  .drift = {a, b, c, d, c, b, a},                                              \
  .kick = {(a) / 2,         ((a) + (b)) / 2, ((b) + (c)) / 2, ((c) + (d)) / 2, \
           ((c) + (d)) / 2, ((b) + (c)) / 2, ((a) + (b)) / 2, (a) / 2}
#define COMPOSED_OF_9(a, b, c, d, e)                                           \
  .splitting = true, .symmetric = true, .stages = 9,                           \
  .drift = {a, b, c, d, e, d, c, b, a},                                        \
  .kick = {(a) / 2,         ((a) + (b)) / 2, ((b) + (c)) / 2, ((c) + (d)) / 2, \
           ((d) + (e)) / 2, ((d) + (e)) / 2, ((c) + (d)) / 2, ((b) + (c)) / 2, \
           ((a) + (b)) / 2, (a) / 2}
#define COMPOSED_OF_15(a, b, c, d, e, f, g, h)                                 \
  .splitting = true, .symmetric = true, .stages = 15,                          \
  .drift = {a, b, c, d, e, f, g, h, g, f, e, d, c, b, a},                      \
  .kick = {(a) / 2,         ((a) + (b)) / 2, ((b) + (c)) / 2, ((c) + (d)) / 2, \
           ((d) + (e)) / 2, ((e) + (f)) / 2, ((f) + (g)) / 2, ((g) + (h)) / 2, \
           ((g) + (h)) / 2, ((f) + (g)) / 2, ((e) + (f)) / 2, ((d) + (e)) / 2, \
           ((c) + (d)) / 2, ((b) + (c)) / 2, ((a) + (b)) / 2, (a) / 2}
#define COMPOSED_OF_17(a, b, c, d, e, f, g, h, i)                              \
  .splitting = true, .symmetric = true, .stages = 17,                          \
  .drift = {a, b, c, d, e, f, g, h, i, h, g, f, e, d, c, b, a},                \
  .kick = {(a) / 2,         ((a) + (b)) / 2, ((b) + (c)) / 2, ((c) + (d)) / 2, \
           ((d) + (e)) / 2, ((e) + (f)) / 2, ((f) + (g)) / 2, ((g) + (h)) / 2, \
           ((h) + (i)) / 2, ((h) + (i)) / 2, ((g) + (h)) / 2, ((f) + (g)) / 2, \
           ((e) + (f)) / 2, ((d) + (e)) / 2, ((c) + (d)) / 2, ((b) + (c)) / 2, \
           ((a) + (b)) / 2, (a) / 2}

/* Yoshida (1990), table 1, solution A, and table 2, solution D. The middle
 * step makes the lengths add up to 1. */
#define A1 -1.17767998417887
#define A2 0.235573213359357
#define A3 0.784513610477560
#define A0 (1 - 2 * (A1 + A2 + A3))
#define D1 0.102799849391985
#define D2 -1.96061023297549
#define D3 1.93813913762276
#define D4 -0.158240635368243
#define D5 -1.44485223686048
#define D6 0.253693336566229
#define D7 0.914844246229740
#define D0 (1 - 2 * (D1 + D2 + D3 + D4 + D5 + D6 + D7))

#define GAUSS 0.28867513459481288225 /* sqrt(3) / 6 */

static const torus_scheme schemes[] = {
    {.name = "leapfrog",
     .doc = "half a kick, a drift, half a kick (Stoermer-Verlet)",
     .aliases = {"stormer_verlet", "velocity_verlet", "verlet"},
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
    {.name = "position_verlet",
     .doc = "half a drift, a kick, half a drift",
     .order = 2,
     .splitting = true,
     .symmetric = true,
     .stages = 2,
     .kick = {0, 1, 0},
     .drift = {0.5, 0.5}},
    {.name = "yoshida6",
     .doc = "seven leapfrog steps (Yoshida 1990, solution A)",
     .order = 6,
     COMPOSED_OF_7(A3, A2, A1, A0)},
    {.name = "kahan_li6",
     .doc = "nine leapfrog steps (Kahan and Li 1997, s9odr6a): the smallest "
            "error of the sixth-order compositions",
     .order = 6,
     COMPOSED_OF_9(0.39216144400731413928, 0.33259913678935943860,
                   -0.70624617255763935981, 0.082213596293550800230,
                   0.79854399093482996340)},
    {.name = "yoshida8",
     .doc = "fifteen leapfrog steps (Yoshida 1990, solution D)",
     .order = 8,
     COMPOSED_OF_15(D7, D6, D5, D4, D3, D2, D1, D0)},
    {.name = "kahan_li8",
     .doc = "seventeen leapfrog steps (Kahan and Li 1997, s17odr8a)",
     .order = 8,
     COMPOSED_OF_17(0.13020248308889008088, 0.56116298177510838456,
                    -0.38947496264484728641, 0.15884190655515560090,
                    -0.39590389413323757734, 0.18453964097831570709,
                    0.25837438768632204729, 0.29501172360931029887,
                    -0.60550853383003451170)},
    {.name = "implicit_midpoint",
     .doc = "the implicit midpoint rule, symplectic for any H",
     .order = 2,
     .implicit = true,
     .symmetric = true,
     .stages = 1,
     .a = {{0.5}},
     .b = {1}},
    {.name = "gauss4",
     .doc = "Gauss's collocation with two points, symplectic for any H",
     .order = 4,
     .implicit = true,
     .symmetric = true,
     .stages = 2,
     .a = {{0.25, 0.25 - GAUSS}, {0.25 + GAUSS, 0.25}},
     .b = {0.5, 0.5}},
    {.name = "tao2",
     .doc = "explicit, symplectic in two bound copies of the phase space (Tao "
            "2016)",
     .order = 2,
     .extended = true,
     .stages = 1,
     .drift = {1}},
    {.name = "tao4",
     .doc = "three steps of tao2, the middle one backward",
     .order = 4,
     .extended = true,
     .stages = 3,
     .drift = {OUTER, INNER, OUTER}},
};

int torus_scheme_count(void) {
  return (int)(sizeof schemes / sizeof schemes[0]);
}

const torus_scheme *torus_scheme_at(int index) { return &schemes[index]; }

bool torus_scheme_is_fused(const torus_scheme *scheme) {
  return !scheme->implicit && !scheme->extended;
}

const char *torus_scheme_fused_name(int index) {
  bool known =
      index < torus_scheme_count() && torus_scheme_is_fused(&schemes[index]);
  return known ? schemes[index].name : NULL;
}

static bool is_named(const torus_scheme *scheme, const char *name) {
  if (strcmp(scheme->name, name) == 0) return true;
  for (int i = 0; i < TORUS_ALIASES_MAX && scheme->aliases[i]; i++) {
    if (strcmp(scheme->aliases[i], name) == 0) return true;
  }
  return false;
}

const torus_scheme *torus_scheme_find(const char *name) {
  for (int i = 0; i < torus_scheme_count(); i++) {
    if (is_named(&schemes[i], name)) return &schemes[i];
  }
  return NULL;
}
