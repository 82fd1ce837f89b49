"""Which strategy makes the requests of which metered route."""

from __future__ import annotations

from collections.abc import Mapping

from mintgate_facade.dialects.base import Policy
from mintgate_facade.providers.registry import PROVIDERS

from tests.properties.worst import later, pieces, qwen, tokens
from tests.properties.worst.case import Strategy, Target

STRATEGIES: Mapping[tuple[str, str], Strategy] = {
    ("anthropic", "messages"): tokens.messages,
    ("dashscope", "embeddings"): qwen.embeddings,
    ("dashscope", "generation"): qwen.generation,
    ("dashscope", "multimodal"): qwen.multimodal,
    ("dashscope", "rerank"): qwen.rankings,
    ("dashscope", "speech"): qwen.speech,
    ("deepgram", "listen"): pieces.listened,
    ("deepgram", "read"): pieces.looked_through,
    ("deepgram", "speak"): pieces.spoken_by_query,
    ("deepgram", "speak_v2"): pieces.spoken_by_query,
    ("elevenlabs", "alignment"): pieces.recordings,
    ("elevenlabs", "conversion"): pieces.recordings,
    ("elevenlabs", "dialogue"): pieces.spoken,
    ("elevenlabs", "dialogue_timed"): pieces.spoken,
    ("elevenlabs", "effect"): pieces.effects,
    ("elevenlabs", "isolation"): pieces.recordings,
    ("elevenlabs", "music"): pieces.songs,
    ("elevenlabs", "music_events"): pieces.songs,
    ("elevenlabs", "speech"): pieces.spoken,
    ("elevenlabs", "speech_timed"): pieces.spoken,
    ("elevenlabs", "transcription"): pieces.recordings,
    ("elevenlabs", "voice_design"): pieces.designs,
    ("gemini", "cache"): tokens.caches,
    ("gemini", "embed"): tokens.embed,
    ("gemini", "embed_batch"): tokens.embed,
    ("gemini", "generate"): tokens.generate,
    ("gemini", "stream"): tokens.generate,
    ("openai", "chat"): tokens.chat,
    ("openai", "compact"): tokens.compactions,
    ("openai", "completions"): tokens.completions,
    ("openai", "embeddings"): tokens.embeddings,
    ("openai", "fim"): tokens.completions,
    ("openai", "image_edit"): pieces.edits,
    ("openai", "images"): pieces.pictures,
    ("openai", "responses"): tokens.responses,
    ("openai", "speech"): pieces.speech,
    ("openai", "transcription"): pieces.transcripts,
    ("openai", "translation"): pieces.transcripts,
}
"""By the name of the dialect and the operation."""

OWN: Mapping[tuple[str, str], Strategy] = {
    ("dashscope", "messages"): qwen.messages,
    ("minimax", "speech"): pieces.speech_by_character,
    ("minimax", "speech_task"): pieces.speech_by_character,
    ("mistral", "ocr"): pieces.pages,
    ("mistral", "speech"): pieces.speech_by_character,
    ("mistral", "transcription"): pieces.timed_transcripts,
    ("xai", "images"): pieces.pictures_by_count,
    ("xai", "recording"): pieces.recordings_by_xai,
    ("xai", "speech"): pieces.speech_by_character,
}
"""By the provider's slug and the operation; they go before the others."""

JOBS: Mapping[tuple[str, str], Strategy] = {
    ("dashscope", "picture_task"): qwen.picture_tasks,
    ("dashscope", "transcript_task"): qwen.transcript_tasks,
    ("dashscope", "video_task"): qwen.video_tasks,
    ("gemini", "batch"): later.batches,
    ("gemini", "batch_embed"): later.embeddings,
    ("gemini", "video"): later.videos,
    ("openai", "xai_video"): later.clips,
}
"""The same of routes whose answer is none yet."""
JOB_TARGETS = tuple(
    Target(provider, surface, route)
    for provider in PROVIDERS
    for surface in provider.surfaces
    for route in surface.routes
    if route.policy is Policy.METERED and (surface.dialect.name, route.operation) in JOBS
)


def strategy_of(target: Target) -> Strategy | None:
    """Find the strategy of a route; None when nobody has written one."""
    operation = target.route.operation
    own = OWN.get((target.provider.slug, operation))
    return own or STRATEGIES.get((target.surface.dialect.name, operation))
