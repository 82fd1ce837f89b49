"""Every call as a pure function: arguments in, a `Call` out, no I/O.

`Client` and `AsyncClient` bind these same functions, so that the two cannot
drift apart in names, parameters, defaults or meaning.
"""
