"""Export a trace as one self-contained HTML file that needs no server, no network and no Python.

`export` writes the file, `document` builds the page, and `page` is the exporter of a session. docs/how-to/export.md describes the
contents of the file.
"""

from attnscope.offline.document import Document, document, page
from attnscope.offline.file import export

__all__ = ["Document", "document", "export", "page"]
