"""The way to ACEpotentials.jl: a child process that runs Julia, and the messages that go to and from it.

Nothing here is imported before a `JuliaACE` is used, and Julia never runs in the process of the user.
"""
