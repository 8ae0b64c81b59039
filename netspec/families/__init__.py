"""How a row of the table becomes a net: one file for each family of nets."""
