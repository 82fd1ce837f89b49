"""The base catalogue: genai-prices, its gaps filled by our overlay, and limits beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import metadata, resources
from typing import TYPE_CHECKING

from mintgate_core.pricing import genai
from mintgate_core.pricing.cards import STANDARD, RateCard, Rates
from mintgate_core.pricing.errors import PriceDataError
from mintgate_core.pricing.overlay import Draft, Overlay, load_overlay
from mintgate_core.pricing.table import compile_rates, implied
from mintgate_core.pricing.timeline import Timeline
from mintgate_core.pricing.variants import is_standard

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

PACKAGE = "genai-prices"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GEMINI_NAME_PREFIX = "models/"
_GEMINI_FAMILY = "gemini-"

Limits = tuple[int, int]
"""(context window, largest output) in tokens; 0 means unknown."""

LimitsFile = Mapping[str, Mapping[str, Limits]]
"""Limits by provider and by a model's name as that list has it."""


class BaseCatalogue:
    """Cards of every model that the packaged data prices, compiled when first asked for."""

    def __init__(self, providers: Iterable[Provider], overlay: Overlay, limits: LimitsFile) -> None:
        """Check all data at once, so that bad data stops the start and not a request.

        Raises `PriceDataError`.
        """
        self._overlay = overlay
        self._timelines: dict[tuple[str, str], Timeline] = {}
        by_id = {provider.id: provider for provider in providers}
        self._providers = {slug: by_id[theirs] for slug, theirs in genai.PROVIDER_IDS.items()}
        self._models = {slug: _priced(slug, p) for slug, p in self._providers.items()}
        self._limits = self._resolve(limits)
        for row in overlay.rows:
            if missing := row.models - self._models[row.provider].keys():
                raise PriceDataError(f"overlay names unknown models {sorted(missing)}")

    @classmethod
    def load(cls) -> BaseCatalogue:
        """Read the packaged data; takes about half a second, once."""
        # The package's data is a module of its own that takes a quarter of a second to run.
        from genai_prices.data import providers  # noqa: PLC0415

        return cls(providers, load_overlay(), load_limits())

    @property
    def label(self) -> str:
        """Name and version of the price source."""
        return f"{PACKAGE} {metadata.version(PACKAGE)}"

    def canonical(self, provider: str, name: str) -> str | None:
        """The id of the model that `name` (lower case) refers to; None if it has no price.

        Matches as genai-prices does: aliases, dated ids, fine-tunes of a known base.
        """
        if provider not in self._models:
            return None
        # The first match decides even when it is a model that we leave out: a name that the
        # package takes for one model must not be priced as another.
        found = self._providers[provider].find_model(name)
        return found.id if found is not None and found.id in self._models[provider] else None

    def models(self, provider: str) -> Sequence[str]:
        """Ids of all priced models of one provider."""
        return tuple(self._models.get(provider, ()))

    @property
    def providers(self) -> Sequence[str]:
        """Slugs of the providers that the packaged data prices."""
        return tuple(self._models)

    def timeline(self, provider: str, model: str) -> Timeline:
        """The cards of one model, by its id; empty when it is not one of `models`."""
        key = (provider, model)
        if key not in self._timelines:
            info = self._models.get(provider, {}).get(model)
            if info is None:
                return Timeline()
            self._timelines[key] = self._compile(provider, info)
        return self._timelines[key]

    def _compile(self, provider: str, model: ModelInfo) -> Timeline:
        moments = genai.moments_ms(model) | self._overlay.moments_ms(provider, model.id)
        return Timeline((at_ms, self._card(provider, model, at_ms)) for at_ms in sorted(moments))

    def _card(self, provider: str, model: ModelInfo, at_ms: int) -> RateCard:
        draft = self._draft(provider, model, at_ms)
        overlaid = self._overlay.fill(draft, at_ms)
        tables = {STANDARD: draft.standard, **draft.variants}
        rates = {variant: compile_rates(table) for variant, table in tables.items()}
        return RateCard(
            provider=provider,
            model=model.id,
            context_window=_plausible_window(draft.context_window, rates.values()),
            max_output_tokens=draft.max_output_tokens,
            rates=rates,
            multipliers_permille=draft.multipliers_permille,
            effective_at_ms=at_ms,
            source=f"{self.label} + overlay {self._overlay.revision}" if overlaid else self.label,
        )

    def _draft(self, provider: str, model: ModelInfo, at_ms: int) -> Draft:
        """What the package and the limits file say of a model at a moment."""
        when = _EPOCH + timedelta(milliseconds=at_ms)
        context_window, max_output_tokens = self._limits.get((provider, model.id), (0, 0))
        draft = Draft(
            provider,
            model.id,
            standard={**implied(provider), **genai.price_table(provider, model.get_prices(when))},
            context_window=max(context_window, model.context_window or 0),
            max_output_tokens=max_output_tokens,
        )
        for variant in model.price_variants or ():
            if variant.constraint is not None and not variant.constraint.active(when):
                continue
            ((kind, value),) = variant.when.items()
            name = f"{kind}={value}"
            # The package merges a variant over the standard, key by key; so it merges here.
            merged = genai.price_table(provider, model.get_prices(when, variant.when))
            table = {**implied(provider), **merged}
            if not is_standard(name):
                draft.variants[name] = table
            elif table != draft.standard:
                raise PriceDataError(f"{model.id}: {name} differs from the standard price")
        return draft

    def _resolve(self, limits: LimitsFile) -> dict[tuple[str, str], Limits]:
        """Limits by model id: of all names that refer to a model, the larger figure."""
        resolved: dict[tuple[str, str], Limits] = {}
        for provider, names in limits.items():
            for name, (window, output) in names.items():
                if model := self.canonical(provider, name):
                    known = resolved.get((provider, model), (0, 0))
                    resolved[provider, model] = (max(known[0], window), max(known[1], output))
        return resolved


def load_limits() -> LimitsFile:
    """Read the packaged data/limits.json (made by scripts/reduce_limits.py)."""
    text = resources.files(__package__).joinpath("data/limits.json").read_text(encoding="utf-8")
    return {
        provider: {name: (window, output) for name, (window, output) in names.items()}
        for provider, names in json.loads(text)["models"].items()
    }


def normalized(provider: str, name: str) -> str:
    """A model's name as requests write it, in the form that prices are kept under."""
    name = name.lower()
    return name.removeprefix(_GEMINI_NAME_PREFIX) if provider == "gemini" else name


def _priced(slug: str, provider: Provider) -> dict[str, ModelInfo]:
    models: dict[str, ModelInfo] = {}
    for model in provider.models:
        # The package lists under Google what Vertex AI sells of others; those are not Gemini's.
        if slug == "gemini" and not model.id.startswith(_GEMINI_FAMILY):
            continue
        if genai.is_priced_in_our_units(model):
            genai.check_understood(model)
            models[model.id] = model
    return models


def _plausible_window(context_window: int, rates: Iterable[Rates]) -> int:
    """The window, or 0 (unknown) when a tier shows that more input than it is sold."""
    thresholds = (tier.above_input_tokens for each in rates for tier in each.tiers)
    return 0 if max(thresholds, default=-1) >= context_window else context_window
