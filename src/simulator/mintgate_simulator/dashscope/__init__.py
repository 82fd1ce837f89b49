"""Alibaba Model Studio: DashScope's own shape, OpenAI's and Anthropic's beside each other."""

from .twin import dashscope_twin

__all__ = ["dashscope_twin"]
