/* Rollouts to try: Hamiltonians of every kind with random weights, a random
 * linear functional of the results, and all that a forward and a backward
 * pass give, as float64 numbers. Included after check.h. */
#ifndef TORUS_SPEC_PROBLEM_H
#define TORUS_SPEC_PROBLEM_H

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "direct.h"
#include "hamiltonian/fused/fused.h"

typedef struct kind {
  const char *name;
  bool separable;
  torus_net nets[2];
} kind;

#define DENSE .kind = TORUS_NET_DENSE
#define CONV .kind = TORUS_NET_CONV
#define QUADRATIC_OF(n, m)                                                     \
  .kind = TORUS_NET_QUADRATIC, .sizes = {(n)}, .moving = (m)

static const kind kinds[] = {
    {"dense K + V",
     true,
     {{DENSE, TORUS_SOFTPLUS, 2, {2, 5, 7}},
      {DENSE, TORUS_SOFTPLUS, 3, {2, 18, 3, 6}}}},
    {"dense wide K + V",
     true,
     {{DENSE, TORUS_TANH, 1, {6, 9}}, {DENSE, TORUS_SOFTPLUS, 1, {6, 33}}}},
    {"dense H", false, {{DENSE, TORUS_TANH, 2, {4, 5, 7}}}},
    {"dense wide H", false, {{DENSE, TORUS_SOFTPLUS, 2, {10, 6, 17}}}},
    {"conv K + V",
     true,
     {{CONV, TORUS_SOFTPLUS, 2, {2, 3, 5}, 4, 4},
      {CONV, TORUS_SOFTPLUS, 1, {2, 4}, 4, 4}}},
    {"conv H", false, {{CONV, TORUS_TANH, 2, {4, 3, 2}, 5, 3}}},
    {"dense swish K + V",
     true,
     {{DENSE, TORUS_SWISH, 1, {2, 7}}, {DENSE, TORUS_SWISH, 3, {2, 18, 3, 6}}}},
    {"conv swish H", false, {{CONV, TORUS_SWISH, 2, {4, 3, 2}, 5, 3}}},
    {"quadratic K + dense V",
     true,
     {{QUADRATIC_OF(3, 3)}, {DENSE, TORUS_SWISH, 2, {3, 18, 5}}}},
    {"conv K + quadratic V",
     true,
     {{CONV, TORUS_SOFTPLUS, 2, {2, 3, 5}, 4, 4}, {QUADRATIC_OF(32, 32)}}},
    {"quadratic K of some + dense V",
     true,
     {{QUADRATIC_OF(5, 2)}, {DENSE, TORUS_SOFTPLUS, 2, {5, 18, 5}}}},
    {"conv K + quadratic V of some",
     true,
     {{CONV, TORUS_SOFTPLUS, 1, {2, 3}, 4, 4}, {QUADRATIC_OF(32, 7)}}},
    {"quadratic K + dense V, friction",
     true,
     {{QUADRATIC_OF(2, 2)}, {DENSE, TORUS_SOFTPLUS, 2, {2, 18, 5}}}},
    {"quadratic K of some + dense V, friction",
     true,
     {{QUADRATIC_OF(4, 2)}, {DENSE, TORUS_SWISH, 1, {4, 18}}}},
    {"quadratic K + conv V, friction",
     true,
     {{QUADRATIC_OF(32, 32)}, {CONV, TORUS_TANH, 2, {2, 3, 5}, 4, 4}}},
    {"dense H, friction", false, {{DENSE, TORUS_TANH, 2, {4, 5, 7}}}},
};

/* Those with friction say so in their name. */
static inline bool has_friction(const kind *k) {
  return strstr(k->name, "friction") != NULL;
}

#define KINDS ((int)(sizeof kinds / sizeof *kinds))

typedef struct problem {
  torus_hamiltonian h; /* float64 weights, whatever h.dtype says */
  torus_rollout r;
  int64_t size, states;
  double *q0, *p0;
  double *uq, *up, *ue; /* a random linear functional of the results */
  double *friction;     /* r's, or NULL */
} problem;

static inline problem problem_new(const kind *k, const char *scheme,
                                  int64_t batch, int64_t steps, double dt) {
  problem p = {.h = {TORUS_FLOAT64, k->separable, {k->nets[0], k->nets[1]}}};
  direct_state = 7;
  for (int i = 0; i < (k->separable ? 2 : 1); i++) direct_fill(&p.h.nets[i]);
  p.r = (torus_rollout){.scheme = torus_scheme_find(scheme),
                        .batch = batch,
                        .steps = steps,
                        .dt = dt,
                        .energies = true,
                        .backprop = TORUS_BACKPROP_STORED};
  p.size = torus_hamiltonian_size(&p.h);
  p.states = steps + 1;
  p.q0 = direct_numbers(batch * p.size, 1);
  p.p0 = direct_numbers(batch * p.size, 1);
  p.uq = direct_numbers(p.states * batch * p.size, 1);
  p.up = direct_numbers(p.states * batch * p.size, 1);
  p.ue = direct_numbers(p.states * batch, 1);
  if (has_friction(k)) p.friction = direct_numbers(p.size, 0.5);
  for (int64_t i = 0; p.friction && i < p.size; i++) p.friction[i] += 0.6;
  p.r.friction = p.friction;
  return p;
}

static inline void problem_clear(problem *p) {
  for (int i = 0; i < (p->h.separable ? 2 : 1); i++)
    direct_clear(&p->h.nets[i]);
  free(p->q0), free(p->p0), free(p->uq), free(p->up), free(p->ue);
  free(p->friction);
}

/* Everything that a forward and a backward pass give, as float64 in one
 * array. */
typedef struct result {
  int64_t count, trajectory, weights; /* numbers; before and in the weights */
  double *all;
  double *q, *p, *e, *gq0, *gp0, *gdt, *gfriction, *gw;
} result;

static inline result result_new(const problem *p) {
  result r = {0};
  int64_t n = p->r.batch * p->size;
  for (int i = 0; i < (p->h.separable ? 2 : 1); i++) {
    const torus_net *net = &p->h.nets[i];
    for (int l = 0; l <= net->layers; l++) {
      r.weights += direct_weight_count(net, l) + direct_bias_count(net, l);
    }
  }
  int64_t states = torus_rollout_states(&p->r);
  r.trajectory = states * (2 * n + p->r.batch);
  int64_t friction = p->friction ? p->size : 0;
  r.count = r.trajectory + 2 * n + 1 + friction + r.weights;
  r.all = calloc((size_t)r.count, sizeof(double));
  r.q = r.all;
  r.p = r.q + states * n;
  r.e = r.p + states * n;
  r.gq0 = r.all + r.trajectory;
  r.gp0 = r.gq0 + n;
  r.gdt = r.gp0 + n;
  r.gfriction = r.gdt + 1;
  r.gw = r.gfriction + friction;
  return r;
}

/* Arrays of the problem's dtype, made from float64 and read back. */
static inline void *to_dtype(torus_dtype dtype, const double *x,
                             int64_t count) {
  size_t size = torus_dtype_size(dtype);
  void *y = calloc((size_t)(count > 0 ? count : 1), size);
  for (int64_t i = 0; x && i < count; i++) {
    if (dtype == TORUS_FLOAT32) ((float *)y)[i] = (float)x[i];
    if (dtype == TORUS_FLOAT64) ((double *)y)[i] = x[i];
  }
  return y;
}

static inline void from_dtype(torus_dtype dtype, void *x, double *y,
                              int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    if (dtype == TORUS_FLOAT32) y[i] = (double)((float *)x)[i];
    if (dtype == TORUS_FLOAT64) y[i] = ((double *)x)[i];
  }
  free(x);
}

/* A copy of the Hamiltonian with weights of its dtype, and memory for their
 * gradients. */
static inline torus_hamiltonian typed(const torus_hamiltonian *h,
                                      torus_net_grad *grads) {
  torus_hamiltonian copy = *h;
  for (int i = 0; i < (h->separable ? 2 : 1); i++) {
    torus_net *net = &copy.nets[i];
    for (int l = 0; l <= net->layers; l++) {
      int64_t w = direct_weight_count(net, l), b = direct_bias_count(net, l);
      net->weights[l] = to_dtype(h->dtype, net->weights[l], w);
      net->biases[l] = to_dtype(h->dtype, net->biases[l], b);
      grads[i].weights[l] = to_dtype(h->dtype, NULL, w);
      grads[i].biases[l] = to_dtype(h->dtype, NULL, b);
    }
  }
  return copy;
}

static inline void read_grads(torus_hamiltonian *h, const torus_net_grad *grads,
                              double *gw) {
  for (int i = 0; i < (h->separable ? 2 : 1); i++) {
    torus_net *net = &h->nets[i];
    for (int l = 0; l <= net->layers; l++) {
      int64_t w = direct_weight_count(net, l), b = direct_bias_count(net, l);
      from_dtype(h->dtype, grads[i].weights[l], gw, w);
      from_dtype(h->dtype, grads[i].biases[l], gw + w, b);
      gw += w + b;
      free((void *)net->weights[l]);
      free((void *)net->biases[l]);
    }
  }
}

/* Forward and backward with whatever the problem says. */
static inline result solve(const problem *p) {
  result out = result_new(p);
  torus_status status = {0};
  torus_net_grad grads[2];
  torus_hamiltonian h = typed(&p->h, grads);
  torus_rollout r = p->r;
  r.hamiltonian = &h;
  torus_dtype d = h.dtype;
  int64_t n = r.batch * p->size, states = torus_rollout_states(&r);
  void *q0 = to_dtype(d, p->q0, n), *p0 = to_dtype(d, p->p0, n);
  void *q = to_dtype(d, NULL, states * n), *pp = to_dtype(d, NULL, states * n);
  void *e = to_dtype(d, NULL, states * r.batch);
  void *uq = to_dtype(d, p->uq, states * n),
       *up = to_dtype(d, p->up, states * n);
  void *ue = to_dtype(d, p->ue, states * r.batch);
  void *gq0 = to_dtype(d, NULL, n), *gp0 = to_dtype(d, NULL, n);
  void *tape = torus_alloc(torus_rollout_tape_size(&r));
  bool ok = torus_rollout_check(&r, &status) &&
            torus_rollout_forward(&r, q0, p0, q, pp, e, tape, &status) &&
            torus_rollout_backward(&r, q, pp, tape, uq, up, ue, gq0, gp0,
                                   out.gdt, p->friction ? out.gfriction : NULL,
                                   grads, &status);
  CHECK(ok, "%s", status.message);
  torus_free(tape);
  from_dtype(d, q, out.q, states * n);
  from_dtype(d, pp, out.p, states * n);
  if (r.energies) {
    from_dtype(d, e, out.e, states * r.batch);
  } else {
    free(e);
  }
  from_dtype(d, gq0, out.gq0, n);
  from_dtype(d, gp0, out.gp0, n);
  read_grads(&h, grads, out.gw);
  free(q0), free(p0), free(uq), free(up), free(ue);
  return out;
}

static inline double largest(const double *x, int64_t count) {
  double size = 0;
  for (int64_t i = 0; i < count; i++) size = fmax(size, fabs(x[i]));
  return size;
}

/* Largest difference, relative to the largest number; NaN counts. */
static inline double distance(const double *x, const double *y, int64_t count) {
  double largest_error = 0, scale = largest(y, count);
  for (int64_t i = 0; i < count; i++) {
    double d = fabs(x[i] - y[i]);
    if (!(d <= largest_error)) largest_error = d;
  }
  return scale > 0 ? largest_error / scale : largest_error;
}

static inline bool supports(const kind *k, const torus_scheme *s) {
  if (!torus_scheme_is_fused(s) || (!k->separable && s->splitting))
    return false;
  return !has_friction(k) || !s->splitting || s->order <= 2;
}

#define EACH_SCHEME(s)                                                         \
  for (int index = 0; index < torus_scheme_count(); index++)                   \
    for (const torus_scheme *s = torus_scheme_at(index); s; s = NULL)

static inline void compare_gradients(const char *what, const problem *p,
                                     const result *got, const result *want,
                                     double limit) {
  int64_t n = p->r.batch * p->size;
  double dq = distance(got->gq0, want->gq0, n);
  double dp = distance(got->gp0, want->gp0, n);
  /* dt's is a sum of terms as large as the weights' that may cancel. */
  double scale = fmax(fabs(*want->gdt), largest(want->gw, want->weights));
  double dt = scale > 0 ? fabs(*got->gdt - *want->gdt) / scale : 0;
  int64_t rates = p->friction ? p->size : 0;
  double df = distance(got->gfriction, want->gfriction, rates);
  double dw = distance(got->gw, want->gw, got->weights);
  CHECK(dq <= limit && dp <= limit && dt <= limit && dw <= limit && df <= limit,
        "%s, %s, batch %d, %d steps of %g: q0 %g, p0 %g, dt %g, weights %g, "
        "friction %g",
        what, p->r.scheme->name, (int)p->r.batch, (int)p->r.steps, p->r.dt, dq,
        dp, dt, dw, df);
}

#endif
