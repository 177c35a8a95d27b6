"""gettoken and the address lists."""

from simulator.platform import Call, Fields, api


@api("gettoken", "GET", needs="none")
def gettoken(call: Call) -> Fields:
    """§8.1."""
    return dict(call.platform.tokens.fetch(call.query.get("corpid"), call.query.get("corpsecret"), call.address))


@api("getcallbackip", "GET", needs="any")
def getcallbackip(_: Call) -> Fields:
    """§0: where callbacks come from."""
    return {"ip_list": ["127.0.0.1"]}


@api("get_api_domain_ip", "GET", needs="any")
def get_api_domain_ip(_: Call) -> Fields:
    """§0: where the API lives."""
    return {"ip_list": ["127.0.0.1"]}
