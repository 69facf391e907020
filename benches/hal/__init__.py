"""What biased dynamics cost, and what the structures that they find are worth."""

TEMPERATURES = (300.0, 600.0, 900.0)
"""Temperatures of walkers, in K."""
