"""The experiment of arXiv:2502.21165, repeated on its own data: select, fit, and see what the potentials are worth."""
