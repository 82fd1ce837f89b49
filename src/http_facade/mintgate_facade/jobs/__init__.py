"""Polls providers for what they go on with after their answer, and settles it."""
