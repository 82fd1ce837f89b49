"""One module a step. Steps are only ever appended."""
