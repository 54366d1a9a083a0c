"""The exception tree. Every error tells what happened, with which value, why, and what to do next.

FiresteelError            exit 1   our mistake, or one we cannot blame on anybody
└── UserError             exit 2   the reader can mend it: recipe, files, machine, arguments
    ├── RecipeError                a recipe that cannot be read or does not make sense
    ├── SourceError                an input file, folder or package
    ├── ArtefactError              a folder with a manifest that is missing, damaged or of another kind
    ├── MachineError               disk, memory, port, device, missing program
    └── GateError                  a release gate said no
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping


class FiresteelError(Exception):
    """What happened, with which value, why; `hint` says what to do next."""

    exit_code = 1

    def __init__(self, what: str, *, value: object = None, why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what, self.value, self.why, self.hint = what, value, why, hint

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (
            type(self),
            self.what,
            self.value,
            self.why,
            self.hint,
        )  # so that it can leave a worker process

    def __str__(self) -> str:
        lines = [self.what if self.value is None else f"{self.what}: {self.value}"]
        lines += [f"why: {self.why}"] if self.why else []
        lines += [f"hint: {self.hint}"] if self.hint else []
        return "\n".join(lines)


def _rebuilt(kind: type[FiresteelError], what: str, value: object, why: str, hint: str) -> FiresteelError:
    return kind(what, value=value, why=why, hint=hint)


class UserError(FiresteelError):
    """Something the reader of the message can mend."""

    exit_code = 2


class RecipeError(UserError):
    """A recipe that cannot be read or does not make sense."""


class SourceError(UserError):
    """An input file, folder or package that cannot be used."""


class ArtefactError(UserError):
    """A folder with a manifest that is missing, damaged or of another kind."""


class MachineError(UserError):
    """Disk, memory, port, device, or a missing program."""


class GateError(UserError):
    """A release gate said no."""


def told(error: FiresteelError) -> dict[str, str]:
    """An error as plain data, for another process."""
    value = "" if error.value is None else str(error.value)
    return {"kind": type(error).__name__, "what": error.what, "value": value, "why": error.why, "hint": error.hint}


def restored(fields: Mapping[str, str]) -> FiresteelError:
    """The error that another process told; a kind that is not known here becomes the plainest one."""
    known: tuple[type[FiresteelError], ...] = (UserError, *UserError.__subclasses__())
    kind = next((one for one in known if one.__name__ == fields["kind"]), FiresteelError)
    return kind(fields["what"], value=fields["value"] or None, why=fields["why"], hint=fields["hint"])


def nearest(name: str, known: Iterable[str]) -> str:
    """A `did you mean` sentence for a misspelt name, or the list of what is known."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else "known: " + ", ".join(known)
