"""Drafts and signed versions: what is looked at, what is signed, what is kept.

A person signs what was shown: the signature names the content's hash, and signing is refused where the content has
changed since. The file is kept as it was signed; when decisions change later, a new version can be signed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ctc_core.counting import CountOptions
from ctc_core.errors import StoreError, UserError
from ctc_core.report.content import Content, from_json
from ctc_core.report.count import USUAL
from ctc_core.report.gather import counted_crops, gather
from ctc_core.report.pdf import render
from ctc_core.report.words import counted_twice
from ctc_core.store import Store
from ctc_core.store.reports import Signature, SignedReport

MAX_REASON = 500
"""Characters of a reason for signing."""


@dataclass(frozen=True)
class Draft:
    """What the report would say now, and what was signed last."""

    content: Content
    last: SignedReport | None

    @property
    def is_signed(self) -> bool:
        """Nothing has changed since the last version was signed."""
        return self.last is not None and self.last.signature.content_id == statement(self.content)


def statement(content: Content) -> str:
    """Hash of what a signature answers for: decisions, pictures, models and threshold.

    Estimates are left out, since they also change with decisions about other patients, and the software's version.
    """
    estimates = {"concentration": None, "p_draw": None, "p_patient": None, "unseen": None, "unseen_bound": None}
    counted = replace(content.counted, **estimates, sentences=())  # type: ignore[arg-type]
    sources = replace(content.sources, software="")
    return replace(content, counted=counted, sources=sources, trusted=None, why_not_trusted="", stale=()).id


def draft(store: Store, cartridge_id: str, threshold: float, options: CountOptions = USUAL) -> Draft:
    """The report on one cartridge as it stands.

    Raises:
        UserError: there is no such cartridge.
    """
    content = gather(store, cartridge_id, threshold, options)
    return Draft(content, next(reversed(store.reports(cartridge_id)), None))


def file_of(store: Store, made: Draft) -> bytes:
    """The PDF file: the signed one as long as nothing has changed, else a draft.

    Raises:
        StoreError: the signed file is missing.
    """
    if made.is_signed and made.last is not None:
        return signed_file(made.last)
    return render(made.content, None, counted_crops(store, made.content))


def signed_file(report: SignedReport) -> bytes:
    """A signed version, as it was signed.

    Raises:
        StoreError: the file is missing, or was changed.
    """
    from ctc_core.models import sha256

    if not report.pdf.is_file() or sha256(report.pdf) != report.sha256:
        message = f"{report.pdf}: missing, or changed after it was signed. Restore it from a backup."
        raise StoreError(message)
    return report.pdf.read_bytes()


def sign(
    store: Store, shown: Draft, *, name: str, reason: str, reader: str, session: str, distinct: bool = False
) -> SignedReport:
    """Sign what was shown, as the next version.

    Args:
        store: nothing is decided in it while this runs (seconds).
        shown: what the person has looked at.
        name: the person's name, typed again.
        reason: why it is signed, in the person's words.
        reader: who is signed in.
        session: the person's stay at the desk.
        distinct: the person says that counted CTCs which lie close together are different cells.

    Raises:
        UserError: another name, no reason, close pairs that nobody answers for, a second reading that hides something
            from this person, or something has changed since it was shown, or is signed already.
    """
    _check_words(name, reason, reader)
    if store.hides(shown.content.subject.cartridge_id):
        message = (
            f"{shown.content.subject.cartridge_id}: you have a second reading open that hides from you what others said"
            " of these cells, so this report does not count it. Finish that reading (Relabel / Queue), then sign."
        )
        raise UserError(message)
    if shown.content.neighbours and not distinct:
        message = (
            f"{counted_twice(shown.content)} Decide one of two that are the same cell as non-CTC, or confirm that they"
            " are different cells; then sign."
        )
        raise UserError(message)
    subject, reading, counted = shown.content.subject, shown.content.reading, shown.content.counted
    options = CountOptions(volume_ml=counted.volume_ml, cut_off=counted.cut_off)
    with store.frozen():
        now = draft(store, subject.cartridge_id, reading.threshold, options)
        if statement(now.content) != statement(shown.content):
            message = f"{subject.cartridge_id}: the report has changed since it was shown. Look at it again, then sign."
            raise UserError(message)
        if now.is_signed and now.last is not None:
            version = now.last.signature.version
            message = (
                f"{subject.cartridge_id}: version {version} says the same and is signed. Nothing needs to be done."
            )
            raise UserError(message)
        signature = _signature(store, now, reader, reason.strip())
        pdf = render(now.content, signature, counted_crops(store, now.content))
        text = now.content.to_json()
        return store.add_report(subject.cartridge_id, signature, pdf, text, reader=reader, session=session)


def _check_words(name: str, reason: str, reader: str) -> None:
    if name.strip() != reader:
        message = f"The name is not that of the person signed in ({reader}). Type your own name to sign."
        raise UserError(message)
    if not reason.strip() or len(reason) > MAX_REASON:
        message = f"A signature needs a reason of at most {MAX_REASON} characters. Say why the report is signed now."
        raise UserError(message)


def _signature(store: Store, now: Draft, reader: str, reason: str) -> Signature:
    entry, digest = store.journal.head
    return Signature(
        version=now.last.signature.version + 1 if now.last else 1,
        name=reader,
        reason=reason,
        signed=datetime.now(UTC).isoformat(timespec="seconds"),
        content_id=statement(now.content),
        journal_entry=entry,
        journal_hash=digest,
    )


def remake(store: Store, report: SignedReport) -> bytes:
    """A signed version made again from what it says and the cartridge's pictures: the same bytes by the same software.

    Raises:
        StoreError: what it says is missing, or was changed.
    """
    try:
        content = from_json(report.content.read_text())
    except OSError as error:
        message = f"{report.content}: cannot be read ({error}). Restore it from a backup."
        raise StoreError(message) from error
    return render(content, report.signature, counted_crops(store, content))
