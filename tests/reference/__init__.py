"""Slow, obvious numpy versions of what the package computes: the oracles of the other tests."""
