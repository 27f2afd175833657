"""Every error this package raises on purpose.

CTCError                    base: the message names the object, the reason and what to do
├── UserError               the user can mend it: command line exit code 2, a sentence on the page
│   ├── CartridgeError      the archive cannot be accepted; nothing of it reaches the store
│   ├── SettingsError       a setting or an option does not make sense
│   ├── ModelError          a model is missing, was changed, or does not fit the data
│   ├── NotEnoughLabels     a classifier cannot be fitted from the labels there are
│   ├── NotAllowed          the person's role or log-in does not allow it; nothing was saved
│   └── StoreBusy           another process owns the store
├── FrameError              one frame cannot be used; the cartridge goes on without it
├── JournalError            the journal was edited, cut or cannot be written
├── StoreError              the store contradicts itself or what it was given
│   └── DecisionRefused     a decision that can never be saved, and of which nothing was written
└── Cancelled               a person cancelled the job; finished frames are kept
"""

from __future__ import annotations

from pathlib import Path


def printable(text: str) -> str:
    """Text from outside without what a terminal or a browser would obey, or could not show: controls, bare bytes."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


class CTCError(Exception):
    """Base of all errors raised on purpose."""


class UserError(CTCError):
    """Something the user can mend."""


class CartridgeError(UserError):
    """An archive that cannot be accepted."""

    def __init__(self, path: Path | str, reason: str, advice: str) -> None:
        self.path, self.reason, self.advice = Path(path), printable(reason), advice
        super().__init__(f"{self.file}: {self.reason}. {advice}.")

    @property
    def file(self) -> str:
        """Name of the file or folder, fit for a screen."""
        return printable(self.path.name)

    def __reduce__(self) -> tuple[type[CartridgeError], tuple[Path, str, str]]:
        return type(self), (self.path, self.reason, self.advice)


class FrameError(CTCError):
    """One frame that cannot be used; the rest of the cartridge can."""

    ADVICE = "Export it again; the other frames are not affected"

    def __init__(self, frame: int, reason: str) -> None:
        self.frame, self.reason = frame, reason
        super().__init__(f"frame {frame} cannot be used: {reason}. {self.ADVICE}.")

    def __reduce__(self) -> tuple[type[FrameError], tuple[int, str]]:
        return type(self), (self.frame, self.reason)


class SettingsError(UserError):
    """A setting or an option that does not make sense."""


class ModelError(UserError):
    """A model that is missing, was changed, or does not fit the data."""


class NotEnoughLabels(UserError):
    """Too few labels to fit a classifier."""


class NotAllowed(UserError):
    """The person's role, or an expired log-in, does not allow it."""


class StoreBusy(UserError):
    """Another process owns the store."""


class JournalError(CTCError):
    """The journal was edited, cut or cannot be written."""


class StoreError(CTCError):
    """The store contradicts itself or what it was given."""


class DecisionRefused(StoreError):
    """A decision that can never be saved as it is. Nothing of it is in the journal; whoever sent it may forget it."""


class Cancelled(CTCError):
    """A person cancelled the job."""
