/* The witness of the fused kernels: the same mathematics in float64 by direct
 * loops, one sample at a time, with nothing shared and nothing rearranged;
 * and problems with random numbers to try both on. */
#ifndef TORUS_SPEC_DIRECT_H
#define TORUS_SPEC_DIRECT_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hamiltonian/fused/fused.h"

/* --- random numbers --- */

static uint64_t direct_state = 1;

static inline double direct_random(void) { /* U(-1, 1) */
  direct_state = direct_state * 6364136223846793005u + 1442695040888963407u;
  return (double)(direct_state >> 11) * 0x1p-52 - 1;
}

static inline double *direct_numbers(int64_t count, double scale) {
  double *x = malloc((size_t)(count > 0 ? count : 1) * sizeof *x);
  for (int64_t i = 0; i < count; i++) x[i] = scale * direct_random();
  return x;
}

/* --- networks, their weights in float64 --- */

static inline int64_t direct_points(const torus_net *net) {
  return net->kind == TORUS_NET_CONV ? net->height * net->width : 1;
}

static inline int64_t direct_weight_count(const torus_net *net, int l) {
  if (net->kind == TORUS_NET_QUADRATIC) return 0;
  int taps = net->kind == TORUS_NET_CONV ? 9 : 1;
  if (l == net->layers) return net->sizes[l] * direct_points(net);
  return net->sizes[l] * net->sizes[l + 1] * taps;
}

static inline int64_t direct_bias_count(const torus_net *net, int l) {
  if (net->kind == TORUS_NET_QUADRATIC) return 0;
  return l == net->layers ? 1 : net->sizes[l + 1];
}

/* Random weights of a size that keeps activations moderate. */
static inline void direct_fill(torus_net *net) {
  for (int l = 0; l <= net->layers; l++) {
    int64_t count = direct_weight_count(net, l);
    if (count == 0) continue;
    int64_t fan = l == net->layers ? count : count / net->sizes[l + 1];
    net->weights[l] = direct_numbers(count, 1.5 / sqrt((double)fan));
    net->biases[l] = direct_numbers(direct_bias_count(net, l), 0.5);
  }
}

static inline void direct_clear(torus_net *net) {
  for (int l = 0; l <= net->layers; l++) {
    free((void *)net->weights[l]);
    free((void *)net->biases[l]);
  }
}

/* out (points, to) += w in (points, from), or back through the transpose. */
static inline void direct_linear(const torus_net *net, int l, bool back,
                                 const double *in, double *out) {
  const double *w = net->weights[l];
  int64_t from = net->sizes[l], to = net->sizes[l + 1];
  bool conv = net->kind == TORUS_NET_CONV;
  int64_t height = conv ? net->height : 1, width = conv ? net->width : 1;
  int taps = conv ? 3 : 1, reach = taps / 2;
  for (int64_t r = 0; r < height; r++)
    for (int64_t c = 0; c < width; c++)
      for (int64_t o = 0; o < to; o++)
        for (int64_t i = 0; i < from; i++)
          for (int s = 0; s < taps; s++)
            for (int t = 0; t < taps; t++) {
              int64_t y = r + s - reach, x = c + t - reach;
              if (y < 0 || y >= height || x < 0 || x >= width) continue;
              double f = w[((o * from + i) * taps + s) * taps + t];
              const int64_t a = (y * width + x) * from + i;
              const int64_t b = (r * width + c) * to + o;
              if (back) {
                out[a] += f * in[b];
              } else {
                out[b] += f * in[a];
              }
            }
}

/* s(z) and its derivative. */
static inline double direct_activation(torus_activation s, double z,
                                       double *slope) {
  double sigmoid = 1 / (1 + exp(-z));
  switch (s) {
  case TORUS_TANH:
    *slope = 1 - tanh(z) * tanh(z);
    return tanh(z);
  case TORUS_SWISH:
    *slope = sigmoid * (1 + z * (1 - sigmoid));
    return z * sigmoid;
  default:
    *slope = sigmoid;
    return log1p(exp(z));
  }
}

static inline double direct_quadratic(const torus_net *net, const double *x,
                                      double *g) {
  double energy = 0;
  for (int64_t i = 0; i < net->sizes[0]; i++) {
    bool moves = i < net->moving;
    if (moves) energy += x[i] * x[i] / 2;
    if (g) g[i] = moves ? x[i] : 0;
  }
  return energy;
}

/* Energy of one sample and its gradient g (may be NULL). */
static inline double direct_energy(const torus_net *net, const double *x,
                                   double *g) {
  if (net->kind == TORUS_NET_QUADRATIC) return direct_quadratic(net, x, g);
  int64_t points = direct_points(net), top = net->layers;
  double *a[TORUS_NET_LAYERS + 1] = {0}, *slope[TORUS_NET_LAYERS + 1] = {0};
  for (int l = 0; l <= top; l++) {
    int64_t count = points * net->sizes[l];
    a[l] = calloc((size_t)count, sizeof(double));
    slope[l] = calloc((size_t)count, sizeof(double));
    if (l == 0) memcpy(a[0], x, (size_t)count * sizeof(double));
    if (l == 0) continue;
    direct_linear(net, l - 1, false, a[l - 1], a[l]);
    const double *bias = net->biases[l - 1];
    for (int64_t i = 0; i < count; i++) {
      double z = a[l][i] + (bias ? bias[i % net->sizes[l]] : 0);
      a[l][i] = direct_activation(net->activation, z, &slope[l][i]);
    }
  }
  int64_t channels = net->sizes[top];
  const double *w = net->weights[top], *bias = net->biases[top];
  double energy = bias ? bias[0] : 0;
  double *d = calloc((size_t)(points * channels), sizeof(double));
  for (int64_t c = 0; c < channels; c++)
    for (int64_t i = 0; i < points; i++) {
      energy += w[c * points + i] * a[top][i * channels + c];
      d[i * channels + c] = w[c * points + i];
    }
  for (int64_t l = top; g && l > 0; l--) {
    for (int64_t i = 0; i < points * net->sizes[l]; i++) d[i] *= slope[l][i];
    int64_t below = points * net->sizes[l - 1];
    double *next = calloc((size_t)below, sizeof(double));
    direct_linear(net, (int)l - 1, true, d, next);
    free(d);
    d = next;
  }
  if (g) memcpy(g, d, (size_t)(points * net->sizes[0]) * sizeof(double));
  free(d);
  for (int l = 0; l <= top; l++) free(a[l]), free(slope[l]);
  return energy;
}

/* H of one sample; dq and dp together may be NULL. */
static inline double direct_hamiltonian(const torus_hamiltonian *h,
                                        const double *q, const double *p,
                                        double *dq, double *dp) {
  if (h->separable) {
    return direct_energy(&h->nets[0], p, dp) +
           direct_energy(&h->nets[1], q, dq);
  }
  const torus_net *net = &h->nets[0];
  int64_t points = direct_points(net), half = net->sizes[0] / 2;
  int64_t count = points * half;
  double *x = calloc((size_t)(4 * count), sizeof *x), *g = x + 2 * count;
  for (int64_t i = 0; i < count; i++) {
    int64_t at = i / half * 2 * half + i % half;
    x[at] = q[i];
    x[at + half] = p[i];
  }
  double energy = direct_energy(net, x, g);
  for (int64_t i = 0; dq && i < count; i++) {
    int64_t at = i / half * 2 * half + i % half;
    dq[i] = g[at];
    dp[i] = g[at + half];
  }
  free(x);
  return energy;
}

/* --- rollouts of one sample by name, written out for each scheme --- */

/* D of the rollout, or NULL. */
static const double *direct_friction;
static int64_t direct_damped; /* numbers of p that friction acts on */

/* dH/dq + D dH/dp, and dH/dp. */
static inline void direct_field(const torus_hamiltonian *h, int64_t n,
                                const double *q, const double *p, double *dq,
                                double *dp) {
  direct_hamiltonian(h, q, p, dq, dp);
  for (int64_t i = 0; direct_friction && i < n; i++) {
    dq[i] += direct_friction[i] * dp[i];
  }
}

/* dp/dt = -D p over a time, where the scheme is a splitting one. */
static inline void direct_damp(const char *scheme, int64_t n, double time,
                               double *p) {
  if (!direct_friction || !torus_scheme_find(scheme)->splitting) return;
  for (int64_t i = 0; i < n && i < direct_damped; i++)
    p[i] *= exp(-direct_friction[i] * time);
}

static inline void direct_shift(int64_t n, double f, const double *d,
                                double *x) {
  for (int64_t i = 0; i < n; i++) x[i] += f * d[i];
}

/* Half a step of leapfrog's kicks around a drift. */
static inline void direct_leapfrog(const torus_hamiltonian *h, int64_t n,
                                   double dt, double *q, double *p, double *dq,
                                   double *dp) {
  direct_hamiltonian(h, q, p, dq, dp);
  direct_shift(n, -dt / 2, dq, p);
  direct_hamiltonian(h, q, p, dq, dp);
  direct_shift(n, dt, dp, q);
  direct_hamiltonian(h, q, p, dq, dp);
  direct_shift(n, -dt / 2, dq, p);
}

static inline void direct_rk4(const torus_hamiltonian *h, int64_t n, double dt,
                              double *q, double *p) {
  const double reach[] = {0, 0.5, 0.5, 1}, weight[] = {1, 2, 2, 1};
  double *k = calloc((size_t)(6 * n), sizeof *k);
  double *dq = k, *dp = k + n, *xq = k + 2 * n, *xp = k + 3 * n;
  double *sq = k + 4 * n, *sp = k + 5 * n;
  for (int i = 0; i < 4; i++) {
    memcpy(xq, q, (size_t)n * sizeof *q);
    memcpy(xp, p, (size_t)n * sizeof *p);
    direct_shift(n, reach[i] * dt, dp, xq);
    direct_shift(n, -reach[i] * dt, dq, xp);
    direct_field(h, n, xq, xp, dq, dp);
    direct_shift(n, weight[i] / 6, dp, sq);
    direct_shift(n, -weight[i] / 6, dq, sp);
  }
  direct_shift(n, dt, sq, q);
  direct_shift(n, dt, sp, p);
  free(k);
}

/* Schemes without a formula of their own above: their row of coefficients. */
static inline void direct_row(const torus_hamiltonian *h, const char *name,
                              int64_t n, double dt, double *q, double *p) {
  const torus_scheme *s = torus_scheme_find(name);
  int stages = s->stages;
  double *k = calloc((size_t)(2 * (stages + 2) * n), sizeof *k);
  double *xq = k + 2 * stages * n, *xp = xq + n, *dq = xp + n, *dp = dq + n;
  for (int i = 0; s->splitting && i <= stages; i++) {
    direct_hamiltonian(h, q, p, dq, dp);
    direct_shift(n, -s->kick[i] * dt, dq, p);
    if (i == stages) break;
    direct_hamiltonian(h, q, p, dq, dp);
    direct_shift(n, s->drift[i] * dt, dp, q);
  }
  for (int i = 0; !s->splitting && i < stages; i++) {
    memcpy(xq, q, (size_t)n * sizeof *q);
    memcpy(xp, p, (size_t)n * sizeof *p);
    for (int j = 0; j < i; j++) {
      direct_shift(n, s->a[i][j] * dt, k + (2 * j + 1) * n, xq);
      direct_shift(n, -s->a[i][j] * dt, k + 2 * j * n, xp);
    }
    direct_field(h, n, xq, xp, k + 2 * i * n, k + (2 * i + 1) * n);
  }
  for (int i = 0; !s->splitting && i < stages; i++) {
    direct_shift(n, s->b[i] * dt, k + (2 * i + 1) * n, q);
    direct_shift(n, -s->b[i] * dt, k + 2 * i * n, p);
  }
  free(k);
}

static inline void direct_step(const torus_hamiltonian *h, const char *scheme,
                               int64_t n, double dt, double *q, double *p) {
  double *dq = malloc((size_t)(2 * n) * sizeof *dq), *dp = dq + n;
  direct_damp(scheme, n, dt / 2, p);
  if (strcmp(scheme, "euler") == 0) {
    direct_field(h, n, q, p, dq, dp);
    direct_shift(n, dt, dp, q);
    direct_shift(n, -dt, dq, p);
  } else if (strcmp(scheme, "symplectic_euler") == 0) {
    direct_hamiltonian(h, q, p, dq, dp);
    direct_shift(n, -dt, dq, p);
    direct_hamiltonian(h, q, p, dq, dp);
    direct_shift(n, dt, dp, q);
  } else if (strcmp(scheme, "leapfrog") == 0) {
    direct_leapfrog(h, n, dt, q, p, dq, dp);
  } else if (strcmp(scheme, "rk4") == 0) {
    direct_rk4(h, n, dt, q, p);
  } else if (strcmp(scheme, "yoshida4") == 0) {
    double w = 1 / (2 - cbrt(2));
    direct_leapfrog(h, n, w * dt, q, p, dq, dp);
    direct_leapfrog(h, n, (1 - 2 * w) * dt, q, p, dq, dp);
    direct_leapfrog(h, n, w * dt, q, p, dq, dp);
  } else {
    direct_row(h, scheme, n, dt, q, p);
  }
  direct_damp(scheme, n, dt / 2, p);
  free(dq);
}

/* The arguments and results of torus_rollout_forward, in float64. */
static inline void direct_rollout(const torus_rollout *r, const double *q0,
                                  const double *p0, double *q, double *p,
                                  double *energy) {
  int64_t n = torus_hamiltonian_size(r->hamiltonian), all = r->batch * n;
  size_t bytes = (size_t)n * sizeof *q;
  direct_friction = r->friction;
  direct_damped = r->hamiltonian->nets[0].moving;
  for (int64_t b = 0; b < r->batch; b++) {
    memcpy(q + b * n, q0 + b * n, bytes);
    memcpy(p + b * n, p0 + b * n, bytes);
    for (int64_t s = 0; s <= r->steps; s++) {
      double *at_q = q + s * all + b * n, *at_p = p + s * all + b * n;
      if (s > 0) {
        memcpy(at_q, at_q - all, bytes);
        memcpy(at_p, at_p - all, bytes);
        direct_step(r->hamiltonian, r->scheme->name, n, r->dt, at_q, at_p);
      }
      energy[s * r->batch + b] =
          direct_hamiltonian(r->hamiltonian, at_q, at_p, NULL, NULL);
    }
  }
}

#endif
