"""What a schema cannot say of a valid value: that it was not used before, that it is not still to come, and that it can be seen."""

import re
import unicodedata
import uuid

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch("[!-~]([ -~]{0,253}[!-~])?", key):
        # the same key with another request is rightly refused
        case.headers["Idempotency-Key"] = f"{key}{uuid.uuid4()}"[-255:].lstrip()
    place = (case.query or {}).get("min_position")
    if isinstance(place, str) and re.fullmatch("[0-9]{1,9}:[0-9]{1,18}", place):
        # others are waited for, and answered 504 in the end
        case.query["min_position"] = "0:0"
    body = case.body if isinstance(case.body, dict) else {}
    if isinstance(body.get("url"), str) and re.match("https?:", body["url"], re.IGNORECASE):
        # what else is a URL that may be called is told by RFC 3986 and by the guard
        body["url"] = "https://hooks.example.com/"
    for name in ("jwt_key", "jwks_url"):
        if isinstance(body.get(name), str) or (name in body and body[name] is None):
            # which text is a key, of which kind, and that only one kind of integration has one
            del body[name]
    if isinstance(body.get("notify"), dict) and body["notify"].get("kind") == "email" and body.get("source") == "isl":
        # what is mailed happens to clients, which ISL's systems do not have
        body["source"] = "provet"
    if case.operation.path == "/v1/settings/{key}" and isinstance(body.get("value"), str):
        # what a value must be depends on the setting
        case.path_parameters["key"] = "webhook_events.user_create"
        body["value"] = "yes"
        if isinstance(body.get("domain"), str):
            body["domain"] = "default"
    if case.path.startswith("/v1/users") and isinstance(case.body, dict):
        name = case.body.get("name")
        if isinstance(name, str) and re.fullmatch(r"[^\u0000- \u007f-\u00a0/\\]{1,255}", name):
            case.body["name"] = "".join(character if is_seen(character) else "x" for character in name)


def is_seen(character):
    """Whether it can stand in a name of a user, also once its composition is undone."""
    plain = unicodedata.normalize("NFKC", character)
    return not any(unicodedata.category(part)[0] in "CZ" or part in "/\\" for part in plain)
