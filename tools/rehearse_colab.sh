#!/usr/bin/env bash
# Rehearse Colab: run notebooks alone, as a newcomer to Colab would, where there is what Colab has and not our helpers.
#
#   tools/rehearse_colab.sh [LIST]    # LIST: name==version a line, such as Colab's own; default: tools/colab.txt
#   NAMES="01 03" tools/rehearse_colab.sh    # these notebooks alone
#
# Colab publishes its list: https://github.com/googlecolab/backend-info, pip-freeze.gpu.txt. Of it those packages are
# installed that the series needs, in Colab's versions, into build/colab (3 GB, kept). The set-up cell is tested as it
# will be with a public address; git takes that address from this clone and is forbidden every other, so what is
# installed is the last commit. Every version that was there before must be there still. Notebooks run in quick mode.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD list=$(realpath "${1:-tools/colab.txt}") python=$PWD/build/colab/bin/python

needed=$(cut -d= -f1 tools/colab.txt | paste -sd'|')
mkdir -p build/colab-run
grep -iE "^($needed)==" "$list" > build/colab-run/colab.txt
if ! cmp -s build/colab-run/colab.txt build/colab/complete; then
  rm -rf build/colab
  "${PYTHON:-python3}" -m venv build/colab
  "$python" -m pip install --quiet --requirement build/colab-run/colab.txt nbclient  # which runs them here
  cp build/colab-run/colab.txt build/colab/complete
fi
"$python" -m pip uninstall --quiet --yes kuzushiji

export GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0="url.file://$root.insteadOf" GIT_CONFIG_VALUE_0=https://github.com/owner/name
export GIT_CONFIG_KEY_1=protocol.allow GIT_CONFIG_VALUE_1=never GIT_CONFIG_KEY_2=protocol.file.allow GIT_CONFIG_VALUE_2=always
export KUZUSHIJI_QUICK=1 KUZUSHIJI_CACHE=$root/build/colab-run/cache PYTHONNOUSERSITE=1
unset PYTHONPATH
for name in ${NAMES:-[0-9]}; do
  for path in notebooks/$name*.ipynb; do
    alone=$(mktemp -d "$root/build/colab-run/XXXX")
    PYTHONPATH=tools "$python" - "$path" "$alone" <<'PYTHON'
import pathlib, sys
import links, nbformat
path, alone = map(pathlib.Path, sys.argv[1:])
notebook = nbformat.read(path, as_version=4)
links.rewrite(notebook, "owner/name", path)
nbformat.write(notebook, alone / path.name)
PYTHON
    "$python" -m pip list --format=freeze | sort > "$alone/before.txt"
    (cd "$alone" && "$python" -m jupyter execute --kernel_name=python3 "$(basename "$path")")
    "$python" -m pip list --format=freeze | sort > "$alone/after.txt"
    if comm -23 "$alone/before.txt" "$alone/after.txt" | grep .; then
      echo "$path: the versions above were changed by the set-up cell" >&2
      exit 1
    fi
    echo "$path: ran; added: $(comm -13 "$alone/before.txt" "$alone/after.txt" | paste -sd' ')"
    comm -13 "$alone/before.txt" "$alone/after.txt" | cut -d= -f1 | xargs --no-run-if-empty "$python" -m pip uninstall --quiet --yes
  done
done
