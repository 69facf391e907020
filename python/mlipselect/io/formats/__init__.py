"""Formats of files of structures: one file a format, and a registry that recognises them."""

from mlipselect.io.formats.format import Format
from mlipselect.io.formats.registry import FORMATS

__all__ = ["FORMATS", "Format"]
