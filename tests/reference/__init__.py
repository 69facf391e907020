"""Slow and obvious versions of what the package computes: the definitions, in numpy."""
