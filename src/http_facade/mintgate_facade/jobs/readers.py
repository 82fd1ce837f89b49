"""Which reader reads which job: by the dialect of its surface and its operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mintgate_facade.dialects import mistral_batch_end, xai_video
from mintgate_facade.dialects.anthropic import batch as message_batch
from mintgate_facade.dialects.dashscope import batch as qwen_batch
from mintgate_facade.dialects.dashscope.task_end import TASKS
from mintgate_facade.dialects.gemini import batch as gemini_batch
from mintgate_facade.dialects.gemini import batch_end, videos
from mintgate_facade.dialects.openai import background, batch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mintgate_facade.dialects.jobs import JobReader

READERS: Mapping[tuple[str, str], JobReader] = {
    ("openai", background.OPERATION): background.BackgroundResponse(),
    ("openai", batch.OPERATION): batch.Batch(),
    ("openai", qwen_batch.OPERATION): qwen_batch.Batch(),
    ("openai", xai_video.OPERATION): xai_video.Video(),
    ("gemini", gemini_batch.OPERATION): batch_end.Batch(),
    ("openai", mistral_batch_end.JOB): mistral_batch_end.MistralBatch(),
    ("gemini", videos.OPERATION): videos.Video(),
    ("anthropic", message_batch.OPERATION): message_batch.MessageBatch(),
    **{("dashscope", operation): reader for operation, reader in TASKS.items()},
}
