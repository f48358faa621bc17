"""The command line: `python -m kuzushiji read | download | status | eigenkana`."""

import argparse
import json
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from . import catalogue, formats
from .data import (
    CHECKOUT,
    bundled,
    data_folder,
    find_file,
    find_part,
    load_kmnist,
    locate,
    read_part,
)
from .errors import DataError

DESCRIBED = {
    "kmnist": "Kuzushiji-MNIST, 10 kana, 70,000 images of 28x28 (21 MB)",
    "k49": "Kuzushiji-49, 49 kana, 270,912 images of 28x28 (77 MB)",
    "kkanji": "Kuzushiji-Kanji, 3,832 kanji, 140,424 images of 64x64 (310 MB)",
}


def download(dataset, file_format="npz", folder=None):
    """Find or download a data set, verify it, and put it into `folder` in the format asked for.

    Without `folder` the files stay where they are found (or in the data folder after a download).
    """
    if file_format == "idx" and dataset != "kmnist":
        raise DataError(f"only kmnist is published as IDX, {dataset} is not: leave out --format idx")
    if dataset == "kkanji":
        return download_kkanji(folder)
    parts = catalogue.PARTS[dataset]
    for key, path in locate(dataset).items():
        part = parts[key]
        array = read_part(path, part)
        if folder is None and file_format == "npz":
            print(f"{path}: verified")
            continue
        if file_format == "idx":
            target = (folder or data_folder() / dataset) / (part.idx + ".gz")
            formats.write_idx(target, array)
        elif path.suffix == ".npz":
            target = folder / part.name
            copy(path, target)
        else:
            target = folder / part.name
            formats.write_npz(target, array)
        print(f"{target}: written, verified")


def download_kkanji(folder):
    """Find or download the Kuzushiji-Kanji tar, verify every image of it, and copy it to `folder` if there is one."""
    from .kanji import locate_tar, verify_tar

    path = locate_tar()
    verify_tar(path)
    if folder is not None:
        copy(path, folder / path.name)
        path = folder / path.name
    print(f"{path}: verified")


def copy(source, target):
    """Copy a file, leaving what stands at `target` untouched until the copy is complete."""
    with suppress(OSError):  # no such target
        if source.samefile(target):
            return
    with formats.replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def status():
    """Print what is found of each data set, where, and whether it verifies. Returns whether nothing found was bad."""
    good = True
    for dataset, parts in catalogue.PARTS.items():
        print(DESCRIBED[dataset])
        for (split, kind), part in parts.items():
            path = find_part(part)
            if path is None:
                state = "not found"
            else:
                try:
                    read_part(path, part)
                    state = f"current release, verified: {path}"
                except DataError as error:
                    state, good = f"BAD: {error}", False
            print(f"  {split:5} {kind:6}  {state}")
    print(DESCRIBED["kkanji"])
    tar = find_file(catalogue.KKANJI.name)
    decoded = find_file("kkanji-images.npy")
    print(f"  tar           {f'found, verified when it is decoded: {tar}' if tar else 'not found'}")
    print(f"  decoded       {f'verified when it was made: {decoded}' if decoded else 'not made yet'}")
    print(f"Eigenkana, the embedded default\n  {bundled('eigenkana.npz')}")
    return good


def rebuild_eigenkana():
    """Fit the mixture on KMNIST's training set again and replace data/eigenkana.npz."""
    from .eigenkana import fit, save_model

    if not (CHECKOUT / "pyproject.toml").exists():
        raise DataError("eigenkana.npz is rebuilt in a checkout of the project only, and this is an installed copy")
    path = CHECKOUT / "data" / "eigenkana.npz"
    save_model(fit(*load_kmnist("train", source="kmnist")), path)
    print(f"data/{path.name}: {path.stat().st_size:,} bytes")


def read(paths, as_json=False):
    """Read pictures and print a line for each; a bad one gets its line on stderr. Returns whether all were good.

    All pictures are prepared before the network is loaded, which takes seconds, so bad ones are told at once.
    """
    from .pictures import prepare_with_note

    prepared = []
    for path in paths:
        try:
            prepared.append(prepare_with_note(path))
        except DataError as error:
            prepared.append(error)
            print(f"kuzushiji: {printable(error)}", file=sys.stderr, flush=True)
    good = [found for found in prepared if not isinstance(found, DataError)]
    if good:
        from .reading import read_prepared, threshold

        readings = iter(read_prepared(*zip(*good, strict=True)))
    for path, found in zip(paths, prepared, strict=True):
        reading = None if isinstance(found, DataError) else next(readings)
        if as_json:
            answer = as_dictionary(reading, threshold()) if reading else {"error": str(found)}
            print(json.dumps({"file": path} | answer))
        elif reading:
            print(f"{printable(path)}: {printable(reading)}")
    return len(good) == len(prepared)


def as_dictionary(reading, threshold):
    """A Reading for machines: kana, romaji and probability are null where it is rejected."""
    character, romaji, probability = (None, None, None) if reading.rejected else reading.kana[0]
    return {
        "kana": character,
        "romaji": romaji,
        "probability": probability and round(probability, 6),
        "rejected": reading.rejected,
        "threshold": threshold,
        "probabilities": {kana: round(share, 6) for kana, _, share in reading.kana},
        "note": reading.note,
    }


def printable(text):
    """Text in one line, with escapes for what is not printable (a file may be called anything)."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in str(text))


def menu():
    """Ask on the terminal which data set to download; returns its name, or None."""
    names = list(DESCRIBED)
    for number, name in enumerate(names, start=1):
        print(f"  {number}  {DESCRIBED[name]}")
    while True:
        try:
            answer = input(f"Which one (1 to {len(names)}, empty to leave)? ").strip()
        except EOFError:
            return None
        if not answer:
            return None
        if answer in [str(number) for number in range(1, len(names) + 1)]:
            return names[int(answer) - 1]
        if answer in names:
            return answer
        print(f"{answer!r} is none of them.")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m kuzushiji", description="Reading Kuzushiji, and the data sets.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    get = commands.add_parser("download", help="find or download a data set and verify it; a small menu without NAME")
    get.add_argument("dataset", nargs="?", choices=list(DESCRIBED), help="kmnist, k49 or kkanji", metavar="NAME")
    get.add_argument("--format", choices=["npz", "idx"], default="npz", help="idx: as MNIST's readers expect (kmnist)")
    get.add_argument("--to", type=Path, metavar="DIR", help="put the verified files there")
    reads = commands.add_parser("read", help="read pictures of one character each")
    reads.add_argument("images", nargs="+", metavar="IMAGE", help="PNG, JPEG, GIF, BMP, TIFF, WebP, of any size")
    reads.add_argument("--json", action="store_true", help="one JSON object a line, with all ten probabilities")
    commands.add_parser("status", help="which data sets are where, which release, and whether they verify")
    commands.add_parser("eigenkana", help="rebuild data/eigenkana.npz from KMNIST's training set (in a checkout)")
    return parser.parse_args(arguments)


def main(arguments=None):
    """Run one command; returns the exit status: 0 done, 2 bad data, pictures or options."""
    options = parse(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # for what the terminal or pipe cannot show, as on stderr
    try:
        good = True
        if options.command == "status":
            good = status()
        elif options.command == "read":
            good = read(options.images, options.json)
        elif options.command == "eigenkana":
            rebuild_eigenkana()
        else:
            dataset = options.dataset or menu()
            if dataset:
                download(dataset, options.format, options.to)
        sys.stdout.flush()
    except BrokenPipeError:  # `status | head -1`: nobody reads on, and Python must not say so when it exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except DataError as error:
        print(f"kuzushiji: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"kuzushiji: this Python has no {error.name}; the series' own is .venv/bin/python", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("kuzushiji: stopped; nothing unfinished was kept", file=sys.stderr)
        return 130
    return 0 if good else 2


if __name__ == "__main__":
    sys.exit(main())
