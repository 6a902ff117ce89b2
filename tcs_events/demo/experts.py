"""The experts of the marketplace. Every one of them is made up."""

from __future__ import annotations

from typing import TypedDict


class ExpertRow(TypedDict):
    username: str
    name: str
    title: str
    bio: str
    tags: list[str]
    hourly_rate: int  # in euros
    hue: int  # of the avatar, in degrees of the colour wheel


EXPERTS: list[ExpertRow] = [
    {
        "username": "ines-vallado",
        "name": "Inês Vallado",
        "title": "Flask and API architect",
        "bio": (
            "Untangles Flask apps that grew faster than their blueprints. Leaves behind "
            "fewer files and a test suite people trust."
        ),
        "tags": ["python", "flask", "postgres"],
        "hourly_rate": 120,
        "hue": 152,
    },
    {
        "username": "tomek-zarembski",
        "name": "Tomek Zarembski",
        "title": "PostgreSQL performance engineer",
        "bio": (
            "Reads query plans the way others read novels. Most slow pages turn out to "
            "be one missing index and two kind words."
        ),
        "tags": ["postgres", "data", "cloud"],
        "hourly_rate": 145,
        "hue": 212,
    },
    {
        "username": "adaeze-umeh",
        "name": "Adaeze Umeh",
        "title": "Product analytics lead",
        "bio": (
            "Decides with you which five numbers matter, then makes sure they are "
            "counted correctly from the first day."
        ),
        "tags": ["data", "product", "python"],
        "hourly_rate": 110,
        "hue": 28,
    },
    {
        "username": "kiri-tawhara",
        "name": "Kiri Tawhara",
        "title": "Accessibility auditor",
        "bio": (
            "Tests with a keyboard, a screen reader and real people. Her reports come "
            "sorted by how much they help."
        ),
        "tags": ["accessibility", "design", "writing"],
        "hourly_rate": 95,
        "hue": 178,
    },
    {
        "username": "mateo-quisperial",
        "name": "Mateo Quisperial",
        "title": "Mobile engineer",
        "bio": (
            "Builds apps that still work on the underground. Has shipped offline sync "
            "four times and regretted it once."
        ),
        "tags": ["mobile", "design", "ai"],
        "hourly_rate": 100,
        "hue": 338,
    },
    {
        "username": "yuki-harasawa",
        "name": "Yuki Harasawa",
        "title": "Interaction designer",
        "bio": (
            "Draws the empty state, the error state and the slow state before the happy "
            "one. Prototypes in an afternoon."
        ),
        "tags": ["design", "product", "accessibility"],
        "hourly_rate": 105,
        "hue": 262,
    },
    {
        "username": "leila-farrokhan",
        "name": "Leila Farrokhan",
        "title": "Application security engineer",
        "bio": (
            "Finds the door you left open and shows the whole team how to close it. "
            "Threat models without the theatre."
        ),
        "tags": ["security", "cloud", "python"],
        "hourly_rate": 165,
        "hue": 4,
    },
    {
        "username": "bjorn-ostlindh",
        "name": "Björn Östlindh",
        "title": "Site reliability engineer",
        "bio": (
            "Makes deployments boring. Runs the restore drill that everyone has been "
            "putting off, and writes down the result."
        ),
        "tags": ["cloud", "security", "postgres"],
        "hourly_rate": 135,
        "hue": 198,
    },
    {
        "username": "priya-raghunand",
        "name": "Priya Raghunand",
        "title": "Machine learning engineer",
        "bio": (
            "Puts models into production and takes them out again when a rule does "
            "better. Starts with your evaluation set."
        ),
        "tags": ["ai", "python", "data"],
        "hourly_rate": 175,
        "hue": 292,
    },
    {
        "username": "samuel-adjeiboa",
        "name": "Samuel Adjeiboa",
        "title": "Technical writer",
        "bio": (
            "Writes the page your users look for at two in the morning. Deletes three "
            "paragraphs for each one he adds."
        ),
        "tags": ["writing", "product", "accessibility"],
        "hourly_rate": 70,
        "hue": 44,
    },
    {
        "username": "noor-elhadioui",
        "name": "Noor El Hadioui",
        "title": "Data engineer",
        "bio": (
            "Builds pipelines that say what they dropped and why. Fond of small tables, "
            "plain SQL and early nights."
        ),
        "tags": ["data", "postgres", "python"],
        "hourly_rate": 125,
        "hue": 228,
    },
    {
        "username": "camille-dufresnay",
        "name": "Camille Dufresnay",
        "title": "Product strategist",
        "bio": (
            "Turns a long wish list into one sentence and a first release. Will ask who "
            "it is for until there is an answer."
        ),
        "tags": ["product", "design", "writing"],
        "hourly_rate": 130,
        "hue": 316,
    },
    {
        "username": "seun-bakarre",
        "name": "Seun Bakarre",
        "title": "Flask developer",
        "bio": (
            "From sign-up form to invoice in a week, with server-rendered pages, "
            "sessions done right and no surprises."
        ),
        "tags": ["flask", "python", "security"],
        "hourly_rate": 85,
        "hue": 130,
    },
    {
        "username": "hana-kovarik",
        "name": "Hana Kovaříková",
        "title": "Mobile accessibility specialist",
        "bio": (
            "Gets apps through large text, switch control and bright sunlight. Pairs "
            "with your team instead of auditing it."
        ),
        "tags": ["mobile", "accessibility", "design"],
        "hourly_rate": 90,
        "hue": 160,
    },
    {
        "username": "linh-vutran",
        "name": "Linh Vũ Trần",
        "title": "Conversational AI designer",
        "bio": (
            "Designs assistants that admit what they do not know. Writes the prompts, "
            "the tests and the way out to a human."
        ),
        "tags": ["ai", "writing", "product"],
        "hourly_rate": 115,
        "hue": 276,
    },
    {
        "username": "rafael-montechi",
        "name": "Rafael Montechi",
        "title": "Cloud cost consultant",
        "bio": (
            "Usually pays for himself by Thursday. Moves quiet Flask services off loud "
            "machines and explains the bill."
        ),
        "tags": ["cloud", "data", "flask"],
        "hourly_rate": 150,
        "hue": 58,
    },
]
