"""The base catalogue: genai-prices, its gaps filled by our overlay, and limits beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib import metadata, resources
from typing import TYPE_CHECKING

from mintgate_core.pricing import genai
from mintgate_core.pricing.cards import ADDON, STANDARD, RateCard, Rates
from mintgate_core.pricing.errors import PriceDataError
from mintgate_core.pricing.hours import check_hours
from mintgate_core.pricing.overlay import Draft, Overlay, load_overlay
from mintgate_core.pricing.rows import utc_midnight_ms
from mintgate_core.pricing.table import compile_addon, compile_rates, implied
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

    def __init__(
        self,
        providers: Iterable[Provider],
        overlay: Overlay,
        limits: LimitsFile,
        label: str = "",
        *,
        lenient: bool = False,
    ) -> None:
        """Check all data at once, so that bad data stops the start and not a request.

        `label` names the price source where it is not the packaged one. The packaged overlay
        may be about models that another release lacks: `lenient` passes over them. Raises
        `PriceDataError`.
        """
        self._label = label or f"{PACKAGE} {metadata.version(PACKAGE)}"
        self._overlay = overlay
        self._timelines: dict[tuple[str, str], Timeline] = {}
        by_id = {provider.id: provider for provider in providers}
        self._providers = {
            slug: by_id[theirs] for slug, theirs in genai.PROVIDER_IDS.items() if theirs in by_id
        }
        self._models: dict[str, dict[str, ModelInfo | None]] = {
            slug: dict(_priced(slug, p)) for slug, p in self._providers.items()
        }
        for provider, model in overlay.own_models():
            # Where the package has learnt to price a model, it has taken over.
            self._models.setdefault(provider, {}).setdefault(model, None)
        self._names = self._own_names()
        self._limits = self._resolve(limits)
        for row in overlay.rows:
            missing = row.models - self._models.get(row.provider, {}).keys()
            if missing and not lenient:
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
        return self._label

    @property
    def read_at_ms(self) -> int:
        """The day on which the packaged data was read; 0 when it does not say."""
        revision = self._overlay.revision
        return utc_midnight_ms(date.fromisoformat(revision)) if revision else 0

    def canonical(self, provider: str, name: str) -> str | None:
        """The id of the model that `name` (lower case) refers to; None if it has no price.

        The overlay's very names first, then as genai-prices matches: aliases, dated ids,
        fine-tunes of a known base; at last the overlay's names that end in "*".
        """
        if own := self._names.get((provider, name)):
            return own
        found = self._matched(provider, name)
        return self._prefixed(provider, name) if found is None else found or None

    def models(self, provider: str) -> Sequence[str]:
        """Ids of all priced models of one provider, but for those that are names of others now."""
        models = self._models.get(provider, ())
        return tuple(
            model
            for model in models
            if self._names.get((provider, normalized(provider, model)), model) == model
        )

    @property
    def providers(self) -> Sequence[str]:
        """Slugs of the providers that the packaged data prices."""
        return tuple(self._models)

    def timeline(self, provider: str, model: str) -> Timeline:
        """The cards of one model, by its id; empty when it is not one of `models`."""
        key = (provider, model)
        if key not in self._timelines:
            if model not in self._models.get(provider, {}):
                return Timeline()
            self._timelines[key] = self._compile(provider, model)
        return self._timelines[key]

    def _compile(self, provider: str, model: str) -> Timeline:
        info = self._models[provider][model]
        moments = self._overlay.moments_ms(provider, model)
        if info is not None:
            moments |= genai.moments_ms(info)
        else:
            # A row for all models of a provider starts no model before its own first row.
            first = self._overlay.first_ms(provider, model)
            moments = {at_ms for at_ms in moments if at_ms >= first}
        return Timeline((at_ms, self._card(provider, model, at_ms)) for at_ms in sorted(moments))

    def draft(self, provider: str, model: str, at_ms: int) -> Draft:
        """What all sources name of one of `models` at a moment, before any fallback."""
        draft = self._draft(provider, model, at_ms)
        self._overlay.fill(draft, at_ms)
        return draft

    def _card(self, provider: str, model: str, at_ms: int) -> RateCard:
        draft = self._draft(provider, model, at_ms)
        overlaid = self._overlay.fill(draft, at_ms)
        source = f"{self.label} + overlay {self._overlay.revision}" if overlaid else self.label
        return card_of(draft, at_ms, source)

    def _draft(self, provider: str, model: str, at_ms: int) -> Draft:
        """What the package and the limits file say of a model at a moment."""
        context_window, max_output_tokens = self._limits.get((provider, model), (0, 0))
        draft = Draft(
            provider,
            model,
            standard=dict(implied(provider)),
            context_window=context_window,
            max_output_tokens=max_output_tokens,
        )
        info = self._models[provider][model]
        if info is None:
            return draft
        when = _EPOCH + timedelta(milliseconds=at_ms)
        draft.context_window = max(context_window, info.context_window or 0)
        standard = genai.prices_of(info, when)
        draft.standard |= genai.price_table(provider, standard)
        if annotated := genai.annotated_table(standard):
            draft.variants[genai.PAGES_ANNOTATED] = draft.standard | annotated
        for name, prices in genai.variants_at(info, when):
            table = {**implied(provider), **genai.price_table(provider, prices)}
            if not is_standard(name):
                draft.variants[name] = table
            elif table != draft.standard:
                raise PriceDataError(f"{model}: {name} differs from the standard price")
        return draft

    def _matched(self, provider: str, name: str) -> str | None:
        """The id of the package's match; "" for a model that we leave out, None for no match."""
        if provider not in self._providers:
            return None
        # The first match decides even when it is a model that we leave out: a name that the
        # package takes for one model must not be priced as another.
        found = self._providers[provider].find_model(name)
        if found is None:
            return None
        return found.id if found.id in self._models[provider] else ""

    def _prefixed(self, provider: str, name: str) -> str | None:
        """The model whose alias is the longest that `name` begins with."""
        fitting = (
            (len(alias), model)
            for (slug, alias), model in self._names.items()
            if slug == provider and alias.endswith("*") and name.startswith(alias[:-1])
        )
        return max(fitting, default=(0, None))[1]

    def _own_names(self) -> dict[tuple[str, str], str]:
        """Names in lower case of what only the overlay knows: its models, and its aliases."""
        names = {
            (provider, normalized(provider, alias)): model
            for provider, alias, model in self._overlay.aliases()
        }
        for provider, models in self._models.items():
            own = (model for model, info in models.items() if info is None)
            names |= {(provider, normalized(provider, model)): model for model in own}
        return names

    def _resolve(self, limits: LimitsFile) -> dict[tuple[str, str], Limits]:
        """Limits by model id: of all names that refer to a model, the larger figure."""
        resolved: dict[tuple[str, str], Limits] = {}
        for provider, names in limits.items():
            for name, (window, output) in names.items():
                if model := self.canonical(provider, normalized(provider, name)):
                    known = resolved.get((provider, model), (0, 0))
                    resolved[provider, model] = (max(known[0], window), max(known[1], output))
        return resolved


def card_of(draft: Draft, at_ms: int, source: str) -> RateCard:
    """Compile a draft. Raises `ValueError` for what cannot be a card."""
    tables = {STANDARD: draft.standard, **draft.variants}
    rates = {
        variant: compile_addon(table) if variant.startswith(ADDON) else compile_rates(table)
        for variant, table in tables.items()
    }
    check_hours(rates)
    return RateCard(
        provider=draft.provider,
        model=draft.model,
        context_window=_plausible_window(draft.context_window, rates.values()),
        max_output_tokens=draft.max_output_tokens,
        rates=rates,
        multipliers_permille=draft.multipliers_permille,
        effective_at_ms=at_ms,
        source=source,
    )


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
        if genai.is_priced(model):
            genai.check_understood(model)
            models[model.id] = model
    return models


def _plausible_window(context_window: int, rates: Iterable[Rates]) -> int:
    """The window, or 0 (unknown) when a tier shows that more input than it is sold."""
    thresholds = (tier.above_input_tokens for each in rates for tier in each.tiers)
    return 0 if max(thresholds, default=-1) >= context_window else context_window
