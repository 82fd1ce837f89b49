# What is used of atheris 3.0, which is installed for `make fuzz` only.

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

def instrument_imports(include: Sequence[str] = ...) -> AbstractContextManager[None]: ...
def Setup(  # noqa: N802 - its name
    args: Sequence[str],
    test_one_input: Callable[[bytes], None],
    *,
    custom_mutator: Callable[[bytes, int, int], bytes] = ...,
) -> None: ...
def Fuzz() -> None: ...  # noqa: N802 - its name
def Mutate(data: bytes, max_size: int) -> bytes: ...  # noqa: N802 - its name
