"""What is measured: the rows of the table, and the packages that could not be rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

APPS = "tests.benchmarks.apps"


@dataclass(frozen=True)
class Row:
    name: str
    meaning: str
    app: str
    table: str | None  # where it stores one row per event, if anywhere
    events: int = 0  # in a batch; 0 where an event is posted by itself
    peer: bool = False
    counted_every: int | None = None  # seconds between the refreshes of a worker beside it
    bookings: bool = False  # posts a type of the host's own, and not what the tracker sends

    @property
    def ours(self) -> bool:
        """Whether a refused or lost event is a bug of this package."""
        return self.app.startswith((f"{APPS}.ours:", f"{APPS}.bookings:"))

    @property
    def path(self) -> str:
        return "/api/events/batch" if self.events else "/api/events"

    @property
    def events_per_request(self) -> int:
        return self.events or 1


YARDSTICK = Row(
    "yardstick",
    "a Flask view that parses the event and answers; it stores nothing",
    f"{APPS}.yardstick:create_app",
    None,
)
OBVIOUS = Row(
    "obvious",
    "by hand: marshmallow, `db.session.add`, one `commit` per event, one log line",
    f"{APPS}.obvious:create_app",
    "events",
)
VIEW = Row(
    "view",
    "tcs_events through Flask: `app.register_blueprint(events_bp)`",
    f"{APPS}.ours:create_app",
    "user_events",
)
MIDDLEWARE = Row(
    "middleware",
    "tcs_events in front of Flask: `app.wsgi_app = EventsMiddleware(app)`",
    f"{APPS}.ours:create_app_with_middleware",
    "user_events",
)
BATCH_10 = replace(MIDDLEWARE, name="batch 10", meaning="the same, ten events a request", events=10)
BATCH_50 = replace(
    MIDDLEWARE, name="batch 50", meaning="the same, fifty events a request", events=50
)
STRUCTLOG = replace(
    MIDDLEWARE,
    name="structlog as it comes",
    meaning="the same, with structlog as nobody has set it up: coloured lines to stdout",
    app=f"{APPS}.ours:create_app_with_structlog_as_it_comes",
)
NO_INFO = replace(
    MIDDLEWARE,
    name="info filtered",
    meaning="the same, where the host's structlog leaves out lines below a warning",
    app=f"{APPS}.ours:create_app_without_info_lines",
)
VIEW_NO_INFO = replace(
    VIEW,
    name="view info filtered",
    meaning="`view`, where the host's structlog leaves out lines below a warning",
    app=f"{APPS}.ours:create_app_without_middleware_or_info_lines",
)
FREE_COMMITS = replace(
    NO_INFO,
    name="free commits",
    meaning="`info filtered` with commits that only take half a millisecond: nothing is stored",
    app=f"{APPS}.ours:create_app_whose_commits_cost_nothing",
    table=None,
)
FREE_COMMITS_50 = replace(
    FREE_COMMITS, name="free commits 50", meaning="the same, fifty events a request", events=50
)
COUNTED = replace(
    MIDDLEWARE,
    name="counted",
    meaning="the same, with `flask tcs-events worker --every 5` on the other core",
    counted_every=5,
)
NO_SCHEMA = replace(
    MIDDLEWARE,
    name="no schema",
    meaning="the same with an event type of six fields, and no schema",
    app=f"{APPS}.bookings:create_app_without_schema",
    bookings=True,
)
SCHEMA = replace(
    NO_SCHEMA,
    name="schema of six fields",
    meaning="the same event with a schema of ordinary fields",
    app=f"{APPS}.bookings:create_app_with_schema",
)
SCHEMA_DUMPED = replace(
    NO_SCHEMA,
    name="schema with a Decimal",
    meaning="the same, where a Decimal and a date are among the fields",
    app=f"{APPS}.bookings:create_app_with_decimal",
)
PORTAL_METRICS = Row(
    "Flask-Portal-Metrics",
    "1.0.2, records the request (without its payload), one commit each",
    f"{APPS}.peers:portal_metrics",
    "portal_metrics_user_activity",
    peer=True,
)
VIEW_COUNTER = Row(
    "flask-view-counter",
    "0.1.2, records the request (without its payload), one commit each",
    f"{APPS}.peers:view_counter",
    "vc_requests",
    peer=True,
)
PEERS = [PORTAL_METRICS, VIEW_COUNTER]
ROWS = [
    YARDSTICK,
    OBVIOUS,
    VIEW,
    MIDDLEWARE,
    BATCH_10,
    BATCH_50,
    STRUCTLOG,
    NO_INFO,
    VIEW_NO_INFO,
    FREE_COMMITS,
    FREE_COMMITS_50,
    COUNTED,
    NO_SCHEMA,
    SCHEMA,
    SCHEMA_DUMPED,
    *PEERS,
]

PEERS_INSTALLED = ["flask-portal-metrics==1.0.2", "flask-view-counter==0.1.2"]
PEERS_NOT_RUN = {
    "Flask-Track-Usage 2.0.0": "imports `_request_ctx_stack`, gone since Flask 2.3",
    "flask-statistics 1.0.2": "imports `Model` and `BaseQuery`, gone since Flask-SQLAlchemy 3.0",
    "Flask-Analytics 0.6.0": "stores nothing itself (snippets of other services), and imports"
    " `Markup`, gone since Flask 3.0",
}
