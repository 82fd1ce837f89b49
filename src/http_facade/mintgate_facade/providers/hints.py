"""Tells a client that asked the wrong provider for a model where to ask instead."""

from __future__ import annotations

from collections.abc import Sequence

from mintgate_facade.providers.base import Provider


def model_hint(providers: Sequence[Provider], asked: Provider, model: str) -> str:
    """One sentence that says where `model` is served, or empty when it belongs here or is unknown.

    Add it to the message of a 404.
    """
    for provider in providers:
        if provider.models is not None and provider.models.match(model):
            if provider is asked:
                return ""
            return f"'{model}' is a model of {provider.slug}: use {provider.use}."
    hosts = [p for p in providers if p.hosts is not None and p.hosts.match(model)]
    if asked in hosts or not hosts:
        return ""
    ways = " or ".join(provider.use for provider in hosts)
    return f"'{model}' needs its provider's prefix: use {ways}."
