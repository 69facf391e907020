"""What a selection asks of its candidates, however they are kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mlipselect.descriptors.base import DescriptorLike
from mlipselect.exceptions import InvalidInputError
from mlipselect.features import Designs, Features
from mlipselect.io.frame import Frame
from mlipselect.io.inspection import Rejected
from mlipselect.io.writer import Writer
from mlipselect.selection.core import Core
from mlipselect.selection.options import Options
from mlipselect.selection.target import Target
from mlipselect.selectors import Selector
from mlipselect.stores.joined import JoinedStores


@dataclass(frozen=True)
class Outcome:
    """What came of a selection, by the indices of candidates."""

    selector: Selector
    core: Features | None
    information: NDArray[np.float64]


class CandidatePool(ABC):
    """The candidates of a selection, however they are kept.

    The job calls `settled`, `refuse`, `survey` and `featurize` in this order before anything else.

    Attributes
    ----------
    paths : list of str
        Files that must not be replaced.
    features : Features or JoinedStores
        One row a candidate; there after `featurize`.
    descriptor : object
        What describes structures; there after `featurize`.
    is_whole : bool
        Whether the candidates are all that picks are made from, not what earlier selections have left.
    """

    is_whole: ClassVar[bool] = True

    paths: list[str]
    features: Features | JoinedStores
    descriptor: DescriptorLike

    def settled(self, options: Options) -> Options:
        """Return the options, with what the pool knows in place of some that were not given."""
        return options

    @abstractmethod
    def refuse(self, selector: Selector, options: Options) -> None:
        """Raise `InvalidInputError` if something is asked for that such a pool cannot do."""

    def survey(
        self,
        core: Core | None,
        n: int,  # noqa: ARG002
        progress: bool | None,
        writer: Writer | None = None,  # noqa: ARG002
    ) -> None:
        """Find out what is there, in the pool and in the core.

        Parameters
        ----------
        core : Core, optional
            The core.
        n : int
            Number of structures that will be selected.
        progress : bool, optional
            Show a progress bar.
        writer : Writer, optional
            Looks at every structure that may be selected, to find what the file of the result cannot keep.

        Raises
        ------
        StructureError
            A structure that cannot be read.
        InvalidInputError
            Fewer than `n` candidates, or one that cannot be written.
        """
        if core is not None:
            core.survey(progress)

    @abstractmethod
    def featurize(
        self, core: Core | None, descriptor: DescriptorLike | None, rows: str, options: Options
    ) -> Features | None:
        """Describe the candidates, if they are not described yet, and the core.

        Parameters
        ----------
        core : Core, optional
            The core, surveyed.
        descriptor : object, optional
            What was given.
        rows : {"structure", "atoms"}
            Rows that are needed.
        options : Options
            Options of the selection.

        Returns
        -------
        Features or None
            Rows of the core.
        """

    def featurize_target(
        self,
        target: Target,
        descriptor: DescriptorLike | None,  # noqa: ARG002
        options: Options,
    ) -> Features | JoinedStores:
        """Describe a target like the candidates, which are described already.

        Parameters
        ----------
        target : Target
            The target, surveyed.
        descriptor : object, optional
            What was given.
        options : Options
            Options of the selection.
        """
        how = options.execution
        return target.rows(self.descriptor, self.features, n_threads=how.n_threads, progress=how.progress)

    def designs(self, core: Core | None, n_threads: int | None) -> dict[str, Designs]:  # noqa: ARG002
        """Prepare the rows of forces and stresses, by the parameters of `Selector.fit`."""
        raise InvalidInputError("scores, updates and objectives of forces and stress need structures as pool")

    @property
    @abstractmethod
    def sizes(self) -> Sequence[int] | NDArray[np.int64]:
        """Numbers of atoms of the candidates."""

    @abstractmethod
    def groups(self, key: str) -> Sequence[Any]:
        """Return the group of each candidate by a key of `Atoms.info`, or ``"composition"``."""

    @abstractmethod
    def take(self, indices: Sequence[int]) -> list[Frame]:
        """Read candidates, in the order asked for."""

    @abstractmethod
    def positions(self, indices: Sequence[int]) -> NDArray[np.int64]:
        """Return the positions of candidates in the whole pool."""

    @property
    def isolated(self) -> list[Frame]:
        """Isolated atoms, which are no candidates."""
        return []

    @property
    def rejected(self) -> list[Rejected]:
        """Structures that were passed over, in the order of their positions."""
        return []

    @abstractmethod
    def digests(self, core: Core | None, core_features: Features | None, options: Options) -> dict[str, Any]:
        """Tell pool and core from others, for checkpoints."""

    @abstractmethod
    def summary(self) -> dict[str, Any]:
        """Describe the pool for the record: its files with their digests, and the number of candidates."""

    @abstractmethod
    def recorded(self, options: Options) -> dict[str, Any]:
        """Return the options that concern the pool, as the record keeps them."""

    def conclusions(self, outcome: Outcome) -> tuple[dict[str, Any], list[str]]:  # noqa: ARG002
        """Return what this kind of pool adds to the recorded parameters and to the notes once picks are made."""
        return {}, []
