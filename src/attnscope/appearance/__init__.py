"""How attention looks and what it is called, the same on the page, in exported SVG, in figures and in notebooks.

`appearance.json` holds what both languages share; the front end reads it in `frontend/src/marks/appearance.ts`.

    palette     one color for each head, ramps for weights and signs, inks
    numerals    weights, signed numbers, counts and heads as text
    characters  tokens whose every character can be seen
    edit_words  what an edit is called

What both languages compute, they compute alike: tests/appearance/cases.json is checked in both.
"""
