"""The hot path: from a provider SDK's request to a durable charge."""
