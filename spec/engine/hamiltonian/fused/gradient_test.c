#include "each_isa.h"

#include "problem.h"

/* The functional of a rollout without a backward pass. */
static double functional(const problem *p) {
  torus_status status = {0};
  torus_rollout r = p->r;
  r.hamiltonian = &p->h;
  r.backprop = TORUS_BACKPROP_NONE;
  int64_t count = p->states * p->r.batch * p->size;
  double *q = malloc((size_t)(3 * count) * sizeof *q), *pp = q + count;
  double *e = pp + count, sum = 0;
  bool ok = torus_rollout_forward(&r, p->q0, p->p0, q, pp, e, NULL, &status);
  CHECK(ok, "%s", status.message);
  for (int64_t i = 0; i < count; i++) sum += p->uq[i] * q[i] + p->up[i] * pp[i];
  for (int64_t i = 0; r.energies && i < p->states * r.batch; i++) {
    sum += p->ue[i] * e[i];
  }
  free(q);
  return sum;
}

static double difference(const problem *p, double *x) {
  const double step = 1e-5, kept = *x;
  *x = kept + step;
  double high = functional(p);
  *x = kept - step;
  double low = functional(p);
  *x = kept;
  return (high - low) / (2 * step);
}

/* Central differences of every input, dt and every weight. */
static result differences(problem *p) {
  result r = result_new(p);
  for (int64_t i = 0; i < p->r.batch * p->size; i++) {
    r.gq0[i] = difference(p, &p->q0[i]);
    r.gp0[i] = difference(p, &p->p0[i]);
  }
  *r.gdt = difference(p, &p->r.dt);
  for (int64_t i = 0; p->friction && i < p->size; i++) {
    r.gfriction[i] = difference(p, &p->friction[i]);
  }
  double *gw = r.gw;
  for (int i = 0; i < (p->h.separable ? 2 : 1); i++) {
    torus_net *net = &p->h.nets[i];
    for (int l = 0; l <= net->layers; l++) {
      double *w = (double *)net->weights[l], *b = (double *)net->biases[l];
      int64_t count = direct_weight_count(net, l);
      for (int64_t j = 0; j < count; j++) *gw++ = difference(p, &w[j]);
      count = direct_bias_count(net, l);
      for (int64_t j = 0; j < count; j++) *gw++ = difference(p, &b[j]);
    }
  }
  return r;
}

static void check_gradients(const kind *k, const char *scheme, int64_t batch,
                            int64_t steps, double dt, bool energies) {
  problem p = problem_new(k, scheme, batch, steps, dt);
  p.r.energies = energies;
  result want = differences(&p), got = solve(&p);
  /* Differences are good to about 1e-10 over the step of 1e-5. */
  compare_gradients(k->name, &p, &got, &want, 2e-8);
  if (p.r.scheme->splitting) {
    free(got.all);
    p.r.backprop = TORUS_BACKPROP_REVERSIBLE;
    got = solve(&p);
    compare_gradients(k->name, &p, &got, &want, 2e-8);
  }
  free(want.all);
  free(got.all);
  problem_clear(&p);
}

TEST(gradients_are_those_of_finite_differences) {
  for (int k = 0; k < KINDS; k++) {
    EACH_SCHEME(s) {
      if (!supports(&kinds[k], s)) continue;
      check_gradients(&kinds[k], s->name, 3, 2, 0.3, true);
      check_gradients(&kinds[k], s->name, 1, 3, -0.2, false);
      check_gradients(&kinds[k], s->name, 2, 0, 0.1, true);
    }
  }
}

TEST(gradients_of_the_last_state_alone) {
  EACH_SCHEME(s) {
    if (!torus_scheme_is_fused(s)) continue;
    problem p = problem_new(&kinds[0], s->name, 5, 3, 0.2);
    int64_t n = p.r.batch * p.size;
    /* A functional of the last state, so that both are the same gradient. */
    memset(p.uq, 0, (size_t)(3 * n) * sizeof(double));
    memset(p.up, 0, (size_t)(3 * n) * sizeof(double));
    memset(p.ue, 0, (size_t)(3 * p.r.batch) * sizeof(double));
    result want = solve(&p);
    p.r.last_only = true;
    p.uq += 3 * n, p.up += 3 * n, p.ue += 3 * p.r.batch;
    for (int reversible = 0; reversible < (s->splitting ? 2 : 1);
         reversible++) {
      if (reversible) p.r.backprop = TORUS_BACKPROP_REVERSIBLE;
      result got = solve(&p);
      CHECK(distance(got.q, want.q + 3 * n, n) == 0, "%s: q", s->name);
      CHECK(distance(got.e, want.e + 3 * p.r.batch, p.r.batch) < 1e-15,
            "%s: energy", s->name);
      compare_gradients("last state", &p, &got, &want, 1e-13);
      free(got.all);
    }
    p.uq -= 3 * n, p.up -= 3 * n, p.ue -= 3 * p.r.batch;
    free(want.all);
    problem_clear(&p);
  }
}

TEST(float32_gradients_are_close_to_float64_s) {
  for (int k = 0; k < KINDS; k++) {
    EACH_SCHEME(s) {
      if (!supports(&kinds[k], s)) continue;
      problem p = problem_new(&kinds[k], s->name, 17, 5, 0.1);
      result want = solve(&p);
      p.h.dtype = TORUS_FLOAT32;
      result got = solve(&p);
      compare_gradients(kinds[k].name, &p, &got, &want, 1e-4);
      free(want.all);
      free(got.all);
      problem_clear(&p);
    }
  }
}

int main(void) {
  RUN(gradients_are_those_of_finite_differences);
  RUN(gradients_of_the_last_state_alone);
  RUN_EACH_ISA(float32_gradients_are_close_to_float64_s);
  return check_report();
}
