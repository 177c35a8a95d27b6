"""What staff say about tags, taken apart without looking anything up: who, which tags, and what to do with them."""

import re
from dataclasses import dataclass

ADD, REMOVE, CREATE, WHO, UNDO = "add", "remove", "create", "who", "undo"
UNDOING = re.compile(
    r"(打错(标签)?了?[，,。 ]*)?(撤销|撤回|收回)(标签|一下|刚才的)?|刚才(那个|的)不算"
    r"|undo( that| it| (the )?last( one)?)?|take (that|it) back"
)
ON, OFF = "打|贴|标|加|添加", "去掉|去除|拿掉|撕掉|移除|取消|删掉|删除"
SENTENCES = tuple(
    (act, re.compile(pattern, re.IGNORECASE))
    for act, pattern in (
        (WHO, r"谁给(?P<who>.+?)(?:打|贴|标|加)上?了?的?(?P<tags>.+?)"),
        (WHO, r"(?P<who>.+?)的(?P<tags>.+?)(?:标签)?(?:是)?谁(?:打|贴|标|加)上?去?的"),
        (WHO, r"为(?:什么|啥)给(?P<who>.+?)(?:打|贴|标|加)上?了?(?P<tags>.+?)"),
        (WHO, r"(?P<who>.+?)为(?:什么|啥)(?:有|是|被打上?了?|打了|被标为)(?P<tags>.+?)"),
        (WHO, r"(?:who|why was) tagged (?P<who>.+?)(?: (?:as|with) (?P<tags>.+?))?(?: and why)?"),
        (WHO, r"who tagged (?P<who>.+?)(?: and why)?"),
        (WHO, r"why (?:is|was) (?P<who>.+?) tagged(?: (?:as |with )?(?P<tags>.+?))?"),
        (CREATE, r"(?:给|帮|为)?\s*(?P<who>.+?)\s*(?:打上?|加上?)?\s*新建\s*个?标签\s*[:：]?\s*(?P<tags>.+)"),
        (ADD, rf"(?:给|帮|为|把)?\s*(?P<who>.+?)\s*(?:{ON})上?了?(?:一个|个)?标签\s*[:：]?\s*(?P<tags>.+)"),
        (REMOVE, rf"(?:{OFF})\s*(?P<who>.+?)的\s*(?P<tags>.+?)标签"),
        (REMOVE, rf"(?:给|帮|为|把)?\s*(?P<who>.+?)的?\s*(?:{OFF})(?:一个|个)?标签\s*[:：]?\s*(?P<tags>.+)"),
        (REMOVE, rf"(?:给|帮|为)\s*(?P<who>.+?)\s*(?:{OFF})\s*(?P<tags>.+?)标签"),
        (REMOVE, rf"把\s*(?P<who>.+?)的\s*(?P<tags>.+?)(?:标签)?(?:{OFF})"),
        (REMOVE, r"(?:给|帮|为|把)?\s*(?P<who>.+?)的?\s*(?:去掉|去除|拿掉|撕掉|移除)\s*(?P<tags>.+)"),
        (ADD, rf"(?:给|帮|为|把)\s*(?P<who>.+?)\s*(?:{ON})上?(?:一个|个)?\s*(?P<tags>.+?)的?标签"),
        (ADD, r"(?:给|帮|为|把)\s*(?P<who>.+?)\s*(?:打上|贴上|标上|标为|标记为)\s*(?P<tags>.+)"),
        (REMOVE, r"untag (?P<who>.+?)(?:\s*:\s*|\s+(?:as|with|from)\s+)(?P<tags>.+)"),
        (REMOVE, r"remove (?:the )?(?:tags? )?(?P<tags>.+?)(?: tags?)? from (?P<who>.+)"),
        (REMOVE, r"untag (?P<both>.+)"),
        (CREATE, r"(?:new tag for|tag) (?P<who>.+?)\s*(?::|,)?\s+new tag:?\s+(?P<tags>.+)"),
        (ADD, r"tag (?P<who>.+?)(?:\s*:\s*|\s+(?:as|with)\s+)(?P<tags>.+)"),
        (ADD, r"add (?:the )?tags? (?P<tags>.+?) to (?P<who>.+)"),
        (ADD, r"tag (?P<both>.+)"),
    )
)  # fmt: skip
SEPARATORS = re.compile(r"\s*[、，,；;+]\s*")
LOOSE = re.compile(r"\s+(?:and\s+)?|和|跟|以及")


@dataclass(frozen=True)
class Said:
    """One sentence about tags. In English, who and what may run together: `both` holds the words then."""

    act: str
    who: str = ""
    tags: str = ""
    both: str = ""

    def readings(self) -> list[tuple[str, str]]:
        """(who, tags): in every way the words may be cut, the longest tag first."""
        words = self.both.split()
        cut = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words))]
        return cut if self.both else [(self.who, self.tags)]


def said(text: str) -> Said | None:
    """What a message says about tags; None when it is about something else."""
    words = text.strip().strip("。.!！?？~ ")
    if UNDOING.fullmatch(words.casefold()):
        return Said(UNDO)
    for act, sentence in SENTENCES:
        found = sentence.fullmatch(words)
        if found:
            parts = {name: (value or "").strip(" 的“”\"'") for name, value in found.groupdict().items()}
            return Said(act, **parts | {"tags": parts.get("tags", "").removesuffix("标签")})
    return None


def named(text: str) -> list[str]:
    """The tags in a list: 高意向、怕疼."""
    return [one for one in SEPARATORS.split(text.strip("“”\"' 。.")) if one]


def cut_loosely(name: str) -> list[str]:
    """A name cut at spaces and 和 as well: tried when nothing is called by the whole."""
    return [one for one in LOOSE.split(name) if one]
