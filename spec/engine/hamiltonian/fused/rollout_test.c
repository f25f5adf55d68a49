#include "each_isa.h"

#include "core/threads.h"
#include "hamiltonian/fused/plan.h"
#include "problem.h"

/* --- values --- */

static void compare_with_direct(const kind *k, const char *scheme,
                                int64_t batch, int64_t steps, double dt) {
  problem p = problem_new(k, scheme, batch, steps, dt);
  p.r.hamiltonian = &p.h;
  result want = result_new(&p);
  direct_rollout(&p.r, p.q0, p.p0, want.q, want.p, want.e);
  for (int f32 = 0; f32 < 2; f32++) {
    p.h.dtype = f32 ? TORUS_FLOAT32 : TORUS_FLOAT64;
    result got = solve(&p);
    /* Rounding of a few hundred operations; Winograd's transforms add a
     * factor of ten. */
    double limit = f32 ? 2e-5 : 2e-14;
    double d = distance(got.all, want.all, got.trajectory);
    CHECK(d <= limit, "%s, %s, batch %d, %d steps of %g, f%d: %g", k->name,
          scheme, (int)batch, (int)steps, dt, f32 ? 32 : 64, d);
    free(got.all);
  }
  free(want.all);
  problem_clear(&p);
}

TEST(trajectories_and_energies_are_those_of_direct_loops) {
  for (int k = 0; k < KINDS; k++) {
    EACH_SCHEME(s) {
      if (!supports(&kinds[k], s)) continue;
      compare_with_direct(&kinds[k], s->name, 3, 4, 0.1);
      compare_with_direct(&kinds[k], s->name, 1, 1, -0.2);
      compare_with_direct(&kinds[k], s->name, 17, 2, 0.1);
      compare_with_direct(&kinds[k], s->name, 2, 0, 0.1);
      compare_with_direct(&kinds[k], s->name, 0, 3, 0.1);
    }
  }
}

TEST(networks_of_the_papers_sizes_match_direct_loops) {
  static const kind large[] = {
      {"NHF",
       true,
       {{DENSE, TORUS_SOFTPLUS, 2, {2, 128, 128}},
        {DENSE, TORUS_SOFTPLUS, 2, {2, 128, 128}}}},
      {"HNN", false, {{DENSE, TORUS_TANH, 2, {2, 200, 200}}}},
      {"HGN",
       true,
       {{CONV, TORUS_SOFTPLUS, 3, {16, 64, 64, 64}, 4, 4},
        {CONV, TORUS_SOFTPLUS, 3, {16, 64, 64, 64}, 4, 4}}},
      {"HGN, larger map", false, {{CONV, TORUS_SOFTPLUS, 1, {16, 20}, 9, 6}}},
  };
  compare_with_direct(&large[0], "leapfrog", 70, 2, 0.1);
  compare_with_direct(&large[1], "rk4", 5, 1, 0.1);
  /* Tiles of up to three samples read rows of weights, of any more panels. */
  for (int64_t batch = 1; batch <= 8; batch++) {
    compare_with_direct(&large[0], "leapfrog", batch, 1, 0.1);
  }
  compare_with_direct(&large[2], "leapfrog", 3, 1, 0.1);
  compare_with_direct(&large[3], "euler", 3, 1, 0.1);
}

/* --- backward passes agree --- */

TEST(reversible_agrees_with_stored_over_300_steps) {
  const char *const schemes[] = {"leapfrog", "symplectic_euler", "yoshida4"};
  for (int i = 0; i < 3; i++) {
    problem p = problem_new(&kinds[0], schemes[i], 3, 300, 0.1);
    result want = solve(&p);
    p.r.backprop = TORUS_BACKPROP_REVERSIBLE;
    result got = solve(&p);
    compare_gradients("reversible", &p, &got, &want, 1e-8);
    free(want.all);
    free(got.all);
    problem_clear(&p);
  }
}

static void compare_tapes(const kind *k, const char *scheme, int64_t batch) {
  problem p = problem_new(k, scheme, batch, 3, 0.1);
  p.r.hamiltonian = &p.h;
  size_t full = torus_rollout_tape_size(&p.r);
  result want = solve(&p);
  fused_tape_limit = 0;
  CHECK(torus_rollout_tape_size(&p.r) < full / 2, "the tape is full");
  result got = solve(&p);
  fused_tape_limit = TORUS_TAPE_LIMIT;
  CHECK(memcmp(got.all, want.all, (size_t)got.count * sizeof(double)) == 0,
        "%s, %s, batch %d: differs by %g", k->name, scheme, (int)batch,
        distance(got.all, want.all, got.count));
  free(want.all);
  free(got.all);
  problem_clear(&p);
}

TEST(a_short_tape_gives_the_same_bits) {
  for (int k = 0; k < KINDS; k++) {
    EACH_SCHEME(s) {
      if (!supports(&kinds[k], s)) continue;
      compare_tapes(&kinds[k], s->name, 9);
      compare_tapes(&kinds[k], s->name, 2);
    }
  }
}

/* Peak of memory taken while the gradient is computed, in bytes. */
static size_t gradient_memory(torus_backprop backprop, int64_t steps) {
  problem p = problem_new(&kinds[0], "leapfrog", 8, steps, 0.01);
  p.r.backprop = backprop;
  p.r.last_only = true;
  p.r.energies = false;
  result out = solve(&p);
  free(out.all);
  problem_clear(&p);
  return torus_alloc_get_stats().peak_bytes;
}

TEST(reversible_memory_does_not_grow_with_the_steps) {
  /* The peak only grows: reversible first. */
  size_t few = gradient_memory(TORUS_BACKPROP_REVERSIBLE, 30);
  size_t many = gradient_memory(TORUS_BACKPROP_REVERSIBLE, 3000);
  CHECK(few == many, "%zu bytes at 30 steps, %zu at 3000", few, many);
  size_t stored = gradient_memory(TORUS_BACKPROP_STORED, 3000);
  CHECK(stored > 4 * many, "stored: %zu bytes, reversible: %zu", stored, many);
}

/* --- threads and instruction sets --- */

static void compare_threads(const kind *k, const char *scheme, int64_t batch,
                            torus_dtype dtype) {
  problem p = problem_new(k, scheme, batch, 2, 0.1);
  p.h.dtype = dtype;
  torus_set_threads(1);
  result one = solve(&p);
  for (int threads = 2; threads <= 5; threads += 3) {
    torus_set_threads(threads);
    result some = solve(&p);
    CHECK(memcmp(one.all, some.all, (size_t)one.count * sizeof(double)) == 0,
          "%s, batch %d: %d threads differ", k->name, (int)batch, threads);
    free(some.all);
  }
  free(one.all);
  problem_clear(&p);
}

/* Many tiles, and a single one that is spread over the threads inside. */
TEST(results_do_not_depend_on_the_number_of_threads) {
  int before = torus_threads();
  for (int k = 0; k < KINDS; k++) {
    compare_threads(&kinds[k], "euler", 150, TORUS_FLOAT64);
    compare_threads(&kinds[k], "rk4", 19, TORUS_FLOAT32);
    compare_threads(&kinds[k], "rk4", 5, TORUS_FLOAT32);
  }
  torus_set_threads(before);
}

TEST(instruction_sets_agree) {
  torus_isa before = torus_isa_chosen();
  for (int k = 0; k < KINDS; k++) {
    for (int f32 = 0; f32 < 2; f32++) {
      problem p = problem_new(&kinds[k], "rk4", 11, 2, 0.1);
      p.h.dtype = f32 ? TORUS_FLOAT32 : TORUS_FLOAT64;
      torus_isa_choose(TORUS_ISA_PORTABLE);
      result plain = solve(&p);
      for (int isa = TORUS_ISA_AVX2; isa < TORUS_ISA_COUNT; isa++) {
        if (!torus_isa_choose((torus_isa)isa)) continue;
        result got = solve(&p);
        double d = distance(got.all, plain.all, got.count);
        CHECK(d <= (f32 ? 3e-5 : 1e-13), "%s, f%d, set %d: %g", kinds[k].name,
              f32 ? 32 : 64, isa, d);
        free(got.all);
      }
      free(plain.all);
      problem_clear(&p);
    }
  }
  torus_isa_choose(before);
}

/* --- single evaluations --- */

/* One Euler step with dt = 1 holds the field and its vector-Jacobian product:
 * q1 = q0 + dH/dp, p1 = p0 - dH/dq. */
TEST(evaluations_agree_with_a_step_of_euler) {
  for (int k = 0; k < KINDS; k++) {
    if (has_friction(&kinds[k])) continue;
    problem p = problem_new(&kinds[k], "euler", 70, 1, 1);
    int64_t n = p.r.batch * p.size;
    memset(p.uq, 0, (size_t)n * sizeof(double));
    memset(p.up, 0, (size_t)n * sizeof(double));
    memset(p.ue + p.r.batch, 0, (size_t)p.r.batch * sizeof(double));
    result want = solve(&p), got = result_new(&p);
    torus_status status = {0};
    torus_net_grad grads[2];
    torus_hamiltonian h = typed(&p.h, grads);
    double *u_dq = direct_numbers(n, 0), *u_dp = p.uq + n;
    for (int64_t i = 0; i < n; i++) u_dq[i] = -p.up[n + i];
    void *tape = torus_alloc(torus_hamiltonian_tape_size(&h, p.r.batch));
    bool ok = torus_hamiltonian_forward(&h, p.r.batch, p.q0, p.p0, got.q, got.p,
                                        got.e, tape, &status) &&
              torus_hamiltonian_backward(&h, p.r.batch, tape, u_dq, u_dp, p.ue,
                                         got.gq0, got.gp0, grads, &status);
    CHECK(ok, "%s", status.message);
    read_grads(&h, grads, got.gw);
    for (int64_t i = 0; i < n; i++) {
      want.q[i] = want.q[n + i] - p.q0[i];
      want.p[i] = p.p0[i] - want.p[n + i];
      want.gq0[i] -= p.uq[n + i]; /* from q0 itself to q1 */
      want.gp0[i] -= p.up[n + i];
    }
    CHECK(distance(got.q, want.p, n) < 1e-14, "%s: dH/dq", kinds[k].name);
    CHECK(distance(got.p, want.q, n) < 1e-14, "%s: dH/dp", kinds[k].name);
    CHECK(distance(got.e, want.e, p.r.batch) == 0, "%s: H", kinds[k].name);
    *got.gdt = *want.gdt;
    compare_gradients(kinds[k].name, &p, &got, &want, 1e-13);
    torus_free(tape);
    free(u_dq), free(want.all), free(got.all);
    problem_clear(&p);
  }
}

TEST(the_energy_alone_can_be_asked_for) {
  problem p = problem_new(&kinds[0], "euler", 6, 0, 1);
  torus_status status = {0};
  double e[6];
  bool ok = torus_hamiltonian_forward(&p.h, 6, p.q0, p.p0, NULL, NULL, e, NULL,
                                      &status);
  CHECK(ok, "%s", status.message);
  result want = solve(&p);
  CHECK(memcmp(e, want.e, sizeof e) == 0, "energies differ");
  free(want.all);
  problem_clear(&p);
}

/* No bias is a bias of zero; gradients that are not wanted change nothing. */
TEST(biases_and_gradients_may_be_left_out) {
  for (int k = 0; k < KINDS; k++) {
    problem p = problem_new(&kinds[k], "rk4", 3, 2, 0.1);
    int nets = p.h.separable ? 2 : 1;
    for (int i = 0; i < nets; i++) {
      for (int l = 0; l <= p.h.nets[i].layers; l++) {
        int64_t count = direct_bias_count(&p.h.nets[i], l);
        if (count == 0) continue; /* of |x|^2 / 2 */
        memset((void *)p.h.nets[i].biases[l], 0,
               (size_t)count * sizeof(double));
      }
    }
    result want = solve(&p), got = result_new(&p);
    torus_net_grad grads[2];
    torus_hamiltonian full = typed(&p.h, grads), h = full;
    torus_net_grad some[2] = {grads[0], grads[1]};
    for (int i = 0; i < nets; i++) {
      memset((void *)h.nets[i].biases, 0, sizeof h.nets[i].biases);
      memset(some[i].biases, 0, sizeof some[i].biases);
      some[i].weights[0] = NULL;
    }
    torus_status status = {0};
    torus_rollout r = p.r;
    r.hamiltonian = &h;
    double *before = got.gq0, *after = direct_numbers(r.batch * p.size, 0);
    void *tape = torus_alloc(torus_rollout_tape_size(&r));
    bool ok = torus_rollout_forward(&r, p.q0, p.p0, got.q, got.p, got.e, tape,
                                    &status) &&
              torus_rollout_backward(&r, got.q, got.p, tape, p.uq, p.up, p.ue,
                                     before, NULL, NULL, NULL, some, &status) &&
              torus_rollout_backward(&r, got.q, got.p, tape, p.uq, p.up, p.ue,
                                     after, NULL, NULL, NULL, NULL, &status);
    CHECK(ok, "%s", status.message);
    size_t bytes = (size_t)(r.batch * p.size) * sizeof(double);
    CHECK(memcmp(got.q, want.q, (size_t)want.trajectory * sizeof(double)) == 0,
          "%s: values", kinds[k].name);
    CHECK(memcmp(before, want.gq0, bytes) == 0, "%s: q0", kinds[k].name);
    CHECK(memcmp(after, want.gq0, bytes) == 0, "%s: q0 alone", kinds[k].name);
    double first =
        largest(grads[0].weights[0], direct_weight_count(&p.h.nets[0], 0));
    CHECK(first == 0, "%s: an unwanted gradient was written", kinds[k].name);
    read_grads(&full, grads, got.gw);
    torus_free(tape);
    free(after), free(want.all), free(got.all);
    problem_clear(&p);
  }
}

/* --- schemes --- */

TEST(coefficients_are_consistent) {
  EACH_SCHEME(s) {
    double kicks = 0, drifts = 0, weights = 0;
    for (int i = 0; i <= s->stages; i++) {
      kicks += s->kick[i];
      if (s->symmetric) {
        CHECK(s->kick[i] == s->kick[s->stages - i], "%s: kick %d", s->name, i);
      }
    }
    for (int i = 0; i < s->stages; i++) {
      drifts += s->drift[i];
      if (s->splitting || s->extended) continue;
      weights += s->b[i];
      for (int j = s->implicit ? s->stages : i; j < s->stages; j++) {
        CHECK(s->a[i][j] == 0, "%s is not explicit", s->name);
      }
    }
    double want = s->splitting ? 1 : 0;
    double lengths = s->splitting || s->extended ? 1 : 0;
    CHECK(fabs(kicks - want) < 1e-15, "%s: kicks sum to %g", s->name, kicks);
    CHECK(fabs(drifts - lengths) < 1e-15, "%s: drifts sum to %g", s->name,
          drifts);
    CHECK(fabs(weights - 1 + lengths) < 1e-15, "%s: %g", s->name, weights);
    CHECK(torus_scheme_find(s->name) == s, "%s is not found", s->name);
  }
}

#define FINE 1600

TEST(schemes_have_their_order) {
  EACH_SCHEME(s) {
    if (!torus_scheme_is_fused(s)) continue;
    /* The end of the same time with steps of dt and dt / 2, against a much
     * finer one. A high order shows in long steps alone. */
    double error[2], span = s->order > 4 ? 12 : 0.8;
    problem fine = problem_new(&kinds[0], s->order > 4 ? "yoshida4" : "rk4", 4,
                               FINE, span / FINE);
    result want = solve(&fine);
    int64_t n = fine.r.batch * fine.size;
    for (int i = 0; i < 2; i++) {
      int64_t steps = 4 << i;
      problem p =
          problem_new(&kinds[0], s->name, 4, steps, span / (double)steps);
      result got = solve(&p);
      error[i] = distance(got.q + steps * n, want.q + FINE * n, n);
      free(got.all);
      problem_clear(&p);
    }
    double order = log2(error[0] / error[1]);
    CHECK(fabs(order - s->order) < 0.35, "%s: order %g", s->name, order);
    free(want.all);
    problem_clear(&fine);
  }
}

TEST(symmetric_schemes_are_undone_by_a_step_back) {
  EACH_SCHEME(s) {
    if (!torus_scheme_is_fused(s)) continue;
    /* So long that the others visibly miss. */
    problem p = problem_new(&kinds[0], s->name, 4, 10, 0.8);
    int64_t n = p.r.batch * p.size;
    result forward = solve(&p);
    double *q0 = p.q0, *p0 = p.p0;
    p.q0 = forward.q + 10 * n;
    p.p0 = forward.p + 10 * n;
    p.r.dt = -0.8;
    result backward = solve(&p);
    double d = distance(backward.q + 10 * n, q0, n);
    CHECK(s->symmetric == (d < 1e-12), "%s: %g", s->name, d);
    p.q0 = q0;
    p.p0 = p0;
    free(forward.all);
    free(backward.all);
    problem_clear(&p);
  }
}

/* --- errors --- */

TEST(what_cannot_be_done_is_refused) {
  torus_status status = {0};
  problem p = problem_new(&kinds[2], "leapfrog", 2, 2, 0.1);
  p.r.hamiltonian = &p.h;
  CHECK(!torus_rollout_check(&p.r, &status), "leapfrog of a joint H");
  CHECK(strstr(status.message, "separable"), "%s", status.message);
  torus_status_clear(&status);
  p.r.scheme = torus_scheme_find("rk4");
  CHECK(torus_rollout_check(&p.r, &status), "%s", status.message);
  p.r.backprop = TORUS_BACKPROP_REVERSIBLE;
  CHECK(!torus_rollout_check(&p.r, &status), "rk4 backwards");
  CHECK(strstr(status.message, "rk4"), "%s", status.message);
  torus_status_clear(&status);
  p.h.nets[0].sizes[0] = 3;
  CHECK(!torus_hamiltonian_check(&p.h, &status), "an odd joint input");
  torus_status_clear(&status);
  p.h.nets[0].sizes[0] = 4;
  p.h.dtype = TORUS_INT64;
  CHECK(!torus_hamiltonian_check(&p.h, &status), "integers");
  CHECK(torus_scheme_find("midpoint") == NULL, "no such scheme");
  p.h.dtype = TORUS_FLOAT64;
  problem_clear(&p);
  torus_status_clear(&status);
  const double rates[] = {1, 1};
  problem damped = problem_new(&kinds[0], "leapfrog", 2, 2, 0.1);
  damped.r.hamiltonian = &damped.h;
  damped.r.friction = rates;
  CHECK(!torus_rollout_check(&damped.r, &status), "friction of a network K");
  CHECK(strstr(status.message, "quadratic"), "%s", status.message);
  torus_status_clear(&status);
  damped.r.scheme = torus_scheme_find("rk4");
  CHECK(torus_rollout_check(&damped.r, &status), "%s", status.message);
  damped.h.separable = false;
  damped.h.nets[0].kind = TORUS_NET_QUADRATIC;
  CHECK(!torus_hamiltonian_check(&damped.h, &status), "a quadratic joint H");
  damped.h.separable = true;
  damped.h.nets[0].kind = TORUS_NET_DENSE;
  problem_clear(&damped);
}

TEST(memory_that_runs_out_is_an_error) {
  problem p = problem_new(&kinds[0], "leapfrog", 3, 2, 0.1);
  p.r.hamiltonian = &p.h;
  p.r.backprop = TORUS_BACKPROP_NONE;
  torus_status status = {0};
  result out = result_new(&p);
  size_t before = torus_alloc_get_stats().live_bytes;
  torus_alloc_fail_nth(1);
  bool ok = torus_rollout_forward(&p.r, p.q0, p.p0, out.q, out.p, out.e, NULL,
                                  &status);
  torus_alloc_fail_nth(0);
  CHECK(!ok && status.code == TORUS_ENOMEM, "code %d", (int)status.code);
  CHECK(torus_alloc_get_stats().live_bytes == before, "leaks");
  free(out.all);
  problem_clear(&p);
}

int main(void) {
  RUN(reversible_memory_does_not_grow_with_the_steps);
  RUN_EACH_ISA(trajectories_and_energies_are_those_of_direct_loops);
  RUN_EACH_ISA(networks_of_the_papers_sizes_match_direct_loops);
  RUN(reversible_agrees_with_stored_over_300_steps);
  RUN_EACH_ISA(a_short_tape_gives_the_same_bits);
  RUN(results_do_not_depend_on_the_number_of_threads);
  RUN(instruction_sets_agree);
  RUN_EACH_ISA(evaluations_agree_with_a_step_of_euler);
  RUN(the_energy_alone_can_be_asked_for);
  RUN_EACH_ISA(biases_and_gradients_may_be_left_out);
  RUN(coefficients_are_consistent);
  RUN(schemes_have_their_order);
  RUN(symmetric_schemes_are_undone_by_a_step_back);
  RUN(what_cannot_be_done_is_refused);
  RUN(memory_that_runs_out_is_an_error);
  return check_report();
}
