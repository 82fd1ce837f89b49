"""The checks OpenAI makes on a body, in its own words and with its own codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_simulator.refusal import Refusal
from mintgate_simulator.request import is_int

if TYPE_CHECKING:
    from mintgate_simulator.request import Request

_NOT_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using "
    "your HTTP library correctly. The OpenAI API expects a JSON payload.)"
)
_TYPE_NAMES: list[tuple[type, str]] = [
    (bool, "a boolean"),
    (str, "a string"),
    (int, "an integer"),
    (float, "a decimal"),
    (list, "an array"),
    (dict, "an object"),
]
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})


def body_of(request: Request) -> dict[str, Any]:
    """The body, which must be a JSON object."""
    return request.json_object(_NOT_JSON)


def no_unknown(body: dict[str, Any], names: frozenset[str]) -> None:
    """Refuse fields as a vendor does that knows no such fields."""
    for name in sorted(names & body.keys()):
        raise Refusal(422, "Extra inputs are not permitted", param=name, code="extra_forbidden")


def model_of(body: dict[str, Any]) -> str:
    """The model, without which nothing is answered."""
    model = body.get("model")
    if model is None or model == "":
        raise Refusal(400, "you must provide a model parameter")
    if not isinstance(model, str):
        raise wrong_type("model", "a string", model)
    return model


def required(body: dict[str, Any], name: str) -> Any:
    """A field that must be there."""
    value = body.get(name)
    if value is None:
        raise Refusal(
            400,
            f"Missing required parameter: '{name}'.",
            param=name,
            code="missing_required_parameter",
        )
    return value


def objects(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """An optional array of objects; empty when absent."""
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong_type(name, "an array of objects", value)
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise wrong_type(f"{name}[{index}]", "an object", item)
    return value


def mapping(body: dict[str, Any], name: str) -> dict[str, Any]:
    """An optional object; empty when absent."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong_type(name, "an object", value)
    return value


def whole_number(
    body: dict[str, Any], name: str, *, smallest: int, largest: int | None = None
) -> int | None:
    """An optional whole number inside its bounds."""
    value = body.get(name)
    if value is None:
        return None
    if not is_int(value):
        raise wrong_type(name, "an integer", value)
    if value < smallest:
        raise Refusal(
            400,
            f"Invalid '{name}': integer below minimum value. Expected a value >= {smallest}, "
            f"but got {value} instead.",
            param=name,
            code="integer_below_min_value",
        )
    if largest is not None and value > largest:
        raise Refusal(
            400,
            f"Invalid '{name}': integer above maximum value. Expected a value <= {largest}, "
            f"but got {value} instead.",
            param=name,
            code="integer_above_max_value",
        )
    return int(value)


def flag(body: dict[str, Any], name: str) -> bool:
    """An optional boolean; false when absent."""
    value = body.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise wrong_type(name, "a boolean", value)
    return value


def choice(body: dict[str, Any], name: str, choices: frozenset[str], default: str) -> str:
    """An optional string out of a closed set."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, str) or value not in choices:
        known = ", ".join(f"'{known}'" for known in sorted(choices))
        raise Refusal(
            400,
            f"Invalid value for '{name}'. Supported values are: {known}.",
            param=name,
            code="invalid_value",
        )
    return value


def resolved_tier(body: dict[str, Any], stated: str | None) -> str:
    """The service tier of the answer: ``auto`` becomes default and ``fast`` becomes priority."""
    tier = choice(body, "service_tier", _TIERS, "auto")
    if stated is not None:
        return stated
    return {"auto": "default", "fast": "priority"}.get(tier, tier)


def wrong_type(name: str, expected: str, value: object) -> Refusal:
    """The refusal of a value of the wrong JSON type."""
    got = next((text for kind, text in _TYPE_NAMES if isinstance(value, kind)), "null")
    return Refusal(
        400,
        f"Invalid type for '{name}': expected {expected}, but got {got} instead.",
        param=name,
        code="invalid_type",
    )
