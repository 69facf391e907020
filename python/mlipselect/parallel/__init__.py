"""Pools on many machines."""
