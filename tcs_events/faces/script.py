"""The built tracker: how it is served, and the tag that loads it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from flask import Flask, Response, current_app, request, url_for
from markupsafe import Markup
from werkzeug.routing import BuildError

from tcs_events.errors import ConfigError
from tcs_events.faces.cacheable import MAX_AGE_SECONDS, Cacheable
from tcs_events.host import registration_of

VERSIONED_MAX_AGE_SECONDS = 365 * 24 * 3600
TAG_ROUTE = "client"
"""The route that the tag names. The lists of ad blockers have rules for names with "tracker"."""


@cache
def _script() -> Cacheable:
    return Cacheable(_static("tracker.js").encode(), "text/javascript")


@cache
def stub_text() -> str:
    """Return the line of script that keeps calls until the tracker is there.

    It makes `window.tcsEvents` with a list `q`, and its functions, each of which adds
    `[name, ...arguments]` to that list. A tracker that loads takes over, and makes the calls. Where
    the tracker is there already, the line changes nothing.
    """
    return _static("stub.js").strip()


def _static(name: str) -> str:
    return files("tcs_events").joinpath("static", name).read_text("utf-8")


def tracker(**_: object) -> Response:
    """Serve the built tracker; under the address of its version, to be kept for ever."""
    script = _script()
    is_versioned = request.args.get("v") == script.version
    max_age = VERSIONED_MAX_AGE_SECONDS if is_versioned else MAX_AGE_SECONDS
    response = script.response(request, max_age, is_final=is_versioned)
    # A page of another origin that loads it with type="module" asks for this; nothing in it is
    # secret.
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def script_tag(
    nonce: str | None = None,
    *,
    endpoint: str | None = None,
    consent: bool = True,
    stub: bool = True,
    **variables: object,
) -> Markup:
    """Return the tags that load the tracker, for templates: `{{ tcs_events_script() }}`.

    Args:
        nonce: of the page's Content-Security-Policy. Taken from `csp_nonce()` where the templates
            have such a global, as with Flask-Talisman.
        endpoint: where events go, if that is not where the script comes from.
        consent: False where nothing may be recorded before `configure({consent: true})`.
        stub: False leaves out the inline script, which keeps calls until the tracker is there. It
            is for a page whose policy allows no inline script and has no nonce.
        variables: the values of variables in the url_prefix, where the current page has not the
            same ones: `tcs_events_script(lang="de")`.

    Raises:
        ConfigError: the url_prefix has a variable whose value is not known.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    csp_nonce = app.jinja_env.globals.get("csp_nonce")
    if nonce is None and callable(csp_nonce):
        nonce = csp_nonce()
    nonce_attribute = _attribute("nonce", nonce)
    tag = Markup('<script src="{}" defer{}{}{}></script>').format(
        _address(app, variables),
        _attribute("data-endpoint", endpoint),
        _attribute("data-consent", None if consent else "false"),
        nonce_attribute,
    )
    return _stub_tag(nonce_attribute) + tag if stub else tag


def _stub_tag(nonce_attribute: Markup) -> Markup:
    text = Markup(stub_text())  # noqa: S704  a file of the package, nothing of a visitor's in it
    return Markup("<script{}>{}</script>\n").format(nonce_attribute, text)


def _attribute(name: str, value: str | None) -> Markup:
    return Markup(' {}="{}"').format(name, value) if value else Markup()


def _address(app: Flask, variables: dict[str, object]) -> str:
    name = registration_of(app).name_on(app)
    try:
        return url_for(f"{name}.{TAG_ROUTE}", v=_script().version, **variables)  # type: ignore[arg-type]
    except BuildError as error:
        rule = next(app.url_map.iter_rules(f"{name}.{TAG_ROUTE}"))
        missing = sorted((rule.arguments or set()) - set(variables))
        if not missing:
            raise
        given = ", ".join(f"{name}=..." for name in missing)
        raise ConfigError(
            f"The url_prefix of tcs_events has variables that this page does not:"
            f" tcs_events_script({given}) tells them."
        ) from error
