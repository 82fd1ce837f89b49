"""Where settings are written: the environment, and one TOML file.

Both are flattened to the same names: `http_port`, `openai.api_key`,
`openai.base_url`. A name that nobody knows is an error, because a misspelt cap
or port that is silently ignored is found out too late.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ._config_values import SETTINGS, ConfigError
from .providers import DEFAULT_BASE_URLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONFIG_VARIABLE: Final = "MINTGATE_CONFIG"
CONFIG_FILE_DEFAULT: Final = "mintgate.toml"

CLIENT_VARIABLES: Final = frozenset({"MINTGATE_KEY", "MINTGATE_TARGET"})
"""Read by the command line only: whose key, and which core."""

_PREFIX: Final = "MINTGATE_"
_PROVIDER_KEYS: Final = ("api_key", "base_url")
_PROVIDERS_DIR: Final = "providers_dir"
_SLUG: Final = re.compile(r"[a-z][a-z0-9]{0,31}")


@dataclass(frozen=True, slots=True)
class Written:
    """A value as somebody wrote it, under the name they used."""

    text: str
    label: str
    """What to call it in an error: "MINTGATE_HTTP_PORT", "http_port"."""
    source: str
    """ "environment", or the file."""


def known_providers(environ: Mapping[str, str], document: Mapping[str, Any]) -> dict[str, str]:
    """Return the default base URL of every provider that settings may name.

    Each file `<slug>.py` in `providers_dir` adds one, whose address the file itself
    says; here it is empty, because settings are read without running any code.
    """
    named = environ.get(f"{_PREFIX}{_PROVIDERS_DIR.upper()}", "").strip()
    named = named or str(document.get(_PROVIDERS_DIR) or "")
    added = Path(named).expanduser().glob("*.py") if named else ()
    slugs = sorted(path.stem for path in added if _SLUG.fullmatch(path.stem))
    return {**DEFAULT_BASE_URLS, **{slug: "" for slug in slugs if slug not in DEFAULT_BASE_URLS}}


def variable_names(providers: Iterable[str]) -> dict[str, str]:
    """Return every environment variable with the flat name of its setting."""
    names = {setting.variable: setting.name for setting in SETTINGS}
    for provider in providers:
        names[f"{provider.upper()}_API_KEY"] = f"{provider}.api_key"
        names[f"{_PREFIX}{provider.upper()}_BASE_URL"] = f"{provider}.base_url"
    return names


def read_environment(
    environ: Mapping[str, str], providers: Iterable[str]
) -> tuple[dict[str, Written], list[str]]:
    """Return what the environment sets by flat name, and the problems with it.

    An empty value counts as unset, because that is how compose files and shells
    pass on a variable that nobody set.
    """
    names = variable_names(providers)
    known = {*names, *CLIENT_VARIABLES, CONFIG_VARIABLE}
    problems = [
        f"{name}: unknown setting{_nearest(name, known)}"
        for name in sorted(environ)
        if name.startswith(_PREFIX) and name not in known
    ]
    written = {
        name: Written(environ[variable].strip(), variable, "environment")
        for variable, name in names.items()
        if environ.get(variable, "").strip()
    }
    return written, problems


def find_file(environ: Mapping[str, str], directory: Path) -> Path | None:
    """Return the settings file: the one that is named, else one in `directory`."""
    named = environ.get(CONFIG_VARIABLE, "").strip()
    if named:
        return directory / Path(named).expanduser()
    default = directory / CONFIG_FILE_DEFAULT
    return default if default.is_file() else None


def read_document(path: Path) -> dict[str, Any]:
    """Return the file's content. Raises `ConfigError` when it cannot be read at all."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError((f"{path}: cannot be read: {error.strerror}",)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # The parser's message has a line and a column, never the text there.
        raise ConfigError((f"{path}: not TOML: {error}",)) from None


def read_file(
    path: Path, document: Mapping[str, Any], providers: Iterable[str]
) -> tuple[dict[str, Written], list[str]]:
    """Return what the file sets by flat name, and the problems with it."""
    written: dict[str, Written] = {}
    problems: list[str] = []
    known = [setting.name for setting in SETTINGS]
    for name, value in document.items():
        if name == "providers" and isinstance(value, dict):
            _read_providers(value, path, written, problems, providers)
        elif name in known:
            _take(name, f"{path.name}: {name}", value, path, written, problems)
        else:
            problems.append(f"{path.name}: {name}: unknown setting{_nearest(name, known)}")
    return written, problems


def _read_providers(
    tables: dict[str, Any],
    path: Path,
    written: dict[str, Written],
    problems: list[str],
    providers: Iterable[str],
) -> None:
    """Flatten [providers.openai] and its siblings."""
    known = list(providers)
    for provider, table in tables.items():
        label = f"{path.name}: providers.{provider}"
        if provider not in known:
            problems.append(f"{label}: unknown provider{_nearest(provider, known)}")
        elif not isinstance(table, dict):
            problems.append(f"{label}: must be a table with api_key and base_url")
        else:
            for key, value in table.items():
                if key in _PROVIDER_KEYS:
                    name = f"{provider}.{key}"
                    _take(name, f"{label}.{key}", value, path, written, problems)
                else:
                    nearest = _nearest(key, _PROVIDER_KEYS)
                    problems.append(f"{label}.{key}: unknown setting{nearest}")


def _take(
    name: str,
    label: str,
    value: object,
    path: Path,
    written: dict[str, Written],
    problems: list[str],
) -> None:
    """Note one value of the file as text."""
    if isinstance(value, bool):
        text = "1" if value else "0"
    elif isinstance(value, int | str):
        text = str(value)
    else:
        # Above all floats: 0.1 in a file would not be the amount that was meant.
        problems.append(f"{label}: write it as text in quotes, or as a whole number")
        return
    written[name] = Written(text.strip(), label, str(path))


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
