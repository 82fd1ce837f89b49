"""Rate limits: they protect providers and the gateway, and never decide about money."""
