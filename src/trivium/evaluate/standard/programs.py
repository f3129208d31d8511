"""Programs that are run against tests: HumanEval and MBPP. Nothing of theirs runs outside the sandbox."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from trivium import verify
from trivium.evaluate.standard.task import (
    GENERATE,
    HARNESS,
    Item,
    Judged,
    Output,
    Rows,
    StandardTask,
    judged,
    make_item,
)  # fmt: skip

MBPP_SHOTS = (
    ("Write a function to find the similar elements from the given two tuple lists.",
     "def similar_elements(test_tup1, test_tup2):\r\n"
     "  res = tuple(set(test_tup1) & set(test_tup2))\r\n  return (res) ",
     ("assert similar_elements((3, 4, 5, 6),(5, 7, 4, 10)) == (4, 5)",
      "assert similar_elements((1, 2, 3, 4),(5, 4, 3, 7)) == (3, 4)",
      "assert similar_elements((11, 12, 14, 13),(17, 15, 14, 13)) == (13, 14)")),
    ("Write a python function to identify non-prime numbers.",
     "import math\r\ndef is_not_prime(n):\r\n    result = False\r\n"
     "    for i in range(2,int(math.sqrt(n)) + 1):\r\n        if n % i == 0:\r\n            result = True\r\n"
     "    return result",
     ("assert is_not_prime(2) == False", "assert is_not_prime(10) == True",
      "assert is_not_prime(35) == True")),
    ("Write a function to find the largest integers from a given list of numbers using heap queue algorithm.",
     "import heapq as hq\r\ndef heap_queue_largest(nums,n):\r\n"
     "  largest_nums = hq.nlargest(n, nums)\r\n  return largest_nums",
     ("assert heap_queue_largest( [25, 35, 22, 85, 14, 65, 75, 22, 58],3)==[85, 75, 65] ",
      "assert heap_queue_largest( [25, 35, 22, 85, 14, 65, 75, 22, 58],2)==[85, 75] ",
      "assert heap_queue_largest( [25, 35, 22, 85, 14, 65, 75, 22, 58],5)==[85, 75, 65, 58, 35]")),
)  # fmt: skip
"""Tasks 2, 3 and 4 of MBPP (Austin et al. 2021, arXiv 2108.07732), the examples that its paper sets aside."""

FENCED = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|$)", re.DOTALL)


def read_humaneval(rows: Rows) -> list[Item]:
    """Rows with `prompt`, `test` and `entry_point`; the reply goes on after the prompt."""
    return [
        make_item(
            "humaneval",
            n,
            prompt=row["prompt"],
            facts=json.dumps(
                {"before": row["prompt"], "tests": f"{row['test']}\ncheck({row['entry_point']})"}
            ),
        )
        for n, row in enumerate(rows["test"])
    ]


def read_mbpp(rows: Rows) -> list[Item]:
    """Rows with `text`, `test_list` and `test_setup_code`."""
    shots = "".join(f"{mbpp_prompt(text, tests)}{code}\n[DONE]\n\n" for text, code, tests in MBPP_SHOTS)
    return [
        make_item(
            "mbpp",
            n,
            prompt=shots + mbpp_prompt(row["text"], row["test_list"]),
            facts=json.dumps(
                {"before": "", "tests": "\n".join([row.get("test_setup_code") or "", *row["test_list"]])}
            ),
        )
        for n, row in enumerate(rows["test"])
    ]


def mbpp_prompt(text: str, tests: Sequence[str]) -> str:
    """Return what is asked: the words, the first three tests, and where the program begins."""
    return (
        f"You are an expert Python programmer, and here is your task: {text} Your code should pass these "
        "tests:\n\n" + "\n".join(tests[:3]) + "\n[BEGIN]\n"
    )


def judge_program(item: Item, output: Output) -> Judged:
    """Run the tests on the reply, each call in a process that knows nothing of them."""
    facts = json.loads(item.facts)
    code = program_of(output.reply, facts["before"])
    verdict = verify.judge("program_tests", f"```python\n{code}\n```", facts["tests"])
    return judged(verdict, code.strip())


def program_of(reply: str, before: str) -> str:
    """The program of a reply: a fenced block where it has one, else the reply, after what it goes on from.

    A block that writes the whole function again stands alone.
    """
    if blocks := FENCED.findall(reply):
        block = str(blocks[0])
        return (
            block if not before or re.search(r"^(?:def|from|import|class) ", block, re.M) else before + block
        )
    return before + reply


TASKS = (
    StandardTask(
        name="humaneval",
        follows=f"humaneval 1.0 of {HARNESS}, run in our sandbox; of a reply with a fenced block that block",
        kind=GENERATE,
        files={"test": "humaneval-50/*.jsonl"},
        hub={"test": ("openai/openai_humaneval", "openai_humaneval", "test")},
        read=read_humaneval,
        judge=judge_program,
        metrics=("accuracy",),
        stops=("\nclass", "\ndef", "\n#", "\nif", "\nprint"),
        max_tokens=1024,
    ),
    StandardTask(
        name="mbpp",
        follows=f"mbpp 1.0 of {HARNESS}, three examples, run in our sandbox",
        kind=GENERATE,
        files={"test": "mbpp-train-val-prompt/*.jsonl"},
        hub={"test": ("google-research-datasets/mbpp", "full", "test")},
        read=read_mbpp,
        judge=judge_program,
        metrics=("accuracy",),
        stops=("[DONE]",),
    ),
)
