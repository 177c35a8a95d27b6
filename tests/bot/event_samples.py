"""The documented samples of messages and events, each with the class and the fields it becomes (wecom-api §2, §3)."""

from typing import Any

from bot.wecom import events
from bot.wecom.events import Incoming

HEAD = "<ToUserName><![CDATA[ww0a1b2c3d4e5f6a7b]]></ToUserName><FromUserName><![CDATA[{}]]></FromUserName>"
BY_MEMBER = "<xml>" + HEAD.format("zhang.san") + "<CreateTime>1700000001</CreateTime>{}</xml>"
BY_SYSTEM = (
    "<xml>" + HEAD.format("sys") + "<CreateTime>1700000100</CreateTime><MsgType><![CDATA[event]]></MsgType>{}</xml>"
)
IS_CONTACT = "<Event><![CDATA[change_external_contact]]></Event>"
PAIR = "<UserID><![CDATA[zhang.san]]></UserID><ExternalUserID><![CDATA[wmA]]></ExternalUserID>"
IS_CHAT = "<Event><![CDATA[change_external_chat]]></Event><ChatId><![CDATA[wrA]]></ChatId>"
IS_TAG = "<Event><![CDATA[change_external_tag]]></Event>"
CARD = (
    "<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[template_card_event]]></Event>\n"
    "<EventKey><![CDATA[submit_followup]]></EventKey><TaskId><![CDATA[followup-2031]]></TaskId>"
    "<CardType><![CDATA[multiple_interaction]]></CardType>\n"
    "<ResponseCode><![CDATA[RC_opaque]]></ResponseCode><AgentID>1000002</AgentID>\n"
)


def event(name: str, rest: str = "<EventKey><![CDATA[]]></EventKey>") -> str:
    """An app event of a member."""
    head = f"<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{name}]]></Event>"
    return BY_MEMBER.format(f"{head}{rest}<AgentID>1000002</AgentID>")


def message(msgtype: str, rest: str) -> str:
    """An ordinary message of a member."""
    tail = "<MsgId>7300000000000000001</MsgId><AgentID>1000002</AgentID>"
    return BY_MEMBER.format(f"<MsgType><![CDATA[{msgtype}]]></MsgType>{rest}{tail}")


def contact(change: str, rest: str = "") -> str:
    """A customer event."""
    return BY_SYSTEM.format(f"{IS_CONTACT}<ChangeType><![CDATA[{change}]]></ChangeType>{PAIR}{rest}")


def chat(change: str, rest: str = "") -> str:
    """A group event."""
    return BY_SYSTEM.format(f"{IS_CHAT}<ChangeType><![CDATA[{change}]]></ChangeType>{rest}")


def tag(change: str, rest: str) -> str:
    """A corp tag event."""
    return BY_SYSTEM.format(f"{IS_TAG}{rest}<ChangeType><![CDATA[{change}]]></ChangeType>")


CODE = "<WelcomeCode><![CDATA[WC_opaque]]></WelcomeCode>"
STATE = "<State><![CDATA[expo2025]]></State>"
MEMBERS = (
    "<UpdateDetail><![CDATA[add_member]]></UpdateDetail><JoinScene>0</JoinScene><MemChangeCnt>2</MemChangeCnt>"
    "<MemChangeList><Item><![CDATA[wm1]]></Item><Item><![CDATA[wm2]]></Item></MemChangeList>"
    "<LastMemVer><![CDATA[9c2f01]]></LastMemVer><CurMemVer><![CDATA[9c2f02]]></CurMemVer>"
)
CHOICES = (
    "<SelectedItems>\n <SelectedItem><QuestionKey><![CDATA[stage]]></QuestionKey>"
    "<OptionIds><OptionId><![CDATA[stage_2]]></OptionId></OptionIds></SelectedItem>\n"
    " <SelectedItem><QuestionKey><![CDATA[next]]></QuestionKey>"
    "<OptionIds><OptionId><![CDATA[call]]></OptionId><OptionId>visit</OptionId></OptionIds></SelectedItem>\n"
    "</SelectedItems>"
)
ONE_CHOICE = (
    "<SelectedItems><SelectedItem><QuestionKey>stage</QuestionKey><OptionIds><OptionId>s1</OptionId></OptionIds>"
    "</SelectedItem></SelectedItems>"
)
SUBMITTED = {"key": "submit_followup", "task_id": "followup-2031", "response_code": "RC_opaque", "userid": "zhang.san"}
BOTH = {"userid": "zhang.san", "external_userid": "wmA"}

SAMPLES: list[tuple[str, type[Incoming], dict[str, Any]]] = [
    (
        message("text", "<Content><![CDATA[客户 王五 的跟进记录]]></Content>"),
        events.TextMessage,
        {"userid": "zhang.san", "msgid": "7300000000000000001", "content": "客户 王五 的跟进记录"},
    ),
    (message("image", "<PicUrl>https://wework.qpic.cn/x</PicUrl><MediaId>1aBc</MediaId>"), events.ImageMessage,
     {"media_id": "1aBc"}),
    (message("voice", "<MediaId>1dEf</MediaId><Format>amr</Format>"), events.VoiceMessage, {"media_id": "1dEf"}),
    (message("video", "<MediaId>1gHi</MediaId><ThumbMediaId>1jKl</ThumbMediaId>"), events.VideoMessage,
     {"media_id": "1gHi"}),
    (message("shortvideo", "<MediaId>1mNo</MediaId>"), events.ShortVideoMessage, {"media_id": "1mNo"}),
    (
        message("location", "<Location_X>22.540</Location_X><Location_Y>113.934</Location_Y><Scale>16</Scale>"
                "<Label><![CDATA[深圳市南山区]]></Label>"),
        events.LocationMessage,
        {"latitude": 22.54, "longitude": 113.934, "label": "深圳市南山区"},
    ),
    (
        message("link", "<Title><![CDATA[标题]]></Title><Url><![CDATA[https://example.com/a]]></Url>"),
        events.LinkMessage,
        {"title": "标题", "url": "https://example.com/a"},
    ),
    (event("subscribe"), events.MemberSubscribed, {"userid": "zhang.san"}),
    (event("unsubscribe", ""), events.MemberUnsubscribed, {"userid": "zhang.san"}),
    (event("enter_agent"), events.AgentEntered, {"userid": "zhang.san"}),
    (event("LOCATION", "<Latitude>23.104</Latitude><Longitude>113.320</Longitude>"), events.LocationReported,
     {"userid": "zhang.san"}),
    (event("click", "<EventKey><![CDATA[todo]]></EventKey>"), events.MenuClicked, {"key": "todo"}),
    (event("view", "<EventKey>https://example.com/crm</EventKey>"), events.MenuViewed,
     {"url": "https://example.com/crm"}),
    (
        BY_MEMBER.format(CARD + CHOICES),
        events.CardClicked,
        {**SUBMITTED, "selected": {"stage": ("stage_2",), "next": ("call", "visit")},
         "card_type": "multiple_interaction"},
    ),
    (BY_MEMBER.format(CARD + ONE_CHOICE), events.CardClicked, {**SUBMITTED, "selected": {"stage": ("s1",)}}),
    (BY_MEMBER.format(CARD), events.CardClicked, {**SUBMITTED, "selected": {}}),
    (BY_MEMBER.format(CARD + "<SelectedItems>\n</SelectedItems>"), events.CardClicked, {**SUBMITTED, "selected": {}}),
    (event("template_card_menu_event", "<EventKey>mute</EventKey><TaskId>t1</TaskId><CardType>text_notice</CardType>"),
     events.CardMenuClicked, {"key": "mute", "task_id": "t1", "card_type": "text_notice"}),
    (contact("add_external_contact", STATE + CODE), events.ExternalContactAdded,
     {**BOTH, "state": "expo2025", "welcome_code": "WC_opaque"}),
    (contact("add_external_contact"), events.ExternalContactAdded, {**BOTH, "state": "", "welcome_code": ""}),
    (contact("add_half_external_contact", STATE + CODE), events.ExternalContactHalfAdded,
     {**BOTH, "state": "expo2025", "welcome_code": "WC_opaque"}),
    (contact("edit_external_contact"), events.ExternalContactEdited, BOTH),
    (contact("del_external_contact", "<Source><![CDATA[DELETE_BY_TRANSFER]]></Source>"), events.DeletedByStaff,
     {**BOTH, "source": "DELETE_BY_TRANSFER"}),
    (contact("del_external_contact"), events.DeletedByStaff, {**BOTH, "source": ""}),
    (contact("del_follow_user"), events.DeletedByCustomer, BOTH),
    (contact("transfer_fail", "<FailReason><![CDATA[customer_refused]]></FailReason>"), events.TransferFailed,
     {**BOTH, "reason": "customer_refused"}),
    (contact("msg_audit_approved", CODE), events.AuditApproved, {**BOTH, "welcome_code": "WC_opaque"}),
    (chat("update", MEMBERS), events.GroupUpdated, {"chat_id": "wrA", "detail": "add_member"}),
    (chat("create"), events.GroupCreated, {"chat_id": "wrA"}),
    (chat("dismiss"), events.GroupDismissed, {"chat_id": "wrA"}),
    (tag("create", "<Id>etA</Id><TagType>tag</TagType>"), events.CorpTagCreated, {"id": "etA", "tag_type": "tag"}),
    (tag("update", "<Id>etA</Id><TagType>tag_group</TagType>"), events.CorpTagUpdated, {"tag_type": "tag_group"}),
    (tag("delete", "<Id>etA</Id><TagType>tag</TagType>"), events.CorpTagDeleted, {"id": "etA"}),
    (tag("shuffle", "<Id><![CDATA[]]></Id>"), events.CorpTagsShuffled, {"id": "", "tag_type": ""}),
]  # fmt: skip
