"""Documents to settings, or to all problems at once.

`load` reads the layers, `merge` makes one tree of values of them, and `decode` makes settings of that. When decoding fails,
`diagnose` walks over the values and yields a `Finding` for each mistake, with the help of `msgspec_errors`. Then `problems`
finds the file to blame for each, and makes a `Problem` with line, column and source excerpt. No module of the error path is
imported before something fails. `explain` answers later where each value came from.
"""
