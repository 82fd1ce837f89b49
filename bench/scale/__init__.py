"""How the gateway grows: with keys, with open streams, with events, with wallets."""
