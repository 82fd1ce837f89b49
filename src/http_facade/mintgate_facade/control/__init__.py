"""The REST control surface: keys, usage, balance, catalogue, accounts, health."""
