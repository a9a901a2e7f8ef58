"""Colors and wording shared by the page, the exported SVG, the figures and the notebooks.

Python and TypeScript both read `appearance.json`; the front end does so in `frontend/src/marks/appearance.ts`.

    palette     head colors, color ramps for weights and for signed numbers, text and line colors
    numerals    weights, signed numbers, counts and head names as text
    characters  tokens with every character visible
    edit_words  descriptions of edits

Both languages are tested against the same cases, tests/appearance/cases.json.
"""
