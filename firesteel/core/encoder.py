"""Text to ids in two ways: plain, in which no control token can arise, and armed, for text that a template wrote."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence

from tokenizers import AddedToken, Encoding
from tokenizers import Tokenizer as Backend
from tokenizers.processors import TemplateProcessing

from firesteel.core.errors import UserError

Place = tuple[int, int]  # characters of the text that a token stands for


class Encoder:
    """A `tokenizers` backend, bared of what would change ids or places behind our back; `restored` gives it back whole.

    `prefix` and `suffix` are what its post-processor puts around a text. Safe to use from several threads.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend, self._lock = backend, threading.Lock()
        self._kept = (backend.post_processor, backend.truncation, backend.padding)
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = True
        self.prefix, self.suffix = _around(backend)
        if backend.post_processor is not None:
            backend.post_processor = None  # it also trims places: a token of blanks would stand for no character
        self.made_special: set[int] = set()
        self._control: frozenset[int] = frozenset()
        state = backend.pre_tokenizer.__getstate__() if backend.pre_tokenizer is not None else b"{}"
        self._only_first = '"first"' in json.dumps(json.loads(state))  # only a text's very beginning gets a space

    def guard(self, tokens: dict[int, AddedToken]) -> None:
        """From now on no plain text becomes one of these tokens."""
        self._control = frozenset(tokens)
        new = {id: token for id, token in tokens.items() if not token.special}
        for token in new.values():
            token.special = True
        if new:  # the backend keeps special tokens out of plain text; files get their own flags back
            self.backend.add_special_tokens(list(new.values()))
        self.made_special = set(new)

    def armed(self, text: str) -> tuple[list[int], list[Place]]:
        """Ids and their places; control tokens in the text become ids."""
        encoding = self._encode(text, plain=False)
        return encoding.ids, encoding.offsets

    def plain(self, text: str, *, first: bool = True) -> tuple[list[int], list[Place]]:
        """Ids and their places, never a control token. `first`: it begins a text, rather than goes on after a token."""
        if not first and self._only_first:
            return self._going_on(text)
        encoding = self._encode(text, plain=True)
        if self.clean(encoding.ids):
            return encoding.ids, encoding.offsets
        ids: list[int] = []  # the vocabulary holds the token's text as a word of its own: spell it
        places: list[Place] = []
        for i, c in enumerate(text):
            letters = [id for id in self._encode(c, plain=True).ids if id not in self._control]
            ids += letters
            places += [(i, i + 1)] * len(letters)
        return ids, places

    def plain_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of many texts, in parallel."""
        with self._lock:
            self.backend.encode_special_tokens = True
            found = [e.ids for e in self.backend.encode_batch(list(texts), add_special_tokens=False)]
        return [ids if self.clean(ids) else self.plain(text)[0] for text, ids in zip(texts, found, strict=True)]

    def clean(self, ids: Iterable[int]) -> bool:
        """Whether no control token is among these."""
        return self._control.isdisjoint(ids)

    def control_in(self, ids: Iterable[int]) -> list[int]:
        """The control tokens among these, in order."""
        return [id for id in ids if id in self._control]

    def restored(self, prefix: Sequence[int], suffix: Sequence[int]) -> Backend:
        """The backend as it came, to be written to a file: itself if nothing was changed, else a copy.

        One that came without a post-processor gets one that writes `prefix` and `suffix`.
        """
        post_processor, truncation, padding = self._kept
        if post_processor is None and (prefix or suffix):
            names = {id: str(self.backend.id_to_token(id)) for id in [*prefix, *suffix]}
            single = " ".join([*(names[id] for id in prefix), "$A", *(names[id] for id in suffix)])
            special = [(name, id) for id, name in names.items()]
            post_processor = TemplateProcessing(single=single, pair=f"{single} $B", special_tokens=special)
        if not (post_processor or truncation or padding or self.made_special):
            return self.backend
        fields = json.loads(self.backend.to_str())
        for token in fields["added_tokens"]:
            token["special"] = token["special"] and token["id"] not in self.made_special
        copy = Backend.from_str(json.dumps(fields))
        if post_processor is not None:
            copy.post_processor = post_processor
        if truncation is not None:
            copy.enable_truncation(**truncation)
        if padding is not None:
            copy.enable_padding(**padding)
        return copy

    def _encode(self, text: str, *, plain: bool) -> Encoding:
        with self._lock:
            self.backend.encode_special_tokens = plain
            try:
                return self.backend.encode(text, add_special_tokens=False)
            except TypeError as e:
                raise UserError("a text holds half of a character", why="a surrogate without its other half") from e

    def _going_on(self, text: str) -> tuple[list[int], list[Place]]:
        """Plain text after a token, for which only a text's beginning would get a space: behind a line break, then cut."""
        before, (ids, places) = self.plain("\n")[0], self.plain("\n" + text)
        n = len(before)
        if ids[:n] != before:
            return self.plain(text)
        return ids[n:], [(max(start - 1, 0), max(end - 1, 0)) for start, end in places[n:]]


def _around(backend: Backend) -> tuple[list[int], list[int]]:
    """What the post-processor puts before and after a text."""
    bare = backend.encode("a", add_special_tokens=False).ids
    whole = backend.encode("a", add_special_tokens=True).ids
    for at in range(len(whole) - len(bare) + 1):
        if whole[at : at + len(bare)] == bare:
            return whole[:at], whole[at + len(bare) :]
    return [], []
