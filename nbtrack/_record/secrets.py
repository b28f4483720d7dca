"""Telling credentials from hyperparameters, by name and by looks."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

REDACTED: Final = "<redacted>"

#: Last words of names whose text values are secrets: api_key, hfToken, db-password.
_SECRET_WORDS: Final = frozenset(
    {
        *("key", "apikey", "token", "secret", "password", "passwd", "passphrase"),
        *("credential", "credentials", "secrets", "passwords", "authorization"),
    }
)
#: Of these, a whole mapping is secret: ``key`` and ``token`` may be a section's name.
_SECRET_SECTIONS: Final = _SECRET_WORDS - {"key", "token"}
_CREDENTIAL: Final = (
    r"(sk-[\w-]{16,}|hf_\w{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|AKIA[0-9A-Z]{16}"
    r"|xox[abp]-[\w-]{10,}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}|\b[Bb]earer\s+[\w.~+/-]{16,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----)"
)
#: ``scheme://user:password@``; with http, a user alone is a token as well.
_USERINFO: Final = (
    r"(?i)\b(?:([a-z][a-z0-9+.-]*://)[^\s/?#:@]*:[^\s/?#]*@|(https?://)[^\s/?#@]+@)"
)

#: Text without any of these has no credential that we know; looking is cheap.
_MARKS: Final = (
    *("sk-", "hf_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "AKIA"),
    *("xoxa-", "xoxb-", "xoxp-", "eyJ", "earer", "://", "PRIVATE KEY"),
)
#: In running text, ``task-specific-tuning`` must not be taken for a key.
_CREDENTIAL_IN_TEXT: Final = rf"(?<![A-Za-z0-9_-]){_CREDENTIAL}"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile when there is something to look at: it takes longer than an import."""
    return re.compile(pattern)


def redacted(text: str) -> str:
    """Give running text with the credentials in it replaced, and nothing else.

    >>> redacted("token hf_abcdefghijklmnopqrst is task-specific-finetuning-x")
    'token <redacted> is task-specific-finetuning-x'
    """
    if not _may_have_some(text):
        return text
    return _without_passwords(_compiled(_CREDENTIAL_IN_TEXT).sub(REDACTED, text))


def without_secrets(name: str, text: str) -> str:
    """Give a text with what looks like a credential replaced.

    Only text: ``max_tokens=512`` and ``key_dim=64`` are hyperparameters.

    >>> without_secrets("api_key", "abc"), without_secrets("tokenizer", "bpe")
    ('<redacted>', 'bpe')
    >>> without_secrets("db", "postgres://me:word@host/runs")
    'postgres://<redacted>@host/runs'
    """
    if not text:
        return text
    if _last_word(name) in _SECRET_WORDS:
        return REDACTED
    if not _may_have_some(text):
        return text
    if _compiled(_CREDENTIAL).search(text):
        return REDACTED
    return _without_passwords(text)


def _may_have_some(text: str) -> bool:
    return any(mark in text for mark in _MARKS)


def _without_passwords(text: str) -> str:
    return _compiled(_USERINFO).sub(rf"\1\2{REDACTED}@", text)


def is_secret_section(name: str) -> bool:
    """Say whether all text below a name is secret, whatever its own name."""
    return _last_word(name) in _SECRET_SECTIONS


def _last_word(name: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.split(r"[^a-z0-9]+", words.lower())[-1]
