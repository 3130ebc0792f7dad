"""The figures, a module a section of the page, from numbers to plotly. Colours of text and grid are in style.css."""
