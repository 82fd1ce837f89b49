"""Wire shapes of provider families, as pure functions over bytes: no I/O, no money."""
