"""Tersoff's silicon: a stand-in for density functional theory that takes seconds."""

from __future__ import annotations

from ase.calculators.tersoff import Tersoff, TersoffParameters


class _Tersoff(Tersoff):
    """ASE's calculator, which divides by zero for an atom with a single neighbour."""

    def _calc_bij_d(self, zeta: float, beta: float, n: float) -> float:
        return 0.0 if zeta == 0.0 else float(super()._calc_bij_d(zeta, beta, n))


def silicon_tersoff() -> Tersoff:
    """Make ASE's calculator for silicon after J. Tersoff, Phys. Rev. B 38, 9902 (1988)."""
    parameters = TersoffParameters(
        m=3.0,
        gamma=1.0,
        lambda3=1.7322,
        c=1.0039e5,
        d=16.217,
        h=-0.59825,
        n=0.78734,
        beta=1.1e-6,
        lambda2=1.7322,
        B=471.18,
        R=2.85,
        D=0.15,
        lambda1=2.4799,
        A=1830.8,
    )
    return _Tersoff({("Si", "Si", "Si"): parameters})
