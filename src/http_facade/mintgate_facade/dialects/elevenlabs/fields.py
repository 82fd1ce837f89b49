"""What the requests of all routes have in common (elevenlabs-python 2.78, raw clients)."""

from __future__ import annotations

from mintgate_facade.dialects.checks import Fields, model_name, refused

_OBJECTS = "They name stored objects, which all users of this gateway would share. Leave them out."
SHARED = dict.fromkeys(
    (
        "finetune_id",
        "history_item_id",
        "next_request_ids",
        "previous_request_ids",
        "remixing_session_id",
        "remixing_session_iteration_id",
        "store_for_inpainting",
    ),
    _OBJECTS,
)
"""Fields that reach what other users of the operator's account have made, and of which nothing
tells whose they are."""
UNSPOKEN = SHARED | {"pronunciation_dictionary_locators": "Dictionaries are for speech alone."}
"""The same of routes that speak no text."""


def model_of(document: Fields, default: str, *, mark: str = "") -> str:
    """Read `model_id`, which most routes may leave out.

    `mark` stands in the names of the route's own models. Another one might be a cheaper
    name in the price book for what the provider, which passes over it, bills as its own.
    """
    if document.get("model_id") is None:
        return default
    model = model_name(document, name="model_id")
    if mark not in model:
        raise refused(f"'{model[:64]}' is no model of this route.", "model_id")
    return model
