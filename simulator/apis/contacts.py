"""Reading members and departments (wecom-api §9.1)."""

from hashlib import sha256

from simulator.apis.scope import member_named
from simulator.corp import LEFT, Corp, Department, Member
from simulator.errors import ApiError
from simulator.paging import page
from simulator.platform import Call, Fields, api

MOST_IDS = 10_000


def only_app(call: Call) -> None:
    """Refuse the contacts-sync secret, which has been kept from details since 2022 (48009)."""
    if call.app.agent_id is None:
        raise ApiError(48009, "api forbidden for contacts sync from a new ip")


def in_sight(call: Call, member: Member) -> bool:
    """Whether this token may see a member: the app within its scope, contacts sync everybody."""
    return member.status != LEFT and (call.app.agent_id is None or member.in_scope)


def asked_department(call: Call, name: str, *, required: bool = False) -> int | None:
    """A department's id in the query; 60003 for an unknown one."""
    given = call.query.get(name, "")
    if not given and not required:
        return None
    if not given.isdigit() or int(given) not in call.corp.departments:
        raise ApiError(60003, "department not found")
    return int(given)


def openid(userid: str) -> str:
    """A member's openid, always the same."""
    return "o" + sha256(f"member {userid}".encode()).hexdigest()[:27]


def detail(member: Member) -> Fields:
    """What a self-built app sees of a member: no avatar, gender, mobile, mail, QR code or address."""
    return {
        "userid": member.userid,
        "name": member.name,
        "department": member.departments,
        "order": [0 for _ in member.departments],
        "position": member.position,
        "is_leader_in_dept": [int(one in member.leads) for one in member.departments],
        "direct_leader": [],
        "telephone": "",
        "alias": "",
        "open_userid": "wo" + openid(member.userid),
        "main_department": member.departments[0],
        "extattr": {"attrs": []},
        "status": member.status,
        "external_position": "",
        "external_profile": {"external_corp_name": "", "external_attr": []},
    }


@api("user/get", "GET", needs="contacts")
def get_user(call: Call) -> Fields:
    """60111 for an empty or unknown userid, 60011 outside the scope."""
    only_app(call)
    return detail(member_named(call.corp, call.query.get("userid"), unknown=60111))


@api("user/simplelist", "GET", needs="contacts", empty={"userlist": []})
def simple_list(call: Call) -> Fields:
    """Direct members of a department, by name."""
    shown = ("userid", "name", "department", "open_userid")
    return {"userlist": [{name: detail(one)[name] for name in shown} for one in direct_members(call)]}


@api("user/list", "GET", needs="contacts", empty={"userlist": []})
def list_users(call: Call) -> Fields:
    """Direct members of a department, as user/get shows them."""
    only_app(call)
    return {"userlist": [detail(one) for one in direct_members(call)]}


def direct_members(call: Call) -> list[Member]:
    """Members of the department the call names, not of those below it."""
    department = asked_department(call, "department_id", required=True)
    return [one for one in call.corp.members.values() if department in one.departments and in_sight(call, one)]


@api("user/list_id", needs="contacts", empty={"dept_user": []})
def list_ids(call: Call) -> Fields:
    """Everybody, one row for each department; for the contacts-sync secret alone."""
    if call.app.agent_id is not None:
        raise ApiError(48002, "api forbidden")
    found = (
        {"userid": one.userid, "department": department}
        for one in call.corp.members.values()
        if one.status != LEFT
        for department in one.departments
    )
    rows, following = page(call, found, MOST_IDS, MOST_IDS)
    return {"dept_user": rows, "next_cursor": following}


def below(corp: Corp, root: int | None) -> list[Department]:
    """A department and all below it; the whole company for None."""
    if root is None:
        return list(corp.departments.values())
    found = [corp.departments[root]]
    for parent in found:
        found.extend(one for one in corp.departments.values() if one.parent == parent.id != one.id)
    return found


def department_detail(corp: Corp, department: Department) -> Fields:
    """A department with its leaders."""
    leaders = [one.userid for one in corp.members.values() if department.id in one.leads and one.visible]
    return {
        "id": department.id,
        "name": department.name,
        "name_en": "",
        "department_leader": leaders,
        "parentid": department.parent,
        "order": department.order,
    }


@api("department/list", "GET", needs="contacts", empty={"department": []})
def list_departments(call: Call) -> Fields:
    """The tree below `id`, itself included."""
    only_app(call)
    found = below(call.corp, asked_department(call, "id"))
    return {"department": [department_detail(call.corp, one) for one in found]}


@api("department/simplelist", "GET", needs="contacts", empty={"department_id": []})
def simple_departments(call: Call) -> Fields:
    """The same tree without names."""
    found = below(call.corp, asked_department(call, "id"))
    return {"department_id": [{"id": one.id, "parentid": one.parent, "order": one.order} for one in found]}


@api("department/get", "GET", needs="contacts")
def get_department(call: Call) -> Fields:
    """One department."""
    id_ = asked_department(call, "id", required=True)
    return {"department": department_detail(call.corp, call.corp.departments[id_ or 1])}


@api("user/getuserid", needs="contacts", empty={"userid": ""})
def userid_by_mobile(call: Call) -> Fields:
    """46004 when nobody in sight has this number."""
    return {"userid": found_by(call, "mobile")}


@api("user/get_userid_by_email", needs="contacts", empty={"userid": ""})
def userid_by_email(call: Call) -> Fields:
    """46004 when nobody in sight has this address."""
    return {"userid": found_by(call, "email")}


def found_by(call: Call, name: str) -> str:
    """The member in sight with this mobile or email."""
    wanted = call.text(name)
    for member in call.corp.members.values():
        if wanted == {"mobile": member.mobile, "email": member.email}[name] and in_sight(call, member):
            return member.userid
    raise ApiError(46004, "user not exist")


@api("user/convert_to_openid", needs="contacts", empty={"openid": ""})
def to_openid(call: Call) -> Fields:
    """A member's openid."""
    return {"openid": openid(member_named(call.corp, call.body.get("userid"), unknown=60111).userid)}


@api("user/convert_to_userid", needs="contacts", empty={"userid": ""})
def to_userid(call: Call) -> Fields:
    """40073 for an openid of nobody in sight."""
    for member in call.corp.members.values():
        if openid(member.userid) == call.body.get("openid") and in_sight(call, member):
            return {"userid": member.userid}
    raise ApiError(40073, "invalid openid")


@api("user/create", needs="contacts")
@api("user/update", needs="contacts")
@api("user/delete", "GET", needs="contacts")
@api("user/batchdelete", needs="contacts")
@api("department/create", needs="contacts")
@api("department/update", needs="contacts")
@api("department/delete", "GET", needs="contacts")
def write_contacts(_: Call) -> Fields:
    """Self-built apps write no contacts; here nobody does but the console (`/sim/members`, `/sim/departments`)."""
    raise ApiError(48002, "api forbidden")
