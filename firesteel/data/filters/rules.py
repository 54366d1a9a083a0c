"""Rules as data: reading rule sets from TOML and choosing among them."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from firesteel.core.data_settings import DataSettings
from firesteel.core.errors import RecipeError, nearest
from firesteel.data.filters.language import bare

PACKAGED = Path(__file__).with_name("rules.toml")
MAX_BYTES, MAX_RULES = 1 << 20, 2000  # of a rules file
FAMILY = {"yue": "zh", "lzh": "zh"}  # languages that are judged by another one's rules
SETTINGS = {  # what drops documents besides the rules, and how it is switched off
    "min_chars": "data.min_chars = 1", "language": "data.languages = []", "quality": "data.quality_min = 0",
    "boilerplate": "data.boilerplate = 0",
}  # fmt: skip
_KINDS: dict[str, tuple[type, ...]] = {
    "name": (str,), "statistic": (str,), "low": (int, float), "high": (int, float), "n": (int,), "from_chars": (int,),
    "from_lines": (int,), "languages": (list,), "of": (list,), "drops": (str,),
}  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """`low <= statistic <= high` in texts of at least `from_chars` characters and `from_lines` lines; see rules.toml."""

    set: str
    name: str
    statistic: str
    languages: tuple[str, ...]
    source: str
    low: float = 0.0
    high: float = math.inf
    n: int = 0
    from_chars: int = 0
    from_lines: int = 0
    of: tuple[str, ...] = ()
    drops: str = "line"

    def judges(self, language: str) -> bool:
        """Whether it applies to texts in a language such as `zh` or `zh-TW`."""
        base = family(language)
        wanted = [code for code in self.languages if not code.startswith("-")]
        return f"-{base}" not in self.languages and (not wanted or base in wanted)


def family(language: str) -> str:
    """The language by whose rules a text is judged: `zh` for `zh-TW`, `zh_Hans`, `yue` and `lzh`."""
    base = bare(language)
    return FAMILY.get(base, base)


def load_rules(settings: DataSettings, statistics: Iterable[str]) -> tuple[Rule, ...]:
    """The rules of the sets chosen, in order, then those of the user's file, without what is switched off.

    Raises RecipeError for unknown sets, rules and statistics, with the nearest name.
    """
    known, own = dict(_packaged()), _own(settings.rules_file)
    for name, found in own.items():
        if name in known:
            raise _error("a rule set has the name of a packaged one", name, settings.rules_file)
        known[name] = found
    for name in settings.rules:
        if name not in known:
            why = "data.rules names sets of filters/rules.toml, and data.rules_file adds its own"
            raise RecipeError("unknown rule set", value=name, why=why, hint=nearest(name, known))
    chosen = dict.fromkeys((*settings.rules, *own))
    rules = [rule for name in chosen for rule in known[name]]
    _check_names(rules, settings.rules_off, known)
    _check_statistics(rules, set(statistics))
    return tuple(rule for rule in rules if rule.name not in settings.rules_off)


def _check_names(rules: list[Rule], off: Iterable[str], known: Mapping[str, tuple[Rule, ...]]) -> None:
    every = {rule.name for found in known.values() for rule in found}
    for name in off:
        if name not in every:
            why = "data.rules_off names single rules of the sets in filters/rules.toml and of data.rules_file"
            raise RecipeError("unknown rule", value=name, why=why, hint=_near(name, every, known))
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError("two rules have one name", value=name, hint="give each rule a name of its own")


def _near(name: str, every: Collection[str], sets: Collection[str]) -> str:
    """How to switch off what was meant: a set, a setting that drops documents, or the rule with the nearest name."""
    if name in sets:
        return f"'{name}' is a set: leave it out of data.rules"
    if setting := get_close_matches(name, SETTINGS, n=1, cutoff=0.75):
        return f"{setting[0]} is no rule but a setting: {SETTINGS[setting[0]]}"
    ends = {rule.rpartition(".")[2]: rule for rule in every}
    if "." not in name and (close := get_close_matches(name, ends, n=1)):
        return f"did you mean '{ends[close[0]]}'?"
    found = nearest(name, every)
    return found if found.startswith("did you") else "the names stand in filters/rules.toml and in the data card"


def _check_statistics(rules: list[Rule], known: set[str]) -> None:
    for rule in rules:
        if rule.statistic not in known:
            raise RecipeError(
                "unknown statistic", value=rule.statistic, why=rule.name, hint=nearest(rule.statistic, known)
            )


@cache
def _packaged() -> dict[str, tuple[Rule, ...]]:
    return parse_rules(PACKAGED.read_text(encoding="utf-8"), str(PACKAGED))


def _own(path: str) -> dict[str, tuple[Rule, ...]]:
    """The rule sets of the user's file."""
    if not path:
        return {}
    file = Path(path).expanduser()
    try:
        if file.stat().st_size > MAX_BYTES:
            raise _error("the rules file is too large", path, f"more than {MAX_BYTES} bytes")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _error("cannot read the rules file", path, str(error)) from None
    return parse_rules(text, path)


def parse_rules(text: str, origin: str) -> dict[str, tuple[Rule, ...]]:
    """Rule sets by name from TOML text in the form of rules.toml; `origin` is named in errors (RecipeError)."""
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _error("the rules file is not TOML", origin, str(error)) from None
    return {name: _set(name, table, origin) for name, table in tables.items()}


def _set(name: str, table: Any, origin: str) -> tuple[Rule, ...]:
    rows = table.get("rules") if isinstance(table, dict) else None
    if not isinstance(rows, list) or len(rows) > MAX_RULES:
        raise _error("a rule set needs a list `rules`", name, origin)
    if unknown := set(table) - {"rules", "source", "languages"}:
        raise _error("unknown key of a rule set", min(unknown), origin)
    source, languages = table.get("source", origin), table.get("languages", [])
    return tuple(_rule(name, source, languages, row, origin) for row in rows)


def _rule(owner: str, source: Any, languages: Any, row: Any, origin: str) -> Rule:
    if not isinstance(row, dict) or not isinstance(row.get("name"), str) or not isinstance(row.get("statistic"), str):
        raise _error("a rule needs a name and a statistic", row, origin)
    for key, value in row.items():
        if key not in _KINDS:
            raise RecipeError(
                "unknown key of a rule", value=key, why=f"{origin}: {row['name']}", hint=nearest(key, _KINDS)
            )
        if not isinstance(value, _KINDS[key]) or isinstance(value, bool):
            raise _error(f"{row['name']}: {key} is of the wrong kind", value, origin)
    fields = {"source": source, "languages": languages, **row}
    for key in ("languages", "of"):
        values = fields.get(key, [])
        if not isinstance(values, list) or not all(isinstance(one, str) and one for one in values):
            raise _error(f"{row['name']}: {key} must be a list of texts", values, origin)
        fields[key] = tuple(values)
    rule = Rule(set=owner, **fields)
    if not rule.low <= rule.high or rule.n < 0 or rule.n > 1000 or rule.drops not in ("line", "document"):
        raise _error(f"{rule.name}: low <= high, 0 <= n <= 1000, drops line or document", row, origin)
    return rule


def _error(what: str, value: object, why: str) -> RecipeError:
    return RecipeError(what, value=str(value)[:200], why=why, hint="firesteel/data/filters/rules.toml shows the form")
