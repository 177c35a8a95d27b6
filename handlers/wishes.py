"""How much a member wants to hear: 少发点; 只发早上; 照常发; and what her leader decides: 小王照常发."""

import re

from bot.language import gettext as _
from bot.router import Router
from bot.wecom.events import TextMessage
from contacts.unasked import ALL, FEWER, MORNING, SHARES, LeaderDecided, set_wish
from handlers.team_todos import member, team_of, unknown
from handlers.todos import Asker, answering, matching

router = Router()
WORDS = {
    FEWER: (
        r"(?:请|给我)?少(?:发|推|提醒)(?:一?点|些)?(?:消息|信息|提醒)?|别(?:给我)?发(?:那么|这么|太)多(?:消息|信息|提醒)?了?|消息太多了?",
        r"(?:send )?(?:me )?fewer messages|less messages(?: please| pls)?|too many messages",
    ),
    MORNING: (
        r"(?:请|给我)?只(?:在)?(?:早上|早晨|上午)(?:给我)?(?:发|推|提醒)|只(?:发|推)(?:早上|早晨|上午)(?:的)?",
        r"(?:only|messages only) (?:in the )?mornings?|mornings? only",
    ),
    ALL: (
        r"(?:恢复|照常|正常)(?:发|推|提醒)(?:消息|信息)?|恢复(?:消息|提醒)",
        r"(?:send )?(?:me )?all messages|(?:normal|usual) messages",
    ),
}
MINE = {share: re.compile("|".join(patterns), re.IGNORECASE) for share, patterns in WORDS.items()}
THEIRS = {
    FEWER: re.compile(r"(?:给)?(?P<whose>.{1,10}?)少发一?点|fewer messages for (?P<english>.{1,30})", re.IGNORECASE),
    MORNING: re.compile(r"(?:给)?(?P<whose>.{1,10}?)只发早上|mornings only for (?P<english>.{1,30})", re.IGNORECASE),
    ALL: re.compile(r"(?:给)?(?P<whose>.{1,10}?)照常(?:发|提醒)|all messages for (?P<english>.{1,30})", re.IGNORECASE),
}


def said_by(patterns: dict[str, re.Pattern[str]], text: str) -> tuple[str, re.Match[str]]:
    """What share is meant; the text fits one of the patterns."""
    return next((share, found) for share, one in patterns.items() if (found := one.fullmatch(text)))


def promise(share: str) -> str:
    """What a share means."""
    if share == MORNING:
        return _("only the morning card; what else there is waits for the next morning")
    return _("at most {count} messages a day, the morning card among them").format(count=SHARES[share])


def mine(asker: Asker, text: str) -> str:
    """Her own wish; answers to what she asks always come."""
    share, _found = said_by(MINE, text)
    try:
        set_wish(asker.session, asker.userid, share, asker.userid, asker.ctx.now)
    except LeaderDecided:
        return _("Your leader decided how much you get; please ask her.")
    return _("Noted: {promise}. Whatever you ask is answered as always.").format(promise=promise(share))


def theirs(asker: Asker, text: str) -> str:
    """A leader decides for a member of her team."""
    share, found = said_by(THEIRS, text)
    team = team_of(asker)
    if not team:
        return _("Only a leader decides that for others.")
    userid = member(team, found["whose"] or found["english"])
    if userid is None:
        return unknown(team)
    set_wish(asker.session, userid, share, asker.userid, asker.ctx.now)
    return _("Noted for {name}: {promise}.").format(name=team[userid], promise=promise(share))


router.on(TextMessage, when=matching(*MINE.values()))(answering(mine))
router.on(TextMessage, when=matching(*THEIRS.values()))(answering(theirs))
