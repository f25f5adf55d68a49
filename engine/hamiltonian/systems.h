/* Vector fields (q, p) -> (dH/dp, -dH/dq) of systems whose Hamiltonian is
 * known, for torus_rk45_solve. A state contains all of q and then all of p; the
 * bodies of n_body are (x1, y1, x2, y2, ...).
 *
 *   mass_spring      k q^2/2 + p^2/(2m)                     k, m
 *   pendulum         2 m g l (1 - cos q) + p^2/(2 m l^2)    g, m, l
 *   n_body           sum |p_i|^2/(2 m_i)
 *                    - sum_{i<j} g m_i m_j/|q_j - q_i|      g, m_1 .. m_n
 *   double_pendulum  two rods from a pivot, angles from     g, m_1, m_2,
 *                    the vertical                           l_1, l_2
 *   henon_heiles     |p|^2/2 + |q|^2/2 + c (x^2 y - y^3/3)  c
 *   kepler           |p|^2/(2m) - g m/|q|                   g, m
 *   lennard_jones    n bodies in a plane, see systems.c         epsilon, sigma,
 *                                                           m, radius, wall
 *   spring_chain     n masses between fixed ends; springs   alpha, beta
 *                    r^2/2 + alpha r^3/3 + beta r^4/4
 *   toda             |p|^2/2 + sum exp(q_i - q_{i+1}), on   -
 *                    a ring
 *   charged_particle |p - b/2 (-y, x)|^2/(2m) - e x         m, b, e
 *   spinning_top     heavy and symmetric, Euler's angles    i1, i3, weight
 *   driven_pendulum  m g l (1 - cos q) + p^2/(2 m l^2),     g, m, l, drive,
 *                    and dp/dt gets drive cos(frequency t)  frequency
 *
 * Owns nothing. */
#ifndef TORUS_HAMILTONIAN_SYSTEMS_H
#define TORUS_HAMILTONIAN_SYSTEMS_H

#include "hamiltonian/rk45.h"

/* Maximum number of bodies of an n_body field. */
#define TORUS_SYSTEM_MAX_BODIES 64

/* The field of the named system over states of `size` numbers. `constants`
 * is read as long as the field is used. */
bool torus_system_field(const char *name, int64_t size, const double *constants,
                        int64_t constant_count, torus_field *field,
                        torus_status *status);

#endif
