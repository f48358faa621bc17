r"""Write the companion articles (`make articles`): articles/*.md, their figures in img/, and pages in build/articles/.

A source in articles/src/ is Markdown with Jinja expressions. They fetch every number from the records of a study or a
notebook's stored outputs, every figure and every piece of code from a notebook; a notebook is named by its number:

    {{ mean("maps", "t-sne", "10-NN accuracy") | percent(1) }}     mean over the seeds of a study's rows, as 95.0
    {{ values("maps", "t-sne", "10-NN accuracy") | percent(1) }}   from lowest to highest: 94.8 to 95.1
    {{ row("maps", "t-sne", "10-NN accuracy").parameters }}        what else is recorded, of the first seed
    {{ seconds("sprint", "sprint", "test accuracy") | number }}    what each seed took
    {{ timed_on("sprint", "baseline") }}                           a sentence on the machine, for seconds of two studies
    {{ printed("02", "keep (\\d+) %") }}                           what a cell printed: the group of a pattern
    {{ said("02", "about (\\d+) minutes") }}                       the same in the notebook's prose
    {{ code("02", "covariance =") }}                               the code cell that contains this text
    {{ figure("02_trust", "Caption.") }}                           the figure of the cell with the tag figure:02_trust
    {{ holds(a > b, "what the sentence claims") }}                 nothing, or an error where that is no longer true

The pages are plain HTML of the kind that Medium imports. With BASE_URL, the address under which the repository's files
can be read (such as https://github.com/owner/name/blob/main), images and links to files are absolute. Without it a page
is a preview: images are embedded, and a link to a file becomes its path as text.
"""

import base64
import functools
import html
import json
import os
import re
import statistics
import sys
from pathlib import Path

import jinja2
import mistune
from run_notebooks import tagged_figures

from kuzushiji.files import replacing
from kuzushiji.studies import rows

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
ARTICLES = ROOT / "articles"
IMG = ROOT / "img"
BUILD = ROOT / "build" / "articles"

STYLE = (
    "body { max-width: 44em; margin: 3em auto; padding: 0 1em; font: 1.1em/1.6 Georgia, 'Noto Serif CJK JP', serif } "
    "img { max-width: 100% } figure { margin: 2em 0 } figcaption { font-size: .85em; color: #555; text-align: center } "
    "pre { padding: 1em; overflow-x: auto; background: #f4f4f4; font-size: .8em; line-height: 1.4 }"
)


class ArticleError(Exception):
    """An article asks for something that its source, a notebook or the results file, does not have."""


# What the expressions in a source can call


@functools.cache
def cells(number):
    """The cells of the notebook with this number, such as "02"."""
    paths = sorted(NOTEBOOKS.glob(f"{number}_*.ipynb"))
    if len(paths) != 1:
        raise ArticleError(f"notebooks/{number}_*.ipynb: found {len(paths)} notebooks, expected one")
    return json.loads(paths[0].read_text(encoding="utf-8"))["cells"]


def outputs(number):
    return [output for cell in cells(number) for output in cell.get("outputs", [])]


def sources(number, kind):
    """The texts of all "code" or all "markdown" cells."""
    return ["".join(cell["source"]) for cell in cells(number) if cell["cell_type"] == kind]


def seeds(study, method, metric):
    """The recorded rows of a measurement, one for each seed."""
    found = [row for row in rows(study) if (row["method"], row["metric"]) == (method, metric)]
    settings = {json.dumps(row["parameters"], sort_keys=True) for row in found}
    if len(settings) != 1:
        what = f"{method!r}, {metric!r} with {len(settings)} settings"
        raise ArticleError(f"benchmarks/results.json: the study {study} has {what}, expected one")
    return sorted(found, key=lambda row: row["seed"])


def row(study, method, metric):
    """The row of the first seed: parameters, history, what else is recorded."""
    return seeds(study, method, metric)[0]


def values(study, method, metric):
    return [row["value"] for row in seeds(study, method, metric)]


def mean(study, method, metric):
    return statistics.fmean(values(study, method, metric))


def seconds(study, method, metric):
    return [row["seconds"] for row in seeds(study, method, metric)]


def timed_on(*studies):
    """A sentence on the machine whose seconds a passage compares, which has to be one for all rows of the studies."""
    machines = sorted({row["machine"] for study in studies for row in rows(study) if row["seconds"] is not None})
    if len(machines) != 1:
        raise ArticleError(f"{' and '.join(studies)}: seconds from {len(machines)} machines, which do not compare")
    unknown = "Which machine took these seconds was not recorded."
    return unknown if machines == ["not recorded"] else f"These seconds were taken on {machines[0]}."


def the_one(pattern, text, where, first=False):
    """The group of `pattern` in `text`, or its groups; what is found in several places must be the same, or `first`."""
    found = list(dict.fromkeys(re.findall(pattern, text)))
    if not found or len(found) > 1 and not first:
        raise ArticleError(f"{where}: found {len(found)} different texts like {pattern!r}, expected one")
    return found[0]


def printed(number, pattern, first=False):
    texts = ["".join(output.get("text") or output.get("data", {}).get("text/plain", "")) for output in outputs(number)]
    return the_one(pattern, "\n".join(texts), f"outputs of notebook {number}", first)


def said(number, pattern):
    return the_one(pattern, "\n\n".join(sources(number, "markdown")).replace("\n", " "), f"prose of notebook {number}")


def code(number, part):
    """The code cell that contains `part`, as a block of code."""
    found = [source for source in sources(number, "code") if part in source]
    if len(found) != 1:
        raise ArticleError(f"notebook {number} has {len(found)} code cells with {part!r}, expected one")
    return f"```python\n{found[0]}\n```"


# How they are written


def each_or_range(written):
    """A filter for a number, or for a list of them: lowest to highest, or one where they are written the same."""

    def write(numbers, *arguments):
        ends = [numbers] if isinstance(numbers, int | float) else [min(numbers), max(numbers)]
        return " to ".join(dict.fromkeys(written(end, *arguments) for end in ends))

    return write


FILTERS = {
    "number": each_or_range(lambda value, digits=0: f"{value:,.{digits}f}"),
    "percent": each_or_range(lambda value, digits=0: f"{100 * value:.{digits}f}"),
    "minutes": each_or_range(lambda seconds: f"{seconds / 60:.0f}"),
    "count": lambda text: int(text.replace(",", "")),
}


def render(source):
    """The Markdown of an article, and its figures as {file name in img/: bytes}.

    Raises ArticleError, which names what is missing, or every claim that no longer holds.
    """
    images, broken = {}, []

    def figure(name, caption):
        number = name[:2]
        try:
            alt, images[f"{name}.png"] = tagged_figures({"cells": cells(number)})[name]
        except (KeyError, ValueError) as error:
            raise ArticleError(f"notebook {number} has no figure tagged figure:{name} ({error})") from error
        alt = re.sub(r"([][])", r"\\\1", alt)
        return f"![{alt}](../img/{name}.png)\n\n*{caption}*"

    def holds(claim, meaning):
        if not claim:
            broken.append(f"no longer true: {meaning}")
        return ""

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters |= FILTERS
    functions = (row, values, mean, seconds, timed_on, printed, said, code, figure, holds)
    environment.globals |= {function.__name__: function for function in functions}
    try:
        text = environment.from_string(source.read_text(encoding="utf-8")).render()
    except jinja2.TemplateError as error:
        raise ArticleError(f"{type(error).__name__}: {error}") from error
    if broken:
        raise ArticleError("; ".join(broken))
    note = f"<!-- Written by `make articles` from articles/src/{source.name}: change that, not this. -->\n\n"
    return note + text, images


# The page


class Page(mistune.HTMLRenderer):
    """Markdown to plain HTML: files of the repository get absolute addresses, or are embedded where there is none."""

    def __init__(self, base_url):
        super().__init__()
        self.base_url = base_url

    def address(self, url):
        """Absolute address of a file; `url` is relative to articles/."""
        path = os.path.relpath(os.path.normpath(ARTICLES / url), ROOT).replace(os.sep, "/")
        # GitHub shows a page under /blob/; the file itself needs the ending
        raw = "?raw=true" if "/blob/" in self.base_url and path.endswith(".png") else ""
        return f"{self.base_url}/{path}{raw}" if self.base_url else path

    def link(self, text, url, title=None):
        if not url.startswith(("http://", "https://")):
            if not self.base_url:
                return f"{text} (<code>{html.escape(self.address(url))}</code>)"
            url = self.address(url)
        return super().link(text, url, title)

    def image(self, text, url, title=None):
        if self.base_url:
            source = self.address(url)
        else:
            source = "data:image/png;base64," + base64.b64encode((ARTICLES / url).read_bytes()).decode()
        return f'<img src="{source}" alt="{html.escape(html.unescape(text))}">'

    def block_code(self, code, info=None):
        return f"<pre><code>{html.escape(code, quote=False)}</code></pre>\n"

    def block_html(self, html):
        return ""  # the note at the top


def page(markdown, base_url=""):
    """The article as one HTML page."""
    body = mistune.create_markdown(renderer=Page(base_url))(markdown)
    body = re.sub(
        r"<p>(<img [^>]*>)</p>\n<p><em>(.*?)</em></p>",
        r"<figure>\1<figcaption>\2</figcaption></figure>",
        body,
        flags=re.DOTALL,
    )
    title = re.search(r"<h1>(.*?)</h1>", body)[1]
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{STYLE}</style>\n</head>\n'
        f"<body>\n<article>\n{body}</article>\n</body>\n</html>\n"
    )


def main():
    base_url = os.environ.get("BASE_URL", "").strip().rstrip("/")
    if base_url and not base_url.startswith(("http://", "https://")):
        sys.exit(f"BASE_URL is {base_url!r}: expected an address that starts with https://, or nothing.")
    failures = []
    for source in sorted((ARTICLES / "src").glob("*.md")):
        try:
            text, images = render(source)
        except ArticleError as error:
            failures.append(f"articles/src/{source.name} cannot be written. {error}")
            continue
        for name, content in images.items():
            with replacing(IMG / name) as temporary:
                temporary.write_bytes(content)
        for path, content in (
            (ARTICLES / source.name, text),
            (BUILD / f"{source.stem}.html", page(text, base_url)),
        ):
            with replacing(path) as temporary:
                temporary.write_text(content, encoding="utf-8")
        print(f"articles/{source.name}: {len(images)} figures")
    print("Pages: build/articles/")
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
