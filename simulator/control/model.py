"""The control side of the scripted language model: how it behaves, what it answers next, what it was asked."""

from typing import Any

from aiohttp import web

from simulator.control.asked import asked, refuse, whole
from simulator.model import MODEL, MODES, NORMAL, called

MOST_SECONDS = 60

routes = web.RouteTableDef()


@routes.get("/sim/model")
async def look(request: web.Request) -> web.Response:
    """The mode, and every request so far, oldest first."""
    model = request.app[MODEL]
    return web.json_response({"mode": model.mode, "times": model.times, "requests": list(model.requests)})


@routes.post("/sim/model")
async def behave(request: web.Request) -> web.Response:
    """Change how it behaves; `answers` are given first, one per request."""
    body, model = await asked(request, "mode", "times", "seconds", "answers"), request.app[MODEL]
    mode = body.get("mode", NORMAL)
    if mode not in MODES:
        refuse(f"mode is {mode!r}; give one of {', '.join(MODES)}.")
    seconds = body.get("seconds", 0)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds <= MOST_SECONDS:
        refuse(f"seconds is {seconds!r}; give 0 to {MOST_SECONDS}.")
    answers = [message_of(one) for one in body.get("answers") or []]
    model.mode, model.seconds = mode, float(seconds)
    model.times = None if body.get("times") is None else whole(body, "times", 1, 1)
    model.answers.clear()
    model.answers.extend(answers)
    return web.json_response({"mode": model.mode, "times": model.times, "answers": len(model.answers)})


def message_of(answer: Any) -> dict[str, Any]:
    """An answer as asked for: a text, or calls of tools."""
    if isinstance(answer, dict) and isinstance(answer.get("text"), str):
        return {"content": answer["text"]}
    calls = answer.get("calls") if isinstance(answer, dict) else None
    if not isinstance(calls, list) or not all(isinstance(one, dict) and "tool" in one for one in calls):
        refuse(f'answers holds {answer!r}; give {{"text": …}} or {{"calls": [{{"tool": …, "arguments": {{…}}}}]}}.')
    return called([(str(one["tool"]), one.get("arguments") or {}) for one in calls])
