"""Learned potentials as descriptors: what they share, and one file for each package."""
