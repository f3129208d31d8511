"""Word problems and competition mathematics, written out: GSM8K, SVAMP, MGSM, MATH."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from trivium import verify
from trivium.evaluate.standard.task import (
    FLEXIBLE_NUMBER,
    GENERATE,
    HARNESS,
    Item,
    Judged,
    Output,
    Rows,
    Score,
    StandardTask,
    judged,
    last_match,
    make_item,
    plain,
)  # fmt: skip
from trivium.records import Verdict
from trivium.verify.final import boxed

SHOTS = (
    ("There are 15 trees in the grove. Grove workers will plant trees in the grove today. After they are "
     "done, there will be 21 trees. How many trees did the grove workers plant today?",
     "There are 15 trees originally. Then there were 21 trees after some more were planted. So there must "
     "have been 21 - 15 = 6. The answer is 6."),
    ("If there are 3 cars in the parking lot and 2 more cars arrive, how many cars are in the parking lot?",
     "There are originally 3 cars. 2 more cars arrive. 3 + 2 = 5. The answer is 5."),
    ("Leah had 32 chocolates and her sister had 42. If they ate 35, how many pieces do they have left in "
     "total?",
     "Originally, Leah had 32 chocolates. Her sister had 42. So in total they had 32 + 42 = 74. After eating "
     "35, they had 74 - 35 = 39. The answer is 39."),
    ("Jason had 20 lollipops. He gave Denny some lollipops. Now Jason has 12 lollipops. How many lollipops "
     "did Jason give to Denny?",
     "Jason started with 20 lollipops. Then he had 12 after giving some to Denny. So he gave Denny 20 - 12 = "
     "8. The answer is 8."),
    ("Shawn has five toys. For Christmas, he got two toys each from his mom and dad. How many toys does he "
     "have now?",
     "Shawn started with 5 toys. If he got 2 toys each from his mom and dad, then that is 4 more toys. 5 + 4 "
     "= 9. The answer is 9."),
    ("There were nine computers in the server room. Five more computers were installed each day, from monday "
     "to thursday. How many computers are now in the server room?",
     "There were originally 9 computers. For each of 4 days, 5 more computers were added. So 5 * 4 = 20 "
     "computers were added. 9 + 20 is 29. The answer is 29."),
    ("Michael had 58 golf balls. On tuesday, he lost 23 golf balls. On wednesday, he lost 2 more. How many "
     "golf balls did he have at the end of wednesday?",
     "Michael started with 58 golf balls. After losing 23 on tuesday, he had 58 - 23 = 35. After losing 2 "
     "more, he had 35 - 2 = 33 golf balls. The answer is 33."),
    ("Olivia has $23. She bought five bagels for $3 each. How much money does she have left?",
     "Olivia had 23 dollars. 5 bagels for 3 dollars each will be 5 x 3 = 15 dollars. So she has 23 - 15 "
     "dollars left. 23 - 15 is 8. The answer is 8."),
)  # fmt: skip
"""The eight worked examples of Wei et al. 2022 (arXiv 2201.11903), table 20, as the harness spells them."""

MATH_SHOTS = (
    ("Find the domain of the expression  $\\frac{\\sqrt{x-2}}{\\sqrt{5-x}}$.",
     "The expressions inside each square root must be non-negative. Therefore, $x-2 \\ge 0$, so $x\\ge2$, "
     "and $5 - x \\ge 0$, so $x \\le 5$. Also, the denominator cannot be equal to zero, so $5-x>0$, which "
     "gives $x<5$. Therefore, the domain of the expression is $\\boxed{[2,5)}$.\nFinal Answer: "
     "The final answer is $[2,5)$. I hope it is correct."),
    ("If $\\det \\mathbf{A} = 2$ and $\\det \\mathbf{B} = 12,$ then find $\\det (\\mathbf{A} \\mathbf{B}).$",
     "We have that $\\det (\\mathbf{A} \\mathbf{B}) = (\\det \\mathbf{A})(\\det \\mathbf{B}) = (2)(12) = "
     "\\boxed{24}.$\nFinal Answer: The final answer is $24$. I hope it is correct."),
    ("Terrell usually lifts two 20-pound weights 12 times. If he uses two 15-pound weights instead, how many "
     "times must Terrell lift them in order to lift the same total weight?",
     "If Terrell lifts two 20-pound weights 12 times, he lifts a total of $2\\cdot 12\\cdot20=480$ pounds of "
     "weight.  If he lifts two 15-pound weights instead for $n$ times, he will lift a total of "
     "$2\\cdot15\\cdot n=30n$ pounds of weight.  Equating this to 480 pounds, we can solve for $n$:\n"
     "\\begin{align*}\n30n&=480\\\\\n\\Rightarrow\\qquad n&=480/30=\\boxed{16}\n\\end{align*}\nFinal Answer: "
     "The final answer is $16$. I hope it is correct."),
    ("If the system of equations\n\n\\begin{align*}\n6x-4y&=a,\\\\\n6y-9x &=b.\n\\end{align*}has a solution "
     "$(x, y)$ where $x$ and $y$ are both nonzero,\nfind $\\frac{a}{b},$ assuming $b$ is nonzero.",
     "If we multiply the first equation by $-\\frac{3}{2}$, we obtain\n\n$$6y-9x=-\\frac{3}{2}a.$$Since we "
     "also know that $6y-9x=b$, we have\n\n$$-\\frac{3}{2}a=b\\Rightarrow\\frac{a}{b}=\\boxed{-\\frac{2}{3}}."
     "$$\nFinal Answer: The final answer is $-\\frac{2}{3}$. I hope it is correct."),
)  # fmt: skip
"""The four worked examples of Lewkowycz et al. 2022, arXiv 2206.14858, as the harness has them."""

IGNORED = (",", "\\$", "(?s).*#### ", "\\.$")
"""What the harness takes out of both sides before it compares them, for GSM8K."""

STRICT = re.compile(r"The answer is (\-?[0-9\.\,]+).")

Prompt = Callable[[str], str]
"""What a question is put into."""

MGSM_WORDS = {"en": ("Question:", "Answer:"), "de": ("Frage:", "Antwort:")}


def worked(question: str) -> str:
    """A question after the eight worked examples."""
    shots = "".join(f"Q: {asked}\nA: {answer}\n\n" for asked, answer in SHOTS)
    return f"{shots}Q: {question}\nA:"


def as_asked(question: str) -> str:
    """A question as a person asks it, without examples and without the marks of a test.

    Both forms of a problem are one cluster, so that neither part of a split has both.
    """
    return f"{question}\nThink step by step."


def read_gsm8k(rows: Rows, name: str = "gsm8k", prompt: Prompt = worked) -> list[Item]:
    """Rows with `question` and `answer`, whose last line is `#### number`."""
    return [
        make_item(
            name,
            n,
            prompt=prompt(row["question"]),
            gold=(str(row["answer"]).split("####")[-1].strip(),),
            cluster=f"gsm8k {n}",
        )
        for n, row in enumerate(rows["test"])
    ]


def read_svamp(rows: Rows, name: str = "svamp", prompt: Prompt = worked) -> list[Item]:
    """Rows with `Body`, `Question` and `Answer`."""
    return [
        make_item(
            name,
            n,
            prompt=prompt(f"{row['Body'].strip().rstrip('.')}. {row['Question'].strip()}"),
            gold=(f"{float(row['Answer']):g}",),
            group=str(row.get("Type", "")),
            cluster=f"svamp {n}",
        )
        for n, row in enumerate(rows["test"])
    ]


def read_mgsm(language: str) -> Callable[[Rows], list[Item]]:
    """Rows with `question` and `answer`; the same row of every language is one cluster."""
    question, answer = MGSM_WORDS[language]

    def read(rows: Rows) -> list[Item]:
        return [
            make_item(
                f"mgsm_{language}",
                n,
                prompt=f"{question} {row['question']}\n{answer}",
                gold=(str(row.get("answer_number", row["answer"])).replace(",", ""),),
                cluster=f"mgsm {n}",
            )
            for n, row in enumerate(rows["test"])
        ]

    return read


def judge_number(item: Item, output: Output) -> Judged:
    """The last number of the reply (the harness's flexible-extract), and the one after `The answer is`."""
    reply, gold = output.reply, plain(item.gold[0], ignore=IGNORED)
    found, strict = last_match(FLEXIBLE_NUMBER, reply), STRICT.findall(reply)
    answer = "" if found is None else plain(found, ignore=IGNORED)
    right = found is not None and answer == gold
    exact = bool(strict) and plain(strict[0], ignore=IGNORED) == gold
    wrong = Verdict.UNPARSED if found is None else Verdict.WRONG
    return Judged(
        verdict=Verdict.RIGHT if right else wrong,
        scores=[Score("accuracy", float(right)), Score("accuracy_marked", float(exact))],
        answer=answer,
    )


def judge_svamp(item: Item, output: Output) -> Judged:
    """The last number of the reply, by its value: SVAMP's answers are floats, so `39` is `39.0`."""
    found = last_match(FLEXIBLE_NUMBER, output.reply)
    answer = "" if found is None else plain(found, ignore=IGNORED)
    verdict = verify.judge("last_number", f"#### {answer}", item.gold[0]) if answer else Verdict.UNPARSED
    return judged(verdict, answer)


def read_math(rows: Rows) -> list[Item]:
    """Rows with `problem`, `solution` (its last box is the answer), `level` and `type`."""
    shots = "".join(f"Problem:\n{asked}\n\nSolution: {answer}\n\n" for asked, answer in MATH_SHOTS)
    return [
        make_item(
            "math",
            n,
            prompt=f"{shots}Problem:\n{row['problem']}\n\nSolution:",
            gold=(math_answer(row),),
            group=str(row.get("level", "")),
            facts=json.dumps({"type": row.get("type", "")}),
        )
        for n, row in enumerate(rows["test"])
    ]


def math_answer(row: Mapping[str, Any]) -> str:
    r"""The answer of a MATH row: its own column, else what its solution boxes last (`\boxed 3` too)."""
    if row.get("answer"):
        return str(row["answer"])
    solution = str(row["solution"])
    found = boxed(solution)
    return found if found is not None else solution.split("\\boxed ")[-1].split("$")[0]


FINAL = re.compile(r"Final Answer: The final answer is(.*?)(?:\. I hope it is correct|$)", re.DOTALL)


def judge_math(item: Item, output: Output) -> Judged:
    """The final answer, or the last box, as mathematics (math-verify), not as text."""
    found = FINAL.findall(output.reply)
    answer = found[-1].strip() if found else boxed(output.reply)
    if not answer:
        return judged(Verdict.UNPARSED)
    verdict = verify.judge("maths", f"\\boxed{{{answer.strip('$').rstrip('.')}}}", item.gold[0])
    return judged(verdict, answer)


GSM8K = StandardTask(
    name="gsm8k",
    follows=f"gsm8k_cot 3.0 of {HARNESS}, filter flexible-extract; accuracy_marked is its strict-match",
    kind=GENERATE,
    files={"test": "gsm8k-test/*.jsonl"},
    hub={"test": ("openai/gsm8k", "main", "test")},
    read=read_gsm8k,
    judge=judge_number,
    metrics=("accuracy", "accuracy_marked"),
    stops=("Q:", "</s>", "<|im_end|>"),
)
SVAMP = StandardTask(
    name="svamp",
    follows="the eight examples and the answer of gsm8k; the harness has no SVAMP",
    kind=GENERATE,
    files={"test": "svamp/SVAMP.json"},
    hub={"test": ("ChilleD/SVAMP", "", "test")},
    read=read_svamp,
    judge=judge_svamp,
    metrics=("accuracy",),
    stops=("Q:", "</s>", "<|im_end|>"),
)
GSM8K_ASKED = dataclasses.replace(
    GSM8K,
    name="gsm8k_asked",
    follows="the question and `Think step by step.`; the answer as in gsm8k",
    read=partial(read_gsm8k, name="gsm8k_asked", prompt=as_asked),
)
SVAMP_ASKED = dataclasses.replace(
    SVAMP,
    name="svamp_asked",
    follows="the prompt of gsm8k_asked, the answer of svamp",
    read=partial(read_svamp, name="svamp_asked", prompt=as_asked),
)
MATH = StandardTask(
    name="math",
    follows=f"the prompt of minerva_math 3.1 of {HARNESS}; answers compared by math-verify",
    kind=GENERATE,
    files={"test": "math-test-1k/*.jsonl"},
    hub={"test": ("DigitalLearningGmbH/MATH-lighteval", "default", "test")},
    read=read_math,
    judge=judge_math,
    metrics=("accuracy",),
    stops=("Problem:",),
    max_tokens=512,
)
MGSM = tuple(
    StandardTask(
        name=f"mgsm_{language}",
        follows=f"mgsm_direct_{language} 4.0 of {HARNESS}, filter flexible-extract",
        kind=GENERATE,
        files={"test": f"mgsm-4/mgsm_{language}.tsv"},
        hub={"test": ("juletxara/mgsm", language, "test")},
        read=read_mgsm(language),
        judge=judge_number,
        metrics=("accuracy",),
        stops=(MGSM_WORDS[language][0], "</s>", "<|im_end|>"),
    )
    for language in MGSM_WORDS
)
TASKS = (GSM8K, GSM8K_ASKED, SVAMP, SVAMP_ASKED, MATH, *MGSM)
