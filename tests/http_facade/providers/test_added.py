"""Providers from a directory: loaded once at the start, or refused with the file's name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mintgate.config import ConfigError, Settings
from mintgate.tokens import Tokens
from mintgate_facade.providers.added import ProviderFileError, registry_with
from mintgate_facade.providers.registry import PROVIDERS, REGISTRY
from mintgate_facade.settings import FacadeSettings

FILE = """
from mintgate_facade.dialects.openai import Flavor, OpenAIDialect
from mintgate_facade.providers.base import Provider, Surface, metered

PROVIDER = Provider(
    "{slug}",
    (Surface(OpenAIDialect(Flavor("{slug}")), (metered("POST", "/chat/completions", "chat"),)),),
    "https://api.{slug}.example/v1",
    prefixes=({prefixes}),
)
"""


def write(directory: Path, slug: str, name: str = "", prefixes: str = "") -> None:
    (directory / f"{name or slug}.py").write_text(FILE.format(slug=slug, prefixes=prefixes))


def test_without_a_directory_nothing_is_added() -> None:
    """The registry that ships is the very object."""
    assert registry_with(None) is REGISTRY


def test_each_file_adds_one(tmp_path: Path) -> None:
    """In the order of their names, behind those that ship; private files are left alone."""
    write(tmp_path, "zeta")
    write(tmp_path, "acme")
    (tmp_path / "_shared.py").write_text("raise RuntimeError")
    (tmp_path / "notes.txt").write_text("none")
    registry = registry_with(tmp_path)
    assert [p.slug for p in registry.providers] == [*(p.slug for p in PROVIDERS), "acme", "zeta"]
    found = registry.resolve("POST", "/acme/v1/chat/completions", {}, {})
    assert found is not None
    assert found.provider.slug == "acme"


def test_the_account_is_the_operators(tmp_path: Path) -> None:
    """Key and address are settings of the same names as any provider's; the file has a default."""
    write(tmp_path, "acme")
    environ = {"MINTGATE_PROVIDERS_DIR": str(tmp_path), "ACME_API_KEY": "sk-acme"}
    tokens = Tokens(operator="o" * 40, service="s" * 40)
    account = FacadeSettings.of(Settings.load(environ, tmp_path), tokens).accounts["acme"]
    assert (account.base_url, account.api_key) == ("https://api.acme.example/v1", "sk-acme")
    environ["MINTGATE_ACME_BASE_URL"] = "https://eu.acme.example/v1/"
    account = FacadeSettings.of(Settings.load(environ, tmp_path), tokens).accounts["acme"]
    assert account.base_url == "https://eu.acme.example/v1"
    (tmp_path / "bad.py").write_text("")
    with pytest.raises(ConfigError, match=r"bad\.py"):
        FacadeSettings.of(Settings.load(environ, tmp_path), tokens)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("acme", "PROVIDER = 13", "acme.py: must define PROVIDER"),
        ("acme", "x = (", "acme.py: SyntaxError"),
        ("acme", "1 / 0", "acme.py: ZeroDivisionError"),
        ("other", FILE.format(slug="acme", prefixes=""), "is called 'acme', unlike the file"),
        ("acme", FILE.format(slug="acme", prefixes='"openai",'), "claim the prefix 'openai'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    """The start fails with one line that says which file and why."""
    (tmp_path / f"{name}.py").write_text(text)
    with pytest.raises(ProviderFileError, match=re.escape(says)):
        registry_with(tmp_path)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A mistyped path is no empty directory."""
    with pytest.raises(ProviderFileError, match="cannot be read"):
        registry_with(tmp_path / "nowhere")
