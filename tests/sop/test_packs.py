"""Packs: the guide's example and every shipped one, their versions, and what is refused with its place."""

import re
from pathlib import Path

import pytest
import yaml
from sqlalchemy import func
from sqlmodel import Session, col, select

from bot.database import Database
from contacts.offers import Offer
from contacts.tags import Tag
from scripts_library.loading import EVERYTHING, FOLDER, read_content
from scripts_library.models import ScriptVersion
from scripts_library.scripts import retire
from sop import packs, rules
from sop.models import WelcomeFlow
from sop.packs import InstalledPack
from sop.preview import preview
from sop.sops import Run, Sop, SopVersion, publish
from tests.sop.company import NOW, TODAY, ZONE, at, booking, customer, on, planned, todos
from tests.sop.test_plan import days

BROUGHT = (SopVersion, ScriptVersion, Offer, InstalledPack, Tag)
"""What installing may write."""
GUIDE = Path(__file__).parents[2] / "docs" / "packs.md"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The pack of the guide, as a file."""
    found = re.search(r"```yaml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert found
    path = tmp_path / "beauty.yaml"
    path.write_text(found[1], encoding="utf-8")
    return path


def changed(path: Path, old: str, new: str) -> str:
    """The file with one word changed; answers its path."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return str(path)


async def test_the_guides_example_installs_previews_and_makes_its_to_do(database: Database, example: Path) -> None:
    def build(session: Session) -> tuple[int, list[str]]:
        booking(session, customer(session, "李女士"), at(days(-1)))
        done = packs.install(session, str(example), NOW)
        [file] = packs.read_pack(str(example)).sops
        return preview(session, file.rule, TODAY, ZONE).days[-2].number, done.sops

    assert await on(database, build=build) == (1, ["爽约送护理券"])
    await planned(database, TODAY)
    [todo] = await todos(database)
    assert todo.reason == "11月17日约了没来，送一张补水护理券。"
    assert todo.words == "李女士您好，给您留了一张补水护理券，12月2日前都能用，到店报手机号即可，限本人。"


@pytest.mark.parametrize("name", packs.names())
async def test_a_shipped_pack_installs_twice_and_changes_nothing_then(database: Database, name: str) -> None:
    def build(session: Session) -> list[list[int]]:
        counts = []
        for _ in range(2):
            packs.install(session, name, NOW)
            session.flush()
            counts.append([session.scalar(select(func.count()).select_from(one)) or 0 for one in BROUGHT])
        return counts

    first, second = await on(database, build=build)
    assert first == second
    assert min(first) > 0


async def test_a_packs_welcome_goes_before_the_one_for_everybody_and_once_removed_stays_away(
    database: Database,
) -> None:
    def build(session: Session) -> tuple[list[str], list[str]]:
        packs.install(session, "dental", NOW)
        packs.install(session, "retail", NOW, welcome=False)
        flows = list(session.exec(select(WelcomeFlow).order_by(col(WelcomeFlow.position))))
        session.delete(next(one for one in flows if one.offer))
        packs.install(session, "dental", NOW)
        left = list(session.exec(select(WelcomeFlow.name).order_by(col(WelcomeFlow.position))))
        return [one.name for one in flows], left

    installed, left = await on(database, build=build)
    assert installed == ["已是老朋友", "夜间", "欢迎回来", "口腔新客见面礼", "默认"]
    assert left == ["已是老朋友", "夜间", "欢迎回来", "默认"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("attachments: [{link: {title: 预约, url: 'https://a.example'}}]", "attachments do not come with a pack"),
        ("offer: beauty-retrun", "there is no such offer"),
    ],
)
async def test_a_welcome_that_cannot_work_is_refused_with_its_name(
    database: Database, example: Path, more: str, why: str
) -> None:
    flow = f"welcome:\n  - name: 美容见面礼\n    text: 您好\n    {more}\nsops:"
    path = changed(example, "\nsops:", f"\n{flow}")
    with pytest.raises(rules.RuleRefused, match="美容见面礼") as refused:
        await on(database, build=lambda session: packs.install(session, path, NOW))
    assert why in str(refused.value)


@pytest.mark.parametrize("name", packs.names())
def test_a_shipped_pack_is_complete(name: str) -> None:
    pack = packs.read_pack(name)
    stages = [str(one["stage"]) for one in pack.scripts]
    whole = str([one.model_dump() for one in pack.sops])
    named = {word for kind in ("script", "offer") for word in re.findall(rf"'{kind}': '([\w-]+)'", whole)}

    assert pack.library
    assert len(set(stages)) >= 4
    assert stages.count("objection") >= 2
    assert {one.kind for one in pack.offers} >= {"welcome_gift"}
    assert {one.code for one in pack.offers} & named, "a step hands one over"
    assert {str(one["code"]) for one in pack.scripts} & named, "a step says one"
    assert all(any(word.isascii() for word in one["keywords"]) for one in pack.scripts), "found in English too"


def test_packs_are_installed_side_by_side_so_no_name_or_code_stands_twice() -> None:
    read = [packs.read_pack(name) for name in packs.names()]
    ready = [one.code for name in EVERYTHING for one in read_content(FOLDER / f"{name}.yaml")]
    scripts = [str(one["code"]) for pack in read for one in pack.scripts]
    offers = [one for pack in read for one in pack.offers]

    assert len({*scripts, *ready}) == len(scripts) + len(ready)
    assert len({one.code for one in offers}) == len({one.name for one in offers}) == len(offers)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("offer: beauty-return", "offer: beauty-retrun", "what.0.do.offer: there is no offer beauty-retrun"),
        ("script: beauty-invite", "script: nothing", "what.0.do.script: there is no script nothing"),
        ("mark: 爽约已流失", "mark: 没有这个", "until.mark: there is no tag 没有这个"),
        ("{kind: friend}", "{kind: tagged, tags: [没有]}", "offers.0.conditions.tags: there is no tag 没有"),
        ("days: 14", "days: 0", "offers.0.days"),
        ("stage: win_back", "stage: nonsense", "stage"),
        ("due_hours: 48", "due_hous: 48", "sops.0.rule.what.0.do.todo.due_hous"),
        ("customer.name }}您好", "customer.phone }}您好", "customer.phone is unknown"),
    ],
)
async def test_a_mistake_is_named_with_its_place_and_nothing_is_installed(
    database: Database, example: Path, old: str, new: str, said: str
) -> None:
    source = changed(example, old, new)

    def build(session: Session) -> None:
        packs.install(session, source, NOW)

    with pytest.raises(rules.RuleRefused, match=re.escape(said)):
        await on(database, build=build)
    assert await database.read(lambda session: session.exec(select(Sop)).all()) == []


async def test_a_newer_version_replaces_an_older_and_never_the_other_way_round(
    database: Database, example: Path
) -> None:
    def install(session: Session) -> packs.Installed:
        return packs.install(session, str(example), NOW)

    await on(database, build=install)
    changed(example, "version: 1", "version: 2")
    changed(example, "due_hours: 48", "due_hours: 24")
    await database.write(install)
    numbers = await database.read(lambda session: sorted(one.number for one in session.exec(select(SopVersion))))
    assert numbers == [1, 2]

    changed(example, "version: 2", "version: 1")
    with pytest.raises(rules.RuleRefused, match="version 2 is installed"):
        await database.write(install)


async def test_what_the_company_published_itself_is_left_alone(database: Database, example: Path) -> None:
    def build(session: Session) -> packs.Installed:
        packs.install(session, str(example), NOW)
        sop = session.exec(select(Sop)).one()
        own = sop.draft.model_copy(update={"topic": "别的"})
        sop.draft = own
        publish(session, sop, "su", NOW)
        return packs.install(session, str(example), NOW)

    done = await on(database, build=build)
    assert (done.sops, done.kept) == ([], ["爽约送护理券"])
    assert await database.read(lambda session: session.exec(select(Sop)).one().draft.topic) == "别的"


@pytest.mark.parametrize("part", ["script", "offer"])
async def test_a_script_or_offer_gone_under_a_running_sop_pauses_its_runs_with_the_reason(
    database: Database, example: Path, part: str
) -> None:
    changed(example, "day: 1\n", "day: 3\n")

    def build(session: Session) -> None:
        booking(session, customer(session, "李女士"), at(days(-1)))
        packs.install(session, str(example), NOW)

    await on(database, build=build)
    await planned(database, TODAY)

    def gone(session: Session) -> None:
        if part == "script":
            retire(session, "beauty-invite", NOW)
        else:
            session.get_one(Offer, "beauty-return").active = False

    await database.write(gone)
    await planned(database, days(1))

    def read(session: Session) -> tuple[bool, str]:
        sop = session.exec(select(Sop)).one()
        return sop.active, sop.paused_reason

    active, reason = await database.read(read)
    assert not active
    assert reason.startswith(f"what.0.do.{part}: {part} beauty-")
    assert await database.read(lambda session: {one.state for one in session.exec(select(Run))}) <= {
        "paused",
        "finished",
    }


def test_the_guide_names_every_field_of_a_pack() -> None:
    text = GUIDE.read_text("utf-8")
    fields = [*packs.Pack.model_fields, *packs.PackOffer.model_fields]
    assert [one for one in fields if f"`{one}`" not in text] == []
    assert yaml.safe_load(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])["version"] == 1
