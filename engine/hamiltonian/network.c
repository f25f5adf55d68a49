#include "hamiltonian/network.h"

#include "core/words.h"

#include <stdio.h>
#include <string.h>

static const char *const kinds[] = {[TORUS_NET_DENSE] = "dense",
                                    [TORUS_NET_CONV] = "conv",
                                    [TORUS_NET_QUADRATIC] = "quadratic",
                                    NULL};
static const char *const activations[] = {[TORUS_SOFTPLUS] = "softplus",
                                          [TORUS_TANH] = "tanh",
                                          [TORUS_SWISH] = "swish",
                                          NULL};

/* The index of a name, or -1 with the status set. */
static int find(const char *const *names, const char *name, const char *what,
                const char *operation, int number, torus_status *status) {
  char known[64] = "";
  for (int i = 0; names[i]; i++) {
    if (strcmp(names[i], name) == 0) return i;
    size_t used = strlen(known);
    snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
             names[i]);
  }
  char hint[TORUS_WORD_TEXT];
  torus_status_fail(status, TORUS_EINVAL,
                    "%s: network %d: unknown %s \"%.60s\"%s (known: %s)",
                    operation, number, what, name,
                    torus_word_hint(torus_word_nearest(name, names), hint),
                    known);
  return -1;
}

bool torus_network_read(torus_network *network, const char *operation,
                        int number, const char *kind, const char *activation,
                        int64_t layers, bool readout_bias,
                        torus_status *status) {
  int k = find(kinds, kind, "kind", operation, number, status);
  if (k == TORUS_NET_QUADRATIC) {
    *network = (torus_network){.kind = TORUS_NET_QUADRATIC};
    return true;
  }
  int a =
      find(activations, activation, "activation", operation, number, status);
  if (k < 0 || a < 0) return false;
  if (layers < 1 || layers > TORUS_NET_LAYERS) {
    return torus_status_fail(status, TORUS_EINVAL,
                             "%s: network %d: expected 1 to %d hidden layers, "
                             "got %lld",
                             operation, number, TORUS_NET_LAYERS,
                             (long long)layers);
  }
  *network = (torus_network){(torus_net_kind)k, (torus_activation)a,
                             (int)layers, readout_bias, 0};
  return true;
}

int torus_network_parameters(const torus_network *network) {
  if (network->kind == TORUS_NET_QUADRATIC) return 0;
  return 2 * network->layers + 1 + network->readout_bias;
}

torus_shape torus_network_pack(const torus_network *n) {
  return (torus_shape){
      5, {n->kind, n->activation, n->layers, n->readout_bias, n->moving}};
}

torus_network torus_network_unpack(const torus_shape *packed) {
  const int64_t *p = packed->size;
  return (torus_network){(torus_net_kind)p[0], (torus_activation)p[1],
                         (int)p[2], p[3] != 0, p[4]};
}

/* Returns true if a parameter has the given shape, in which a size of -1 stands
 * for any size above zero. */
static bool has_shape(const torus_shape *shape, const torus_shape *expected) {
  bool fits = shape->ndim == expected->ndim;
  for (int d = 0; fits && d < shape->ndim; d++) {
    int64_t size = expected->size[d];
    fits = size < 0 ? shape->size[d] > 0 : shape->size[d] == size;
  }
  return fits;
}

static bool fail_parameter(const char *operation, int number, int position,
                           const torus_tensor *x, const torus_shape *expected,
                           torus_status *status) {
  char got[TORUS_TENSOR_TEXT], shape[TORUS_SHAPE_TEXT];
  return torus_status_fail(
      status, TORUS_EINVAL,
      "%s: network %d: expected parameter %d of shape %s (-1: any), got %s",
      operation, number, position + 1, torus_shape_format(expected, shape),
      torus_tensor_format(x, got));
}

/* The shape of the weight of a hidden layer, or of the read-out, with `in`
 * features or channels. */
static torus_shape weight_shape(const torus_network *n, bool last, int64_t in,
                                const torus_net *net) {
  int64_t out = last ? 1 : -1;
  if (n->kind == TORUS_NET_DENSE) return (torus_shape){2, {out, in}};
  if (last) return (torus_shape){4, {1, in, net->height, net->width}};
  return (torus_shape){4, {out, in, 3, 3}};
}

bool torus_network_check(const torus_network *network, const char *operation,
                         int number, torus_tensor *const *parameters,
                         int64_t numbers, int64_t height, int64_t width,
                         torus_net *net, torus_status *status) {
  if (network->kind == TORUS_NET_QUADRATIC) {
    *net =
        (torus_net){.kind = TORUS_NET_QUADRATIC,
                    .sizes = {numbers},
                    .moving = network->moving > 0 ? network->moving : numbers};
    return true;
  }
  *net = (torus_net){.kind = network->kind,
                     .activation = network->activation,
                     .layers = network->layers,
                     .height = height,
                     .width = width};
  int64_t in = -1; /* of the next layer */
  for (int l = 0, at = 0; l <= network->layers; l++) {
    const torus_tensor *w = parameters[at];
    bool last = l == network->layers;
    torus_shape expected = weight_shape(network, last, in, net);
    if (!has_shape(&w->shape, &expected)) {
      return fail_parameter(operation, number, at, w, &expected, status);
    }
    if (l == 0) net->sizes[0] = w->shape.size[1];
    if (!last) net->sizes[l + 1] = in = w->shape.size[0];
    at++;
    if (last && !network->readout_bias) break;
    const torus_tensor *b = parameters[at];
    expected = (torus_shape){1, {w->shape.size[0]}};
    if (!has_shape(&b->shape, &expected)) {
      return fail_parameter(operation, number, at, b, &expected, status);
    }
    at++;
  }
  return true;
}
