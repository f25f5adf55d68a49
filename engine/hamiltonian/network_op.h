/* Differentiable operations on Hamiltonians made of networks: `network_field`,
 * the partial derivatives at one state, and `network_rollout`, a whole
 * integration. Both have first-order gradients; the general path, made of
 * small operations, has higher ones.
 *
 * Inputs: q and p (batch, ...), then the networks' parameters, see network.h;
 * for the rollout, followed by dt if it is a tensor. */
#ifndef TORUS_HAMILTONIAN_NETWORK_OP_H
#define TORUS_HAMILTONIAN_NETWORK_OP_H

#include "autodiff/op.h"

/* For torus_op_add_family. */
extern const torus_op_family torus_network_ops;

#endif
