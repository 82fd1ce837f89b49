"""Who is served: one declarative file a provider, and the rule that tells them apart."""
