"""`trivium apprentice`: conversations that teach a small model one flow."""

from __future__ import annotations

import json
from pathlib import Path

from trivium.cli.console import launcher
from trivium.cli.verb_grow import ApprenticeVerb
from trivium.errors import DataError
from trivium.records import Message


def apprentice(command: ApprenticeVerb) -> int:
    """Write the conversations; say how many came, what was lost and why, and what to do with them."""
    from trivium.store.files import write_text
    from trivium.synthesize.apprentice import teach
    from trivium.synthesize.catalogue import FLOWS
    from trivium.synthesize.seedbox import load_seeds

    kind = FLOWS[command.flow].seeds if command.flow in FLOWS else "question"
    seeds = load_seeds(kind, Path(command.data) if command.data else None, command.seed)
    lesson = teach(command.flow, seeds, command.count)
    if not lesson.examples:
        reasons = ", ".join(f"{reason} {count}" for reason, count in lesson.lost.most_common(3))
        raise DataError(
            f"apprentice {command.flow}: got no seed of {lesson.seeds:,} with an organic reply that the flow "
            f"accepts ({reasons}); expected worked solutions or documented functions; give others."
        )
    out = Path(command.out or f"apprentice-{command.flow}.jsonl")
    rows = [{"messages": [_plain(one) for one in row.messages]} for row in lesson.examples]
    write_text(out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    print(f"{len(rows):,} conversations from {lesson.seeds:,} seeds, in {out}")
    for reason, count in lesson.lost.most_common():
        print(f"  {count:6,} {reason}")
    print(f"next    {launcher()} run posttrain --until sft --set sft.start=MODEL --set sft.data={out}")
    return 0


def _plain(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}
