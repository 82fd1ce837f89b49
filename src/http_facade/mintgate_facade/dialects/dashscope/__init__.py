"""Alibaba Model Studio's own wire shape (DashScope), and how its other two differ."""

from mintgate_facade.dialects.dashscope.dialect import DashScopeDialect

__all__ = ["DashScopeDialect"]
