"""One reply, one mark from 1 to 10: faults first, then the mark (the Phi-4 report's Appendix A.2).

Notes for the judge say what a good reply to this very instruction has; the report found that they make marks
markedly more consistent (PhiBench, section 1.1). A reference is an answer known to be right.
"""

from __future__ import annotations

import json
import re

from trivium.llm.calls import Reply, Request
from trivium.llm.judge import INSTRUCTION
from trivium.records import Message

LEAST, MOST = 1, 10
REPLY, NOTES, REFERENCE = "\n\n## Reply\n", "\n\n## Notes for the judge\n", "\n\n## Reference\n"
QUESTION = (
    "\n\n## Your task\nList the faults of the reply in comprehension, logic, facts and style; none if there "
    "is none. Do not fault its length where none was asked for. Then give a mark from 1 (useless) to 10 "
    '(could not be better). Answer in JSON with the keys "faults", a list of texts, and "mark", a number.'
)
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "faults": {"type": "array", "items": {"type": "string", "maxLength": 160}, "maxItems": 5},
            "mark": {"type": "integer", "minimum": LEAST, "maximum": MOST},
        },
        "required": ["faults", "mark"],
    }
)


def request_for(instruction: str, reply: str, *, notes: str = "", reference: str = "") -> Request:
    """Return what the judge is asked about a reply, greedily."""
    parts = [f"{INSTRUCTION}{instruction}{REPLY}{reply}"]
    parts += [f"{NOTES}{notes}"] if notes else []
    parts += [f"{REFERENCE}{reference}"] if reference else []
    text = "".join(parts) + QUESTION
    return Request(messages=(Message(role="user", content=text),), max_tokens=400, schema=SCHEMA)


def mark_of(reply: Reply) -> int | None:
    """Read a mark; None where there is none between 1 and 10."""
    found = re.search(r'"mark"\s*:\s*(\d+)', reply.text) or re.search(r"\[\[(\d+)\]\]", reply.text)
    mark = int(found[1]) if found else 0
    return mark if LEAST <= mark <= MOST else None
