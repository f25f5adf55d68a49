/* The fused Hamiltonian code for float. */
#define T float
#define NAME(x) x##_f32
#include "hamiltonian/fused/templates.inc"
