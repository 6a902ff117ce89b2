"""Events answered in front of Flask: `app.wsgi_app = EventsMiddleware(app)`."""

from tcs_events.faces.middleware import EventsMiddleware

__all__ = ["EventsMiddleware"]
