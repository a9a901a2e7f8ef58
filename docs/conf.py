"""Settings of the documentation site; `make docs` builds it (scripts/docs_site.py)."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS / "_ext")]

project = "attnscope"
author = "the attnscope authors"
project_copyright = "the attnscope authors, Apache License 2.0"
version = release = installed("attnscope")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.autosummary",
    "docstrings",
    "api_reference",
    "cli_reference",
    "code_links",
    "live_figure",
    "project_files",
]
exclude_patterns = ["_build", "_ext"]
default_role = "literal"  # single backticks in docstrings are code

# Nothing is asked of any other machine, neither while the site is built nor by its pages.
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
html_use_index = True

# A name of attnscope that leads nowhere is an error; types of other libraries are text.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!attnscope\.).*")]

# Pages in Markdown; those with code cells are executed while the site is built.
myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist", "html_image"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
nb_execution_mode = "inline"  # only this mode knows {eval}
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_eval_name_regex = r".+"  # {eval} takes any expression
nb_merge_streams = True
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]

# The reference, from docstrings.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autosummary_generate = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

# What it looks like: Furo with the colors of the app.
html_theme = "furo"
html_title = "attnscope"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["live-figure.js"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
_FONT = 'system-ui, "Segoe UI", "Helvetica Neue", sans-serif'
html_theme_options = {
    "light_css_variables": {
        "font-stack": _FONT,
        "color-brand-primary": "#1b1e24",
        "color-brand-content": "#2f5bd0",
        "color-brand-visited": "#2f5bd0",
        "color-foreground-primary": "#1b1e24",
        "color-foreground-secondary": "#5a616e",
        "color-foreground-muted": "#6b7280",
        "color-background-secondary": "#f6f6f4",
        "color-background-border": "#e3e4e7",
        "color-sidebar-background": "#f6f6f4",
        "color-sidebar-item-background--hover": "#e8eefc",
        "color-highlight-on-target": "#e8eefc",
        "color-inline-code-background": "#f2f2f0",
        "color-code-background": "#f6f6f4",
        "color-api-name": "#2f5bd0",
        "color-api-pre-name": "#2f5bd0",
        "mystnb-source-bg-color": "#f6f6f4",
        "mystnb-stdout-bg-color": "transparent",
        "mystnb-source-border-color": "#e3e4e7",
        "mystnb-source-margin-color": "#2f5bd0",
    },
    "dark_css_variables": {
        "color-brand-primary": "#e8eaee",
        "color-brand-content": "#86a8ff",
        "color-brand-visited": "#86a8ff",
        "color-foreground-primary": "#e8eaee",
        "color-foreground-secondary": "#9ca5b4",
        "color-foreground-muted": "#8791a1",
        "color-background-primary": "#14171d",
        "color-background-secondary": "#0d0f13",
        "color-background-border": "#262b34",
        "color-sidebar-background": "#0d0f13",
        "color-sidebar-item-background--hover": "#1c2740",
        "color-highlight-on-target": "#1c2740",
        "color-inline-code-background": "#1d2129",
        "color-code-background": "#0d0f13",
        "color-api-name": "#86a8ff",
        "color-api-pre-name": "#86a8ff",
        "mystnb-source-bg-color": "#0d0f13",
        "mystnb-stdout-bg-color": "transparent",
        "mystnb-source-border-color": "#262b34",
        "mystnb-source-margin-color": "#86a8ff",
    },
}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-dark"
