"""Make the environment .venv from requirements.lock, once: `python tools/setup.py`.

Runs on the Python that a newcomer happens to have, so it is written for any Python 3 and imports nothing but the
standard library. A half-made environment, one of a moved folder, or one of an older lock is made again.
"""

import os
import platform
import shutil
import subprocess
import sys

OLDEST, NEWEST = (3, 11), (3, 13)
PROCESSORS = {"Linux": ("x86_64", "aarch64"), "Darwin": ("arm64",), "Windows": ("AMD64",)}  # where TensorFlow runs
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, "complete")


def check_python():
    """Stop with one clear message where this Python cannot make the environment; nothing is installed then."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        sys.exit(
            "This is Python %d.%d (%s); the series needs Python %d.%d to %d.%d. Install one of these, then name it: "
            "make PYTHON=python%d.%d (or run tools/setup.py with it)."
            % (sys.version_info[:2] + (sys.executable,) + OLDEST + NEWEST + NEWEST)
        )
    system, machine = platform.system(), platform.machine()
    if machine not in PROCESSORS.get(system, (machine,)):
        sys.exit(
            "This Python (%s) is for %s on %s, where there is no TensorFlow; it runs on %s. Install a Python for "
            "that, or read the series in Colab (README.md)."
            % (sys.executable, system, machine, ", ".join(PROCESSORS[system]))
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        sys.exit(
            "This Python (%s) has no module %s, which makes virtual environments. On Debian and Ubuntu: "
            "sudo apt install python%d.%d-venv" % ((sys.executable, error.name) + sys.version_info[:2])
        )


def wanted():
    """What a complete environment was made from; kept in its stamp."""
    parts = [ROOT, sys.version]
    for name in ("requirements.lock", "pyproject.toml"):
        with open(os.path.join(ROOT, name), encoding="utf-8") as file:
            parts.append(file.read())
    return "\n".join(parts)


def is_complete():
    try:
        with open(STAMP, encoding="utf-8") as file:
            return file.read() == wanted()
    except OSError:
        return False


def main():
    check_python()
    if is_complete():
        return
    print(
        "Making .venv with Python %d.%d: a download of about 1 GB, 3 GB on disk, a few minutes." % sys.version_info[:2],
        flush=True,
    )
    shutil.rmtree(VENV, ignore_errors=True)
    python = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin", "python")
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", VENV],
        pip + ["-r", os.path.join(ROOT, "requirements.lock")],
        pip + ["--no-deps", "--editable", ROOT],
        [python, "-P", "-c", "import kuzushiji"],  # as from any other folder
    ):
        try:
            status = subprocess.call(command)
        except KeyboardInterrupt:
            sys.exit("\nSet-up was stopped; the same command begins it again.")
        if status != 0:
            sys.exit("Set-up stopped: '%s' failed with status %d (see above)." % (" ".join(command), status))
    with open(STAMP, "w", encoding="utf-8") as file:
        file.write(wanted())
    print("Made .venv.", flush=True)


if __name__ == "__main__":
    main()
