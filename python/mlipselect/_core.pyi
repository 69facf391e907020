"""The compiled part of mlipselect: thin bindings of the Rust crates. Use the package, not this module."""

__version__: str
