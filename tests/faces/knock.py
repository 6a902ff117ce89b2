"""Posts bodies to an app in a process and an environment of its own: `python -m tests.faces.knock`.

The app is named as `module:function`. Bodies come in on stdin, one in base64 on each line; the
status of each goes out, and whether it was answered in JSON.
"""

from __future__ import annotations

import base64
import json
import logging
import sys
from importlib import import_module


def main() -> None:
    name, path = sys.argv[1:]
    module, _, function = name.partition(":")
    app = getattr(import_module(module), function)()
    logging.getLogger().addHandler(logging.NullHandler())
    app.logger.disabled = True
    for line in sys.stdin:
        body = base64.b64decode(line)
        # A client each: what one answer leaves in a session is not to trouble the next.
        answer = app.test_client().post(path, data=body, content_type="application/json")
        sys.stdout.write(f"{json.dumps([answer.status_code, answer.is_json])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
