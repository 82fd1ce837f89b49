"""Measurements. Speed lives here, never in a timed test."""
