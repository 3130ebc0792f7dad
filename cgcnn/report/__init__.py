"""The comparison on one page: `results` reads a run, `compare` and `figures` draw from it, `page` writes the HTML."""
