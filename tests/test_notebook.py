"""How a notebook begins."""

import pytest

from kuzushiji import figures, notebook


@pytest.mark.parametrize("generated, quick", [(False, False), (True, False), (False, True)])
def test_start_says_in_a_line_each_what_is_not_as_in_the_text(monkeypatch, capsys, generated, quick):
    monkeypatch.setattr(notebook, "kmnist_source", lambda: "eigenkana" if generated else "kmnist")
    monkeypatch.setattr(notebook, "quick_mode", lambda: quick)
    assert notebook.start() == quick and (figures.stamp != "") == generated
    out = capsys.readouterr().out
    assert ("not these images" in out) == generated and ("KUZUSHIJI_QUICK" in out) == quick
    figures.use_style()
