"""How results show themselves in a session: in one line, however large they are."""

import mlipselect as ms
from mlipselect.demo import silicon_core, silicon_pool


def test_selection_and_features_show_themselves_in_a_line():
    selection = ms.select(silicon_pool(), 3, silicon_core(), progress=False)
    n = selection.inputs["pool"]["candidates"]
    assert repr(selection) == f"Selection(3 of {n} candidates, method='bayesian')"
    told = repr(selection.features)
    assert told.startswith(f"Features({n} structures of ")
    assert "features of ACE, float64)" in told
    assert len(told) < 100
