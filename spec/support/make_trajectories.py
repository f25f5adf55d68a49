#!/usr/bin/python3
"""Writes data/trajectories/<system>.npy, which the specs compare with.

100 random initial states of each system (20 of variants and of the later
systems, which were made with SciPy 1.17.1 and NumPy 2.4.6), solved by SciPy's
DOP853 with rtol = atol = 1e-12 (1e-13 of the later ones): float64
(100, 31, 2 d), a state being q and
then p, at times 0, 0.125 .. 3.75. Where every trajectory has its own constants
they are behind it: (20, 31, 2 d + constants), in the order of their names.
Written from the formulas alone, apart from the
engine. Made with Debian 12's python3-scipy 1.10.1 and python3-numpy 1.24.2:

    /usr/bin/python3 spec/support/make_trajectories.py [SYSTEM...]
"""
import os
import sys

import numpy as np
from scipy.integrate import solve_ivp

COUNT, STEPS, DT = 100, 30, 0.125
VARIANTS, FRICTION = 20, 0.05
FOLDER = os.path.join(os.path.dirname(__file__), "../../data/trajectories")


def mass_spring(t, y, k=2.0, m=0.5):
    return [y[1] / m, -k * y[0]]


def pendulum(t, y, g=3.0, m=0.5, l=1.0):
    return [y[1] / (m * l * l), -2 * m * g * l * np.sin(y[0])]


def n_body(t, y, g=1.0, m=1.0):
    n = len(y) // 4
    q, p = y[: 2 * n].reshape(n, 2), y[2 * n :]
    gap = q[None] - q[:, None]
    cube = (gap**2).sum(-1) ** 1.5 + np.eye(n)
    force = (g * m * m * gap / cube[..., None]).sum(1).ravel()
    return np.concatenate([p / m, force])


def double_pendulum(t, y, g=3.0, m1=0.5, m2=0.5, l1=1.0, l2=1.0):
    # By velocities from the mass matrix M(q) v = p, and dT/dq = -v M' v / 2.
    q, p = y[:2], y[2:]
    s, c = np.sin(q[0] - q[1]), np.cos(q[0] - q[1])
    e = m2 * l1 * l2
    mass = np.array([[(m1 + m2) * l1 * l1, e * c], [e * c, m2 * l2 * l2]])
    v = np.linalg.solve(mass, p)
    turn = e * s * v[0] * v[1]
    return [
        v[0],
        v[1],
        -turn - (m1 + m2) * g * l1 * np.sin(q[0]),
        turn - m2 * g * l2 * np.sin(q[1]),
    ]


def henon_heiles(t, y):
    return [y[2], y[3], -y[0] - 2 * y[0] * y[1], -y[1] - y[0] ** 2 + y[1] ** 2]


def kepler(t, y):
    return np.concatenate([y[2:], -y[:2] / np.hypot(*y[:2]) ** 3])


def lennard_jones(t, y, epsilon=0.05, sigma=0.5, radius=1.2, wall=40.0):
    q, p = y[:10].reshape(5, 2), y[10:]
    force = np.zeros((5, 2))
    for i in range(5):
        r = np.hypot(*q[i])
        if r > radius:
            force[i] -= wall * (r - radius) ** 3 * q[i] / r
        for j in range(5):
            if i != j:
                gap = q[i] - q[j]
                r = np.hypot(*gap)
                steep = 12 * sigma**12 / r**13 - 6 * sigma**6 / r**7
                force[i] += 4 * epsilon * steep * gap / r
    return np.concatenate([p, force.ravel()])


def spring_chain(t, y, alpha=0.25):
    r = np.diff(np.concatenate([[0], y[:8], [0]]))
    return np.concatenate([y[8:], np.diff(r + alpha * r**2)])


def toda(t, y):
    pull = np.exp(y[:6] - np.roll(y[:6], -1))
    return np.concatenate([y[6:], np.roll(pull, 1) - pull])


def charged_particle(t, y, b=2.0, e=0.3):
    # By velocities: dv/dt = (e + b v_y, -b v_x), and p = v + b/2 (-y, x).
    v = y[2:] - b / 2 * np.array([-y[1], y[0]])
    turn = b / 2 * np.array([-v[1], v[0]])
    return np.concatenate([v, np.array([e + b * v[1], -b * v[0]]) + turn])


def spinning_top(t, y, i1=1.0, i3=0.5, weight=1.0):
    theta, spin = y[0], y[5]
    s, c = np.sin(theta), np.cos(theta)
    u = y[4] - spin * c
    slope = u * spin / (i1 * s) - u * u * c / (i1 * s**3) - weight * s
    phi = u / (i1 * s * s)
    return [y[3] / i1, phi, spin / i3 - phi * c, -slope, 0, 0]


def driven_pendulum(t, y):
    return [y[1], -np.sin(y[0]) - 0.5 * y[1] + 1.15 * np.cos(2 * t / 3)]


def with_friction(field):
    # dq/dt = dH/dp is what friction acts on.
    def damped(t, y, **constants):
        slopes = np.array(field(t, y, **constants))
        half = len(slopes) // 2
        slopes[half:] -= FRICTION * slopes[:half]
        return slopes

    return damped


def circle(rng, low, high):
    r, angle = rng.uniform(low, high), rng.uniform(0, 2 * np.pi)
    return r * np.array([np.cos(angle), np.sin(angle)])


def orbit(rng, n, low, high, speed):
    r, phase = rng.uniform(low, high), rng.uniform(0, 2 * np.pi)
    angle = phase + 2 * np.pi * np.arange(n) / n
    q = r * np.stack([np.cos(angle), np.sin(angle)], 1)
    p = speed(r) * np.stack([-np.sin(angle), np.cos(angle)], 1)
    p *= 1 + 0.05 * rng.standard_normal(p.shape)
    p -= p.mean(0)
    return np.concatenate([q.ravel(), p.ravel()])


def sphere(rng, low, high):
    direction = rng.standard_normal(4)
    return rng.uniform(low, high) * direction / np.linalg.norm(direction)


def swing(rng, low, high):
    # For small angles H = 1.5 q^2 + p^2, a harmonic oscillator.
    amplitude, phase = rng.uniform(low, high), rng.uniform(0, 2 * np.pi)
    return amplitude * np.array([np.sin(phase), 1.5**0.5 * np.cos(phase)])


def ellipse(rng):
    a, e, angle = rng.uniform(0.6, 1), rng.uniform(0, 0.6), rng.uniform(0, 2 * np.pi)
    r = a * (1 - e)
    way = np.array([np.cos(angle), np.sin(angle)])
    speed = ((1 + e) / r) ** 0.5
    return np.concatenate([r * way, speed * np.array([-way[1], way[0]])])


def ring(rng):
    angle = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(5) / 5
    q = 0.8 * np.stack([np.cos(angle), np.sin(angle)], 1)
    return np.concatenate([q.ravel(), 0.05**0.5 * rng.standard_normal(10)])


def lowest_mode(rng):
    shape = np.sin(np.pi * np.arange(1, 9) / 9)
    return np.concatenate([rng.uniform(0.5, 1.5) * shape, np.zeros(8)])


def lattice(rng):
    x = 0.7 * rng.standard_normal((2, 6))
    return (x - x.mean(1, keepdims=True)).ravel()


def charged(rng):
    q, v = circle(rng, 0, 0.5), circle(rng, 0.5, 1.5)
    return np.concatenate([q, v + np.array([-q[1], q[0]])])


def tilted(rng):
    theta, spin = rng.uniform(0.5, 1.2), 0.5 * rng.uniform(6, 12)
    turns = rng.uniform(0, 2 * np.pi, 2)
    return np.array([theta, *turns, 0, spin * np.cos(theta), spin])


# Drawing: a hue, how much further the second one is, the middle of the canvas.
def hidden(rng, bodies, half_width):
    drawn = {"hue": rng.uniform(0, 6)}
    if bodies == 2:
        drawn["hue_gap"] = rng.uniform(1, 6)
    if half_width:
        for name in "xy":
            drawn[name] = 0.4 * half_width * rng.uniform(-1, 1)
    return drawn


def uniform(rng, ranges):
    return {name: rng.uniform(*limits) for name, limits in ranges.items()}


def spring_constants(rng):
    return uniform(rng, {"m": (0.2, 1)}), hidden(rng, 1, 1.5)


def pendulum_constants(rng):
    ranges = {"m": (0.5, 1.5), "g": (1.5, 2), "l": (0.5, 1)}
    return uniform(rng, ranges), hidden(rng, 1, 1.6)


def double_constants(rng):
    ranges = dict.fromkeys(["m1", "m2"], (0.4, 0.6))
    ranges.update(dict.fromkeys(["l1", "l2"], (0.75, 1)), g=(2.5, 4))
    return uniform(rng, ranges), hidden(rng, 2, 2.4)


def body_constants(rng):
    return uniform(rng, {"m": (0.5, 1.5), "g": (0.5, 1.5)}), hidden(rng, 2, 0)


def two_circles(rng):
    (q1, p1), (q2, p2) = circle(rng, 1, 2.5), circle(rng, 1, 2.5)
    return np.array([q1, q2, p1, p2])


# A field and a sampler, and for constants of each trajectory theirs.
VARIED = {
    "mass_spring_colours": (
        mass_spring,
        lambda r: circle(r, 0.1, 1.0),
        spring_constants,
    ),
    "pendulum_colours": (
        pendulum,
        lambda r: circle(r, 1.3, 2.3),
        pendulum_constants,
    ),
    "double_pendulum_colours": (double_pendulum, two_circles, double_constants),
    "two_body_colours": (
        n_body,
        lambda r: orbit(r, 2, 0.9, 1.5, lambda x: 0.5 / x**0.5),
        body_constants,
    ),
}

SYSTEMS = {
    "mass_spring": (mass_spring, lambda r: circle(r, 0.1, 1.0)),
    "pendulum": (pendulum, lambda r: circle(r, 1.3, 2.3)),
    "two_body": (n_body, lambda r: orbit(r, 2, 0.5, 1.5, lambda x: 0.5 / x**0.5)),
    "three_body": (
        n_body,
        lambda r: orbit(r, 3, 0.9, 1.2, lambda x: (3**0.5 * x) ** -0.5),
    ),
    "double_pendulum": (
        double_pendulum,
        lambda r: np.concatenate([circle(r, 0.5, 2.0), np.zeros(2)]),
    ),
    "henon_heiles": (henon_heiles, lambda r: sphere(r, 0.1, 0.4)),
    "restricted_pendulum": (pendulum, lambda r: swing(r, np.pi / 36, np.pi / 6)),
}


for name in ["mass_spring", "pendulum", "double_pendulum"]:
    field, sample = SYSTEMS[name]
    SYSTEMS[name + "_friction"] = (with_friction(field), sample)
    field, sample, constants = VARIED[name + "_colours"]
    VARIED[name + "_colours_friction"] = (with_friction(field), sample, constants)
SYSTEMS.update(VARIED)

LATER = {
    "kepler": (kepler, ellipse),
    "lennard_jones": (lennard_jones, ring),
    "spring_chain": (spring_chain, lowest_mode),
    "toda": (toda, lattice),
    "charged_particle": (charged_particle, charged),
    "spinning_top": (spinning_top, tilted),
    "driven_pendulum": (driven_pendulum, lambda r: circle(r, 0.2, 1.0)),
}
SYSTEMS.update(LATER)


def main():
    os.makedirs(FOLDER, exist_ok=True)
    times = DT * np.arange(STEPS + 1)
    for seed, (name, (field, sample, *more)) in enumerate(SYSTEMS.items()):
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        rng = np.random.default_rng(seed)
        rows = []
        tolerance = 1e-13 if name in LATER else 1e-12
        few = more or "friction" in name or name in LATER
        for _ in range(VARIANTS if few else COUNT):
            constants, drawing = more[0](rng) if more else ({}, {})
            solution = solve_ivp(
                lambda t, y: field(t, y, **constants),
                (0, times[-1]),
                sample(rng),
                method="DOP853",
                rtol=tolerance,
                atol=tolerance,
                t_eval=times,
            )
            assert solution.success
            own = {**constants, **drawing}
            own = np.array([own[key] for key in sorted(own)])
            rows.append(np.hstack([solution.y.T, np.tile(own, (STEPS + 1, 1))]))
        states = np.stack(rows)
        np.save(os.path.join(FOLDER, name + ".npy"), states)
        print(name, states.shape, "largest", np.abs(states).max())


if __name__ == "__main__":
    main()
