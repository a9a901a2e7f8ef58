"""One trace as one file that needs nothing else: no server, no network, no Python.

`export` writes it, `document` makes it, `page` is what a session makes of it. What the file holds is described in
docs/how-to/export.md.
"""

from attnscope.offline.document import Document, document, page
from attnscope.offline.file import export

__all__ = ["Document", "document", "export", "page"]
