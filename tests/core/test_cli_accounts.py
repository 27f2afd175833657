"""`role list`, `role grant` and `role revoke`, as an administrator at the machine types them."""

import json
from pathlib import Path

import pytest

from tests.commands import run

ADA, BOB = "ada@lab.example", "bob@lab.example"


@pytest.fixture(autouse=True)
def at_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTC_READER", "root")


def accounts(capsys: pytest.CaptureFixture[str], data: Path) -> list[tuple[str, str, str, str]]:
    rows = run(capsys, data, "role", "list")["accounts"]
    return [(row["name"], row["role"], row["by"], row["reason"]) for row in rows]


def journal(data: Path) -> list[tuple[object, ...]]:
    lines = [json.loads(line) for path in (data / "journal").glob("*.jsonl") for line in path.read_text().splitlines()]
    return [tuple(line[name] for name in ("subject", "old", "new", "reader", "role", "session")) for line in lines]


def test_roles_are_given_changed_and_withdrawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    assert accounts(capsys, data) == []
    first = run(capsys, data, "role", "grant", f" {ADA.upper()} ", "admin", "--reason", "founds the lab's desk")
    assert first == {"name": ADA, "role": "admin"}
    assert run(capsys, data, "role", "grant", BOB, "reader", "--reason", "joins")["role"] == "reader"
    assert run(capsys, data, "role", "grant", BOB, "expert", "--reason", "has learnt")["role"] == "expert"
    assert run(capsys, data, "role", "revoke", BOB, "--reason", "has left") == {"name": BOB, "role": ""}
    assert accounts(capsys, data) == [(ADA, "admin", "root", "founds the lab's desk"), (BOB, "", "root", "has left")]
    assert journal(data) == [
        (ADA, None, "admin", "root", "admin", "command line"),
        (BOB, None, "reader", "root", "admin", "command line"),
        (BOB, "reader", "expert", "root", "admin", "command line"),
        (BOB, "expert", None, "root", "admin", "command line"),
    ]
    run(capsys, data, "role", "grant", ADA, "admin", "--reason", "the same again")
    assert len(journal(data)) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("grant", "ada", "admin", "--reason", "r"),
            "'ada': not an e-mail address. Give the one that the log-in shows.",
        ),
        (("grant", BOB, "reader", "--reason", " "), f"{BOB}: a change of an account needs a reason."),
        (("grant", BOB, "king", "--reason", "r"), "'king' is not one of 'reader', 'expert', 'admin'"),
        (("grant", BOB, "reader"), "Missing option '--reason'"),
        (("revoke", ADA, "--reason", "r"), f"{ADA}: the last administrator stays one. Name another administrator"),
    ],
)
def test_what_is_refused_changes_nothing(
    words: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    run(capsys, data, "role", "grant", ADA, "admin", "--reason", "founds the lab's desk")
    before = journal(data)
    said = run(capsys, data, "role", *words, code=2)
    assert message in " ".join(said.replace("│", " ").split())
    assert journal(data) == before
