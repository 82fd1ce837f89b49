"""Native twins of the model providers, for runs without a key, for tests and for benchmarks.

One process serves every provider under its own prefix (``/openai/v1``, ``/anthropic/v1``,
``/gemini/v1beta``). An unmodified SDK whose base URL points here gets the wire shapes it would get
from the provider: JSON, streams, errors, broken streams. What an answer contains can be steered
with the ``x-simulate`` request header (see ``control``), and what was received and sent can be read
back under ``/_sim`` (see ``record``).
"""
