"""Linear ACE by explicit sums over pairs, triples and quadruples of atoms: nothing is factorised or reused.

Functions of two neighbours use the addition theorem of Legendre polynomials; functions of three use 3j symbols and
textbook spherical harmonics. The part that one neighbour makes alone is left out of the sums, not subtracted.
"""

from __future__ import annotations

import itertools
from collections import Counter
from fractions import Fraction
from math import comb, factorial, pi, sqrt

import numpy as np
from numpy.polynomial import Polynomial, legendre

NODES = 1000


def site_features(positions, numbers, cell, pbc, *, elements, totaldegree, rcut, r0):
    """Rows of all atoms: `totaldegree` has one number per order, `r0` one row per element."""
    rows = []
    for i, number in enumerate(numbers):
        vectors, neighbours = neighbourhood(positions, numbers, cell, pbc, i, rcut)
        rows.append(row(elements.index(number), vectors, neighbours, elements, totaldegree, rcut, np.asarray(r0)))
    return np.array(rows)


def row(centre, vectors, neighbours, elements, totaldegree, rcut, r0):
    """Features of one centre, given its neighbours."""
    n_elements, n_pair = len(elements), int(max(totaldegree))
    of_element = [np.flatnonzero(neighbours == z) for z in elements]
    r = np.linalg.norm(vectors, axis=1)

    pairs = []
    for a, b in itertools.combinations_with_replacement(range(n_elements), 2):
        other = {a: b, b: a}.get(centre)
        if other is None:
            pairs.append(np.zeros(n_pair))
        else:
            distances = r[of_element[other]]
            pairs.append(0.5 * pair_functions(distances, n_pair, rcut, r0[centre, other]).sum(axis=1))

    n_most = max((n for order in (2, 3) for b in blocks(order, 1, totaldegree) for _, n, _ in b), default=1)
    radial = np.zeros((n_elements, n_most, len(r)))
    for z, members in enumerate(of_element):
        radial[z][:, members] = many_body_functions(r[members], n_most, rcut, r0[centre, z])
    units = vectors / r[:, None]
    many_body = []
    for order in (2, 3):
        angular = {}
        for block in blocks(order, n_elements, totaldegree):
            ls = tuple(label[2] for label in block)
            if ls not in angular:
                angular[ls] = without_diagonal(invariant(ls, units))
            value = angular[ls]
            for z, n, _ in reversed(block):
                value = value @ radial[z, n - 1]
            many_body.append(sqrt(n_symmetries(block)) * value)
    n_many_body = len(many_body)
    columns = np.zeros(n_elements * n_many_body)
    columns[centre * n_many_body : (centre + 1) * n_many_body] = many_body
    return np.concatenate([*pairs, columns])


def channel_row(centre, vectors, neighbours, weights, totaldegree, rcut, r0):
    """Features of one centre in species channels: by atomic number `weights` (2, n_channels) and lengths `r0`."""
    r = np.linalg.norm(vectors, axis=1)
    lengths = np.array([(r0[centre] + r0[z]) / 2 for z in neighbours])
    of_neighbours = np.array([weights[z][0] for z in neighbours])
    of_centre = np.array(weights[centre][1])
    n_pair = int(max(totaldegree))
    n_most = max((n for order in (2, 3) for b in blocks(order, 1, totaldegree) for _, n, _ in b), default=1)
    pair = np.hstack([pair_functions(r[j : j + 1], n_pair, rcut, lengths[j]) for j in range(len(r))])
    radial = np.hstack([many_body_functions(r[j : j + 1], n_most, rcut, lengths[j]) for j in range(len(r))])
    columns = [0.5 * v * (pair @ w) for v, w in zip(of_centre, of_neighbours.T, strict=True)]
    for order in (2, 3):
        for v, w in zip(of_centre, of_neighbours.T, strict=True):
            for block in blocks(order, 1, totaldegree):
                value = without_diagonal(invariant([l for _, _, l in block], vectors / r[:, None]))
                for _, n, _ in reversed(block):
                    value = value @ (w * radial[n - 1])
                columns.append([v * sqrt(n_symmetries(block)) * value])
    return np.concatenate(columns)


def neighbourhood(positions, numbers, cell, pbc, i, rcut):
    """Vectors to the neighbours of an atom, and their atomic numbers, by trying all images."""
    cell = np.asarray(cell, dtype=float)
    heights = [
        1 / np.linalg.norm(row) if periodic else np.inf
        for row, periodic in zip(reciprocal(cell, pbc), pbc, strict=True)
    ]
    spread = np.ptp(positions, axis=0).sum()
    reach = [int(np.ceil((rcut + spread) / height)) if np.isfinite(height) else 0 for height in heights]
    vectors, neighbours = [], []
    for shift in itertools.product(*(range(-n, n + 1) for n in reach)):
        for j, (position, number) in enumerate(zip(positions, numbers, strict=True)):
            if (j, shift) == (i, (0, 0, 0)):
                continue
            vector = position + np.array(shift) @ cell - positions[i]
            if np.linalg.norm(vector) < rcut:
                vectors.append(vector)
                neighbours.append(number)
    return np.array(vectors).reshape(-1, 3), np.array(neighbours, dtype=int)


def reciprocal(cell, pbc):
    """Rows normal to the planes between periodic images."""
    periodic = cell[list(pbc)]
    rows = np.zeros((3, 3))
    rows[list(pbc)] = np.linalg.pinv(periodic).T if len(periodic) else periodic
    return rows


def agnesi(r, p, q, r0):
    a = (4 * p * q - 2 * p - 2 * q) / (p + p**2 + q + q**2)
    s = r / r0
    return 1 / (1 + a * s**q / (1 + s ** (q - p)))


def orthonormal(n, nodes, weight):
    """Polynomials of degree 0 … n-1 that are orthonormal with the squared weight on the nodes (Gram-Schmidt)."""
    middle, half = (nodes[0] + nodes[-1]) / 2, (nodes[-1] - nodes[0]) / 2
    t = (nodes - middle) / half
    triangle = np.linalg.qr(legendre.legvander(t, n - 1) * weight[:, None] / sqrt(len(nodes)), mode="r")
    to_orthonormal = np.linalg.inv(triangle) * np.sign(np.diag(triangle))
    return lambda x: to_orthonormal.T @ legendre.legvander((x - middle) / half, n - 1).T


def midpoints(low, high):
    return low + (high - low) * (np.arange(NODES) + 0.5) / NODES


def many_body_functions(r, n, rcut, r0):
    x = -1 + 2 * (1 - agnesi(r, 2, 4, r0)) / (1 - agnesi(rcut, 2, 4, r0))
    envelope = (1 + x) ** 2 * (1 - x) ** 2
    nodes = midpoints(-1, 1)
    return envelope * orthonormal(n, nodes, (1 + nodes) ** 2 * (1 - nodes) ** 2)(x)


def pair_functions(r, n, rcut, r0):
    s, s_cut = r / r0, rcut / r0
    envelope = s**-2.0 - s_cut**-2.0 + 2 * s_cut**-3.0 * (s - s_cut)
    nodes = midpoints(agnesi(rcut, 1, 3, r0), 1)
    return envelope * orthonormal(n, nodes, np.ones(NODES))(agnesi(r, 1, 3, r0))


def blocks(order, n_elements, totaldegree):
    """Blocks of labels (z, n, l), each ascending, in ascending order."""
    if order > len(totaldegree):
        return []
    degree = totaldegree[order - 1]
    ns, ls = range(1, int(degree) + 1), range(int(degree / 1.5) + 1)
    # A label leaves room for the least that the others can be.
    labels = [
        (z, n, l)
        for z in range(n_elements)
        for n in ns
        for l in ls
        if n + 1.5 * l + (order - 1) + (1.5 * l if order == 2 else 0) <= degree
    ]
    return [
        block
        for block in itertools.combinations_with_replacement(labels, order)
        if sum(n + 1.5 * l for _, n, l in block) <= degree and couples([l for _, _, l in block])
    ]


def couples(ls):
    *others, last = sorted(ls)
    return sum(ls) % 2 == 0 and (last == others[0] if len(ls) == 2 else last <= sum(others))


def n_symmetries(block):
    count = 1
    for repeats in Counter(block).values():
        count *= factorial(repeats)
    return count


def invariant(ls, units):
    """Angular part for each pair or triple of unit vectors."""
    if len(ls) == 2:
        cosines = np.clip(units @ units.T, -1, 1)
        return sqrt(2 * ls[0] + 1) / (4 * pi) * legendre.legval(cosines, np.eye(ls[0] + 1)[ls[0]])
    total = np.zeros((len(units),) * 3, dtype=complex)
    for m1 in range(-ls[0], ls[0] + 1):
        for m2 in range(-ls[1], ls[1] + 1):
            m3 = -m1 - m2
            if abs(m3) <= ls[2]:
                a, b, c = (spherical_harmonic(l, m, units) for l, m in zip(ls, (m1, m2, m3), strict=True))
                total += three_j(ls, (m1, m2, m3)) * np.einsum("i,j,k->ijk", a, b, c)
    assert np.abs(total.imag).max(initial=0.0) < 1e-12
    return total.real


def without_diagonal(values):
    values = values.copy()
    np.einsum("ii->i" if values.ndim == 2 else "iii->i", values)[:] = 0.0
    return values


def spherical_harmonic(l, m, units):
    """Y_lm by Rodrigues' formula, Condon-Shortley sign."""
    if m < 0:
        return (-1) ** m * np.conj(spherical_harmonic(l, -m, units))
    x, y, z = units.T
    rodrigues = Polynomial([-1, 0, 1]) ** l / (2.0**l * factorial(l))
    derivative = rodrigues.deriv(l + m) if l + m else rodrigues
    norm = sqrt((2 * l + 1) / (4 * pi) * factorial(l - m) / factorial(l + m))
    return (-1) ** m * norm * derivative(z) * (x + 1j * y) ** m


def three_j(ls, ms):
    """Racah's formula, in exact fractions up to the last root."""
    (a, b, c), (ma, mb, mc) = ls, ms
    total = Fraction(0)
    for t in range(max(0, b - c - ma, a - c + mb), min(a + b - c, a - ma, b + mb) + 1):
        total += Fraction(
            (-1) ** t,
            factorial(t)
            * factorial(c - b + t + ma)
            * factorial(c - a + t - mb)
            * factorial(a + b - c - t)
            * factorial(a - t - ma)
            * factorial(b - t + mb),
        )
    squared = Fraction(factorial(a + b - c) * factorial(a - b + c) * factorial(-a + b + c), factorial(a + b + c + 1))
    for l, m in zip(ls, ms, strict=True):
        squared *= factorial(l + m) * factorial(l - m)
    return (-1) ** (a - b - mc) * float(total) * sqrt(squared)


def length(n_elements, totaldegree):
    """Count the features."""
    many_body = sum(len(blocks(order, n_elements, totaldegree)) for order in (2, 3))
    return int(max(totaldegree)) * comb(n_elements + 1, 2) + n_elements * many_body
