"""Providers that an operator adds: one Python file each, in a directory of the settings.

The file `acme.py` defines `PROVIDER`, a `Provider` of the slug "acme". It is run
with the facade's own rights, so the directory must be the operator's alone.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from mintgate_facade.providers.base import Provider
from mintgate_facade.providers.registry import PROVIDERS, REGISTRY, Registry

NAME = "PROVIDER"
_MODULE_PREFIX = "mintgate_added_"


class ProviderFileError(ValueError):
    """A file that cannot be used; the message says which, and why."""


def registry_with(directory: Path | None) -> Registry:
    """The providers that ship, and those of a directory behind them.

    Raises `ProviderFileError` for a file that cannot be used, or that claims what another
    provider has.
    """
    if directory is None:
        return REGISTRY
    try:
        paths = sorted(path for path in directory.iterdir() if path.suffix == ".py")
    except OSError as error:
        raise ProviderFileError(f"{directory}: cannot be read: {error.strerror}") from None
    added = [_load(path) for path in paths if not path.stem.startswith("_")]
    try:
        return Registry((*PROVIDERS, *added))
    except ValueError as error:
        raise ProviderFileError(f"{directory}: {error}") from None


def _load(path: Path) -> Provider:
    name = _MODULE_PREFIX + path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ProviderFileError(f"{path}: cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    # A dataclass in the file looks its own module up.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ProviderFileError(f"{path}: {type(error).__name__}: {error}") from error
    provider = getattr(module, NAME, None)
    if not isinstance(provider, Provider):
        raise ProviderFileError(f"{path}: must define {NAME}, a Provider")
    if provider.slug != path.stem:
        raise ProviderFileError(
            f"{path}: its provider is called {provider.slug!r}, unlike the file"
        )
    return provider
