/* Networks as operations receive them: one description, checked here, and the
 * parameters as input tensors. What the networks compute is in
 * fused/fused.h.
 *
 * Owns nothing. Functions that can fail fill the status and return false. */
#ifndef TORUS_HAMILTONIAN_NETWORK_H
#define TORUS_HAMILTONIAN_NETWORK_H

#include "core/tensor.h"
#include "hamiltonian/fused/fused.h"

typedef struct torus_network {
  torus_net_kind kind;
  torus_activation activation;
  int layers; /* hidden layers, at least 1; 0 for the quadratic energy */
  bool readout_bias;
  int64_t moving; /* of the quadratic energy; 0: all numbers of a sample */
} torus_network;

/* Reads a description. operation, number: for the message. An unknown kind or
 * activation is an error that names the known ones. For the quadratic energy
 * only the kind is read, and `moving` is 0. */
bool torus_network_read(torus_network *network, const char *operation,
                        int number, const char *kind, const char *activation,
                        int64_t layers, bool readout_bias,
                        torus_status *status);

/* Weights and biases: of every hidden layer, then of the readout. */
int torus_network_parameters(const torus_network *network);

/* Converts to a list of an operation's attributes, and back. */
torus_shape torus_network_pack(const torus_network *network);
torus_network torus_network_unpack(const torus_shape *packed);

/* Fills in the sizes of `net` from the shapes of the parameters, which must
 * fit together and with images of height x width (conv only). numbers: size of
 * a sample (quadratic only). */
bool torus_network_check(const torus_network *network, const char *operation,
                         int number, torus_tensor *const *parameters,
                         int64_t numbers, int64_t height, int64_t width,
                         torus_net *net, torus_status *status);

#endif
