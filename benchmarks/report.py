"""Write the tables of README.md and benchmarks/README.md, and img/benchmarks.png, from benchmarks/results.json and from
what others published: `make benchmarks` calls this last.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import common

from kuzushiji import studies

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (ROOT / "README.md", ROOT / "benchmarks" / "README.md")
FIGURE = ROOT / "img" / "benchmarks.png"
CURRENT, OLD = "current", "old"  # releases of the data: the old one, before 5 February 2019, has other images
PUBLISHED_BY = "README of rois-codh/kmnist"
# Model, test accuracy on KMNIST and balanced test accuracy on K49 in %, each with the release it was measured on.
PUBLISHED = (
    ("4-nearest-neighbour baseline", (92.10, CURRENT), (83.65, CURRENT)),
    ("PCA + 4-kNN", (93.98, CURRENT), (86.80, CURRENT)),
    ("tuned SVM (RBF)", (92.82, OLD), (85.61, OLD)),
    ("Keras simple CNN", (94.63, CURRENT), (89.36, CURRENT)),
    ("PreActResNet-18", (97.82, OLD), (96.64, OLD)),
    ("PreActResNet-18 + input mixup", (98.41, OLD), (97.04, OLD)),
    ("PreActResNet-18 + manifold mixup", (98.83, OLD), (97.33, OLD)),
    ("ResNet18 + VGG ensemble", (98.90, OLD), None),
    ("DenseNet-100 (k=12)", None, (97.32, CURRENT)),
    ("Shake-Shake-26 2x96d, cutout 14", None, (98.29, CURRENT)),
    ("Shake-Shake-26 2x96d (S-S-I), cutout 14", (99.34, OLD), None),
)


@dataclass(frozen=True)
class Row:
    """One line of the table: its name, its label in the figure, and where results.json has it.

    `method` is what `study` calls it (None: the same name), `published` what PUBLISHED calls the same method.
    """

    name: str
    short: str
    study: str = "benchmarks"
    method: str | None = None
    published: str | None = None


ROWS = (
    Row("1 nearest neighbour", "1-NN"),
    Row("4 nearest neighbours", "4-NN", published="4-nearest-neighbour baseline"),
    Row("PCA, 60 components, 4 nearest neighbours", "PCA + 4-NN", published="PCA + 4-kNN"),
    Row("PCA, 50 components, SVM with RBF kernel", "PCA + SVM"),
    Row("simple CNN", "simple CNN", "baseline", "baseline", "Keras simple CNN"),
    Row("residual CNN of notebook 03", "residual CNN", "final", "final"),
)


def found(study, method, metric="test accuracy"):
    """The recorded rows of one measurement, by seed; empty where it was never made.

    Raises ValueError where rows of several settings are recorded: a study was changed, and its old rows stayed.
    """
    rows = [row for row in studies.rows(study) if (row["method"], row["metric"]) == (method, metric)]
    settings = {json.dumps(row["parameters"], sort_keys=True) for row in rows}
    if len(settings) > 1:
        raise ValueError(f"results.json has {len(settings)} settings of {study}, {method}: take the old rows out")
    return sorted(rows, key=lambda row: row["seed"])


def mean(values):
    values = [value for value in values if value is not None]
    return sum(values) / len(values) if values else None


def measured():
    """The rows of the table as dictionaries: row, values (%), seconds and memory; None where nothing is known."""
    rows = []
    for row in ROWS:
        seeds = found(row.study, row.method or row.name)
        rows.append(
            {
                "row": row,
                "values": [round(100 * seed["value"], 2) for seed in seeds],
                "training": seeds[0]["seconds"] if seeds else None,  # of a run that nothing disturbed
                "test": mean([seed.get("test seconds") for seed in seeds]),
                "memory": mean([seed.get("peak memory, MB") for seed in seeds]),
                "seeds": seeds,
            }
        )
    return rows


def timed_on(measurements):
    """The line below a table that says where its seconds were taken, from {method: recorded rows}.

    Seconds compare within one machine alone.
    """
    machines = {}
    for method, rows in measurements.items():
        for row in rows:
            if row["seconds"] is not None:
                machines.setdefault(row["machine"], {})[method] = None
    if len(machines) > 1:
        places = "; ".join(f"{', '.join(methods)}: {machine}" for machine, methods in machines.items())
        return f"\n\nSeconds from several machines, to be compared within one alone. {places}."
    return "".join(f"\n\nMachine of the seconds: {machine}." for machine in machines)


def percent(value):
    """A published figure, with an asterisk where it was measured on the old release."""
    return "" if value is None else f"{value[0]:.2f}" + ("\\*" if value[1] == OLD else "")


def seconds(value):
    return "" if value is None else "under 1" if value < 1 else f"{value:,.0f}"


def as_range(values, decimals=2):
    """One value, or lowest to highest over the seeds."""
    low, high = (f"{bound:.{decimals}f}" for bound in (min(values, default=0), max(values, default=0)))
    return "" if not values else low if low == high else f"{low} to {high}"


def measured_table():
    published = {name: kmnist for name, kmnist, _ in PUBLISHED}
    lines = [
        "| method | test accuracy, % | published, % | training, s | reading 10,000, s | memory, MB |",
        "| --- |" + " ---: |" * 5,
    ]
    rows = measured()
    for row in rows:
        memory = "" if row["memory"] is None else f"{row['memory']:,.0f}"
        cells = [row["row"].name, as_range(row["values"]), percent(published.get(row["row"].published))]
        cells += [seconds(row["training"]), seconds(row["test"]), memory]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + timed_on({row["row"].name: row["seeds"] for row in rows})


def published_table():
    lines = ["| published | KMNIST, % | K49, balanced, % |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {percent(kmnist)} | {percent(k49)} |" for name, kmnist, k49 in PUBLISHED]
    return "\n".join(lines)


MAP_METHODS = {"pca": "PCA", "lda": "LDA", "t-sne": "t-SNE", "umap": "UMAP", "supervised umap": "supervised UMAP"}
MAP_METRICS = ("trustworthiness", "kept neighbours", "10-NN accuracy", "global order")


def maps_table():
    """The study of maps: a row for each method, a column for each measure, to three decimals."""
    lines = [
        "| map of all 70,000 images | " + " | ".join(MAP_METRICS) + " | seconds |",
        "| --- |" + " ---: |" * (len(MAP_METRICS) + 1),
    ]
    measurements = {}
    for method, name in MAP_METHODS.items():
        cells = [found("maps", method, metric) for metric in MAP_METRICS]
        measurements[name] = cells[0]
        values = [as_range([row["value"] for row in rows], 3) for rows in cells]
        took = mean([row["seconds"] for row in cells[0]])
        lines.append("| " + " | ".join([name, *values, "under 1" if took is None else f"{took:.0f}"]) + " |")
    return "\n".join(lines) + timed_on(measurements)


def neighbours_table():
    """Test accuracy of the nearest-neighbour classifiers of notebook 02, the published figures beside them."""
    lines = ["| 4 nearest neighbours | test accuracy, % | published, % |", "| --- | ---: | ---: |"]
    for row in studies.rows("neighbours"):
        if row["metric"] == "test accuracy":
            published = row["parameters"].get("published, %", "")
            lines.append(f"| {row['method']} | {100 * row['value']:.2f} | {published} |")
    return "\n".join(lines)


NETWORKS = {"baseline": "Keras simple CNN (published: 94.63)", "sprint": "sprint", "final": "final residual network"}


def networks_table():
    """The trainings of notebook 03's networks over three seeds: epochs, seconds of the first seed, test accuracy."""
    lines = [
        "| network | epochs | training, s | test accuracy, %, by seed | mean, % |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    measurements = {name: found(study, study) for study, name in NETWORKS.items()}
    for name, rows in measurements.items():
        percents = [100 * row["value"] for row in rows]
        by_seed = ", ".join(f"{value:.2f}" for value in percents)
        epochs = rows[0]["parameters"]["epochs"]
        lines.append(f"| {name} | {epochs} | {rows[0]['seconds']:.0f} | {by_seed} | {mean(percents):.2f} |")
    return "\n".join(lines) + timed_on(measurements)


def options_table():
    """The options of both commands beside those of the W&B scripts, from the parsers themselves."""
    import cnn_kmnist
    import knn_kmnist

    parsers = {"knn_kmnist.py": knn_kmnist.new_parser(), "cnn_kmnist.py": cnn_kmnist.new_parser()}
    rows = {}
    for script, parser in parsers.items():
        for action in parser._actions:
            if action.dest != "help":
                rows.setdefault("/".join(action.option_strings), {})[script] = action
    lines = [
        "| option | W&B: kNN | here: kNN | W&B: CNN | here: CNN | what it does here |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for option, actions in rows.items():
        cells = []
        for script in parsers:
            theirs = common.WANDB_OPTIONS[script]
            cells.append(default(theirs[option]) if option in theirs else "")
            cells.append(default(actions[script].default) if script in actions else "")
        action = next(iter(actions.values()))
        text = action.help
        if action.default is not None:  # it stands in its own column
            text = text.replace(f" (default: {action.default})", "").replace(f"; default: {action.default})", ")")
        lines.append(f"| `{option}` | {' | '.join(cells)} | {text} |")
    return "\n".join(lines)


def default(value):
    """A default as the table shows it; options left out whose value depends on something else say how below."""
    return "see right" if value is None else "off" if value is False else "none" if value == "" else f"`{value}`"


def figure_data():
    """All that the figure shows, as JSON text."""
    points = [
        {
            "name": row["row"].short,
            "values": row["values"],
            "seconds": round((row["training"] or 0) + (row["test"] or 0), 1),
        }
        for row in measured()
        if row["values"]
    ]
    others = [[name, *kmnist] for name, kmnist, _ in PUBLISHED if kmnist]
    return json.dumps({"measured": points, "published": others}, ensure_ascii=False)


def digest():
    """What the figure carries in its metadata, so that it can be held against the results."""
    return hashlib.sha256(figure_data().encode()).hexdigest()


def figure_line():
    """The line of README that shows the figure, with its alt text."""
    shown = json.loads(figure_data())
    points = "; ".join(f"{p['name']} {as_range(p['values'])} % in {p['seconds']:.0f} s" for p in shown["measured"])
    alt = (
        "Left, test accuracy on KMNIST against seconds on a logarithmic scale"
        + (f": {points}" if points else ", still empty")
        + f". Right, {len(shown['published'])} published figures as marks, filled for the current release of the data "
        "and open for the old one, from 92.10 to 99.34 %."
    )
    return f"![{alt}](img/{FIGURE.name})"


def spread(positions, gap):
    """Positions moved apart to at least `gap`, in their order, for labels."""
    order = sorted(range(len(positions)), key=positions.__getitem__)
    moved = list(positions)
    for before, now in zip(order, order[1:], strict=False):
        moved[now] = max(moved[now], moved[before] + gap)
    return moved


def draw():
    """Draw the figure; returns the bytes of a PNG that carries `digest()` under the name "data"."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    from kuzushiji.figures import ACCENT, INK, PALETTE, QUIET, small_png, use_style

    use_style()
    shown = json.loads(figure_data())
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 5), sharey=True, width_ratios=(3, 2))

    def height(accuracy):  # even steps for halved errors
        return -np.log10(100 - np.asarray(accuracy, float))

    names = [row.short for row in ROWS]
    colours = dict(zip(names, (PALETTE[1], PALETTE[6], PALETTE[2], PALETTE[4], PALETTE[0], ACCENT), strict=True))
    markers = dict(zip(names, "sv^DoP", strict=True))
    label_heights = spread([float(height(point["values"]).mean()) for point in shown["measured"]], 0.055)
    for point, label_y in zip(shown["measured"], label_heights, strict=True):
        x, y, colour = max(point["seconds"], 1), height(point["values"]), colours[point["name"]]
        side, aligned = (1.35, "left") if x < 100 else (1 / 1.35, "right")
        left.plot([x, x * side], [y.mean(), label_y], color=QUIET, linewidth=0.8)
        left.plot([x] * len(y), y, markers[point["name"]], color=colour, markersize=9, markeredgecolor="white")
        text = f" {point['name']}  {as_range(point['values'])} "
        left.text(x * side, label_y, text, ha=aligned, va="center", fontsize=9, color=INK)
    left.set_xscale("log")
    left.set(xlim=(1, 3000), xlabel="seconds to train and, where recorded, to read the 10,000 test images")
    left.set_ylabel("test accuracy on KMNIST, %")

    heights = height([accuracy for _, accuracy, _ in shown["published"]])
    label_heights = spread(list(heights), 0.055)
    for (name, accuracy, release), y, text_y in zip(shown["published"], heights, label_heights, strict=True):
        current = release == CURRENT
        colour = INK if current else QUIET
        right.plot(0.04, y, "o", color=colour, markerfacecolor=colour if current else "white", markersize=7)
        right.plot([0.07, 0.12], [y, text_y], color=QUIET, linewidth=0.8)
        right.text(0.14, text_y, f"{accuracy:.2f}  {name}", va="center", fontsize=8.5, color=INK)
    right.plot([], [], "o", color=INK, label="current release")
    right.plot([], [], "o", color=QUIET, markerfacecolor="white", label="old release: other\nimages, do not compare")
    right.legend(loc="upper left", bbox_to_anchor=(0, -0.08), frameon=False, fontsize=8.5)
    right.set(xlim=(0, 1), xticks=[], xlabel=f"published ({PUBLISHED_BY})")
    right.spines["bottom"].set_visible(False)
    ticks = [90, 92, 94, 96, 97, 98, 99, 99.5]
    left.set_yticks(height(ticks), [f"{tick:g}" for tick in ticks])
    left.set_ylim(height(90.8), height(99.55))
    for ax in (left, right):
        ax.grid(axis="y", color="#e6e6e6")
        ax.set_axisbelow(True)
    right.tick_params(axis="y", length=0)
    fig.suptitle("Accuracy and seconds: the published baselines, run again on two CPU cores", x=0.02, ha="left")
    picture = small_png(fig, 256, data=digest())
    plt.close(fig)
    return picture


def drawn_digest():
    """The digest that img/benchmarks.png carries, or None."""
    from PIL import Image

    if not FIGURE.exists():
        return None
    with Image.open(FIGURE) as picture:
        return picture.info.get("data")


def tables():
    """The marked places of the documents that this fills: {name: text}."""
    return {
        "figure": figure_line(),
        "benchmarks": measured_table(),
        "published": published_table(),
        "maps": maps_table(),
        "neighbours": neighbours_table(),
        "networks": networks_table(),
        "options": options_table(),
    }


def rendered(texts):
    """The documents' texts with every table between its markers written anew; each table has one place in all."""
    for name, table in tables().items():
        place = re.compile(rf"(?<=<!-- results: {name} -->\n).*?(?=\n<!-- end -->)", flags=re.DOTALL)
        if (places := sum(len(place.findall(text)) for text in texts)) != 1:
            raise ValueError(f"{places} places of the documents are marked <!-- results: {name} -->, expected one")
        texts = [place.sub(lambda _, table=table: table, text) for text in texts]
    return texts


def main():
    texts = rendered([path.read_text(encoding="utf-8") for path in DOCUMENTS])
    for path, text in zip(DOCUMENTS, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    if drawn_digest() != digest():
        FIGURE.write_bytes(draw())
    print("README.md, benchmarks/README.md and img/benchmarks.png are drawn from benchmarks/results.json.")


if __name__ == "__main__":
    main()
