#include "kernels/adam.h"

#include "core/threads.h"

#include "each_isa.h"

#include <string.h>

/* Algorithm 1 of Kingma & Ba (2014), line by line, for one parameter. */
typedef struct witness {
  double p, m, v;
} witness;

static void step(witness *w, const torus_adam *a, double g) {
  double t = (double)a->step;
  g += a->weight_decay * w->p;
  w->m = a->beta1 * w->m + (1 - a->beta1) * g;
  w->v = a->beta2 * w->v + (1 - a->beta2) * g * g;
  double m_hat = w->m / (1 - pow(a->beta1, t));
  double v_hat = w->v / (1 - pow(a->beta2, t));
  w->p -= a->lr * m_hat / (sqrt(v_hat) + a->eps);
}

static double gradient(int i, int64_t t) {
  return sin(0.7 * i + 1.3 * (double)t) * (i % 5);
}

enum { N = 37 };

TEST(follows_the_algorithm) {
  for (int decay = 0; decay < 2; decay++) {
    torus_adam adam = {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    adam.weight_decay = decay * 0.1;
    witness w[N];
    double p[N], g[N], m[N] = {0}, v[N] = {0};
    float pf[N], gf[N], mf[N] = {0}, vf[N] = {0};
    for (int i = 0; i < N; i++) {
      p[i] = pf[i] = (float)(i - 18) / 8;
      w[i] = (witness){p[i], 0, 0};
    }
    for (adam.step = 1; adam.step <= 50; adam.step++) {
      for (int i = 0; i < N; i++) {
        g[i] = gradient(i, adam.step);
        gf[i] = (float)g[i];
        step(&w[i], &adam, g[i]);
      }
      torus_adam_step(&adam, TORUS_FLOAT64, N, p, g, m, v);
      torus_adam_step(&adam, TORUS_FLOAT32, N, pf, gf, mf, vf);
    }
    for (int i = 0; i < N; i++) {
      CHECK(fabs(p[i] - w[i].p) < 1e-13, "%g, not %g", p[i], w[i].p);
      CHECK(fabs(m[i] - w[i].m) < 1e-13, "m: %g, not %g", m[i], w[i].m);
      CHECK(fabs(v[i] - w[i].v) < 1e-13, "v: %g, not %g", v[i], w[i].v);
      /* 50 roundings of a number near 2. */
      CHECK(fabs((double)pf[i] - w[i].p) < 1e-5, "float32: %g, not %g",
            (double)pf[i], w[i].p);
    }
  }
}

TEST(the_first_step_is_the_rate) {
  torus_adam adam = {
      .lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 0, .step = 1};
  double p[2] = {1, 1}, g[2] = {1e-6, -1e6}, m[2] = {0}, v[2] = {0};
  torus_adam_step(&adam, TORUS_FLOAT64, 2, p, g, m, v);
  CHECK(fabs(p[0] - 0.9) < 1e-12, "%.15g", p[0]);
  CHECK(fabs(p[1] - 1.1) < 1e-12, "%.15g", p[1]);
}

TEST(a_zero_gradient_moves_nothing) {
  torus_adam adam = {
      .lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = 1};
  float p = 3, g = 0, m = 0, v = 0;
  torus_adam_step(&adam, TORUS_FLOAT32, 1, &p, &g, &m, &v);
  CHECK(p == 3, "%g", (double)p);
  torus_adam_step(&adam, TORUS_FLOAT32, 0, NULL, NULL, NULL, NULL);
}

TEST(threads_change_no_bit) {
  enum { LONG = 50000 };
  static float p[2][LONG], g[LONG], m[2][LONG], v[2][LONG];
  torus_adam adam = {
      .lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = 3};
  int before = torus_threads();
  for (int i = 0; i < LONG; i++) g[i] = (float)gradient(i, 1);
  for (int k = 0; k < 2; k++) {
    torus_set_threads(1 + 3 * k);
    torus_adam_step(&adam, TORUS_FLOAT32, LONG, p[k], g, m[k], v[k]);
  }
  torus_set_threads(before);
  CHECK(memcmp(p[0], p[1], sizeof p[0]) == 0, "differ");
}

int main(void) {
  RUN_EACH_ISA(follows_the_algorithm);
  RUN_EACH_ISA(the_first_step_is_the_rate);
  RUN_EACH_ISA(a_zero_gradient_moves_nothing);
  RUN_EACH_ISA(threads_change_no_bit);
  return check_report();
}
