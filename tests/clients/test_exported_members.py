from __future__ import annotations

import inspect
from types import ModuleType

import mintgate


def test_all_is_sorted_and_importable() -> None:
    """The public door lists what it has once, sorted."""
    listed = mintgate.__all__

    assert sorted(set(listed)) == listed
    assert all(hasattr(mintgate, name) for name in listed)


def test_all_leaves_nothing_out() -> None:
    """What is importable from the door, and is no module, is listed."""
    public = {
        name
        for name, value in vars(mintgate).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }

    assert public == set(mintgate.__all__)


def test_every_class_and_function_is_documented() -> None:
    """Everything behind the door has a docstring."""
    for name in mintgate.__all__:
        assert inspect.getdoc(getattr(mintgate, name)), name
