from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mintgate import ConfigError, Settings, tokens

TOKEN = "0123456789abcdef" * 4


def settings(directory: Path, **environ: str) -> Settings:
    return Settings.load({"MINTGATE_DATA_DIR": str(directory / "data"), **environ}, directory)


def test_made_once_and_kept(tmp_path: Path) -> None:
    """The first look makes both tokens, later ones read the same."""
    made = tokens.load_or_create(settings(tmp_path))

    assert made == tokens.load_or_create(settings(tmp_path))
    assert made.operator != made.service
    assert len(made.operator) == 64


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    """The files and their directory are closed to others, and no draft is left."""
    tokens.load_or_create(settings(tmp_path))
    data = tmp_path / "data"

    assert data.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in data.iterdir()} == {
        "operator-token": 0o600,
        "service-token": 0o600,
    }


def test_the_environment_wins(tmp_path: Path) -> None:
    """A token that is set is used, and no file is made for it."""
    made = tokens.load_or_create(settings(tmp_path, MINTGATE_OPERATOR_TOKEN=TOKEN))

    assert made.operator == TOKEN
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["service-token"]


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    """However many look at once, one makes the token and all have that one."""
    ours = settings(tmp_path)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: tokens.load_or_create(ours), range(16)))

    assert len(set(found)) == 1


def test_a_token_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """A file that leaked is told, not used."""
    tokens.load_or_create(settings(tmp_path))
    (tmp_path / "data" / "operator-token").chmod(0o644)

    with pytest.raises(ConfigError, match="chmod 600"):
        tokens.load_or_create(settings(tmp_path))


def test_a_file_without_a_token_is_refused(tmp_path: Path) -> None:
    """An emptied file is not taken for an empty token."""
    tokens.load_or_create(settings(tmp_path))
    (tmp_path / "data" / "service-token").write_text("", encoding="ascii")

    with pytest.raises(ConfigError, match="holds no token"):
        tokens.load_or_create(settings(tmp_path))


def test_finding_makes_nothing(tmp_path: Path) -> None:
    """A command that only looks for the operator's token leaves no trace."""
    assert tokens.find_operator_token(settings(tmp_path)) is None
    assert not (tmp_path / "data").exists()

    made = tokens.load_or_create(settings(tmp_path))
    assert made.operator == tokens.find_operator_token(settings(tmp_path))


def test_tokens_are_in_no_repr(tmp_path: Path) -> None:
    """A repr tells neither token."""
    made = tokens.load_or_create(settings(tmp_path))

    assert made.operator not in repr(made)
    assert made.service not in repr(made)
