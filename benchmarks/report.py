"""Write the tables of README.md and benchmarks/README.md, and img/benchmarks.png, from benchmarks/results.json and from
what others published: `make benchmarks` calls this last.
"""

import hashlib
import json
import re
from statistics import fmean

import cnn_kmnist
import knn_kmnist
import numpy as np
from PIL import Image

from kuzushiji import studies
from kuzushiji.paths import CHECKOUT

DOCUMENTS = (CHECKOUT / "README.md", CHECKOUT / "benchmarks" / "README.md")
FIGURE = CHECKOUT / "img" / "benchmarks.png"
CURRENT, OLD = "current", "old"  # releases of the data: the old one, before 5 February 2019, has other images
# Model, test accuracy on KMNIST and balanced test accuracy on K49 in %, each with its release (rois-codh/kmnist).
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


SEEN = ", has seen the test images"
MAP_METHODS = ("50 components", "PCA", "LDA", "t-SNE", "t-SNE, random start", "UMAP", "supervised UMAP")
MAP_METHODS += ("t-SNE" + SEEN, "UMAP" + SEEN)
MAP_METRICS = ("trustworthiness", "kept neighbours", "10-NN accuracy", "global order")
NETWORKS = {"baseline": "Keras simple CNN (published: 94.63)", "sprint": "sprint", "final": "final residual network"}
# The options of the scripts of the W&B benchmark (wandb/kmnist) with their defaults; ours have these, and more.
WANDB_BOTH = {"-m/--model_name": "", "--data_home": "./dataset", "-q/--dry_run": False}
WANDB_KNN = {**WANDB_BOTH, "-k/--k_neighbors": 4, "--weights": "distance"}
WANDB_SIZES = {"--l1_size": 32, "--l2_size": 64, "--fc1_size": 128, "--dropout_1": 0.25, "--dropout_2": 0.5}
WANDB_RUN = {"-b/--batch_size": 128, "-e/--epochs": 10, "--num_classes": 10, "--quick_run": False}
WANDB_CNN = WANDB_BOTH | WANDB_SIZES | WANDB_RUN
# README's table: label in the figure, study and method (None: the same) in results.json, name in PUBLISHED.
ROWS = {
    "1 nearest neighbour": ("1-NN", "benchmarks", None, None),
    "4 nearest neighbours": ("4-NN", "benchmarks", None, "4-nearest-neighbour baseline"),
    "PCA, 60 components, 4 nearest neighbours": ("PCA + 4-NN", "benchmarks", None, "PCA + 4-kNN"),
    "PCA, 50 components, SVM with RBF kernel": ("PCA + SVM", "benchmarks", None, None),
    "simple CNN": ("simple CNN", "baseline", "baseline", "Keras simple CNN"),
    "residual CNN of notebook 03": ("residual CNN", "final", "final", None),
}


def found(study, method, metric="test accuracy"):
    """The recorded rows of one measurement, by seed; empty where it was never made.

    Raises ValueError where rows of several settings are recorded: a study was changed, and its old rows stayed.
    """
    rows = [row for row in studies.rows(study) if (row["method"], row["metric"]) == (method, metric)]
    settings = {json.dumps(row["parameters"], sort_keys=True) for row in rows}
    if len(settings) > 1:
        raise ValueError(f"results.json has {len(settings)} settings of {study}, {method}: take the old rows out")
    return sorted(rows, key=lambda row: row["seed"])


def measured():
    """The rows of README's table that have been measured: {name: recorded rows by seed}."""
    rows = {name: found(study, method or name) for name, (_, study, method, _) in ROWS.items()}
    return {name: seeds for name, seeds in rows.items() if seeds}


def table(head, rows, alignment="---:"):
    """A Markdown table of texts, the first column set to the left."""
    lines = [head, ["---"] + [alignment] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def timed_on(measurements):
    """The line below a table that says where its seconds were taken, from {method: recorded rows}."""
    machines = {}
    for method, rows in measurements.items():
        for machine in {row["machine"] for row in rows if row["seconds"] is not None}:
            machines.setdefault(machine, []).append(method)
    if len(machines) > 1:
        places = "; ".join(f"{', '.join(methods)}: {machine}" for machine, methods in machines.items())
        return f"\n\nSeconds from several machines, to be compared within one alone. {places}."
    return "".join(f"\n\nMachine of the seconds: {machine}." for machine in machines)


def percent(published):
    """A published figure, with an asterisk where it was measured on the old release."""
    return f"{published[0]:.2f}" + ("\\*" if published[1] == OLD else "") if published else ""


def seconds(value):
    return "" if value is None else "under 1" if value < 1 else f"{value:,.0f}"


def as_range(values, decimals=2):
    """One value, or lowest to highest over the seeds."""
    return " to ".join(dict.fromkeys(f"{bound:.{decimals}f}" for bound in (min(values), max(values))))


def measured_table():
    head = ["method", "test accuracy, %", "published, %", "training, s", "reading 10,000, s", "memory, MB"]
    published, rows = {name: kmnist for name, kmnist, _ in PUBLISHED}, []
    for name, seeds in measured().items():
        first, memory = seeds[0], seeds[0].get("peak memory, MB")  # the first: of a run that nothing disturbed
        accuracy = as_range([100 * seed["value"] for seed in seeds])
        times = seconds(first["seconds"]), seconds(first.get("test seconds"))
        rows.append([name, accuracy, percent(published.get(ROWS[name][-1])), *times, f"{memory:,}" if memory else ""])
    return table(head, rows) + timed_on(measured())


def published_table():
    rows = [[name, percent(kmnist), percent(k49)] for name, kmnist, k49 in PUBLISHED]
    return table(["published", "KMNIST, %", "K49, balanced, %"], rows)


def maps_table():
    """The study of maps: a row for each method, a column for each measure, to three decimals."""
    rows, measurements = [], {}
    for method in MAP_METHODS:
        cells = [found("maps", method, metric) for metric in MAP_METRICS]
        measurements[method] = cells[0]
        took = [row["seconds"] for row in cells[0] if row["seconds"]]
        ranges = [as_range([row["value"] for row in cell], 3) for cell in cells]
        rows.append([method, *ranges, seconds(fmean(took) if took else None)])
    return table(["map of all images", *MAP_METRICS, "seconds"], rows) + timed_on(measurements)


def neighbours_table():
    """Test accuracy of the nearest-neighbour classifiers of notebook 02, the published figures beside them."""
    rows = [
        [row["method"], f"{100 * row['value']:.2f}", row["parameters"].get("published, %", "")]
        for row in studies.rows("neighbours")
    ]
    return table(["4 nearest neighbours", "test accuracy, %", "published, %"], rows)


def networks_table():
    """The trainings of notebook 03's networks over three seeds: epochs, seconds of the first seed, test accuracy."""
    head = ["network", "epochs", "training, s", "test accuracy, %, by seed", "mean, %"]
    measurements, rows = {name: found(study, study) for study, name in NETWORKS.items()}, []
    for name, seeds in measurements.items():
        percents = [100 * row["value"] for row in seeds]
        by_seed = ", ".join(f"{value:.2f}" for value in percents)
        epochs, took = str(seeds[0]["parameters"]["epochs"]), seconds(seeds[0]["seconds"])
        rows.append([name, epochs, took, by_seed, f"{fmean(percents):.2f}"])
    return table(head, rows) + timed_on(measurements)


def options_table():
    """The options of both commands beside those of the W&B scripts, from the parsers themselves."""
    columns, options, rows = [], {}, []
    for module, theirs in ((knn_kmnist, WANDB_KNN), (cnn_kmnist, WANDB_CNN)):
        actions = {"/".join(action.option_strings): action for action in module.new_parser()._actions[1:]}  # not -h
        columns += [theirs, {option: action.default for option, action in actions.items()}]
        options |= actions
    for option, action in options.items():
        cells = [default(column[option]) if option in column else "" for column in columns]
        text = action.help.replace(" (default: %(default)s)", "").replace("; default: %(default)s)", ")")
        rows.append([f"`{option}`", *cells, text])  # a default stands in its own column
    head = ["option", "W&B: kNN", "here: kNN", "W&B: CNN", "here: CNN", "what it does here"]
    return table(head, rows, "---")


def default(value):
    """A default as the table shows it; options left out whose value depends on something else say how below."""
    return "see right" if value is None else "off" if value is False else "none" if value == "" else f"`{value}`"


def figure_data():
    """All that the figure shows: "measured", a dictionary for each of ROWS, and "published"."""
    points = [
        {
            "name": ROWS[name][0],
            "values": [round(100 * seed["value"], 2) for seed in seeds],
            "seconds": round(seeds[0]["seconds"] + seeds[0].get("test seconds", 0), 1),
        }
        for name, seeds in measured().items()
    ]
    return {"measured": points, "published": [[name, *kmnist] for name, kmnist, _ in PUBLISHED if kmnist]}


def digest():
    """What the figure carries in its metadata, so that it can be held against the results."""
    return hashlib.sha256(json.dumps(figure_data(), ensure_ascii=False).encode()).hexdigest()


def figure_line():
    """The line of README that shows the figure, with its alt text."""
    shown = figure_data()
    points = "; ".join(f"{p['name']} {as_range(p['values'])} % in {p['seconds']:.0f} s" for p in shown["measured"])
    alt = (
        f"Left, test accuracy on KMNIST against seconds on a logarithmic scale: {points}. Right, "
        f"{len(shown['published'])} published figures as marks, filled for the current release of the data and open "
        "for the old one, from 92.10 to 99.34 %."
    )
    return f"![{alt}](img/{FIGURE.name})"


def height(accuracy):  # even steps for halved errors
    return -np.log10(100 - np.asarray(accuracy, float))


def spread(heights, gap=0.055):
    """Heights moved up to at least `gap` apart, in their order, for labels."""
    moved = np.array(heights)
    order = moved.argsort(kind="stable")
    for before, now in zip(order, order[1:], strict=False):
        moved[now] = max(moved[now], moved[before] + gap)
    return moved


def draw():
    """Draw the figure; returns the bytes of a PNG that carries `digest()` under the name "data"."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from kuzushiji.figures import ACCENT, INK, PALETTE, QUIET, small_png, use_style

    use_style()
    shown = figure_data()
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 5), sharey=True, width_ratios=(3, 2))
    colours = (PALETTE[1], PALETTE[6], PALETTE[2], PALETTE[4], PALETTE[0], ACCENT)
    styles = dict(zip([row[0] for row in ROWS.values()], zip("sv^DoP", colours, strict=True), strict=True))
    label_heights = spread([height(point["values"]).mean() for point in shown["measured"]])
    for point, label_y in zip(shown["measured"], label_heights, strict=True):
        x, y, (marker, colour) = max(point["seconds"], 1), height(point["values"]), styles[point["name"]]
        side, aligned = (1.35, "left") if x < 100 else (1 / 1.35, "right")
        left.plot([x, x * side], [y.mean(), label_y], color=QUIET, linewidth=0.8)
        left.plot([x] * len(y), y, marker, color=colour, markersize=9, markeredgecolor="white")
        text = f" {point['name']}  {as_range(point['values'])} "
        left.text(x * side, label_y, text, ha=aligned, va="center", fontsize=9, color=INK)
    left.set(xscale="log", xlim=(1, 3000), ylabel="test accuracy on KMNIST, %")
    left.set_xlabel("seconds to train and, where recorded, to read the 10,000 test images")

    heights = height([accuracy for _, accuracy, _ in shown["published"]])
    for (name, accuracy, release), y, text_y in zip(shown["published"], heights, spread(heights), strict=True):
        current = release == CURRENT
        colour = INK if current else QUIET
        right.plot(0.04, y, "o", color=colour, markerfacecolor=colour if current else "white", markersize=7)
        right.plot([0.07, 0.12], [y, text_y], color=QUIET, linewidth=0.8)
        right.text(0.14, text_y, f"{accuracy:.2f}  {name}", va="center", fontsize=8.5, color=INK)
    right.plot([], [], "o", color=INK, label="current release")
    right.plot([], [], "o", color=QUIET, markerfacecolor="white", label="old release: other\nimages, do not compare")
    right.legend(loc="upper left", bbox_to_anchor=(0, -0.08), frameon=False, fontsize=8.5)
    right.set(xlim=(0, 1), xticks=[], xlabel="published (README of rois-codh/kmnist)")
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


def rendered(texts):
    """The documents' texts with every table between its markers written anew; each table has one place in all."""
    tables = {
        "figure": figure_line(),
        "benchmarks": measured_table(),
        "published": published_table(),
        "maps": maps_table(),
        "neighbours": neighbours_table(),
        "networks": networks_table(),
        "options": options_table(),
    }
    for name, written in tables.items():
        place = re.compile(rf"(?<=<!-- results: {name} -->\n).*?(?=\n<!-- end -->)", flags=re.DOTALL)
        if (places := sum(len(place.findall(text)) for text in texts)) != 1:
            raise ValueError(f"{places} places of the documents are marked <!-- results: {name} -->, expected one")
        texts = [place.sub(lambda _, written=written: written, text) for text in texts]
    return texts


def main():
    texts = rendered([path.read_text(encoding="utf-8") for path in DOCUMENTS])
    for path, text in zip(DOCUMENTS, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    if Image.open(FIGURE).info.get("data") != digest():
        FIGURE.write_bytes(draw())
    print("README.md, benchmarks/README.md and img/benchmarks.png are drawn from benchmarks/results.json.")


if __name__ == "__main__":
    main()
