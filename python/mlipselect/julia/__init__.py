"""ACEpotentials.jl in a child process that runs Julia.

Nothing here is imported before a `JuliaACE` is used, and Julia never runs in the process of the user.
"""
