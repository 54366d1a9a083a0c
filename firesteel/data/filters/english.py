"""English words, one piece between white space at a time: punctuation comes off, contractions part, hyphens split.

Follows what spaCy's blank English pipeline does, since published counts were taken with it; measured agreement and what
differs (smileys, URLs in odd forms, pieces over `LONGEST` characters) is in tests/data/test_filters_words.py.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache, lru_cache

LONGEST = 200  # characters; longer pieces are no words, and stay whole
_FIRST = "§%=—–"
_MARKS = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
_QUOTES = "'\"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉⟦⟧"
_MONEY = "$£€¥฿₽﷼₴" + "".join(map(chr, range(0x20A0, 0x20C0)))
_UNITS = (
    "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa "
    "mbar mb MB kb KB gb GB tb TB T G M K %"
).split()
_WHOLE = (  # pieces that keep their full stop or apostrophe
    "' '' C++ a.m. p.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. Ltd. Md. "
    "Messrs. Mo. Mont. Mr. Mrs. Ms. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s. Mt. Ak. Ala. Apr. Ariz. Ark. Aug. Calif. "
    "Colo. Conn. Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan. Jul. Jun. Kan. Kans. Ky. La. Mar. Mass. Mich. Minn. "
    "Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct. Okla. Ore. Pa. S.C. Sep. Sept. Tenn. Va. Wash. Wis. "
    "and/or w/o ma'am Ma'am o'clock O'clock 's 'S 'd 're 'll 'em 'nuff 'bout 'cause 'Cause 'cos 'Cos 'coz 'Coz 'cuz "
    "'Cuz lovin' Lovin' havin' Havin' doin' Doin' goin' Goin' nothin' Nothin' somethin' Somethin' ol' Ol'"
).split()
_SMILEYS = (
    ":) :-) :)) :-)) (: (-: =) (= :] :-] [: [-: [= =] :o) (o: :} :-} 8) 8-) (-8 ;) ;-) (; (-; :( :-( :(( ): )-: =( "
    ">:( :') :'-) :'( :'-( :/ :-/ =/ =| :| :-| ]= =[ :1 :P :-P :p :-p :O :-O :o :-o :0 :-0 :() :* :-* :3 :-3 =3 :> :-> "
    ":X :-X :x :-x :D :-D ;D ;-D =D xD XD xDD XDD 8D 8-D ^_^ >.< <.< ._. ;_; -_- v.v V.V v_v V_V o_o o_O O_o O_O 0_o "
    "o_0 0_0 o.O O.o O.O o.o 0.0 o.0 0.o @_@ <3 <33 <333 </3"
).split()
_PARTED = (
    "can|not Can|not gon|na Gon|na got|ta Got|ta let|'s Let|'s c'm|on C'm|on y'|all y|all not|'ve Not|'ve how|'d|'y"
)
_SUBJECTS = ("i you he she it we they", "'ll 'll|'ve 'd 'd|'ve")
_ENDINGS = (
    _SUBJECTS, ("i", "'m 'm|a"), ("i you we they", "'ve"), ("you we they", "'re"), ("he she it", "'s"),
    ("who what when where why how there that", "'s 'll 'll|'ve 'd 'd|'ve"), ("who what when where why how", "'re 've"),
    ("ca could do does did had may might must need ought sha should wo would", "n't n't|'ve"),
    ("could might must should would", "'ve"), ("ai are is was were have has dare", "n't"),
)  # fmt: skip
_PLAIN = frozenset("Ill ill Its its Hell hell Shell shell Shed shed were Were Well well Whore whore".split())


@cache
def _specials() -> dict[str, tuple[str, ...]]:
    """Pieces whose parts are listed, with and without their apostrophes."""
    initials = (f"{letter}." for letter in "abcdefghijklmnopqrstuvwxyzäöü")
    found: dict[str, tuple[str, ...]] = {word: (word,) for word in (*_WHOLE, *_SMILEYS, *initials)}
    found |= {"".join(parts): parts for parts in (tuple(text.split("|")) for text in _PARTED.split())}
    for stems, endings in _ENDINGS:
        for stem in (*stems.split(), *stems.title().split()):
            for ending in endings.split():
                parts = (stem, *ending.split("|"))
                bare = tuple(part.replace("'", "") for part in parts)
                found |= {"".join(parts): parts, "".join(bare): bare}
    found |= {f"{h}{half}": (str(h), half) for h in range(1, 13) for half in ("a.m.", "am", "p.m.", "pm")}
    found |= {piece.replace("'", "’"): tuple(p.replace("'", "’") for p in parts) for piece, parts in found.items()}
    return {piece: parts for piece, parts in found.items() if piece not in _PLAIN}


@cache
def _classes() -> dict[str, str]:
    """Insides of character classes: lower case and caseless letters, upper case and caseless, other symbols."""
    kinds: dict[str, list[str]] = {"lower": [], "upper": [], "icon": []}
    for code in range(0x80, sys.maxunicode if sys.maxunicode < 0x20000 else 0x20000):
        category = unicodedata.category(chr(code))
        if category == "So":
            kinds["icon"].append(chr(code))
        elif category == "Lo":
            kinds["lower"].append(chr(code))
            kinds["upper"].append(chr(code))
        elif category in ("Ll", "Lu"):
            kinds["lower" if category == "Ll" else "upper"].append(chr(code))
    return {kind: _ranges(found) for kind, found in kinds.items()}


def _ranges(characters: list[str]) -> str:
    """Sorted characters as ranges for use inside a character class."""
    out: list[list[str]] = []
    for char in characters:
        if out and ord(char) == ord(out[-1][1]) + 1:
            out[-1][1] = char
        else:
            out.append([char, char])
    return "".join(f"{low}-{high}" for low, high in out)


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """What comes off in front and behind, what splits inside, and what is an address and stays whole."""
    kinds = _classes()
    lower, upper, icon = "a-z" + kinds["lower"], "A-Z" + kinds["upper"], kinds["icon"]
    letter, quotes = r"[^\W\d_]", re.escape(_QUOTES)
    either = rf"[{re.escape(_MARKS + _QUOTES)}{icon}]"
    units = "|".join(map(re.escape, sorted([*_UNITS, "US$", "C$", "A$", *_MONEY], key=len, reverse=True)))
    before = rf"[0-9%²\-+{re.escape(_MARKS + _QUOTES)}|{lower}]"  # `|`: the published class has it, by accident
    prefix = rf"(?:US|C|A)\$|[{re.escape(_FIRST + _MONEY)}]|\+(?![0-9])|\.\.+|{either}"
    suffix = (
        rf"(?:(?<!\.)\.\.+|……|{either}|['’][sS]|[—–]|(?<=[0-9])\+|(?<=°[FfCcKk])\.|(?<=[0-9])(?:{units})"
        rf"|(?<={before})\.|(?<=[{upper}][{upper}])\.)$"
    )
    infix = (
        rf"\.\.+|[…{icon}]|(?<=[0-9])[+\-*^](?=[0-9\-])|(?<=[{lower}{quotes}])\.(?=[{upper}{quotes}])"
        rf"|(?<={letter}),(?={letter})|(?<=(?:(?<!_)[^\W_]))(?:---|--|——|[\-–—~])(?={letter})"
        rf"|(?<=[^\W_])[:<>=/](?={letter})"
    )
    host = r"[A-Za-z0-9\u00a1-\uffff](?:[A-Za-z0-9\u00a1-\uffff_\-]{0,62}[A-Za-z0-9\u00a1-\uffff])?"
    address = rf"(?:[\w+.\-]{{2,}}://)?(?:[^\s@]+@)?(?:{host}\.)+[{lower}]{{2,63}}(?::\d{{2,5}})?(?:[/?#]\S*)?"
    return tuple(map(re.compile, (prefix, suffix, infix, address)))  # type: ignore[return-value]


@lru_cache(maxsize=1 << 16)  # texts share most of their pieces, and cutting one is slow
def split(piece: str) -> tuple[str, ...]:
    """The words and signs of one piece without white space, in order."""
    if len(piece) > LONGEST:
        return (piece,)
    front, middle, back = _strip(piece)
    parts = [*front, *(_inside(middle) if middle else ()), *reversed(back)]
    return tuple(_joined(parts) if len(parts) > 1 else parts)


def _strip(piece: str) -> tuple[list[str], str, list[str]]:
    """What comes off in front, what is left, and what comes off behind, outermost first."""
    specials = _specials()
    front: list[str] = []
    back: list[str] = []
    while piece and piece not in specials:
        begin = _front(piece)
        if begin and piece[begin:] in specials:
            front.append(piece[:begin])
            piece = piece[begin:]
            break
        end = _back(piece[begin:])
        if end and piece[:-end] in specials:
            back.append(piece[-end:])
            piece = piece[:-end]
            break
        if not begin and not end:
            break
        if begin:
            front.append(piece[:begin])
        if end:
            back.append(piece[-end:])
        piece = piece[begin : len(piece) - end]
    return front, piece, back


def _front(piece: str) -> int:
    """Characters that come off in front."""
    if piece[0].isalnum() and piece[1:2] not in ("S", "$"):
        return 0
    match = _patterns()[0].match(piece)
    return match.end() if match else 0


def _back(piece: str) -> int:
    """Characters that come off behind."""
    last = piece[-1:]
    if last.isalnum() and last not in "sS%" and not any(map(str.isdigit, piece)):
        return 0
    match = _patterns()[1].search(piece, max(0, len(piece.rstrip(".")) - 8))  # 8: longer than any unit
    return len(match[0]) if match else 0


def _inside(piece: str) -> list[str]:
    """The parts of what punctuation has come off from."""
    _, _, infix, address = _patterns()
    if piece in _specials():
        return list(_specials()[piece])
    if "." in piece and address.fullmatch(piece):
        return [piece]
    if piece.isalnum():
        return [piece]
    parts, start = [], 0
    for match in infix.finditer(piece):
        if match.start() > 0:
            parts += [part for part in (piece[start : match.start()], match[0]) if part]
            start = match.end()
    return [*parts, piece[start:]] if start < len(piece) else parts


def _joined(parts: list[str]) -> list[str]:
    """Neighbours that make up a listed piece, as it is listed: a full stop goes back to `Dr`, a smiley stays whole."""
    specials = _specials()
    out: list[str] = []
    at = 0
    while at < len(parts):
        for width in range(min(5, len(parts) - at), 1, -1):
            if (whole := "".join(parts[at : at + width])) in specials:
                out += specials[whole]
                at += width
                break
        else:
            out.append(parts[at])
            at += 1
    return out
