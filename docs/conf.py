"""The course as a website: `make site` builds it into _build/site, without executing a lesson and without a network.

The source folder is the root of the project, so the lessons and papers are pages where they lie and the links between
them are the same on the site, on GitHub and in JupyterLab. Only formulas need a network, and only when read: the
browser fetches MathJax to draw them, and shows their LaTeX source without it.
"""

import json
import re
import sys
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
html_theme_options = {"use_download_button": False, "home_page_in_toc": True, "show_navbar_depth": 1}
html_copy_source = False
html_extra_path = ["site"]  # an index.html that leads from the top of the site to its front page

# The library first, then the frameworks. A lesson's own modules are no reference for anybody.
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for folder in ("course_lib", "course_lib/[!tl]*", "course_lib/tasks", "course_lib/teaching")
    for path in sorted(ROOT.glob(f"{folder}/*.py"))
    if (path.name != "__main__.py" and not path.name.startswith("_")) or path.name == "__init__.py"
]

ANCHOR = re.compile(r'^<a id="([\w-]+)"></a>[ \t]*$', re.MULTILINE)
HEADING_LINK = re.compile(r"(\]\((?:[^()\s#]+\.ipynb)?#)([^()\s]+)\)")


def as_myst(markdown, lesson=False):
    """Return Markdown with its anchors and links in the form that Sphinx can check.

    An explicit anchor becomes a target of MyST. JupyterLab names a heading by its words with hyphens between them;
    here, as on GitHub, they are in lower case and without punctuation.
    """
    markdown = ANCHOR.sub(r"(\1)=", markdown)
    if lesson:
        markdown = HEADING_LINK.sub(lambda m: m[1] + re.sub(r"[^\w-]", "", m[2].lower()) + ")", markdown)
    return markdown


def reference(module):
    """Return a section for one module, with all that it defines."""
    return f"\n## {module}\n\n```{{eval-rst}}\n.. automodule:: {module}\n```\n"


def read_source(app, docname, source):
    """Prepare each page as it is read; a lesson arrives as the JSON of its notebook."""
    if not docname.startswith("notebooks/"):
        source[0] = as_myst(source[0])
        if docname == "docs/api":
            source[0] += "".join(map(reference, MODULES))
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = as_myst("".join(cell["source"]), lesson=True)
    source[0] = json.dumps(notebook)


def setup(app):
    app.connect("source-read", read_source)
