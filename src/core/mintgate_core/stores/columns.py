"""Names of every table's columns, in the order in which `rows` reads and writes them."""

from __future__ import annotations

LINE_COLUMNS = "line_id, wallet_id, kind, cap, ceiling, held, spent, seq, key_id, window_start"
HOLD_COLUMNS = (
    "hold_id, wallet_id, line_ids, key_id, account_id, provider, model, route, request_id,"
    " price_version, amount, worst, output_tokens, fitted, on_disconnect, metered,"
    " metered_amount, reserved_at, expires_at, job"
)
JOB_COLUMNS = (
    "hold_id, wallet_id, surface, operation, object_id, state, due_at, attempt, created_at,"
    " deadline"
)
OBJECT_COLUMNS = (
    "provider, object_kind, object_id, account_id, key_id, note, created_at, expires_at, counted"
)
JOURNAL_COLUMNS = (
    "op_id, kind, wallet_id, seq, key_id, line_ids, granted, held, actual, charged, absorbed,"
    " at, note"
)
ACCOUNT_COLUMNS = "account_id, name, wallet_id, postpaid, created_at"
KEY_COLUMNS = (
    "key_id, account_id, wallet_id, line_ids, secret_sha256, name, prefix, scope, status,"
    " created_at, cap, expires_at, revoked_at, external_user_id, metadata, allowed_providers,"
    " allowed_models, unbounded_output, on_disconnect, window_period, window_zone, window_cap,"
    " window_line, window_start, window_end, requests_per_minute, tokens_per_minute,"
    " open_requests, previous_secret_sha256, previous_secret_until,"
    " allowed_origins, allowed_cidrs"
)
DETAIL_COLUMNS = (
    "op_id, kind, wallet_id, seq, at, key_id, account_id, provider, requested_model, route,"
    " request_id, hold_price_version, model, measured, actual, charged, absorbed, held, prior,"
    " overrun, late, settled_by, status, price_version, http_status, latency_ms, first_byte_ms,"
    " reasoning_tokens, provider_request_id, input_tokens, output_tokens, cache_read_tokens,"
    " cache_write_tokens"
)
USAGE_COLUMNS = (
    "request_count, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,"
    " charged, absorbed, latency_ms"
)
USAGE_GROUP = "wallet_id, {}, key_id, provider, model"
"""The primary key of a rollup, with the name of its time."""
USAGE_HOUR_COLUMNS = f"{USAGE_GROUP.format('hour')}, {USAGE_COLUMNS}"
USAGE_DAY_COLUMNS = f"{USAGE_GROUP.format('day')}, {USAGE_COLUMNS}"
REPLAY_COLUMNS = "minter_key_id, idempotency_sha256, request_json, salt, key_id, created_at"
