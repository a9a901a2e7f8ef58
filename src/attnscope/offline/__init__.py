"""One trace as one file that needs nothing else: no server, no network, no Python.

`export` writes it, `page` gives its HTML. What the file holds is described in docs/export.md.
"""

from attnscope.offline.document import Document, document, page
from attnscope.offline.file import export

__all__ = ["Document", "document", "export", "page"]
