"""What packages change in a process is put back, and draws inside a model are the same on every call."""

from __future__ import annotations

import logging
import os
import random
import warnings

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.descriptors.torch_settings import process_state, quiet_loading, refuse_compiled, repeatable


def state():
    """Everything that is to be put back."""
    import torch

    return (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.get_float32_matmul_precision(),
        torch.are_deterministic_algorithms_enabled(),
        torch.multiprocessing.get_sharing_strategy(),
        torch.get_rng_state().numpy().tobytes(),
        random.getstate(),
        str(np.random.get_state()),  # noqa: NPY002
        logging.getLogger().level,
        list(logging.getLogger().handlers),
        list(warnings.filters),
        dict(os.environ),
    )


def disturb():
    """Change all of it, as one package or another does."""
    import torch

    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.set_float32_matmul_precision("high")
    torch.use_deterministic_algorithms(True)
    torch.multiprocessing.set_sharing_strategy("file_system")
    torch.manual_seed(123)
    random.seed(123)
    np.random.seed(123)  # noqa: NPY002
    logging.getLogger().setLevel(5)
    logging.getLogger().addHandler(logging.NullHandler())
    warnings.filterwarnings("once", category=UserWarning)
    os.environ["PL_GLOBAL_SEED"] = "123"
    os.environ["HOME"] = "elsewhere"


def test_the_state_of_a_process_is_put_back_even_after_an_error():
    before = state()
    with process_state():
        disturb()
        assert all(one != other for one, other in zip(state(), before, strict=True))
    assert state() == before

    def fail():
        with process_state():
            disturb()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert state() == before


def test_what_packages_say_while_they_load_is_no_output(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with quiet_loading():
            print("initialized with 412,525 parameters")
            warnings.warn("no accelerator", stacklevel=1)
    assert capsys.readouterr() == ("", "initialized with 412,525 parameters\n")


def test_draws_of_a_model_are_the_same_and_move_no_generator():
    import torch

    before = torch.get_rng_state()
    drawn = []
    for _ in range(2):
        with repeatable():
            drawn.append(torch.rand(3).tolist())
    assert drawn[0] == drawn[1]
    assert torch.equal(torch.get_rng_state(), before)


def test_compiled_files_are_told_from_others(tmp_path):
    import torch

    module = torch.nn.Linear(2, 2)
    torch.save(module, tmp_path / "whole.pt")
    refuse_compiled(tmp_path / "whole.pt")
    (tmp_path / "text.pt").write_text("no archive")
    refuse_compiled(tmp_path / "text.pt")
    torch.jit.script(module).save(str(tmp_path / "si-lammps.pt"))
    with pytest.raises(
        ms.InvalidInputError, match=r"si-lammps\.pt: this model was compiled \(TorchScript, as for LAMMPS\)"
    ):
        refuse_compiled(tmp_path / "si-lammps.pt")
