"""The module that starts Keras, quietly."""

import os
import subprocess
import sys

import pytest
from conftest import CHECKOUT

from kuzushiji.networks import native_messages_hidden


def test_the_first_operation_says_nothing():
    code = "from kuzushiji.networks import keras; keras.ops.ones(1)"
    run = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert run.stdout == run.stderr == ""


def test_native_messages_are_hidden_and_what_comes_after_is_not(capfd):
    with pytest.raises(ValueError, match="raised as ever"), native_messages_hidden():
        os.write(2, b"no GPU was found")
        raise ValueError("raised as ever")
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"
