"""What admins do in the console: corp tags, groups, members, and members confirming mass sends."""

from itertools import islice

from aiohttp import web

from simulator.control.asked import company, refuse

routes = web.RouteTableDef()


@routes.get("/sim/customers")
async def customers(request: web.Request) -> web.Response:
    """Customers, newest first: `{customers: [{external_userid, name, followers}]}`, 200 unless `?limit=` says more."""
    corp, limit = company(request), request.query.get("limit", "200")
    if not limit.isdigit():
        refuse(f"limit is {limit!r}; give a whole number.")
    newest = islice(reversed(corp.customers.values()), int(limit))
    return web.json_response(
        {
            "customers": [
                {
                    "external_userid": one.external_userid,
                    "name": one.name,
                    "followers": list(corp.follows.by_customer.get(one.external_userid, {})),
                }
                for one in newest
            ]
        }
    )
