"""Write the tables of README.md and benchmarks/README.md, and img/benchmarks.png, from benchmarks/results.json: `make
notebooks` and `make benchmarks` call this last."""

import re
import sys
from pathlib import Path

from kuzushiji.results import recorded

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (ROOT / "README.md", ROOT / "benchmarks" / "README.md")
sys.path.insert(0, str(ROOT / "benchmarks"))

import report  # noqa: E402

MAP_METHODS = {"pca": "PCA", "lda": "LDA", "t-sne": "t-SNE", "umap": "UMAP", "supervised umap": "supervised UMAP"}
MAP_METRICS = ["trustworthiness", "kept neighbours", "10-NN accuracy", "global order"]


def as_range(values):
    """One value, or lowest to highest over the seeds, to three decimals."""
    low, high = f"{min(values):.3f}", f"{max(values):.3f}"
    return low if low == high else f"{low} to {high}"


def maps_table(rows):
    """The table of notebook 02: a row for each method, a column for each measure."""
    cell = {(row["method"], row["metric"]): row for row in rows}
    lines = [
        "| map of all 70,000 images | " + " | ".join(MAP_METRICS) + " | seconds |",
        "| --- |" + " ---: |" * (len(MAP_METRICS) + 1),
    ]
    for method, name in MAP_METHODS.items():
        measured = [cell[method, metric] for metric in MAP_METRICS]
        seconds = measured[0]["seconds"]
        values = " | ".join(as_range(row["values"]) for row in measured)
        lines.append(f"| {name} | {values} | {'under 1' if seconds is None else f'{seconds:.0f}'} |")
    return "\n".join(lines)


def neighbours_table(rows):
    """Test accuracy of the nearest-neighbour classifiers of notebook 02, the published figures beside them."""
    lines = ["| 4 nearest neighbours | test accuracy, % | published, % |", "| --- | ---: | ---: |"]
    for row in rows:
        if row["metric"] == "test accuracy":
            published = row["parameters"].get("published, %", "")
            lines.append(f"| {row['method']} | {100 * row['values'][0]:.2f} | {published} |")
    return "\n".join(lines)


NETWORKS = {"baseline": "Keras simple CNN (published: 94.63)", "sprint": "sprint", "final": "final residual network"}


def networks_table(rows):
    """The trainings of notebook 03 over three seeds: epochs, seconds of the first seed, test accuracy."""
    accuracy = {row["method"]: row for row in rows if row["metric"] == "test accuracy"}
    lines = [
        "| network | epochs | training, s | test accuracy, %, by seed | mean, % |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for method, name in NETWORKS.items():
        row = accuracy[method]
        percent = [100 * value for value in row["values"]]
        by_seed = ", ".join(f"{value:.2f}" for value in percent)
        mean = sum(percent) / len(percent)
        lines.append(f"| {name} | {row['parameters']['epochs']} | {row['seconds']:.0f} | {by_seed} | {mean:.2f} |")
    return "\n".join(lines)


TABLES = {
    "maps": (maps_table, "02_dimensionality_reduction"),
    "neighbours": (neighbours_table, "02_dimensionality_reduction"),
    "networks": (networks_table, "03_cnn_from_scratch"),
}


def rendered(texts):
    """The documents' texts with every table between its markers written anew; each table has one place in all."""
    tables = {name: make(rows) for name, (make, source) in TABLES.items() if (rows := recorded(source))}
    for name, table in (tables | report.tables()).items():
        place = re.compile(rf"(?<=<!-- results: {name} -->\n).*?(?=\n<!-- end -->)", flags=re.DOTALL)
        if (found := sum(len(place.findall(text)) for text in texts)) != 1:
            raise ValueError(f"{found} places of the documents are marked <!-- results: {name} -->, expected one")
        texts = [place.sub(lambda _, table=table: table, text) for text in texts]
    return texts


def main():
    texts = rendered([path.read_text(encoding="utf-8") for path in DOCUMENTS])
    for path, text in zip(DOCUMENTS, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    report.write_figure()


if __name__ == "__main__":
    main()
