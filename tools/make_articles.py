r"""Write the companion articles (`make articles`): articles/*.md, their figures in img/, and pages in build/articles/.

A source in articles/src/ is Markdown with Jinja expressions, which fetch every number from the records of a study or a
notebook's stored outputs, every figure and every piece of code from a notebook, which is named by its number:

    {{ mean("maps", "t-SNE", "10-NN accuracy") | percent(1) }}     mean over the seeds of a study's rows, as 95.0
    {{ values("maps", "t-SNE", "10-NN accuracy") | percent(1) }}   from lowest to highest: 94.8 to 95.1
    {{ row("maps", "t-SNE", "10-NN accuracy").parameters }}        what else is recorded, of the first seed
    {{ seconds("sprint", "sprint", "test accuracy") | number }}    what each seed took
    {{ timed_on("sprint", "baseline") }}                           a sentence on the machine, for seconds of two studies
    {{ printed("02", "keep (\\d+) %") }}                           what a cell printed: the group of a pattern
    {{ said("02", "about (\\d+) minutes") }}                       the same in the notebook's prose
    {{ code("02", "covariance =") }}                               the code cell that contains this text
    {{ figure("02_trust", "Caption.") }}                           the figure of the cell with the tag figure:02_trust
    {{ holds(a > b, "what the sentence claims") }}                 nothing, or an error where that is no longer true

The pages are plain HTML of the kind that Medium imports. With BASE_URL, the address under which the repository's files
can be read (such as https://github.com/owner/name/raw/main), images and links have absolute addresses; without it they
lead to the files of this checkout.
"""

import json
import os
import re
import statistics
import sys
from pathlib import Path

import jinja2
import mistune
import nbformat
from run_notebooks import tagged_figures

from kuzushiji.files import replacing
from kuzushiji.studies import rows

ROOT = Path(__file__).resolve().parent.parent
STYLE = (
    "body { max-width: 44em; margin: 3em auto; padding: 0 1em; font: 1.1em/1.6 Georgia, 'Noto Serif CJK JP', serif } "
    "img { max-width: 100% } figure { margin: 2em 0 } figcaption { font-size: .85em; color: #555; text-align: center } "
    "pre { padding: 1em; overflow-x: auto; background: #f4f4f4; font-size: .8em; line-height: 1.4 }"
)


class ArticleError(Exception):
    """An article asks for something that its source, a notebook or the results file, does not have."""


def the_one(found, what):
    """The only element of a list; ArticleError where there is another number of them."""
    if len(found) != 1:
        raise ArticleError(f"{what}: found {len(found)}, expected one")
    return found[0]


def notebook(number):
    """The notebook with this number, such as "02"."""
    pattern = f"notebooks/{number}_*.ipynb"
    return nbformat.read(the_one(sorted(ROOT.glob(pattern)), pattern), as_version=4)


def sources(number, kind):
    """The texts of all "code" or all "markdown" cells."""
    return [cell.source for cell in notebook(number).cells if cell.cell_type == kind]


def seeds(study, method, metric):
    """The recorded rows of a measurement, one for each seed."""
    found = [row for row in rows(study) if (row["method"], row["metric"]) == (method, metric)]
    settings = {json.dumps(row["parameters"], sort_keys=True) for row in found}
    the_one(list(settings), f"settings of {method!r}, {metric!r} in the study {study}")
    return sorted(found, key=lambda row: row["seed"])


def row(study, method, metric):
    return seeds(study, method, metric)[0]


def values(study, method, metric):
    return [row["value"] for row in seeds(study, method, metric)]


def mean(study, method, metric):
    return statistics.fmean(values(study, method, metric))


def seconds(study, method, metric):
    return [row["seconds"] for row in seeds(study, method, metric)]


def timed_on(*studies):
    """A sentence on the machine whose seconds a passage compares, which has to be one for all rows of the studies."""
    machines = {row["machine"] for study in studies for row in rows(study) if row["seconds"] is not None}
    machine = the_one(list(machines), f"machines that timed {' and '.join(studies)}, whose seconds do not compare")
    unknown = "Which machine took these seconds was not recorded."
    return unknown if machine == "not recorded" else f"These seconds were taken on {machine}."


def printed(number, pattern, first=False):
    """What cells printed: the group of `pattern`, or its groups; the same wherever it is found, or the `first`."""
    outputs = [output for cell in notebook(number).cells for output in cell.get("outputs", [])]
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    found = list(dict.fromkeys(re.findall(pattern, "\n".join(texts))))
    return the_one(found[:1] if first else found, f"texts like {pattern!r} in the outputs of notebook {number}")


def said(number, pattern):
    prose = "\n\n".join(sources(number, "markdown")).replace("\n", " ")
    return the_one(list(dict.fromkeys(re.findall(pattern, prose))), f"texts like {pattern!r} in notebook {number}")


def code(number, part):
    found = [source for source in sources(number, "code") if part in source]
    return f"```python\n{the_one(found, f'code cells with {part!r} in notebook {number}')}\n```"


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
        figures = tagged_figures(notebook(name[:2]))
        if name not in figures:
            raise ArticleError(f"notebook {name[:2]} has no figure tagged figure:{name}")
        alt, images[f"{name}.png"] = figures[name]
        escaped = re.sub(r"([][])", r"\\\1", alt)
        return f"![{escaped}](../img/{name}.png)\n\n*{caption}*"

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


def page(markdown, base_url):
    """The article as one plain HTML page, whose links and images begin with `base_url`."""
    body = mistune.html(re.sub(r"<!--.*?-->", "", markdown).replace("](../", f"]({base_url}/"))
    figures = r"<p>(<img [^>]*>)</p>\n<p><em>(.*?)</em></p>"
    body = re.sub(figures, r"<figure>\1<figcaption>\2</figcaption></figure>", body, flags=re.DOTALL)
    title = re.search(r"<h1>(.*?)</h1>", body)[1]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    style = f"<style>{STYLE}</style>"
    return f'<!doctype html>\n<html lang="en">\n{head}{style}\n<article>\n{body}</article>\n</html>\n'


def main():
    base_url = os.environ.get("BASE_URL", "").strip().rstrip("/") or "../.."
    failures = []
    for source in sorted((ROOT / "articles" / "src").glob("*.md")):
        try:
            text, images = render(source)
        except ArticleError as error:
            failures.append(f"articles/src/{source.name} cannot be written. {error}")
            continue
        files = {ROOT / "img" / name: content for name, content in images.items()}
        files[ROOT / "articles" / source.name] = text.encode()
        files[ROOT / "build" / "articles" / f"{source.stem}.html"] = page(text, base_url).encode()
        for path, content in files.items():
            with replacing(path) as temporary:
                temporary.write_bytes(content)
        print(f"articles/{source.name}: {len(images)} figures; its page: build/articles/{source.stem}.html")
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
