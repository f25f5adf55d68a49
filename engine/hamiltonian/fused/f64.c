/* The fused Hamiltonian code for double. */
#define T double
#define NAME(x) x##_f64
#include "hamiltonian/fused/templates.inc"
