"""Many customers at once, as a company has them that begins to use the app: no events, nothing random."""

from aiohttp import web

from simulator.control.asked import asked, company, refuse, whole
from simulator.control.given import answer
from simulator.corp import Corp
from simulator.days import DAY
from simulator.platform import Fields
from simulator.records import Customer, Follow

routes = web.RouteTableDef()

HALF_A_YEAR = 180 * DAY
MOST = 1_000_000
SHARED = 10
"""One customer in so many has a second member."""


@routes.post("/sim/customers")
async def crowd(request: web.Request) -> web.Response:
    """`count` more customers, spread evenly over staff, the last half-year and the corp tags: `{ties, deliveries}`."""
    corp, body = company(request), await asked(request, "count")
    count = whole(body, "count", 0, 1)
    if count > MOST:
        refuse(f"count is {count}; give at most {MOST}.")
    userids = [one.userid for one in corp.members.values() if one.visible and one.customer_contact]
    if not userids:
        refuse("nobody has 客户联系; give it to somebody with POST /sim/members.")
    return answer([], ties=sum(add(corp, userids, count, number) for number in range(count)))


def add(corp: Corp, userids: list[str], count: int, number: int) -> int:
    """The customer of this number with her ties; answers how many."""
    serial = len(corp.customers)
    external_userid = f"wm{serial:030d}"
    corp.customers[external_userid] = Customer(
        external_userid, f"客户{serial}", gender=serial % 3, unionid=f"o{serial:027d}"
    )
    added = corp.now() - HALF_A_YEAR + HALF_A_YEAR * number // count
    followers = [userids[serial % len(userids)]]
    if serial % SHARED == 0 and len(userids) > 1:
        followers.append(userids[(serial + 1) % len(userids)])
    for userid in followers:
        corp.follows[userid, external_userid] = Follow(userid, external_userid, added, **details(corp, serial))
    return len(followers)


def details(corp: Corp, serial: int) -> Fields:
    """What staff wrote about every second customer, and two tags for her."""
    standing = [tag.id for tag in corp.tags.values() if not tag.deleted]
    tags = dict.fromkeys(standing[(serial + step) % len(standing)] for step in (0, 1)) if standing else {}
    given: Fields = {"oper_userid": f"wm{serial:030d}", "tag_ids": list(tags)}
    if serial % 2:
        return given
    return given | {"remark": f"老客户{serial}", "remark_mobiles": [f"139{serial:08d}"]}
