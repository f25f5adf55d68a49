#include "hamiltonian/fused/fused.h"

#include "core/shape.h"
#include "hamiltonian/fused/plan.h"

/* --- checks --- */

static bool check_net(const torus_net *net, const char *name,
                      torus_status *status) {
  int least = net->kind == TORUS_NET_QUADRATIC ? 0 : 1;
  if (net->layers < least || net->layers > TORUS_NET_LAYERS) {
    return torus_status_fail(status, TORUS_EINVAL,
                             "hamiltonian: expected 1 to %d hidden layers in "
                             "%s, got %d",
                             TORUS_NET_LAYERS, name, net->layers);
  }
  for (int i = 0; i <= net->layers; i++) {
    if (net->sizes[i] > 0 && net->sizes[i] <= INT32_MAX) continue;
    return torus_status_fail(status, TORUS_EINVAL,
                             "hamiltonian: expected positive sizes in %s, got "
                             "%lld",
                             name, (long long)net->sizes[i]);
  }
  if (net->kind == TORUS_NET_QUADRATIC &&
      (net->moving < 1 || net->moving > net->sizes[0])) {
    return torus_status_fail(status, TORUS_EINVAL,
                             "hamiltonian: expected 1 to %lld moving numbers "
                             "in %s, got %lld",
                             (long long)net->sizes[0], name,
                             (long long)net->moving);
  }
  if (net->kind == TORUS_NET_CONV && (net->height < 1 || net->width < 1)) {
    return torus_status_fail(status, TORUS_EINVAL,
                             "hamiltonian: expected a map of at least 1 x 1 "
                             "pixels in %s, got %lld x %lld",
                             name, (long long)net->height,
                             (long long)net->width);
  }
  return true;
}

/* In a sample of its input. */
static int64_t numbers_in(const torus_net *net) {
  int64_t points = net->kind == TORUS_NET_CONV ? net->height * net->width : 1;
  return points * net->sizes[0];
}

bool torus_hamiltonian_check(const torus_hamiltonian *h, torus_status *status) {
  const torus_net *k = &h->nets[0], *v = &h->nets[1];
  bool quadratic =
      k->kind == TORUS_NET_QUADRATIC || v->kind == TORUS_NET_QUADRATIC;
  if (!torus_dtype_is_float(h->dtype)) {
    return torus_status_fail(status, TORUS_EINVAL,
                             "hamiltonian: expected float32 or float64, got %s",
                             torus_dtype_name(h->dtype));
  }
  if (!h->separable) {
    if (k->kind == TORUS_NET_QUADRATIC) {
      return torus_status_fail(status, TORUS_EINVAL,
                               "hamiltonian: expected a dense or "
                               "convolutional network as joint H(q, p), got "
                               "a quadratic energy");
    }
    if (!check_net(k, "H", status)) return false;
    if (k->sizes[0] % 2 == 0) return true;
    return torus_status_fail(status, TORUS_EINVAL,
                             "hamiltonian: expected an even number of inputs "
                             "to H, q and p concatenated, got %lld",
                             (long long)k->sizes[0]);
  }
  if (!check_net(k, "K", status) || !check_net(v, "V", status)) return false;
  if (quadratic && numbers_in(k) == numbers_in(v)) return true;
  bool conv = k->kind == TORUS_NET_CONV;
  bool same = k->kind == v->kind && k->sizes[0] == v->sizes[0];
  if (conv) same = same && k->height == v->height && k->width == v->width;
  if (same) return true;
  return torus_status_fail(status, TORUS_EINVAL,
                           "hamiltonian: expected K and V of one kind and "
                           "input size, got %lld and %lld inputs",
                           (long long)numbers_in(k), (long long)numbers_in(v));
}

int64_t torus_hamiltonian_size(const torus_hamiltonian *h) {
  return numbers_in(&h->nets[0]) / (h->separable ? 1 : 2);
}

/* Whether the sizes of trajectory and tape are far from overflow. An upper
 * bound of the bytes, in double: what exceeds the limit fits in no memory. */
static bool rollout_is_countable(const torus_rollout *r) {
  const torus_hamiltonian *h = r->hamiltonian;
  double width = 2 * (double)torus_hamiltonian_size(h) + 1, activations = 0;
  for (int k = 0; k < (h->separable ? 2 : 1); k++) {
    const torus_net *net = &h->nets[k];
    bool conv = net->kind == TORUS_NET_CONV;
    double points = conv ? (double)net->height * (double)net->width : 1;
    for (int l = 0; l <= net->layers; l++)
      activations += 5 * (points * (double)net->sizes[l] + 64);
  }
  if (r->backprop == TORUS_BACKPROP_STORED)
    width += FUSED_OPS_MAX * activations;
  double samples = r->batch > 0 ? 2 * (double)r->batch : 1;
  double bytes = ((double)r->steps + 2) * samples * width * sizeof(double);
  return bytes <= (double)TORUS_MAX_COUNT;
}

static bool check_friction(const torus_rollout *r, torus_status *status) {
  const torus_hamiltonian *h = r->hamiltonian;
  if (!r->friction) return true;
  if (r->scheme->splitting && h->nets[0].kind != TORUS_NET_QUADRATIC) {
    return torus_status_fail(status, TORUS_EINVAL,
                             "rollout: friction with %s needs a quadratic "
                             "energy as K, got a network",
                             r->scheme->name);
  }
  if (r->scheme->splitting && r->scheme->order > 2) {
    return torus_status_fail(status, TORUS_EINVAL,
                             "rollout: %s would be of second order with "
                             "friction",
                             r->scheme->name);
  }
  return true;
}

bool torus_rollout_check(const torus_rollout *r, torus_status *status) {
  if (!torus_hamiltonian_check(r->hamiltonian, status)) return false;
  if (r->batch < 0 || r->steps < 0) {
    return torus_status_fail(
        status, TORUS_EINVAL,
        "rollout: expected a batch and steps of at least 0, "
        "got %lld and %lld",
        (long long)r->batch, (long long)r->steps);
  }
  const char *name = r->scheme->name;
  if (!torus_scheme_is_fused(r->scheme)) {
    return torus_status_fail(status, TORUS_EINVAL,
                             "rollout: expected a splitting or an explicit "
                             "Runge-Kutta scheme, got %s",
                             name);
  }
  if (r->scheme->splitting && !r->hamiltonian->separable) {
    return torus_status_fail(status, TORUS_EINVAL,
                             "rollout: %s needs a separable Hamiltonian, "
                             "K(p) + V(q), got a joint H(q, p)",
                             name);
  }
  if (r->backprop == TORUS_BACKPROP_REVERSIBLE && !r->scheme->splitting) {
    return torus_status_fail(status, TORUS_EINVAL,
                             "rollout: reversible backpropagation needs a "
                             "splitting scheme such as leapfrog, got %s",
                             name);
  }
  if (!check_friction(r, status)) return false;
  if (rollout_is_countable(r)) return true;
  return torus_status_fail(status, TORUS_EINVAL,
                           "rollout: %lld steps of a batch of %lld need more "
                           "memory than can be addressed",
                           (long long)r->steps, (long long)r->batch);
}

int64_t torus_rollout_states(const torus_rollout *r) {
  return r->last_only ? 1 : r->steps + 1;
}

/* --- by dtype --- */

static bool is_f32(const torus_hamiltonian *h) {
  return h->dtype == TORUS_FLOAT32;
}

size_t torus_hamiltonian_tape_size(const torus_hamiltonian *h, int64_t batch) {
  return is_f32(h) ? fused_evaluation_tape_f32(h, batch)
                   : fused_evaluation_tape_f64(h, batch);
}

bool torus_hamiltonian_forward(const torus_hamiltonian *h, int64_t batch,
                               const void *q, const void *p, void *dq, void *dp,
                               void *energy, void *tape, torus_status *status) {
  return is_f32(h) ? fused_evaluation_forward_f32(h, batch, q, p, dq, dp,
                                                  energy, tape, status)
                   : fused_evaluation_forward_f64(h, batch, q, p, dq, dp,
                                                  energy, tape, status);
}

bool torus_hamiltonian_backward(const torus_hamiltonian *h, int64_t batch,
                                const void *tape, const void *u_dq,
                                const void *u_dp, const void *u_energy,
                                void *gq, void *gp, const torus_net_grad *grads,
                                torus_status *status) {
  return is_f32(h)
             ? fused_evaluation_backward_f32(h, batch, tape, u_dq, u_dp,
                                             u_energy, gq, gp, grads, status)
             : fused_evaluation_backward_f64(h, batch, tape, u_dq, u_dp,
                                             u_energy, gq, gp, grads, status);
}

size_t torus_rollout_tape_size(const torus_rollout *r) {
  return is_f32(r->hamiltonian) ? fused_rollout_tape_f32(r)
                                : fused_rollout_tape_f64(r);
}

bool torus_rollout_forward(const torus_rollout *r, const void *q0,
                           const void *p0, void *q, void *p, void *energy,
                           void *tape, torus_status *status) {
  return is_f32(r->hamiltonian)
             ? fused_rollout_forward_f32(r, q0, p0, q, p, energy, tape, status)
             : fused_rollout_forward_f64(r, q0, p0, q, p, energy, tape, status);
}

bool torus_rollout_backward(const torus_rollout *r, const void *q,
                            const void *p, const void *tape, const void *u_q,
                            const void *u_p, const void *u_energy, void *gq0,
                            void *gp0, double *gdt, double *gfriction,
                            const torus_net_grad *grads, torus_status *status) {
  return is_f32(r->hamiltonian)
             ? fused_rollout_backward_f32(r, q, p, tape, u_q, u_p, u_energy,
                                          gq0, gp0, gdt, gfriction, grads,
                                          status)
             : fused_rollout_backward_f64(r, q, p, tape, u_q, u_p, u_energy,
                                          gq0, gp0, gdt, gfriction, grads,
                                          status);
}
