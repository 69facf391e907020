"""Descriptors in a process of their own: the process, the messages, and what runs at the other end."""
