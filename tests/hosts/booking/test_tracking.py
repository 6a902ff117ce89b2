import pytest

SESSION = {"X-TCS-Session-ID": "test"}


def book(app, **changes):
    form = {"room_id": "garden", "nights": "2", "plan": "saver", **changes}
    return app.test_client().post("/bookings", data=form, headers=SESSION)


def test_a_booking_is_recorded(app, tracked):
    assert book(app).status_code == 302
    tracked.assert_one("booking_done", room_id="garden", nights=2, price=160)


def test_no_room_no_booking(app, tracked):
    assert book(app, room_id="cellar").status_code == 404
    tracked.assert_none()


@pytest.mark.parametrize("source", ["list", "map"])
def test_a_page_may_say_where_a_room_was_opened(app, tracked, source):
    payload = {"room_id": "lake", "source": source}
    event = {"event_type": "room_opened", "session_id": "test", "payload": payload}
    assert app.test_client().post("/api/events", json=event).status_code == 202
    tracked.assert_one("room_opened", source=source)
