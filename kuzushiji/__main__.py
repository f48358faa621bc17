"""The command line: `python -m kuzushiji read | download | status`."""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from .paths import DataError, bundled, data_folder, named_folders

DESCRIBED = {
    "kmnist": "Kuzushiji-MNIST, 10 kana, 70,000 images of 28x28 (21 MB)",
    "k49": "Kuzushiji-49, 49 kana, 270,912 images of 28x28 (77 MB)",
    "kkanji": "Kuzushiji-Kanji, 3,832 kanji, 140,424 images of 64x64 (310 MB)",
}


def download(options):
    """Find or download a data set and verify it; put it into a folder, or another format, where one is asked for."""
    from . import datasets, files, kkanji, registry

    dataset, as_idx = options.dataset, options.format == "idx"
    if as_idx and dataset != "kmnist":
        raise DataError(f"only kmnist is published as IDX, {dataset} is not: leave out --format idx")
    if dataset == "kkanji":
        there = datasets.find_files(registry.KKANJI.name)
        path = there[0] if there else kkanji.locate_tar()  # which verifies what it downloads
        if there:
            kkanji.verify_tar(path)
        found = [(registry.KKANJI, path, None)]
    else:
        found = [(registry.PARTS[dataset][key], *value) for key, value in datasets.obtain(dataset).items()]
    for part, path, array in found:
        if as_idx:
            target = (options.to or data_folder() / dataset) / f"{part.idx}.gz"
            files.write_idx(target, array)
        elif options.to:
            target = options.to / part.name
            if path.name == part.name:
                with files.replacing(target) as temporary:
                    shutil.copyfile(path, temporary)
            else:
                files.write_npz(target, array)
        else:
            target = path
        print(f"{target}: verified")
    return True


def status(_):
    """Print what is found of each data set, where, and whether it verifies. Returns whether nothing found was bad."""
    from . import registry
    from .datasets import find_files, find_part

    named_folders()  # one that is no folder is told once, before all else
    good = True
    for dataset, parts in registry.PARTS.items():
        print(DESCRIBED[dataset])
        for (split, kind), part in parts.items():
            try:
                found = find_part(part)
                state = f"current release, verified: {found[0]}" if found else "not found"
            except DataError as error:
                state, good = f"BAD: {error}", False
            print(f"  {split:5} {kind:6}  {state}")
    print(f"Eigenkana, the embedded default\n  {bundled('eigenkana.npz')}\n{DESCRIBED['kkanji']}")
    tar, decoded = find_files(registry.KKANJI.name), data_folder() / "kkanji" / "kkanji-images.npy"
    print(f"  tar           {f'found, verified when it is decoded: {tar[0]}' if tar else 'not found'}")
    print(f"  decoded       {f'verified when it was made: {decoded}' if decoded.exists() else 'not made yet'}")
    return good


def read(options):
    """Read pictures and print a line for each; a bad one gets its line on stderr. Returns whether all were good."""
    from . import reading

    good = True
    for path in options.images:
        try:
            found = reading.read(path)
            text, answer = f"{printable(path)}: {printable(found)}", as_dictionary(found, reading.threshold())
        except DataError as error:
            print(f"kuzushiji: {printable(error)}", file=sys.stderr, flush=True)
            text, answer, good = "", {"error": str(error)}, False
        if options.json:
            print(json.dumps({"file": path} | answer))
        elif text:
            print(text)
    return good


def as_dictionary(reading, threshold):
    """A Reading for machines: kana, romaji and probability are null where it is rejected."""
    shares = {kana: round(share, 6) for kana, _, share in reading.kana}
    kana, romaji, _ = (None, None, None) if reading.rejected else reading.kana[0]
    first = {"kana": kana, "romaji": romaji, "probability": shares.get(kana)}
    return first | {"rejected": reading.rejected, "threshold": threshold, "probabilities": shares}


def printable(text):
    """Text in one line, with escapes for what is not printable (a file may be called anything)."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in str(text))


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m kuzushiji", description="Reading Kuzushiji, and the data sets.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    get = commands.add_parser("download", help="find or download a data set and verify it")
    get.add_argument("dataset", choices=DESCRIBED, help="kmnist, k49 or kkanji", metavar="NAME")
    get.add_argument("--format", choices=["npz", "idx"], default="npz", help="idx: as MNIST's readers expect (kmnist)")
    get.add_argument("--to", type=Path, metavar="DIR", help="put the verified files there")
    reads = commands.add_parser("read", help="read pictures of one character each")
    reads.add_argument("images", nargs="+", metavar="IMAGE", help="PNG, JPEG, GIF, BMP, TIFF, WebP, of any size")
    reads.add_argument("--json", action="store_true", help="one JSON object a line, with all ten probabilities")
    commands.add_parser("status", help="which data sets are where, which release, and whether they verify")
    return parser.parse_args(arguments)


def main(arguments=None):
    """Run one command; returns the exit status: 0 done, 2 bad data, pictures or options."""
    options = parse(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # for what the terminal or pipe cannot show, as on stderr
    try:
        good = {"download": download, "read": read, "status": status}[options.command](options)
        sys.stdout.flush()
    except BrokenPipeError:  # `status | head -1`: nobody reads on, and Python must not say so when it exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("kuzushiji: stopped", file=sys.stderr)
        return 130
    except DataError as error:
        print(f"kuzushiji: {error}", file=sys.stderr)
        return 2
    return 0 if good else 2


if __name__ == "__main__":
    sys.exit(main())
