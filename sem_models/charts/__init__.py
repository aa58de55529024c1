"""Charts: a result's data frame in, an Altair chart out; `export` writes HTML, SVG and PNG."""
