"""The course as a website: `make site` builds it into _build/site, without executing a lesson and without a network.

The source folder is the root of the project, so the lessons and papers are pages where they lie and the links between
them are the same on the site, on GitHub and in JupyterLab. Nor does a reader need one: MathJax, which draws the
formulas, is copied into the site from an installed package.
"""

import importlib.util
import json
import os
import re
import shutil
import sys
import tomllib
from pathlib import Path

project = "Recurrent Neural Networks, from the Neuron to Sequence to Sequence"
author = "The recurrent-course authors"
copyright = "2026, The recurrent-course authors; text and figures CC BY 4.0, code MIT"

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the reference is that of this copy

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
autodoc_default_options = {"members": True, "show-inheritance": True, "ignore-module-all": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
suppress_warnings = ["ref.python"]  # a word in the place of a type, such as symbols, names several attributes
root_doc = "docs/index"
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md", "notebooks/*.ipynb", "datasets/*.md"]
# Sphinx walks through every folder that is not excluded here.
exclude_patterns = ["_build", ".*", "**/.*", "my_notebooks", "course_lib", "tests", "tools", "*.egg-info"]

nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4

html_theme = "sphinx_book_theme"
html_title = "Recurrent Neural Networks"
html_theme_options = {
    "use_download_button": False,
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
    "navbar_persistent": [],  # or there is a second search box
}
html_copy_source = False
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"chtml": {"scale": 1}}  # that of the package: without one, MyST speaks to version 4

# Buttons that open a lesson on Binder or on a hub, once pyproject.toml says under [project.urls] where the course is.
# A hub of one's own is named by the variable COURSE_HUB.
with (ROOT / "pyproject.toml").open("rb") as file:
    REPOSITORY = tomllib.load(file)["project"].get("urls", {}).get("Repository", "")
if REPOSITORY:
    html_theme_options |= {
        "repository_url": REPOSITORY,
        "repository_branch": "main",
        "use_repository_button": True,
        "launch_buttons": {"binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab"},
    }
    if os.environ.get("COURSE_HUB"):
        html_theme_options["launch_buttons"]["jupyterhub_url"] = os.environ["COURSE_HUB"]
html_extra_path = ["site"]  # an index.html that leads from the top of the site to its front page

# The library first, then the frameworks. A lesson's own modules are no reference for anybody.
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for folder in ("course_lib", "course_lib/[!tl]*", "course_lib/tasks", "course_lib/teaching")
    for path in sorted(ROOT.glob(f"{folder}/*.py"))
    if (path.name != "__main__.py" and not path.name.startswith("_")) or path.name == "__init__.py"
]

ANCHOR = re.compile(r'^<a id="([\w-]+)"></a>[ \t]*$', re.MULTILINE)
DISPLAY = re.compile(r"^\$\$(.+?)\$\$$", re.MULTILINE | re.DOTALL)
HEADING_LINK = re.compile(r"(\]\((?:[^()\s#]+\.ipynb)?#)([^()\s]+)\)")


def as_myst(markdown, lesson=False):
    """Return Markdown with its anchors and links in the form that Sphinx can check.

    An explicit anchor becomes a target of MyST. JupyterLab names a heading by its words with hyphens between them;
    here, as on GitHub, they are in lower case and without punctuation.
    """
    markdown = ANCHOR.sub(r"(\1)=", markdown)
    # Sphinx puts formulas of several lines into a split environment, in which MathJax takes no number.
    markdown = DISPLAY.sub(
        lambda m: (
            f"\\begin{{equation}}\n{m[1].strip()}\n\\end{{equation}}" if "\\tag" in m[1] and "\\\\" in m[1] else m[0]
        ),
        markdown,
    )
    if lesson:
        markdown = HEADING_LINK.sub(lambda m: m[1] + re.sub(r"[^\w-]", "", m[2].lower()) + ")", markdown)
    return markdown


def reference(module):
    """Return a section for one module, with all that it defines."""
    return f"\n## {module}\n\n```{{eval-rst}}\n.. automodule:: {module}\n```\n"


def section_of(notebook, heading):
    """Return the cells of the section whose heading begins so, its title without that beginning first."""
    cells, inside = [], False
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and text.startswith("## "):
            inside = text.startswith(f"## {heading}")
        if inside:
            cells.append((cell["cell_type"], text))
    return cells


def collected(heading):
    """Return one section of each lesson that has it, lesson after lesson, as a page beside the lessons' folder."""
    parts = []
    for path in sorted((ROOT / "notebooks").glob("[0-9p][0-9]_*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = section_of(notebook, heading)
        if not cells:
            continue
        title = "".join(notebook["cells"][0]["source"]).split("\n")[0].removeprefix("# ")
        parts.append(f"\n## [{title}](../notebooks/{path.name})\n")
        for kind, text in cells:
            if kind == "code":
                parts.append(f"```python\n{text}\n```\n")
                continue
            text = re.sub(r"^## .*\n?", "", text)
            text = re.sub(r"\]\((?=[0-9p][0-9]_\w+\.ipynb)", "](../notebooks/", text)
            text = re.sub(r"\]\(\.\./docs/", "](", text)
            parts.append(re.sub(r"\]\(#[^)]*\)", f"](../notebooks/{path.name})", text) + "\n")
    return "\n".join(parts)


COLLECTED = {"docs/recipes": "Use it", "docs/terms": "Words you can now use"}


def read_source(app, docname, source):
    """Prepare each page as it is read; a lesson arrives as the JSON of its notebook."""
    if not docname.startswith("notebooks/"):
        source[0] = as_myst(source[0])
        if docname == "docs/api":
            source[0] += "".join(map(reference, MODULES))
        if docname in COLLECTED:
            source[0] += collected(COLLECTED[docname])
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = as_myst("".join(cell["source"]), lesson=True)
    source[0] = json.dumps(notebook)


def copies_on_binder(app, page, template, context, doctree):
    """Let launch buttons open the reader's copy of a lesson, which an image makes when it is built."""
    for button in context.get("header_buttons", ()):
        for entry in button.get("buttons", [button]):
            if "url" in entry:
                entry["url"] = entry["url"].replace("lab/tree/notebooks/", "lab/tree/my_notebooks/")


def copy_mathjax(app, error):
    """Copy what draws formulas into the site: of the package's 24 MB the program and its fonts."""
    if error is None and app.builder.format == "html":
        package = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
        target, fonts = Path(app.outdir) / "_static" / "mathjax", Path("output", "chtml", "fonts")
        shutil.copytree(package / fonts, target / fonts, dirs_exist_ok=True)
        shutil.copy(package / "tex-chtml.js", target)


def setup(app):
    app.connect("source-read", read_source)
    app.connect("html-page-context", copies_on_binder, priority=900)
    app.connect("build-finished", copy_mathjax)
