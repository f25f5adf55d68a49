#include "hamiltonian/network_op.h"

#include <math.h>
#include <string.h>

#include "autodiff/build.h"
#include "hamiltonian/network.h"

enum { FIELD, ROLLOUT };

/* The problem described by a call's inputs and attributes. */
typedef struct problem {
  torus_hamiltonian h;
  torus_rollout r;
  torus_network networks[2];
  int nets;
  int first[2]; /* the input that is each network's first weight */
  int dt_input, friction_input; /* their indices, or 0 */
  int64_t batch, size;
  const void *q, *p;
} problem;

/* The attributes, in the order of the parameters. */
enum { STEPS, METHOD, ENERGIES, LAST_ONLY, REVERSIBLE };
enum { DT, FRICTION };

static const void *data_of(torus_scope *scope, torus_tensor *x) {
  torus_tensor *dense = torus_contiguous(scope, x);
  return dense ? torus_tensor_data(dense) : NULL;
}

static void read_arrays(torus_scope *scope, const torus_call *call, problem *p,
                        int k) {
  torus_net *net = &p->h.nets[k];
  if (net->kind == TORUS_NET_QUADRATIC) return;
  int at = p->first[k];
  for (int l = 0; l <= net->layers; l++) {
    net->weights[l] = data_of(scope, call->in[at++]);
    if (l == net->layers && !p->networks[k].readout_bias) break;
    net->biases[l] = data_of(scope, call->in[at++]);
  }
}

static bool fail_shapes(torus_scope *scope, const torus_call *call) {
  char a[TORUS_SHAPE_TEXT], b[TORUS_SHAPE_TEXT];
  return torus_status_fail(
      &scope->status, TORUS_EINVAL,
      "%s: states q %s and p %s don't fit the Hamiltonian's networks",
      call->op->name, torus_shape_format(&call->in[0]->shape, a),
      torus_shape_format(&call->in[1]->shape, b));
}

/* The networks' descriptions, which must account for every input: the gradient
 * of one that they leave out would never be written. */
static bool read_descriptions(torus_scope *scope, const torus_call *call,
                              problem *p) {
  const torus_shape *packed = call->attrs->list;
  int at = 2;
  p->nets = packed[1].ndim > 0 ? 2 : 1;
  for (int k = 0; k < p->nets; k++) {
    p->networks[k] = torus_network_unpack(&packed[k]);
    p->first[k] = at;
    at += torus_network_parameters(&p->networks[k]);
  }
  /* dt and friction, if they are given as tensors. */
  if (call->op->code == ROLLOUT) {
    if (isnan(call->attrs->f[DT]) && call->inputs > at) p->dt_input = at++;
    if (isnan(call->attrs->f[FRICTION]) && call->inputs > at) {
      p->friction_input = at++;
    }
  }
  if (call->inputs == at) return true;
  return torus_status_fail(&scope->status, TORUS_EINVAL,
                           "%s: the networks are described as having %d "
                           "parameters, got %d",
                           call->op->name, at - 2, call->inputs - 2);
}

/* The shape that friction broadcasts to, (1, ...). */
static torus_shape state_shape(const torus_call *call) {
  torus_shape shape = call->in[0]->shape;
  shape.size[0] = 1;
  return shape;
}

static double first_number(const torus_tensor *x) {
  return x->dtype == TORUS_FLOAT32 ? (double)*(float *)torus_tensor_data(x)
                                   : *(double *)torus_tensor_data(x);
}

static bool has_kind(const problem *p, torus_net_kind kind) {
  for (int k = 0; k < p->nets; k++) {
    if (p->networks[k].kind == kind) return true;
  }
  return false;
}

/* Fills in the problem. Dense copies of inputs belong to the scope. */
static bool read_problem(torus_scope *scope, const torus_call *call,
                         problem *p) {
  memset(p, 0, sizeof *p);
  if (!read_descriptions(scope, call, p)) return false;
  const torus_shape *shape = &call->in[0]->shape;
  bool conv = has_kind(p, TORUS_NET_CONV);
  bool any = !conv && !has_kind(p, TORUS_NET_DENSE) && shape->ndim > 0;
  if (!torus_shape_equal(shape, &call->in[1]->shape) ||
      !(any || shape->ndim == (conv ? 4 : 2))) {
    return fail_shapes(scope, call);
  }
  p->h.dtype = call->in[0]->dtype;
  p->h.separable = p->nets == 2;
  p->batch = shape->size[0];
  p->size = 1;
  for (int d = 1; d < shape->ndim; d++) p->size *= shape->size[d];
  for (int k = 0; k < p->nets; k++) {
    if (!torus_network_check(
            &p->networks[k], call->op->name, k + 1, call->in + p->first[k],
            p->size, conv ? shape->size[1] : 0, conv ? shape->size[2] : 0,
            &p->h.nets[k], &scope->status)) {
      return false;
    }
    read_arrays(scope, call, p, k);
  }
  p->q = data_of(scope, call->in[0]);
  p->p = data_of(scope, call->in[1]);
  if (scope->status.code != TORUS_OK) return false;
  if (!torus_hamiltonian_check(&p->h, &scope->status)) return false;
  if (torus_hamiltonian_size(&p->h) != p->size) return fail_shapes(scope, call);
  return true;
}

/* A dt given as a tensor has one element. */
static bool check_dt(torus_scope *scope, const torus_call *call,
                     const problem *p) {
  char text[TORUS_TENSOR_TEXT];
  if (!p->dt_input || torus_tensor_count(call->in[p->dt_input]) == 1) {
    return true;
  }
  return torus_status_fail(
      &scope->status, TORUS_EINVAL, "%s: expected dt with one element, got %s",
      call->op->name, torus_tensor_format(call->in[p->dt_input], text));
}

/* Stores friction in *out: a float64 number for each element of p in a sample,
 * owned by the scope, or NULL without friction. */
static bool read_friction(torus_scope *scope, const torus_call *call,
                          const problem *p, const double **out) {
  double number = call->attrs->f[FRICTION];
  *out = NULL;
  if (!p->friction_input && number == 0) return true;
  torus_shape shape = state_shape(call);
  torus_tensor *x;
  if (p->friction_input) {
    x = torus_expand(scope, call->in[p->friction_input], &shape);
    x = x ? torus_to(scope, x, TORUS_FLOAT64) : NULL;
  } else {
    x = torus_filled(scope, TORUS_FLOAT64, &shape, number);
  }
  *out = data_of(scope, x);
  return *out != NULL;
}

static bool read_rollout(torus_scope *scope, const torus_call *call,
                         problem *p) {
  if (!read_problem(scope, call, p) || !check_dt(scope, call, p)) return false;
  const torus_attrs *a = call->attrs;
  p->r = (torus_rollout){
      .hamiltonian = &p->h,
      .scheme = torus_scheme_at((int)a->i[METHOD]),
      .batch = p->batch,
      .steps = a->i[STEPS],
      .dt = p->dt_input ? first_number(call->in[p->dt_input]) : a->f[DT],
      .energies = a->i[ENERGIES] != 0,
      .last_only = a->i[LAST_ONLY] != 0,
      .backprop = !call->record      ? TORUS_BACKPROP_NONE
                  : a->i[REVERSIBLE] ? TORUS_BACKPROP_REVERSIBLE
                                     : TORUS_BACKPROP_STORED};
  if (!read_friction(scope, call, p, &p->r.friction)) return false;
  return torus_rollout_check(&p->r, &scope->status);
}

/* Allocates a tape of the given number of bytes in *saved; false after an
 * error. */
static bool new_tape(torus_scope *scope, const torus_call *call, size_t bytes,
                     void **tape) {
  *tape = NULL;
  if (!call->record || bytes == 0) return true;
  torus_shape shape = {1, {(int64_t)bytes}};
  *call->saved = torus_tensor_new(TORUS_UINT8, &shape, &scope->status);
  if (!*call->saved) return false;
  *tape = torus_tensor_data(*call->saved);
  return true;
}

static const void *tape_of(const torus_call *call) {
  return *call->saved ? torus_tensor_data(*call->saved) : NULL;
}

/* The offsets of the parts of the flat result. */
static char *part(const torus_tensor *flat, int64_t element) {
  return (char *)torus_tensor_data(flat) +
         (size_t)element * torus_dtype_size(flat->dtype);
}

/* Runs a forward function with a scope for dense copies of the inputs. */
static torus_tensor *inside(torus_scope *scope, const torus_call *call,
                            torus_tensor *(*fn)(torus_scope *,
                                                const torus_call *)) {
  torus_scope inner;
  torus_scope_init(&inner, false);
  torus_tensor *out = fn(&inner, call);
  torus_scope_clear(&inner);
  torus_scope_pass_error(scope, &inner);
  /* The result is the caller's, not the scope's. */
  /* cppcheck-suppress returnDanglingLifetime */
  return out;
}

static torus_tensor *keep_if(torus_tensor *out, bool ok) {
  if (ok) return out;
  torus_tensor_release(out);
  return NULL;
}

/* --- gradients --- */

/* New tensors for the wanted gradients, and their addresses. */
typedef struct results {
  torus_net_grad nets[2];
  void *q, *p;
  double dt;
} results;

static bool new_results(torus_scope *scope, const torus_call *call,
                        const problem *p, const bool *wanted,
                        torus_tensor **out, results *r) {
  memset(r, 0, sizeof *r);
  for (int i = 0; i < call->inputs; i++) {
    out[i] = NULL;
    if (!wanted[i]) continue;
    torus_tensor *like = call->in[i];
    out[i] = torus_scope_own(scope, torus_new_like(scope, like, &like->shape));
    if (!out[i]) return false;
  }
  if (out[0]) r->q = torus_tensor_data(out[0]);
  if (out[1]) r->p = torus_tensor_data(out[1]);
  for (int k = 0; k < p->nets; k++) {
    if (p->h.nets[k].kind == TORUS_NET_QUADRATIC) continue;
    int at = p->first[k], layers = p->h.nets[k].layers;
    for (int l = 0; l <= layers; l++) {
      torus_tensor *w = out[at++];
      r->nets[k].weights[l] = w ? torus_tensor_data(w) : NULL;
      if (l == layers && !p->networks[k].readout_bias) break;
      torus_tensor *b = out[at++];
      r->nets[k].biases[l] = b ? torus_tensor_data(b) : NULL;
    }
  }
  return true;
}

/* --- field --- */

static torus_tensor *field_inside(torus_scope *scope, const torus_call *call) {
  problem p;
  if (!read_problem(scope, call, &p)) return NULL;
  int64_t numbers = p.batch * p.size;
  torus_shape shape = {1, {2 * numbers + p.batch}};
  void *tape;
  torus_tensor *out = torus_new_like(scope, call->in[0], &shape);
  if (!out) return NULL;
  bool ok = new_tape(scope, call, torus_hamiltonian_tape_size(&p.h, p.batch),
                     &tape) &&
            torus_hamiltonian_forward(
                &p.h, p.batch, p.q, p.p, part(out, 0), part(out, numbers),
                part(out, 2 * numbers), tape, &scope->status);
  return keep_if(out, ok);
}

/* `count` elements of the flat result, beginning with `first`, in a given
 * shape. */
static torus_tensor *shaped_part(torus_scope *scope, const torus_call *call,
                                 int64_t first, const torus_shape *shape) {
  torus_tensor *flat =
      torus_narrow(scope, call->out, 0, first, torus_shape_count(shape));
  return flat ? torus_reshape(scope, flat, shape) : NULL;
}

static torus_tensor *field_part(torus_scope *scope, const torus_call *call,
                                int i) {
  const torus_tensor *q = call->in[0];
  torus_shape batch = {1, {q->shape.size[0]}};
  return shaped_part(scope, call, i * torus_tensor_count(q),
                     i < 2 ? &q->shape : &batch);
}

static torus_tensor *field_forward(torus_scope *scope, const torus_call *call) {
  return inside(scope, call, field_inside);
}

static bool field_gradients(torus_scope *scope, const torus_call *call,
                            torus_tensor *g, const bool *wanted,
                            torus_tensor **out) {
  problem p;
  results r;
  g = torus_contiguous(scope, g);
  if (!g || !read_problem(scope, call, &p) ||
      !new_results(scope, call, &p, wanted, out, &r)) {
    return false;
  }
  int64_t numbers = p.batch * p.size;
  return torus_hamiltonian_backward(&p.h, p.batch, tape_of(call), part(g, 0),
                                    part(g, numbers), part(g, 2 * numbers), r.q,
                                    r.p, r.nets, &scope->status);
}

/* --- rollout --- */

static torus_tensor *rollout_inside(torus_scope *scope,
                                    const torus_call *call) {
  problem p;
  if (!read_rollout(scope, call, &p)) return NULL;
  int64_t states = torus_rollout_states(&p.r);
  int64_t numbers = states * p.batch * p.size;
  int64_t energies = p.r.energies ? states * p.batch : 0;
  torus_shape shape = {1, {2 * numbers + energies}};
  void *tape;
  torus_tensor *out = torus_new_like(scope, call->in[0], &shape);
  if (!out) return NULL;
  bool ok =
      new_tape(scope, call, torus_rollout_tape_size(&p.r), &tape) &&
      torus_rollout_forward(&p.r, p.q, p.p, part(out, 0), part(out, numbers),
                            p.r.energies ? part(out, 2 * numbers) : NULL, tape,
                            &scope->status);
  return keep_if(out, ok);
}

static torus_tensor *rollout_part(torus_scope *scope, const torus_call *call,
                                  int i) {
  const torus_tensor *q = call->in[0];
  const torus_attrs *a = call->attrs;
  int64_t states = a->i[LAST_ONLY] ? 1 : a->i[STEPS] + 1;
  torus_shape shape = {1 + q->shape.ndim, {states}};
  for (int d = 0; d < q->shape.ndim; d++) shape.size[d + 1] = q->shape.size[d];
  torus_shape energy = {2, {a->i[ENERGIES] ? states : 0, q->shape.size[0]}};
  return shaped_part(scope, call, i * states * torus_tensor_count(q),
                     i < 2 ? &shape : &energy);
}

static torus_tensor *rollout_forward(torus_scope *scope,
                                     const torus_call *call) {
  return inside(scope, call, rollout_inside);
}

/* The gradient of friction, of the shape that it was broadcast to. */
static torus_tensor *friction_result(torus_scope *scope, const torus_call *call,
                                     const torus_tensor *friction,
                                     torus_tensor *sums) {
  torus_shape shape = state_shape(call);
  torus_tensor *g = torus_to(scope, sums, friction->dtype);
  g = g ? torus_reshape(scope, g, &shape) : NULL;
  return g ? torus_sum_to(scope, g, &friction->shape) : NULL;
}

static bool rollout_gradients(torus_scope *scope, const torus_call *call,
                              torus_tensor *g, const bool *wanted,
                              torus_tensor **out) {
  problem p;
  results r;
  torus_call recorded = *call;
  recorded.record = true;
  g = torus_contiguous(scope, g);
  if (!g || !read_rollout(scope, &recorded, &p) ||
      !new_results(scope, call, &p, wanted, out, &r)) {
    return false;
  }
  int64_t numbers = torus_rollout_states(&p.r) * p.batch * p.size;
  bool dt_wanted = p.dt_input && wanted[p.dt_input];
  bool friction_wanted = p.friction_input && wanted[p.friction_input];
  torus_shape sums_shape = {1, {p.size}};
  torus_tensor *sums = NULL;
  if (friction_wanted) {
    sums = torus_filled(scope, TORUS_FLOAT64, &sums_shape, 0);
    if (!sums) return false;
  }
  if (!torus_rollout_backward(
          &p.r, part(call->out, 0), part(call->out, numbers), tape_of(call),
          part(g, 0), part(g, numbers),
          p.r.energies ? part(g, 2 * numbers) : NULL, r.q, r.p,
          dt_wanted ? &r.dt : NULL, sums ? torus_tensor_data(sums) : NULL,
          r.nets, &scope->status)) {
    return false;
  }
  if (dt_wanted) {
    torus_tensor *dt = call->in[p.dt_input];
    out[p.dt_input] = torus_filled(scope, dt->dtype, &dt->shape, r.dt);
  }
  if (friction_wanted) {
    out[p.friction_input] =
        friction_result(scope, call, call->in[p.friction_input], sums);
  }
  return (!dt_wanted || out[p.dt_input]) &&
         (!friction_wanted || out[p.friction_input]);
}

/* --- descriptors --- */

#define NETWORKS                                                               \
  { "networks", TORUS_PARAM_NETWORKS, false, 0 }

static const torus_op ops[] = {
    /*** Returns dH/dq, dH/dp and the energy of a Hamiltonian made of networks,
     * with first-order gradients. torus.field uses it if possible.
     * @function torus.network_field
     * @tparam tensor q (batch, n), or (batch, h, w, c) for convolutions
     * @tparam tensor p like q
     * @tparam {table,...} networks K and V of a separable Hamiltonian, or the
     * joint one, each {kind = "dense" or "conv", activation = "softplus",
     * "tanh" or "swish", layers = number of hidden ones, readout_bias =
     * boolean, parameters = {weight, bias, ..., weight of the readout[, its
     * bias]}}, or, for K or V, {kind = "quadratic"}, |x|^2 / 2, of the
     * first `moving` numbers of a sample, by default of all
     * @treturn tensor dH/dq, like q
     * @treturn tensor dH/dp, like q
     * @treturn tensor energy (batch)
     * @raise for an unknown kind or activation, and for parameters that don't
     * fit each other or the state
     * @usage
     * net = torus.nn.MLP { sizes = {4, 8, 1}, activation = "tanh", scalar =
     * true } q, p = torus.randn(3, 2), torus.randn(3, 2) dq, dp, energy =
     * torus.network_field(q, p, { networks = {net:network()} })
     */
    [FIELD] = {.name = "network_field",
               .inputs = 2,
               .more_inputs = true,
               .forward = field_forward,
               .outputs = 3,
               .part = field_part,
               .gradients = field_gradients,
               .reads = TORUS_READS_INPUTS,
               .first_order = "use torus.field with fused = false",
               .params = {NETWORKS},
               .code = FIELD,
               .doc = "dH/dq, dH/dp (like q) and the energy (batch) of a "
                      "Hamiltonian made of networks"},
    /*** Integrates a Hamiltonian made of networks, with first-order gradients.
     * torus.integrate uses it if possible.
     * @function torus.network_rollout
     * @tparam tensor q (batch, n), or (batch, h, w, c) for convolutions
     * @tparam tensor p like q
     * @tparam {table,...} networks as in network_field
     * @tparam[opt=0.125] number|tensor dt the step size, positive or negative;
     * a tensor must have one element
     * @tparam[opt=30] integer steps
     * @tparam[opt="leapfrog"] string method one of torus.integrate.methods
     * @tparam[opt=false] boolean energies true evaluates H at every state
     * @tparam[opt=false] boolean last_only true returns only the last state
     * @tparam[opt=false] boolean reversible true: the gradient integrates
     * backward instead of recording a tape; for splitting schemes
     * @tparam[opt=0] number|tensor friction D of dp/dt = -dH/dq - D dH/dp; a
     * tensor must broadcast against one sample of p. For splitting schemes up
     * to second order with a quadratic K, and for Runge-Kutta schemes
     * @treturn tensor q (steps + 1, batch, ...)
     * @treturn tensor p like q
     * @treturn tensor energy (steps + 1, batch), or (0, batch) without energies
     * @raise as network_field, and when the scheme can't integrate these
     * networks
     * @usage
     * net = torus.nn.MLP { sizes = {4, 8, 1}, activation = "tanh", scalar =
     * true } q, p = torus.randn(3, 2), torus.randn(3, 2) q, p =
     * torus.network_rollout(q, p, { networks = {net:network()}, method = "rk4",
     * steps = 10 })
     */
    [ROLLOUT] = {.name = "network_rollout",
                 .inputs = 2,
                 .more_inputs = true,
                 .forward = rollout_forward,
                 .outputs = 3,
                 .part = rollout_part,
                 .gradients = rollout_gradients,
                 .reads = TORUS_READS_INPUTS | TORUS_READS_OUT,
                 .first_order = "use torus.integrate with fused = false",
                 .params = {NETWORKS,
                            {"dt", TORUS_PARAM_SCALAR, true, 0.125},
                            {"steps", TORUS_PARAM_INT, true, 30},
                            {"method", TORUS_PARAM_CHOICE, true, 0},
                            {"energies", TORUS_PARAM_BOOL, true, 0},
                            {"last_only", TORUS_PARAM_BOOL, true, 0},
                            {"reversible", TORUS_PARAM_BOOL, true, 0},
                            {"friction", TORUS_PARAM_SCALAR, true, 0}},
                 .choice = torus_scheme_fused_name,
                 .code = ROLLOUT,
                 .doc = "q, p and, where asked for, energy along an "
                        "integration of a Hamiltonian made of networks"},
};

const torus_op_family torus_network_ops = {ops, sizeof ops / sizeof *ops};
