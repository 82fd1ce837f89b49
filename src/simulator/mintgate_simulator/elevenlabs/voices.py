"""Voices, pronunciation dictionaries and transcripts: what the operator's account keeps.

Whoever asks with the account's key sees all of it, as at the vendor.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator.form import read_form
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.request import CREATED_AT_S

from . import speech, wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mintgate_simulator.answer import Answer, Whole
    from mintgate_simulator.request import Request

PREMADE = {"JBFqnCBsd6RMkjVDRZzb": "George", "21m00Tcm4TlvDq8ikWAM": "Rachel"}
CLONE_OF_THE_OPERATOR = "cloneOfTheOperator01"
"""Made on the vendor's own pages, and meant for none of a gateway's users."""
KEPT_MAX = 10_000
"""Things of one kind that are kept; the oldest go first."""
PAGE_SIZE = 10
_DICTIONARY_PAGE_SIZE = 30


class Shelf:
    """The stored objects of one simulator."""

    def __init__(self) -> None:
        self._voices: OrderedDict[str, dict[str, Any]] = OrderedDict()
        for voice_id, name in PREMADE.items():
            self._voices[voice_id] = _voice(voice_id, name, "premade", is_owner=False)
        copied = _voice(speech.DEAR_VOICE, "Of the library", "professional", is_owner=False)
        sharing = {"status": "copied", "original_voice_id": speech.DEAR_VOICE, "rate": 2.0}
        self._voices[speech.DEAR_VOICE] = {**copied, "sharing": sharing}
        cloned = _voice(CLONE_OF_THE_OPERATOR, "The operator", "cloned", is_owner=True)
        self._voices[CLONE_OF_THE_OPERATOR] = cloned
        self._dictionaries: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._transcripts: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._previews: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def respond(self, request: Request) -> Answer | None:
        """The answer about something kept; ``None`` for any other route."""
        match request.method, request.path.strip("/").split("/"):
            case _, ["v1", "voices", "settings", "default"]:
                return None
            case method, ["v1", "voices", *rest]:
                return self._of_voices(request, method, rest)
            case "GET", ["v2", "voices"]:
                return self._search(request)
            case "POST", ["v1", "text-to-voice"]:
                return self._from_preview(request)
            case method, ["v1", "pronunciation-dictionaries", *rest]:
                return self._of_dictionaries(request, method, rest)
            case "GET", ["v1", "speech-to-text", "transcripts", transcript_id]:
                return wire.whole(request, _found(self._transcripts, transcript_id, "transcript"))
            case "DELETE", ["v1", "speech-to-text", "transcripts", transcript_id]:
                _found(self._transcripts, transcript_id, "transcript")
                del self._transcripts[transcript_id]
                return wire.whole(request, {"message": "Delete completed successfully."})
        return None

    def keep(self, answer: Answer) -> Answer:
        """Keep the transcript or the previews that an answer names."""
        body = getattr(answer, "body", b"")
        if b'"transcription_id"' in body:
            document = orjson.loads(body)
            _put(self._transcripts, document["transcription_id"], document)
        elif b'"generated_voice_id"' in body:
            for preview in orjson.loads(body)["previews"]:
                _put(self._previews, preview["generated_voice_id"], preview)
        return answer

    def _of_voices(self, request: Request, method: str, rest: list[str]) -> Answer | None:
        match method, rest:
            case "GET", []:
                return wire.whole(request, {"voices": list(self._voices.values())})
            case "POST", ["add"]:
                return self._clone(request)
            case "GET", [voice_id] if voice_id != "accents":
                return wire.whole(request, _found(self._voices, voice_id, "voice"))
            case "DELETE", [voice_id]:
                _found(self._voices, voice_id, "voice")
                del self._voices[voice_id]
                return wire.whole(request, {"status": "ok"})
            case "GET", [voice_id, "settings"]:
                return wire.whole(request, _found(self._voices, voice_id, "voice")["settings"])
            case "POST", [voice_id, "settings", "edit"]:
                voice = _found(self._voices, voice_id, "voice")
                voice["settings"] = {**voice["settings"], **speech.body_of(request)}
                return wire.whole(request, {"status": "ok"})
            case "POST", [voice_id, "edit"]:
                voice = _found(self._voices, voice_id, "voice")
                voice["name"] = read_form(request).fields.get("name") or voice["name"]
                return wire.whole(request, {"status": "ok"})
        return None

    def _clone(self, request: Request) -> Whole:
        form = read_form(request)
        if not form.fields.get("name"):
            raise Refusal(422, "Field required", param="name")
        if form.file("files") is None:
            raise Refusal(422, "Field required", param="files")
        voice_id = f"voice{request.number:015x}"
        voice = _voice(voice_id, form.fields["name"], "cloned", is_owner=True)
        _put(self._voices, voice_id, voice)
        return wire.whole(request, {"voice_id": voice_id, "requires_verification": False})

    def _from_preview(self, request: Request) -> Whole:
        body = speech.body_of(request)
        name = speech.required_text(body, "voice_name")
        speech.required_text(body, "voice_description")
        _found(self._previews, speech.required_text(body, "generated_voice_id"), "voice preview")
        voice_id = f"voice{request.number:015x}"
        voice = _voice(voice_id, name, "generated", is_owner=True)
        _put(self._voices, voice_id, voice)
        return wire.whole(request, voice)

    def _search(self, request: Request) -> Whole:
        wanted = (request.query_value("search") or "").lower()
        category = request.query_value("category")
        found = [
            voice
            for voice in self._voices.values()
            if wanted in voice["name"].lower() and category in {None, voice["category"]}
        ]
        page, more = _page(request, found, "voice_id", "next_page_token", PAGE_SIZE)
        body = {
            "voices": page,
            "has_more": more,
            "total_count": len(found),
            "next_page_token": page[-1]["voice_id"] if more else None,
        }
        return wire.whole(request, body)

    def _of_dictionaries(self, request: Request, method: str, rest: list[str]) -> Answer | None:
        match method, rest:
            case "POST", ["add-from-file" | "add-from-rules" as how]:
                fields: Mapping[str, Any] = (
                    read_form(request).fields if how == "add-from-file" else speech.body_of(request)
                )
                return self._add_dictionary(request, fields)
            case "GET", []:
                everything = list(self._dictionaries.values())
                page, more = _page(request, everything, "id", "cursor", _DICTIONARY_PAGE_SIZE)
                body = {
                    "pronunciation_dictionaries": page,
                    "has_more": more,
                    "next_cursor": page[-1]["id"] if more else None,
                }
                return wire.whole(request, body)
            case "GET", [dictionary_id]:
                return wire.whole(request, _found(self._dictionaries, dictionary_id, "dictionary"))
            case "PATCH", [dictionary_id]:
                dictionary = _found(self._dictionaries, dictionary_id, "dictionary")
                dictionary["name"] = speech.body_of(request).get("name") or dictionary["name"]
                return wire.whole(request, dictionary)
            case "POST", [dictionary_id, "add-rules" | "remove-rules" | "set-rules"]:
                dictionary = _found(self._dictionaries, dictionary_id, "dictionary")
                dictionary["latest_version_id"] = f"version{request.number:013x}"
                body = {
                    "id": dictionary_id,
                    "version_id": dictionary["latest_version_id"],
                    "new_rules_num": 1,
                }
                return wire.whole(request, body)
        return None

    def _add_dictionary(self, request: Request, fields: Mapping[str, Any]) -> Whole:
        name = fields.get("name")
        if not name:
            raise Refusal(422, "Field required", param="name")
        dictionary_id = f"dict{request.number:016x}"
        version_id = f"version{request.number:013x}"
        known = {
            "id": dictionary_id,
            "name": name,
            "created_by": "simulated",
            "creation_time_unix": CREATED_AT_S,
            "permission_on_resource": "admin",
        }
        kept = {**known, "latest_version_id": version_id, "latest_version_rules_num": 1}
        _put(self._dictionaries, dictionary_id, kept)
        return wire.whole(request, {**known, "version_id": version_id, "version_rules_num": 1})


def _voice(voice_id: str, name: str, category: str, *, is_owner: bool) -> dict[str, Any]:
    return {
        "voice_id": voice_id,
        "name": name,
        "category": category,
        "labels": {},
        "settings": {"stability": 0.5, "similarity_boost": 0.75, "style": 0.0, "speed": 1.0},
        "sharing": None,
        "is_owner": is_owner,
    }


def _page(
    request: Request, found: list[dict[str, Any]], name: str, cursor: str, size: int
) -> tuple[list[dict[str, Any]], bool]:
    ids = [each[name] for each in found]
    after = request.query_value(cursor)
    start = ids.index(after) + 1 if after in ids else 0
    size = int(request.query_value("page_size") or size)
    return found[start : start + size], start + size < len(found)


def _found(things: Mapping[str, dict[str, Any]], name: str, kind: str) -> dict[str, Any]:
    thing = things.get(name)
    if thing is None:
        code = f"{kind.replace(' ', '_')}_not_found"
        raise Refusal(404, f"A {kind} with the id '{name}' was not found.", code=code)
    return thing


def _put(things: OrderedDict[str, dict[str, Any]], name: str, thing: dict[str, Any]) -> None:
    things[name] = thing
    if len(things) > KEPT_MAX:
        things.popitem(last=False)
