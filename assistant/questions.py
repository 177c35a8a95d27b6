"""The questions that can be asked, each a tool with typed arguments. Who asks, and what she may see, is never one."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from kpi.measures import METRICS
from kpi.registry import (
    AMOUNT_BAND,
    BUYER,
    CAMPAIGN,
    CHANNEL,
    DEPARTMENT,
    PAIR,
    PRODUCT,
    REASON,
    REFERRER,
    REGION,
    SCENE,
    STAFF,
    STORE,
    TIMES,
)

ME, TEAM = "me", "team"
GROUPS = (
    "", STAFF, DEPARTMENT, STORE, CHANNEL, CAMPAIGN, PRODUCT, REGION, AMOUNT_BAND, BUYER, SCENE, REASON, PAIR, REFERRER,
    *TIMES,
)  # fmt: skip


def known_metric(name: str) -> str:
    """A metric's name. Raises ValueError."""
    if name and name not in METRICS:
        raise ValueError(f"no metric is called {name!r}; expected one of {', '.join(sorted(METRICS))}")
    return name


def known_group(name: str) -> str:
    """A dimension. Raises ValueError."""
    if name not in GROUPS:
        raise ValueError(f"cannot be grouped by {name!r}; expected one of {', '.join(GROUPS[1:])}")
    return name


MetricName = Annotated[
    str, AfterValidator(known_metric), WithJsonSchema({"type": "string", "enum": ["", *sorted(METRICS)]})
]
GroupName = Annotated[
    str, AfterValidator(known_group), WithJsonSchema({"type": "string", "enum": list(GROUPS)})
]  # fmt: skip
Whose = Annotated[str, Field(description="me, team, or a member's name", min_length=1, max_length=40)]
Anyone = Annotated[
    str, Field(description="me, team, or a member's name; empty when nobody is named: a leader's team", max_length=40)
]
When = Annotated[str, Field(description="as in kpi.periods: this_week, 2026-08, last_7_days; empty: the usual one")]


class Question(BaseModel):
    """Base of all: frozen, nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CampaignKpis(Question):
    """How running campaigns go against their targets."""

    whose: Whose = ME
    period: When = ""
    campaign: str = ""


class Numbers(Question):
    """One or more metrics of a period; none named: the usual ones."""

    metrics: tuple[MetricName, ...] = ()
    whose: Anyone = ""
    period: When = ""
    group_by: GroupName = ""


class Changed(Question):
    """A metric against the period before, and why it moved; none named: sales."""

    metric: MetricName = ""
    whose: Anyone = ""
    period: When = ""


class Behind(Question):
    """The customers behind a metric."""

    metric: MetricName
    whose: Anyone = ""
    period: When = ""


class Rank(Question):
    """The asker's place in her team."""

    metric: MetricName = ""
    period: When = ""


class CommissionQuestion(Question):
    """Commission, expected and confirmed."""

    whose: Whose = ME
    period: When = ""


class Clawback(Question):
    """What refunds took back of commission, by order; of one customer's only where she is named."""

    whose: Whose = ME
    period: When = ""
    name: Annotated[str, Field(description="the customer's name; empty for all", max_length=40)] = ""


class Targets(Question):
    """What is missing to the month's targets."""

    whose: Whose = ME
    period: When = ""


class LostCustomers(Question):
    """Who left."""

    whose: Whose = ME
    period: When = ""


class NewCustomers(Question):
    """Who came, and by which channel."""

    whose: Whose = ME
    period: When = ""


class CustomerQuestion(Question):
    """One customer's record in short."""

    name: Annotated[str, Field(min_length=1, max_length=40)]


class Credit(Question):
    """Whose a customer's orders are, and why."""

    name: Annotated[str, Field(min_length=1, max_length=40)]
    period: When = ""


class Definition(Question):
    """What a metric means."""

    metric: MetricName


class TeamReport(Question):
    """A team's report: since the last working day, or last week's."""

    kind: Literal["daily", "weekly"] = "daily"


class ReportsWanted(Question):
    """Turn one's own daily or weekly reports off or on again."""

    kinds: tuple[Literal["daily", "weekly"], ...] = ("daily", "weekly")
    wanted: bool = False


class CampaignReview(Question):
    """A campaign looked back on; none named: the latest that has ended."""

    campaign: str = ""


class CampaignBrief(Question):
    """What a running campaign is about."""

    campaign: str = ""


class BriefReaders(Question):
    """Who of the team has not read a campaign's brief."""

    campaign: str = ""


class RotaQuestion(Question):
    """Who works and who is off on a day; `me`: one's own days, also of a week."""

    whose: Literal["me", ""] = ""
    day: str = ""
    """As it was said: 明天, next week; today when nothing was."""


class Help(Question):
    """What can be asked."""


class More(Question):
    """The rest of the last answer."""


TOOLS: dict[str, type[Question]] = {
    "campaign_kpis": CampaignKpis,
    "numbers": Numbers,
    "changed": Changed,
    "behind": Behind,
    "rank": Rank,
    "commission": CommissionQuestion,
    "clawback": Clawback,
    "targets": Targets,
    "lost_customers": LostCustomers,
    "new_customers": NewCustomers,
    "customer": CustomerQuestion,
    "credit": Credit,
    "definition": Definition,
    "team_report": TeamReport,
    "reports_wanted": ReportsWanted,
    "campaign_review": CampaignReview,
    "campaign_brief": CampaignBrief,
    "brief_readers": BriefReaders,
    "rota": RotaQuestion,
    "help": Help,
    "more": More,
}
NAMES = {kind: name for name, kind in TOOLS.items()}


def tool_of(question: Question) -> str:
    """The tool's name."""
    return NAMES[type(question)]


def arguments(question: Question) -> dict[str, Any]:
    """What differs from the tool's defaults, as plain values."""
    return question.model_dump(mode="json", exclude_defaults=True)


def question_from(tool: str, given: dict[str, Any]) -> Question | None:
    """A stored question again; None when there is none."""
    return TOOLS[tool].model_validate(given) if tool in TOOLS else None
