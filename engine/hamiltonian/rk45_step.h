/* One Dormand-Prince step of all lanes: the arrays that it works on and its
 * arithmetic. For rk45.c alone. */
#ifndef TORUS_HAMILTONIAN_RK45_STEP_H
#define TORUS_HAMILTONIAN_RK45_STEP_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/alloc.h"
#include "hamiltonian/rk45.h"
#include "kernels/simd/simd.h"

/* The tableau of Dormand and Prince (1980). The last stage is the first of the
 * next step; e contains the fifth-order weights minus the fourth-order ones, d
 * the weights of Hairer's continuous extension. */
static const double c2 = 1.0 / 5, c3 = 3.0 / 10, c4 = 4.0 / 5, c5 = 8.0 / 9;
static const double a21 = 1.0 / 5;
static const double a31 = 3.0 / 40, a32 = 9.0 / 40;
static const double a41 = 44.0 / 45, a42 = -56.0 / 15, a43 = 32.0 / 9;
static const double a51 = 19372.0 / 6561, a52 = -25360.0 / 2187,
                    a53 = 64448.0 / 6561, a54 = -212.0 / 729;
static const double a61 = 9017.0 / 3168, a62 = -355.0 / 33,
                    a63 = 46732.0 / 5247, a64 = 49.0 / 176,
                    a65 = -5103.0 / 18656;
static const double b1 = 35.0 / 384, b3 = 500.0 / 1113, b4 = 125.0 / 192,
                    b5 = -2187.0 / 6784, b6 = 11.0 / 84;
static const double e1 = 71.0 / 57600, e3 = -71.0 / 16695, e4 = 71.0 / 1920,
                    e5 = -17253.0 / 339200, e6 = 22.0 / 525, e7 = -1.0 / 40;
static const double d1 = -12715105075.0 / 11282082432.0,
                    d3 = 87487479700.0 / 32700410799.0,
                    d4 = -10690763975.0 / 1880347072.0,
                    d5 = 701980252875.0 / 199316789632.0,
                    d6 = -1453857185.0 / 822651844.0,
                    d7 = 69997945.0 / 29380423.0;

/* Working arrays of one thread. */
typedef struct work {
  double *y, *ynew, *ystage, *k[7];        /* (size, lanes) */
  double *t, *tstage, *h, *error, *factor; /* (lanes) */
  double *t_next, *h_next;                 /* after this step */
  double *uncut;         /* length of this step before a sample shortened it */
  double *constants;     /* (constants, lanes) */
  double *due, *after;   /* times of the next two samples, or infinite */
  double *steps, *taken; /* numbers of attempted and accepted steps */
  /* Truth values, 0 and 1, as doubles, so that vector code has one width. An
   * inactive lane, which has no trajectory, does not move: h = 0. */
  double *active, *accepted, *shrunk, *special;
  int64_t *trajectory, *sample;
  double *start_k; /* (piece, size): f at the initial states */
  double *start_h; /* (piece): first steps */
} work;

static int64_t work_numbers(const torus_field *field, int64_t lanes,
                            int64_t piece) {
  int64_t size = field->size;
  return (10 * size + field->constant_count) * lanes + 18 * lanes +
         piece * size + piece;
}

static work work_at(void *memory, const torus_field *field, int64_t lanes,
                    int64_t piece) {
  double *next = memory;
  int64_t size = field->size;
  work w;
  w.y = next, next += size * lanes;
  w.ynew = next, next += size * lanes;
  w.ystage = next, next += size * lanes;
  for (int i = 0; i < 7; i++) w.k[i] = next, next += size * lanes;
  w.constants = next, next += field->constant_count * lanes;
  w.t = next, next += lanes;
  w.tstage = next, next += lanes;
  w.h = next, next += lanes;
  w.error = next, next += lanes;
  w.factor = next, next += lanes;
  w.t_next = next, next += lanes;
  w.h_next = next, next += lanes;
  w.uncut = next, next += lanes;
  w.due = next, next += lanes;
  w.after = next, next += lanes;
  w.start_k = next, next += piece * size;
  w.start_h = next, next += piece;
  w.steps = next, next += lanes;
  w.taken = next, next += lanes;
  w.active = next, next += lanes;
  w.accepted = next, next += lanes;
  w.shrunk = next, next += lanes;
  w.special = next, next += lanes;
  w.trajectory = (int64_t *)next;
  w.sample = w.trajectory + lanes;
  return w;
}

/* --- one step of all lanes ------------------------------------------------ */

INLINE void stage_times(const work *w, double c, int64_t lanes) {
  for (int64_t l = 0; l < lanes; l++) w->tstage[l] = w->t[l] + c * w->h[l];
}

/* ystage = y + h (a1 k1 + ... + a5 k5); absent stages have weight zero and
 * `stages` says how many are read. */
INLINE void stage_states(const work *w, int stages, double a1, double a2,
                         double a3, double a4, double a5, int64_t size,
                         int64_t lanes) {
  for (int64_t d = 0; d < size; d++) {
    int64_t row = d * lanes;
    const double *restrict y = w->y + row, *restrict h = w->h;
    const double *restrict k1 = w->k[0] + row, *restrict k2 = w->k[1] + row;
    const double *restrict k3 = w->k[2] + row, *restrict k4 = w->k[3] + row;
    const double *restrict k5 = w->k[4] + row;
    double *restrict to = w->ystage + row;
    for (int64_t l = 0; l < lanes; l++) {
      double slope = a1 * k1[l];
      if (stages > 1) slope += a2 * k2[l];
      if (stages > 2) slope += a3 * k3[l];
      if (stages > 3) slope += a4 * k4[l];
      if (stages > 4) slope += a5 * k5[l];
      to[l] = y[l] + h[l] * slope;
    }
  }
}

INLINE void new_states(const work *w, int64_t size, int64_t lanes) {
  for (int64_t d = 0; d < size; d++) {
    int64_t row = d * lanes;
    const double *restrict y = w->y + row, *restrict h = w->h;
    const double *restrict k1 = w->k[0] + row, *restrict k3 = w->k[2] + row;
    const double *restrict k4 = w->k[3] + row, *restrict k5 = w->k[4] + row;
    const double *restrict k6 = w->k[5] + row;
    double *restrict to = w->ynew + row;
    for (int64_t l = 0; l < lanes; l++)
      to[l] = y[l] + h[l] * (b1 * k1[l] + b3 * k3[l] + b4 * k4[l] + b5 * k5[l] +
                             b6 * k6[l]);
  }
}

/* Hairer's continuous extension of a step in coordinate i = d lanes + l. */
typedef struct extension {
  double rise, bend, end, last;
} extension;

static extension extension_of(const work *w, int64_t l, int64_t i) {
  double h = w->h[l];
  extension x = {.rise = w->ynew[i] - w->y[i]};
  x.bend = h * w->k[0][i] - x.rise;
  x.end = x.rise - h * w->k[6][i] - x.bend;
  x.last = h * (d1 * w->k[0][i] + d3 * w->k[2][i] + d4 * w->k[3][i] +
                d5 * w->k[4][i] + d6 * w->k[5][i] + d7 * w->k[6][i]);
  return x;
}

/* The state of lane l at a fraction x of its step. */
static void interpolate(const work *w, int64_t size, int64_t lanes, int64_t l,
                        double x, double *to) {
  for (int64_t d = 0; d < size; d++) {
    int64_t i = d * lanes + l;
    extension e = extension_of(w, l, i);
    to[d] = w->y[i] +
            x * (e.rise + (1 - x) * (e.bend + x * (e.end + (1 - x) * e.last)));
  }
}

/* The next row of a record, or NULL if memory is exhausted. */
static double *record_row(torus_rk45_record *r, int64_t width) {
  if (r->steps == r->capacity) {
    int64_t larger = r->capacity > 0 ? 2 * r->capacity : 64;
    double *moved = torus_alloc(sizeof(double) * (size_t)(larger * width));
    if (!moved) return NULL;
    if (r->data)
      memcpy(moved, r->data, sizeof(double) * (size_t)(r->steps * width));
    torus_free(r->data);
    r->data = moved;
    r->capacity = larger;
  }
  return r->data + r->steps++ * width;
}

/* Appends the step of lane l to a record. */
static bool record_step(torus_rk45_record *record, const work *w, int64_t n,
                        int64_t lanes, int64_t l) {
  double *row = record_row(record, 2 + 5 * n);
  if (!row) return false;
  row[0] = w->t[l];
  row[1] = w->h[l];
  for (int64_t d = 0; d < n; d++) {
    int64_t i = d * lanes + l;
    extension e = extension_of(w, l, i);
    row[2 + d] = w->y[i];
    row[2 + n + d] = e.rise;
    row[2 + 2 * n + d] = e.bend;
    row[2 + 3 * n + d] = e.end;
    row[2 + 4 * n + d] = e.last;
  }
  return true;
}

/* x^(-1/10) to about 1e-4 for x in [1e-20, 1e20]: a guess from the exponent
 * bits, which are a scaled logarithm (the shifts make a tenth of them), and
 * Newton steps. A call of pow per lane would cost more than the rest of a
 * step. */
INLINE double inverse_tenth_root(double x) {
  union {
    double number;
    uint64_t bits;
  } u = {.number = x};
  uint64_t b = u.bits;
  u.bits = 5067900660680019149U -
           ((b >> 4) + (b >> 5) + (b >> 8) + (b >> 9) + (b >> 12) + (b >> 13));
  double z = u.number;
  for (int i = 0; i < 3; i++) {
    double z2 = z * z, z4 = z2 * z2;
    z *= 1.1 - 0.1 * x * z4 * z4 * z2;
  }
  return z;
}

/* error: mean square of the step's error relative to the allowed one; factor:
 * the factor by which the step should change. */
INLINE void step_errors(const work *w, const torus_rk45_options *o,
                        int64_t size, int64_t lanes) {
  double *restrict error = w->error, *restrict factor = w->factor;
  const double *restrict h = w->h;
  for (int64_t l = 0; l < lanes; l++) error[l] = 0;
  for (int64_t d = 0; d < size; d++) {
    int64_t row = d * lanes;
    const double *restrict y = w->y + row, *restrict z = w->ynew + row;
    const double *restrict k1 = w->k[0] + row, *restrict k3 = w->k[2] + row;
    const double *restrict k4 = w->k[3] + row, *restrict k5 = w->k[4] + row;
    const double *restrict k6 = w->k[5] + row, *restrict k7 = w->k[6] + row;
    for (int64_t l = 0; l < lanes; l++) {
      double e = h[l] * (e1 * k1[l] + e3 * k3[l] + e4 * k4[l] + e5 * k5[l] +
                         e6 * k6[l] + e7 * k7[l]);
      double from = fabs(y[l]), to = fabs(z[l]);
      double scale = o->atol + o->rtol * (from > to ? from : to);
      /* An error of zero is fine even if none is allowed, as for a number that
       * stays zero. */
      e = e == 0 ? 0 : e / scale;
      error[l] += e * e;
    }
  }
  for (int64_t l = 0; l < lanes; l++) {
    error[l] /= (double)size;
    /* False for NaN too: the step is then far too long. */
    double x = error[l] < 1e20 ? error[l] : 1e20;
    x = x > 1e-20 ? x : 1e-20;
    double f = 0.9 * inverse_tenth_root(x);
    f = f < 10 ? f : 10;
    factor[l] = f > 0.2 ? f : 0.2;
  }
}

#endif
