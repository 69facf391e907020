"""Labels of structures: energies, forces, virials and stresses, under whatever keys they are."""

from mlipselect.labels.labels import Labels, LabelSet
from mlipselect.labels.options import LabelOptions
from mlipselect.labels.read import read_labels

__all__ = ["LabelOptions", "LabelSet", "Labels", "read_labels"]
