"""Where books are kept. Every store passes the same conformance suite."""
