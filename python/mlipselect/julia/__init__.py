"""ACEpotentials.jl in a child process that runs Julia, and the messages between the two processes.

Nothing here is imported before a `JuliaACE` is used, and Julia never runs in the process of the user.
"""
