"""Bodies that are files or forms: received to disk, parsed, and measured before any hold."""
