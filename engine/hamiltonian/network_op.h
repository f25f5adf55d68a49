/* Differentiable operations on Hamiltonians made of networks: `field`, the
 * partial derivatives at one state, and `rollout`, a whole integration. Both
 * give first-order gradients; the general path gives higher ones. */
#ifndef TORUS_HAMILTONIAN_NETWORK_OP_H
#define TORUS_HAMILTONIAN_NETWORK_OP_H

#include "autodiff/op.h"
#include "hamiltonian/fused/fused.h"

/* Inputs: q and p (batch, ...); dt, a scalar, if FLAG_DT; then of each
 * network every hidden layer's weight and bias, the read-out's weight, and
 * its bias where the flag says so.
 * i: scheme (its place), steps, flags, hidden layers of either network.
 * f: dt, where it is no input. */
enum {
  TORUS_NET_SCHEME,
  TORUS_NET_STEPS,
  TORUS_NET_FLAGS,
  TORUS_NET_LAYERS_0,
  TORUS_NET_LAYERS_1
};

enum {
  TORUS_FLAG_SEPARABLE = 1,
  TORUS_FLAG_CONV = 2,
  TORUS_FLAG_ENERGIES = 4,
  TORUS_FLAG_LAST_ONLY = 8,
  TORUS_FLAG_REVERSIBLE = 16,
  TORUS_FLAG_DT = 32,
  TORUS_FLAG_TANH = 64,          /* of network 0; shifted by one for 1 */
  TORUS_FLAG_READOUT_BIAS = 256, /* likewise */
};

/* field -> dH/dq (batch, size), dH/dp, energy (batch), one after the other.
 * rollout -> q (states, batch, size), p, and with FLAG_ENERGIES energy
 * (states, batch), one after the other in one dimension. */
extern const torus_op torus_field_op, torus_rollout_op;

#endif
