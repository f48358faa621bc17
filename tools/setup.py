"""Make the environment .venv from a lock file, for readers or (argument: requirements-dev.lock) for developers.

`make` calls it where the lock is newer than the stamp that is left at the end. It runs on whatever Python a newcomer
has, so it is written for any Python 3 and imports nothing but the standard library.
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
OURS = os.path.join(VENV, "made-by-setup")  # holds, in an environment that was made here, what it was made for
WANTED = "%s\n%s\n" % (ROOT, sys.version)


def check_python():
    """Stop with one clear message where this Python cannot make the environment; nothing is installed then."""
    system, machine = platform.system(), platform.machine()
    here = "This Python is %d.%d for %s on %s (%s)" % (sys.version_info[:2] + (system, machine, sys.executable))
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        versions = OLDEST + NEWEST + NEWEST
        sys.exit(here + "; the series needs Python %d.%d to %d.%d: make PYTHON=python%d.%d names one." % versions)
    if machine not in PROCESSORS.get(system, (machine,)):
        runs = ", ".join(PROCESSORS[system])
        sys.exit(here + ", where there is no TensorFlow (it runs on %s): read the series in Colab (README.md)." % runs)
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        missing = " and has no module %s, which makes environments: on Debian and Ubuntu, apt install python%d.%d-venv."
        sys.exit(here + missing % ((error.name,) + sys.version_info[:2]))


def is_current():
    """Whether .venv was made here, for this Python. What somebody made by hand is deleted only after a question."""
    if os.path.exists(OURS):
        with open(OURS, encoding="utf-8") as file:
            return file.read() == WANTED
    if os.path.lexists(VENV):
        what = "%s was not made by this set-up" % VENV
        if os.path.islink(VENV):
            sys.exit(what + " and is a link: remove it, and try again. (Nothing was changed.)")
        if not sys.stdin.isatty():
            sys.exit(what + ": move it away, and try again. (Nothing was changed.)")
        if input(what + ". Delete it, and make it anew? [y/N] ").strip().lower() != "y":
            sys.exit("Nothing was changed.")
    return False


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def call(*command):
    """Run a command; stop with its status where it fails."""
    try:
        status = subprocess.call(command)
    except KeyboardInterrupt:
        sys.exit("\nSet-up was stopped; the same command goes on with it.")
    if status != 0:
        sys.exit("Set-up stopped: '%s' failed with status %d (see above)." % (" ".join(command), status))


def main():
    lock = sys.argv[1] if len(sys.argv) > 1 else "requirements.lock"
    check_python()
    python = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin", "python")
    if not is_current() or not os.path.exists(python):
        print("Making .venv: a download of about 1 GB, 3 GB on disk, a few minutes.", flush=True)
        shutil.rmtree(VENV, ignore_errors=True)
        os.mkdir(VENV)
        write(OURS, "unfinished\n")
        call(sys.executable, "-m", "venv", VENV)
        write(OURS, WANTED)
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    call(*pip, "--requirement", os.path.join(ROOT, lock))
    call(*pip, "--no-deps", "--editable", ROOT)
    call(python, "-P", "-c", "import kuzushiji")  # as from any other folder
    write(os.path.join(VENV, lock), "the stamp of make\n")
    print("Installed %s into .venv." % lock, flush=True)


if __name__ == "__main__":
    main()
