"""What became of the events, as Prometheus metrics. Needs `tcs-events[prometheus]`."""

from tcs_events.faces.metrics import is_multiprocess, register_metrics

__all__ = ["is_multiprocess", "register_metrics"]
