"""The built tracker: how it is served, and the tag that loads it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from flask import Flask, Response, current_app, request, url_for
from markupsafe import Markup
from werkzeug.routing import BuildError

from tcs_events.errors import ConfigError
from tcs_events.faces.cacheable import MAX_AGE_SECONDS, Cacheable
from tcs_events.host.mounted import name_on

VERSIONED_MAX_AGE_SECONDS = 365 * 24 * 3600
TAG_ROUTE = "client"
"""The route in the script tag. Ad blockers have rules for addresses with "tracker" in them."""


@cache
def _script() -> Cacheable:
    return Cacheable(_static("tracker.js").encode(), "text/javascript")


@cache
def stub_text() -> str:
    """Return the inline script that keeps calls until the tracker has loaded.

    It makes `window.tcsEvents` with a list `q` and the functions of the tracker. Each function adds
    `[name, ...arguments]` to the list. Once loaded, the tracker makes these calls. If the tracker
    has loaded before, the script does nothing.
    """
    return _static("stub.js").strip()


def _static(name: str) -> str:
    return files("tcs_events").joinpath("static", name).read_text("utf-8")


def tracker(**_: object) -> Response:
    """Serve the built tracker. If `v` is its version, browsers may cache it for a year."""
    script = _script()
    is_versioned = request.args.get("v") == script.version
    max_age = VERSIONED_MAX_AGE_SECONDS if is_versioned else MAX_AGE_SECONDS
    response = script.response(request, max_age, is_final=is_versioned)
    # A page of another origin needs this to load it with type="module". Nothing in it is secret.
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def script_tag(
    nonce: str | None = None,
    *,
    endpoint: str | None = None,
    consent: bool = True,
    cookie: bool = False,
    stub: bool = True,
    **variables: object,
) -> Markup:
    """Return the tags that load the tracker, for templates: `{{ tcs_events_script() }}`.

    Args:
        nonce: the nonce of the page's Content-Security-Policy. By default, the result of the
            template function `csp_nonce()` if there is one, as with Flask-Talisman.
        endpoint: the URL that events are sent to. By default, the place of the script.
        consent: False records nothing before `configure({consent: true})`.
        cookie: True also keeps the session in the first-party cookie `tcs_session_id`, for your own
            server. Never without the visitor's consent.
        stub: False leaves out the inline script that keeps calls until the tracker has loaded. Use
            it if the page's policy allows no inline script and has no nonce.
        variables: the values of variables in the url_prefix that the current page does not have:
            `tcs_events_script(lang="de")`.

    Raises:
        ConfigError: the value of a variable in the url_prefix is missing.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    csp_nonce = app.jinja_env.globals.get("csp_nonce")
    if nonce is None and callable(csp_nonce):
        nonce = csp_nonce()
    nonce_attribute = _attribute("nonce", nonce)
    tag = Markup('<script src="{}" defer{}{}{}{}></script>').format(
        _address(app, variables),
        _attribute("data-endpoint", endpoint),
        _attribute("data-consent", None if consent else "false"),
        _attribute("data-cookie", "true" if cookie else None),
        nonce_attribute,
    )
    return _stub_tag(nonce_attribute) + tag if stub else tag


def _stub_tag(nonce_attribute: Markup) -> Markup:
    text = Markup(stub_text())  # noqa: S704  a file of the package, without data of visitors
    return Markup("<script{}>{}</script>\n").format(nonce_attribute, text)


def _attribute(name: str, value: str | None) -> Markup:
    return Markup(' {}="{}"').format(name, value) if value else Markup()


def _address(app: Flask, variables: dict[str, object]) -> str:
    name = name_on(app)
    try:
        return url_for(f"{name}.{TAG_ROUTE}", v=_script().version, **variables)  # type: ignore[arg-type]
    except BuildError as error:
        rule = next(app.url_map.iter_rules(f"{name}.{TAG_ROUTE}"))
        missing = sorted((rule.arguments or set()) - set(variables))
        if not missing:
            raise
        arguments = ", ".join(f"{variable}=..." for variable in missing)
        raise ConfigError(
            "The url_prefix of tcs_events has variables that this page does not have. Call"
            f" tcs_events_script({arguments})."
        ) from error
