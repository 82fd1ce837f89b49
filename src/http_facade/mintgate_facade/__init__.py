"""The HTTP facade: provider routes on a raw ASGI relay, and the REST control surface."""
