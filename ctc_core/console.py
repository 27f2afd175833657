"""What all commands share: the global options, printing results and progress, failing in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import typer

from ctc_core.errors import printable
from ctc_core.settings import Settings


class Session:
    """What the global options set."""

    settings = Settings()
    as_json = False


def global_first(given: list[str]) -> list[str]:
    """Move `--data DIR` and `--json` to the front, where typer expects what belongs to all commands."""
    front, rest = [], []
    words = iter(given)
    for word in words:
        if word == "--json" or word.startswith("--data="):
            front.append(word)
        elif word == "--data":
            front += [word, next(words, "")]
        else:
            rest.append(word)
    return front + rest


def fail(message: str, code: int) -> None:
    """Say what went wrong on stderr and end with `code`."""
    _say(message, err=True)
    raise SystemExit(code)


def _say(text: str, *, err: bool = False) -> None:
    """Print what may repeat a name from outside: nothing in it may command the terminal."""
    typer.echo("\n".join(map(printable, text.split("\n"))), err=err)


def show(value: Any) -> None:
    """Print a result: one JSON value with `--json`, lines for the eye without."""
    if Session.as_json:
        typer.echo(json.dumps(value, default=str, allow_nan=False))
        return
    for line in _lines(value):
        _say(line)


def _lines(value: Any, indent: str = "") -> list[str]:
    """A result for the eye: one line for each entry."""
    if isinstance(value, dict):
        return [line for key, item in value.items() for line in _entry(str(key), item, indent)]
    if isinstance(value, list):
        return [indent + (_row(item) if isinstance(item, dict) else str(item)) for item in value]
    return [indent + str(value)]


def _entry(key: str, item: Any, indent: str) -> list[str]:
    if isinstance(item, dict | list) and item:
        return [f"{indent}{key}:", *_lines(item, indent + "  ")]
    return [f"{indent}{key}: {item if item not in ({}, []) else 'none'}"]


def _row(item: dict[str, Any]) -> str:
    return "  ".join(f"{key}={value}" for key, value in item.items())


def progress(label: str) -> Callable[[int, int, str], None]:
    """A `Progress` that writes to stderr, and nothing twice in a row."""
    last = ""

    def report(done: int, total: int, note: str) -> None:
        nonlocal last
        line = f"{label}: {f'{done}/{total} ' if total else ''}{note}"
        if line != last:
            _say(line, err=True)
        last = line

    return report
