"""What an answer must be, beyond response_format: vLLM's `structured_outputs` and SGLang's `regex`, for chat and completions.

Fields are those of vLLM 0.32's StructuredOutputsParams. Grammars in other dialects than llguidance's are refused by name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from firesteel.core.errors import UserError
from firesteel.serve.guides.compiler import MAX_GRAMMAR, MAX_LARK, Busy
from firesteel.serve.guides.guides import Grammar, Guides
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.fields import Addressed, Model, NotSupported, inconsistent, refuse_unless, table_of
from firesteel.serve.openai.inputs import PlainText

MOST_CHOICES = 4096
Kind = Literal["json", "regex", "choice", "grammar"]
_KINDS: tuple[Kind, ...] = ("json", "regex", "choice", "grammar")


@dataclass(frozen=True)
class Structure:
    """What an answer must be: a grammar of one kind, and the field that asks for it."""

    param: str
    kind: Kind
    value: Any

    @property
    def json(self) -> bool:
        """Whether the answer is one JSON value."""
        return self.kind == "json"


def compiled(guides: Guides, structure: Structure) -> Grammar:
    """The grammar of a structure; may take a while. Raises ApiError."""
    with naming(structure.param, code="invalid_schema" if structure.json else "invalid_value", hinted=False):
        return _COMPILED[structure.kind](guides, structure.value)


_COMPILED: Mapping[Kind, Callable[[Guides, Any], Grammar]] = {
    "json": Guides.json_schema, "regex": Guides.regex, "choice": Guides.choice, "grammar": Guides.grammar,
}  # fmt: skip


@contextlib.contextmanager
def naming(param: str, *, code: str = "invalid_schema", hinted: bool = True) -> Iterator[None]:
    """A grammar that cannot be had is the client's mistake, or more than we bear. `hinted`: the hint about `strict` fits."""
    try:
        yield
    except Busy as e:
        raise ApiError(503, f"The server is busy: {e.what}.", code="queue_full", headers={"Retry-After": "1"}) from e
    except UserError as e:
        why = ". ".join(part for part in (e.what, e.why, e.hint if hinted else "") if part)
        raise ApiError(400, f"Invalid '{param}': {why}.", param=param, code=code) from e


def _schema(value: Any) -> Any:
    """A schema, or the JSON text of one."""
    if not isinstance(value, str):
        return value
    table = table_of(value) if value.strip() else None
    if table is None:
        raise PydanticCustomError("no_schema", "must be a JSON schema: an object, or the JSON text of one")
    return table


class _refuse_dialect(refuse_unless):
    """A grammar in a dialect that is not understood here."""

    def __init__(self, dialect: str, *harmless: Any) -> None:
        super().__init__(*harmless)
        self._dialect = dialect

    def _check(self, value: Any) -> None:
        try:
            super()._check(value)
        except PydanticCustomError as e:
            why = "is not supported: it is in {dialect}; send structured_outputs with a grammar in llguidance's Lark"
            raise PydanticCustomError("unsupported", why, {"dialect": self._dialect}) from e


def _only(kind: str) -> dict[str, JsonValue]:
    """In JSON schema: this one of the keys, and none of the others."""
    others: dict[str, JsonValue] = {key: {"type": "null"} for key in _KINDS if key != kind}
    asked: JsonValue = {"const": True} if kind == "json_object" else {"not": {"type": "null"}}
    unasked: dict[str, JsonValue] = {} if kind == "json_object" else {"json_object": {"enum": [None, False]}}
    return {"required": [kind], "properties": {**others, **unasked, kind: asked}}


Schema = Annotated[
    dict[str, Any] | None,
    BeforeValidator(_schema),
    WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string", "minLength": 2}, {"type": "null"}]}),
]
Pattern = Annotated[PlainText, Field(min_length=1, max_length=MAX_GRAMMAR)]
Lark = Annotated[PlainText, Field(min_length=1, max_length=MAX_LARK)]
Option = Annotated[PlainText, Field(min_length=1)]


class StructuredOutputs(Model):
    """What the answer must be, said with exactly one key."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [_only(kind) for kind in (*_KINDS, "json_object")]})

    json_: Schema = Field(None, alias="json", description="JSON of this schema; what cannot be enforced is an error")
    json_object: bool | None = Field(None, description="true: any JSON object")
    regex: Pattern | None = Field(
        None, description="text that this matches as a whole; Rust's syntax, without look-around and back-references"
    )
    choice: list[Option] | None = Field(
        None, min_length=1, max_length=MOST_CHOICES, description=f"one of these texts; {MAX_GRAMMAR} bytes in all"
    )
    grammar: Lark | None = Field(None, description="text of this grammar, in llguidance's dialect of Lark")
    disable_any_whitespace: Annotated[None, refuse_unless(False)] = None
    disable_additional_properties: Annotated[None, refuse_unless(False)] = None
    whitespace_pattern: NotSupported = None
    structural_tag: NotSupported = None

    @model_validator(mode="after")
    def _exactly_one(self) -> StructuredOutputs:
        if len(self._asked) != 1:
            keys = "json, json_object, regex, choice, grammar"
            raise inconsistent(f"structured_outputs needs exactly one of {keys}", "structured_outputs")
        return self

    @property
    def _asked(self) -> list[Structure]:
        values: dict[Kind, Any] = {
            "json": self.json_, "regex": self.regex, "choice": self.choice, "grammar": self.grammar,
        }  # fmt: skip
        asked = [Structure(f"structured_outputs.{kind}", kind, v) for kind, v in values.items() if v is not None]
        if self.json_object:
            asked.append(Structure("structured_outputs.json_object", "json", {"type": "object"}))
        return asked

    @property
    def structure(self) -> Structure:
        """What the answer must be."""
        return self._asked[0]


class Structured(Addressed):
    """A request that may say what its answer must be."""

    structured_outputs: StructuredOutputs | None = Field(
        None, description="vLLM's: the answer follows this; a thought before it stays free"
    )
    regex: Pattern | None = Field(None, description="SGLang's: as structured_outputs.regex")
    ebnf: Annotated[None, _refuse_dialect("SGLang's EBNF")] = None
    grammar: Annotated[None, _refuse_dialect("llama.cpp's GBNF", "")] = None

    @model_validator(mode="after")
    def _said_once(self) -> Structured:
        if self.regex is not None and self.structured_outputs is not None:
            raise inconsistent("regex does not go with structured_outputs", "regex")
        return self

    @property
    def structure(self) -> Structure | None:
        """What the answer must be, by whichever field says so; None: anything."""
        if self.regex is not None:
            return Structure("regex", "regex", self.regex)
        return self.structured_outputs.structure if self.structured_outputs is not None else None
