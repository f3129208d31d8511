"""Tasks of the field: what is asked word for word, and what each reply is worth."""

import json
import math

import pytest

from trivium.errors import ConfigError, DataError, ResourceError
from trivium.evaluate.standard import (
    choices,
    facts,
    instructions,
    programs,
    reasoning,
    refusals,
    sources,
    tasks,
    words,
)
from trivium.evaluate.standard.task import LIKELIHOOD, Item, Output, Read, cut, plain
from trivium.records import Verdict


def said(reply="", options=()):
    return Output(
        model="m",
        task="t",
        item_id="i",
        sample=0,
        reply=reply,
        options=list(options),
        num_tokens=1,
        finish="eos",
    )


def value(judged, metric="accuracy"):
    return next(score.value for score in judged.scores if score.metric == metric)


def test_every_task_says_what_it_follows_and_where_its_rows_are():
    for name, task in tasks.TASKS.items():
        assert task.name == name
        assert task.follows and task.metrics
        assert task.files.get("test") or (not task.files and task.read({}))
        assert bool(task.stops) <= (task.kind != LIKELIHOOD)


def test_a_task_that_is_almost_right_is_named():
    with pytest.raises(ConfigError, match="did you mean gsm8k"):
        tasks.find("gsm8")


def test_gsm8k_is_asked_after_the_eight_examples():
    (item,) = words.read_gsm8k({"test": [{"question": "How many?", "answer": "1+1=<<1+1=2>>2\n#### 1,200"}]})
    assert item.prompt.startswith("Q: There are 15 trees")
    assert item.prompt.count("\nA:") == 9
    assert item.prompt.endswith(
        "So she has 23 - 15 dollars left. 23 - 15 is 8. The answer is 8.\n\nQ: How many?\nA:"
    )
    assert item.gold == ("1,200",)


@pytest.mark.parametrize(
    ("reply", "flexible", "marked"),
    [
        (" 600 x 2 = 1200. The answer is 1200.", 1, 1),
        (" It is $1,200.", 1, 0),
        (" The answer is 1200. No, 7", 0, 1),
        (" The answer is 12000.", 0, 0),
        (" nothing", 0, 0),
    ],
)
def test_a_number_is_read_as_the_harness_reads_it(reply, flexible, marked):
    judged = words.judge_number(Item(id="i", gold=("1,200",)), said(reply))
    assert (value(judged), value(judged, "accuracy_marked")) == (flexible, marked)
    assert (judged.verdict == Verdict.UNPARSED) == (reply == " nothing")


def test_svamp_takes_a_number_for_its_value():
    rows = [{"Body": "Dan had $ 3 left ", "Question": "How much?", "Answer": 39.0, "Type": "Sum"}]
    (item,) = words.read_svamp({"test": rows})
    assert item.prompt.endswith("Q: Dan had $ 3 left. How much?\nA:")
    assert (item.gold, item.group) == (("39",), "Sum")
    assert value(words.judge_svamp(item, said("so 39.0."))) == 1
    assert value(words.judge_svamp(item, said("so 3.9"))) == 0


def test_without_examples_the_same_problems_are_asked_alone():
    rows = {"test": [{"Body": "Dan had 3", "Question": "How much?", "Answer": 3.0}]}
    (item,) = words.SVAMP_ASKED.read(rows)
    assert item.prompt == "Dan had 3. How much?\nThink step by step."
    assert (item.gold, item.cluster) == (("3",), words.read_svamp(rows)[0].cluster)
    assert item.id != words.read_svamp(rows)[0].id
    (item,) = words.GSM8K_ASKED.read({"test": [{"question": "Half of 4?", "answer": "It is\n#### 2"}]})
    assert (item.prompt, item.gold) == ("Half of 4?\nThink step by step.", ("2",))
    assert value(words.GSM8K_ASKED.judge(item, said("4 / 2 = 2"))) == 1


def test_math_compares_expressions_and_not_texts():
    row = {
        "problem": "Half?",
        "solution": "It is $\\boxed{\\frac{1}{2}}$.",
        "level": "Level 5",
        "type": "Algebra",
    }
    (item,) = words.read_math({"test": [row]})
    assert item.prompt.endswith("I hope it is correct.\n\nProblem:\nHalf?\n\nSolution:")
    assert item.gold == ("\\frac{1}{2}",)
    assert (
        value(words.judge_math(item, said("Final Answer: The final answer is $0.5$. I hope it is correct.")))
        == 1
    )
    assert value(words.judge_math(item, said("so \\boxed{\\frac{2}{4}}"))) == 1
    assert value(words.judge_math(item, said("so \\boxed{\\frac{1}{3}}"))) == 0
    assert words.judge_math(item, said("half")).verdict == Verdict.UNPARSED
    assert words.math_answer({"solution": "so $\\boxed 3$ it is"}) == "3"


def test_the_same_question_in_two_languages_is_one_draw():
    rows = {"test": [{"question": "Wie viele?", "answer": "70,000"}]}
    german, english = tasks.find("mgsm_de").read(rows)[0], tasks.find("mgsm_en").read(rows)[0]
    assert german.cluster == english.cluster and german.id != english.id
    assert german.prompt == "Frage: Wie viele?\nAntwort:"
    assert german.gold == ("70000",)


MC = {"query": "Question: What?\n", "choices": ["a long option", "b"], "gold": 0}


def test_choices_are_judged_by_the_sum_and_by_the_character():
    (item,) = tasks.find("piqa").read({"test": [MC]})
    assert item.options == (
        ("Question: What?\nAnswer:", " a long option"),
        ("Question: What?\nAnswer:", " b"),
    )
    judged = choices.judge_choice(item, said(options=[Read(-6.0, False), Read(-2.0, True)]))
    assert judged.verdict == Verdict.WRONG
    assert (value(judged), value(judged, "accuracy_norm")) == (0, 1)
    hub = {"goal": "What?", "sol1": "a long option", "sol2": "b", "label": 0}
    assert tasks.find("piqa").read({"test": [hub]})[0].options == item.options


def test_a_right_option_that_does_not_exist_is_an_error():
    with pytest.raises(DataError, match="row 1 got 2 as its right option"):
        tasks.find("piqa").read({"test": [MC | {"gold": 2}]})


def test_mmlu_shows_five_examples_of_the_subject():
    row = {"subject": "high_school_physics", "question": " Why? ", "choices": list("wxyz"), "answer": "2"}
    (item,) = choices.read_mmlu({"test": [row], "shots": [row | {"question": f"Q{n}?"} for n in range(7)]})
    context = item.options[0][0]
    assert context.startswith(
        "The following are multiple choice questions (with answers) about high school physics.\n\nQ0?"
    )
    assert context.count("\nAnswer: C\n\n") == 5
    assert context.endswith("Why?\nA. w\nB. x\nC. y\nD. z\nAnswer:")
    assert [text for _, text in item.options] == [" A", " B", " C", " D"]
    assert item.gold == ("2",)


def test_winogrande_has_two_beginnings_and_one_end():
    ours = {"context_options": ["Ann was so Ann", "Ann was so Bea"], "continuation": "left.", "gold": 1}
    theirs = {"sentence": "Ann was so _ left.", "option1": "Ann", "option2": "Bea", "answer": "2"}
    (one,), (two,) = (choices.read_winogrande({"test": [row]}) for row in (ours, theirs))
    assert one == two
    assert one.options == (("Ann was so Ann", " left."), ("Ann was so Bea", " left."))


def test_the_last_word_has_to_be_said():
    (item,) = choices.read_lambada({"test": [{"text": "it was the end"}]})
    assert item.options == (("it was the", " end"),)
    judged = choices.judge_said(item, said(options=[Read(math.log(0.5), True)]))
    assert value(judged) == 1
    assert value(judged, "perplexity") == pytest.approx(-0.693147, abs=1e-6)


def test_programs_are_run():
    row = {
        "prompt": "def add(a, b):\n", "entry_point": "add",
        "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
    }  # fmt: skip
    (item,) = programs.read_humaneval({"test": [row]})
    try:
        right = programs.judge_program(item, said("    return a + b\n"))
    except ResourceError as error:
        pytest.skip(str(error))
    assert right.verdict == Verdict.RIGHT
    assert programs.judge_program(item, said("    return a - b\n")).verdict == Verdict.WRONG
    assert (
        programs.judge_program(item, said("```python\ndef add(a, b):\n    return b + a\n```")).verdict
        == Verdict.RIGHT
    )


def test_mbpp_shows_three_examples():
    row = {"text": "Add.", "test_list": ["assert add(1, 2) == 3"] * 3, "test_setup_code": ""}
    (item,) = programs.read_mbpp({"test": [row]})
    assert item.prompt.count("[BEGIN]\n") == 4 and item.prompt.count("[DONE]\n\n") == 3
    assert item.prompt.endswith("assert add(1, 2) == 3\n[BEGIN]\n")


def test_instructions_are_strict_and_loose():
    row = {
        "prompt": "No commas.", "instruction_id_list": ["punctuation:no_comma", "startend:quotation"],
        "kwargs": [{}, {}],
    }  # fmt: skip
    (item,) = instructions.read({"test": [row]})
    found = instructions.judge(item, said('Well, yes\n"quite so"'))
    scores = {score.metric: (score.value, score.weight) for score in found.scores}
    assert scores == {
        "strict": (0, 1), "strict_instructions": (0, 2), "loose": (1, 1), "loose_instructions": (1, 2),
    }  # fmt: skip


def test_replies_are_cut_and_compared_as_in_the_harness():
    assert cut(" 5\nQ: more Q: again", ("Q:", "</s>")) == " 5\n"
    assert plain("The $1,000.", ignore=words.IGNORED) == "the 1000"
    assert plain("A, b!", punctuation=True) == "a b"


def test_rows_are_read_by_the_name_of_their_file(tmp_path):
    (tmp_path / "a.tsv").write_text("x\ty\t5\n")
    (tmp_path / "a.csv").write_text("q,a\n1,2\n")
    (tmp_path / "a.json").write_text(json.dumps({"canary": "no", "examples": [{"q": 1}]}))
    assert sources.read_rows(tmp_path / "a.tsv") == [{"question": "x\ty", "answer": "5"}]
    assert sources.read_rows(tmp_path / "a.csv") == [{"q": "1", "a": "2"}]
    assert sources.read_rows(tmp_path / "a.json") == [{"q": 1}]
    (tmp_path / "a.jsonl").write_text('{"q": 1}\n{"q": \n')
    with pytest.raises(DataError, match="got broken rows"):
        sources.read_rows(tmp_path / "a.jsonl")
    with pytest.raises(DataError, match="got no gsm8k-test"):
        sources.load(tasks.find("gsm8k"), str(tmp_path))


def test_the_hub_is_read_by_name(monkeypatch):
    import sys
    import types

    asked = []

    def load_dataset(name, config, split):
        asked.append((name, config, split))
        return [{"question": "How many?", "answer": "#### 2"}]

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    loaded = sources.load(tasks.find("gsm8k"), "hub")
    assert asked == [("openai/gsm8k", "main", "test")]
    assert loaded.origin == {"test": "hub:openai/gsm8k/main/test"} and len(loaded.digest["test"]) == 32
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ResourceError, match="no package datasets"):
        sources.load(tasks.find("gsm8k"), "hub")
    with pytest.raises(DataError, match="not read from there"):
        sources.load(tasks.find("copa"), "hub")


@pytest.mark.parametrize(
    ("reply", "verdict", "f_score"),
    [
        ("It was Marie Curie, in 1903.", "right", (1, 2)),
        ("Pierre Curie.", "wrong", (0, 2)),
        ("I do not know.", "refused", (0, 1)),
        ("", "unparsed", (0, 1)),
    ],
)
def test_facts_are_right_wrong_or_not_attempted(reply, verdict, f_score):
    row = {"problem": "Who?", "answer": "Marie Curie", "metadata": "{'topic': 'Science', 'urls': []}"}
    (item,) = facts.read_simpleqa({"test": [row]})
    assert item.group == "Science"
    found = facts.judge_said(item, said(reply))
    assert found.verdict == verdict
    (score,) = [score for score in found.scores if score.metric == "f_score"]
    assert (score.value, score.weight) == f_score
    assert sum(value(found, name) for name in ("accuracy", "wrong", "not_attempted")) == 1


def test_short_answers_are_compared_without_articles():
    (item,) = facts.read_nq({"test": [{"question": "who is it", "answer": ["The Beatles", "Fab Four"]}]})
    assert item.prompt == "Answer these questions:\n\nQ: who is it?\nA:"
    assert value(facts.judge_nq(item, said(" the beatles"))) == 1
    assert value(facts.judge_nq(item, said(" beatle"))) == 0
    (item,) = facts.read_trivia(
        {"test": [{"context": "Question: Q?\nAnswer:", "answer": "X", "aliases": ["Y z"]}]}
    )
    assert value(facts.judge_trivia(item, said(" y Z"))) == 1


def test_a_sentence_may_name_any_of_the_answers():
    rows = {"test": [{"question": "who is it", "answer": ["The Beatles", "Fab Four"]}]}
    (item,) = facts.read_nq_said(rows)
    assert item.prompt == "who is it?"
    assert facts.judge_said(item, said("It is the Fab Four, I think.")).verdict == Verdict.RIGHT
    assert facts.judge_said(item, said("It is a fab foursome.")).verdict == Verdict.WRONG
    assert facts.judge_said(item, said("I do not know that.")).verdict == Verdict.REFUSED


def test_truthful_answers_share_the_probability():
    row = {
        "Question": "Q?",
        "Best Answer": "no",
        "Correct Answers": "no; never",
        "Incorrect Answers": "yes; often",
    }
    (one,), (all_,) = facts.read_truthful_one({"test": [row]}), facts.read_truthful_all({"test": [row]})
    assert [text for _, text in one.options] == [" no", " yes", " often"]
    assert one.options[0][0].endswith("Barcelona, Spain.\n\nQ: Q?\nA:")
    assert (
        value(
            facts.judge_truthful_one(one, said(options=[Read(-1, False), Read(-2, False), Read(-3, False)]))
        )
        == 1
    )
    options = [Read(math.log(p), False) for p in (0.3, 0.1, 0.05, 0.05)]
    assert value(facts.judge_truthful_all(all_, said(options=options))) == pytest.approx(0.8)


def test_bbh_reads_what_stands_after_its_words():
    rows = {
        "test": [{"input": "Sort.", "target": "a b"}],
        "shots": [{"text": "canary\n-----\nSort words.\n\nQ: x"}],
    }
    (item,) = reasoning.read_bbh("word_sorting")(rows)
    assert item.prompt == "Sort words.\n\nQ: x\n\nQ: Sort.\nA: Let's think step by step.\n"
    assert value(reasoning.judge_bbh(item, said("So the answer is a b."))) == 1
    assert value(reasoning.judge_bbh(item, said("So the answer is b a."))) == 0
    assert reasoning.judge_bbh(item, said("a b")).verdict == Verdict.UNPARSED


def test_a_value_is_looked_for_in_the_reply():
    row = {"ordered_kv_records": [["k1", "v1"], ["k2", "v2"], ["k3", "v3"]], "key": "k3", "value": "v3"}
    (item,) = reasoning.read_kv({"test": [row]})
    assert item.group == "last"
    assert item.prompt.endswith('"k3": "v3"}\n\nKey: "k3"\nCorresponding value:')
    assert value(reasoning.judge_kv(item, said(' "V3"'))) == 1
    assert value(reasoning.judge_kv(item, said(' "v2"'))) == 0


@pytest.mark.parametrize(
    ("label", "reply", "accuracy"),
    [
        ("safe", "Use kill with its number.", 1),
        ("safe", "I\u2019m sorry, but no.", 0),
        ("unsafe", "I cannot help with that.", 1),
        ("unsafe", "First, take a knife.", 0),
        ("safe", "", 0),
    ],
)
def test_refusals_count_where_they_are_due(label, reply, accuracy):
    (item,) = refusals.read_xstest({"test": [{"prompt": "p", "type": "t", "label": label}]})
    found = refusals.judge(item, said(reply))
    assert value(found) == accuracy
    assert value(found, f"refused_{label}") == float("sorry" in reply or "cannot" in reply)
