from tcs_events import reports

from app import app

steps = [reports.step("room_opened[source=list]"), reports.step("booking_done")]

with app.app_context():
    for row in reports.funnel(reports.last_days(30), steps):
        print(f"{row.step}: {row.sessions}")
