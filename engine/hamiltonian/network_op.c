#include "hamiltonian/network_op.h"

#include <string.h>

#include "autodiff/build.h"

/* What a call's inputs and attributes amount to. */
typedef struct problem {
  torus_hamiltonian h;
  torus_rollout r;
  int dt_input; /* its place, or 0 */
  int first[2]; /* input of each network's first weight */
  int nets;
  bool readout_bias[2];
  int64_t batch, size;
  const void *q, *p;
} problem;

static int64_t flags_of(const torus_call *call) {
  return call->attrs->i[TORUS_NET_FLAGS];
}

static const void *data_of(torus_scope *scope, torus_tensor *x) {
  torus_tensor *dense = torus_contiguous(scope, x);
  return dense ? torus_tensor_data(dense) : NULL;
}

/* Reads network k from the inputs; returns the place after its last one, or
 * -1 where they don't look like one. */
static int read_net(torus_scope *scope, const torus_call *call, problem *p,
                    int k, int at) {
  torus_net *net = &p->h.nets[k];
  int64_t flags = flags_of(call);
  int layers = (int)call->attrs->i[TORUS_NET_LAYERS_0 + k];
  bool conv = flags & TORUS_FLAG_CONV;
  int rank = conv ? 4 : 2;
  p->first[k] = at;
  p->readout_bias[k] = flags & (TORUS_FLAG_READOUT_BIAS << k);
  net->kind = conv ? TORUS_NET_CONV : TORUS_NET_DENSE;
  net->activation =
      flags & (TORUS_FLAG_TANH << k) ? TORUS_TANH : TORUS_SOFTPLUS;
  net->layers = layers;
  for (int l = 0; l <= layers; l++) {
    torus_tensor *w = call->in[at];
    if (w->shape.ndim != rank) return -1;
    if (l == 0) net->sizes[0] = w->shape.size[1];
    if (l < layers) net->sizes[l + 1] = w->shape.size[0];
    bool fits = w->shape.size[1] == net->sizes[l];
    if (conv && l < layers) {
      fits = fits && w->shape.size[2] == 3 && w->shape.size[3] == 3;
    }
    if (l == layers) fits = fits && w->shape.size[0] == 1;
    if (conv && l == layers) {
      fits = fits && w->shape.size[2] == net->height &&
             w->shape.size[3] == net->width;
    }
    if (!fits) return -1;
    net->weights[l] = data_of(scope, w);
    at++;
    if (l == layers && !p->readout_bias[k]) break;
    torus_tensor *b = call->in[at++];
    if (torus_tensor_count(b) != w->shape.size[0]) return -1;
    net->biases[l] = data_of(scope, b);
  }
  return at;
}

static bool fail_shapes(torus_scope *scope, const torus_call *call) {
  char a[TORUS_SHAPE_TEXT], b[TORUS_SHAPE_TEXT];
  return torus_status_fail(
      &scope->status, TORUS_EINVAL,
      "%s: states q %s and p %s and the Hamiltonian's networks don't fit",
      call->op->name, torus_shape_format(&call->in[0]->shape, a),
      torus_shape_format(&call->in[1]->shape, b));
}

/* Whether the networks' descriptions account for every input: a gradient of
 * one that they leave out would never be written. */
static bool check_count(torus_scope *scope, const torus_call *call, int nets,
                        int first) {
  int64_t flags = flags_of(call), takes = 0;
  for (int k = 0; k < nets; k++) {
    int64_t layers = call->attrs->i[TORUS_NET_LAYERS_0 + k];
    if (layers < 1 || layers > TORUS_NET_LAYERS) {
      return torus_status_fail(
          &scope->status, TORUS_EINVAL,
          "%s: expected 1 to %d hidden layers in a network, got %lld",
          call->op->name, TORUS_NET_LAYERS, (long long)layers);
    }
    takes += 2 * layers + 1 + !!(flags & (TORUS_FLAG_READOUT_BIAS << k));
  }
  if (takes == call->inputs - first) return true;
  return torus_status_fail(&scope->status, TORUS_EINVAL,
                           "%s: the networks are described as having %lld "
                           "parameters, and %d came (is readout_bias right?)",
                           call->op->name, (long long)takes,
                           call->inputs - first);
}

static double first_number(const torus_tensor *x) {
  return x->dtype == TORUS_FLOAT32 ? (double)*(float *)torus_tensor_data(x)
                                   : *(double *)torus_tensor_data(x);
}

/* Fills in the problem. Dense copies of inputs belong to the scope. */
static bool read_problem(torus_scope *scope, const torus_call *call,
                         problem *p) {
  memset(p, 0, sizeof *p);
  int64_t flags = flags_of(call);
  const torus_shape *shape = &call->in[0]->shape;
  bool conv = flags & TORUS_FLAG_CONV;
  if (!torus_shape_equal(shape, &call->in[1]->shape) ||
      shape->ndim != (conv ? 4 : 2)) {
    return fail_shapes(scope, call);
  }
  p->h.dtype = call->in[0]->dtype;
  p->h.separable = flags & TORUS_FLAG_SEPARABLE;
  p->nets = p->h.separable ? 2 : 1;
  p->batch = shape->size[0];
  p->size = shape->size[1];
  for (int d = 2; d < shape->ndim; d++) p->size *= shape->size[d];
  int at = 2;
  if (flags & TORUS_FLAG_DT) p->dt_input = at++;
  if (!check_count(scope, call, p->nets, at)) return false;
  for (int k = 0; k < p->nets; k++) {
    p->h.nets[k].height = conv ? shape->size[1] : 0;
    p->h.nets[k].width = conv ? shape->size[2] : 0;
    at = read_net(scope, call, p, k, at);
    if (at < 0) return fail_shapes(scope, call);
  }
  p->q = data_of(scope, call->in[0]);
  p->p = data_of(scope, call->in[1]);
  if (scope->status.code != TORUS_OK) return false;
  if (!torus_hamiltonian_check(&p->h, &scope->status)) return false;
  if (torus_hamiltonian_size(&p->h) != p->size) return fail_shapes(scope, call);
  return true;
}

static bool read_rollout(torus_scope *scope, const torus_call *call,
                         problem *p) {
  if (!read_problem(scope, call, p)) return false;
  int64_t flags = flags_of(call);
  const torus_attrs *a = call->attrs;
  p->r = (torus_rollout){
      .hamiltonian = &p->h,
      .scheme = torus_scheme_at((int)a->i[TORUS_NET_SCHEME]),
      .batch = p->batch,
      .steps = a->i[TORUS_NET_STEPS],
      .dt = p->dt_input ? first_number(call->in[p->dt_input]) : a->f[0],
      .energies = flags & TORUS_FLAG_ENERGIES,
      .last_only = flags & TORUS_FLAG_LAST_ONLY,
      .backprop = !call->record                   ? TORUS_BACKPROP_NONE
                  : flags & TORUS_FLAG_REVERSIBLE ? TORUS_BACKPROP_REVERSIBLE
                                                  : TORUS_BACKPROP_STORED};
  return torus_rollout_check(&p->r, &scope->status);
}

/* A tape of so many bytes in *saved; false after an error. */
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

/* Where the parts of the flat result begin. */
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

/* --- gradients
 * ----------------------------------------------------------------- */

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
    int at = p->first[k], layers = p->h.nets[k].layers;
    for (int l = 0; l <= layers; l++) {
      torus_tensor *w = out[at++];
      r->nets[k].weights[l] = w ? torus_tensor_data(w) : NULL;
      if (l == layers && !p->readout_bias[k]) break;
      torus_tensor *b = out[at++];
      r->nets[k].biases[l] = b ? torus_tensor_data(b) : NULL;
    }
  }
  return true;
}

static bool refuse_higher_order(torus_scope *scope, const torus_call *call) {
  if (!scope->record) return false;
  torus_status_fail(&scope->status, TORUS_EINVAL,
                    "%s: the fused kernel gives first-order gradients only; "
                    "pass fused = false for higher ones",
                    call->op->name);
  return true;
}

/* --- field
 * --------------------------------------------------------------------- */

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

static torus_tensor *field_forward(torus_scope *scope, const torus_call *call) {
  return inside(scope, call, field_inside);
}

static bool field_gradients(torus_scope *scope, const torus_call *call,
                            torus_tensor *g, const bool *wanted,
                            torus_tensor **out) {
  problem p;
  results r;
  if (refuse_higher_order(scope, call)) return false;
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

/* --- rollout
 * ------------------------------------------------------------------- */

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

static torus_tensor *rollout_forward(torus_scope *scope,
                                     const torus_call *call) {
  return inside(scope, call, rollout_inside);
}

static bool rollout_gradients(torus_scope *scope, const torus_call *call,
                              torus_tensor *g, const bool *wanted,
                              torus_tensor **out) {
  problem p;
  results r;
  if (refuse_higher_order(scope, call)) return false;
  torus_call recorded = *call;
  recorded.record = true;
  g = torus_contiguous(scope, g);
  if (!g || !read_rollout(scope, &recorded, &p) ||
      !new_results(scope, call, &p, wanted, out, &r)) {
    return false;
  }
  int64_t numbers = torus_rollout_states(&p.r) * p.batch * p.size;
  bool dt_wanted = p.dt_input && wanted[p.dt_input];
  if (!torus_rollout_backward(
          &p.r, part(call->out, 0), part(call->out, numbers), tape_of(call),
          part(g, 0), part(g, numbers),
          p.r.energies ? part(g, 2 * numbers) : NULL, r.q, r.p,
          dt_wanted ? &r.dt : NULL, r.nets, &scope->status)) {
    return false;
  }
  if (dt_wanted) {
    torus_tensor *dt = call->in[p.dt_input];
    out[p.dt_input] = torus_filled(scope, dt->dtype, &dt->shape, r.dt);
  }
  return !dt_wanted || out[p.dt_input];
}

const torus_op torus_field_op = {
    .name = "field",
    .inputs = 5,
    .optional_inputs = -1,
    .forward = field_forward,
    .gradients = field_gradients,
    .doc = "partial derivatives of a Hamiltonian made of networks"};

const torus_op torus_rollout_op = {
    .name = "rollout",
    .inputs = 5,
    .optional_inputs = -1,
    .forward = rollout_forward,
    .gradients = rollout_gradients,
    .doc = "a whole integration of a Hamiltonian made of networks"};
