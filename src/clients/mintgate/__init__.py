"""Mintgate's client: mint a key per user, cap it hard, meter it exactly, bill it.

The gateway itself is `pip install 'mintgate[server]'`; this package talks to
it over gRPC and holds the command line.
"""

from .channel import Tls
from .client import AsyncClient, Client
from .config import ConfigError, Settings
from .errors import (
    AddressNotAllowed,
    AlreadyResolved,
    CapExceeded,
    Conflict,
    IdempotencyConflict,
    IdReused,
    Internal,
    InvalidArgument,
    KeyExpired,
    KeyPaused,
    KeyRevoked,
    LeaseLost,
    MintgateError,
    ModelNotAllowed,
    ModelUnpriced,
    NotFound,
    OriginNotAllowed,
    OutcomeUnknown,
    Overloaded,
    PaymentRequired,
    PermissionDenied,
    ProviderNotAllowed,
    RateLimited,
    TooManyObjects,
    Unauthenticated,
    Unavailable,
    WalletEmpty,
)
from .ids import new_id
from .money import format_usd, nano_usd
from .retry import RetryPolicy
from .types import CreatedAccount, Hold, Minted, RateLimits, Rotated, WindowCap

__all__ = [
    "AddressNotAllowed",
    "AlreadyResolved",
    "AsyncClient",
    "CapExceeded",
    "Client",
    "ConfigError",
    "Conflict",
    "CreatedAccount",
    "Hold",
    "IdReused",
    "IdempotencyConflict",
    "Internal",
    "InvalidArgument",
    "KeyExpired",
    "KeyPaused",
    "KeyRevoked",
    "LeaseLost",
    "Minted",
    "MintgateError",
    "ModelNotAllowed",
    "ModelUnpriced",
    "NotFound",
    "OriginNotAllowed",
    "OutcomeUnknown",
    "Overloaded",
    "PaymentRequired",
    "PermissionDenied",
    "ProviderNotAllowed",
    "RateLimited",
    "RateLimits",
    "RetryPolicy",
    "Rotated",
    "Settings",
    "Tls",
    "TooManyObjects",
    "Unauthenticated",
    "Unavailable",
    "WalletEmpty",
    "WindowCap",
    "format_usd",
    "nano_usd",
    "new_id",
]
