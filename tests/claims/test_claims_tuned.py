"""Models made from a run's own, in small: every claim gets its answer, and every arm trains what it says."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from trivium.align.abstention import Held
from trivium.align.refusal import KNOWN, tally
from trivium.claims import claim_08, claim_16, claim_18, ledger
from trivium.claims.lab import Lab
from trivium.claims.ledger import Sizes
from trivium.claims.page import CLAIMS
from trivium.claims.tuned import data, longer, measured, model
from trivium.claims.tuned.settings import (
    ALL,
    FIVE,
    JOINED,
    LETTER,
    NONE,
    ONE,
    OURS,
    OWN,
    VARIANTS,
    TunedConfig,
)
from trivium.cli import main
from trivium.cli.claims import QUICK_TUNED
from trivium.errors import ConfigError
from trivium.evaluate.tasks import contest
from trivium.models.load import load_tokenizer
from trivium.problems import facts
from trivium.records import Example, Preference, Verdict, from_table
from trivium.store.files import read_parquet
from trivium.train import tokens

SIZES = Sizes(tuned=TunedConfig(**{**QUICK_TUNED, "sft_frac": 0.5, "midtrain_tokens": 1500}))
NUMBERS = (8, 10, 14, 15, 16, 18, 19)


@pytest.fixture(scope="session")
def lab(whole_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    out = tmp_path_factory.mktemp("tuned") / "out"
    ledger.run(NUMBERS, whole_run, out, SIZES, workers=1)
    return ledger.open_lab(whole_run, out, SIZES, 1)


def test_every_claim_is_answered_from_arms_that_are_trained_once(lab: Lab) -> None:
    found = ledger.read(lab.out)
    assert set(found) == set(NUMBERS)
    for rows in found.values():
        assert any(row.main for row in rows)
        bad = [row for row in rows if not row.low - 1e-9 <= row.value <= row.high + 1e-9]
        assert bad == []
    seeds = range(lab.tuned_config.seeds)
    kept = {path.stem for path in (lab.out / "tuned" / "measured").iterdir()}
    assert kept == {
        model.folder_name((name, n)) for name in VARIANTS for n in (seeds if name not in OWN else [0])
    }


def test_the_ledger_has_all_nineteen() -> None:
    assert list(CLAIMS) == list(range(1, 20))
    for claim in CLAIMS.values():
        assert claim.TITLE and claim.REPORT and claim.TEST and claim.LIMITS


def test_arms_start_where_they_say(lab: Lab) -> None:
    ground = lab.tuned.ground
    for name, variant in VARIANTS.items():
        start = model.model_of(ground, (variant.start, 0))
        assert (ground.out in start.parents) == (variant.start in VARIANTS), name
        assert variant.start in VARIANTS or start == ground.stages[variant.start] / "model"
    assert model.model_of(ground, ("fine-tuned", 0)) == ground.stages["sft"] / "model"


def test_each_seed_of_an_arm_has_a_folder_of_its_own_outside_the_run(lab: Lab) -> None:
    ground = lab.tuned.ground
    arms = [name for name in VARIANTS if name not in OWN]
    folders = {model.model_of(ground, (name, n)) for name in arms for n in range(2)}
    assert len(folders) == 2 * len(arms)
    assert all(ground.out in folder.parents for folder in folders)
    assert not (ground.stages["pivotal"] / "model").exists()


def test_refusals_are_in_the_conversations_of_their_rule_alone(lab: Lab) -> None:
    rows = {
        rule: from_table(Example, read_parquet(lab.tuned.ground.data / rule / "examples.parquet"))
        for rule in (OURS, LETTER, NONE)
    }
    flows = {rule: {row.flow for row in own} for rule, own in rows.items()}
    assert not flows[NONE] & set(data.REFUSALS)
    assert "bogus_refusal" in flows[LETTER]


def test_pairs_about_facts_keep_the_tokens_they_say(lab: Lab) -> None:
    sets = {
        name: from_table(Preference, read_parquet(lab.tuned.ground.data / name / "preferences.parquet"))
        for name in (ONE, FIVE, ALL)
    }
    assert all(len(pair.chosen_ids) == 1 == len(pair.rejected_ids) for pair in sets[ONE])
    assert all(len(pair.chosen_ids) <= 5 for pair in sets[FIVE])
    assert max(len(pair.chosen_ids) for pair in sets[ALL]) > 5
    assert all(pair.chosen_ids != pair.rejected_ids for pairs in sets.values() for pair in pairs)


def test_what_the_model_gets_right_is_preferred_to_a_refusal(lab: Lab) -> None:
    tokenizer = load_tokenizer(lab.tuned.ground.stages["sft"] / "model")
    (question,) = facts.questions([facts.tables()[0]], held_out_wording=True)
    right, wrong = (question.solution, Verdict.RIGHT), ("Answer: nothing", Verdict.WRONG)
    pairs = data.fact_pairs(tokenizer, [tally(question, KNOWN, [right, wrong])], 0, 10)
    said = [tokenizer.decode(pair.chosen_ids) for pair in pairs]
    assert question.solution in said[0] and question.answer not in said[1]


def test_retold_problems_keep_numbers_and_share_no_sentence() -> None:
    for question in contest.items(3, 40, (1, 4)):
        told = data.retold(question)
        numbers = json.loads(question.meta)
        for operand in (numbers["start"], *(n for sign, n in numbers["operations"] if sign in "+-")):
            assert str(operand) in told
        assert not set(told.split(". ")) & set(question.prompt.split(". "))


def test_joined_documents_are_short_ones_of_the_same_lengths(lab: Lab) -> None:
    ground = lab.tuned.ground
    made = tokens.open_source(longer.joined_store(ground, "long") / "tokens", "long")
    long = tokens.open_source(ground.stages["tokenize"] / "tokens", "long")
    assert made.lengths.tolist() == long.lengths.tolist()
    tokenizer = load_tokenizer(ground.stages["tokenize"] / "tokenizer")
    assert int((made.ids == tokenizer.eos_id).sum()) > 2 * len(made)


def test_what_several_models_read_is_there_before_any_starts(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = ledger.open_lab(lab.run.path, tmp_path / "out", SIZES, 2).tuned
    there = []
    monkeypatch.setattr(
        measured, "keep_shards", lambda *_, **__: there.append((fresh.ground.data / "joined").exists())
    )
    fresh.train([JOINED])
    assert there == [True]


def test_edits_change_one_word_in_twenty() -> None:
    text = " ".join(f"w{n}" for n in range(40))
    edited = claim_16.edit(text, ["new"], random.Random(0)).split()
    assert sum(word == "new" for word in edited) == 2 and len(edited) == 40


def test_the_plurality_is_the_most_frequent_answer_and_refusals_do_not_vote() -> None:
    replies = [("7", True), ("7", True), ("8", False), ("", False)]
    assert claim_08.voted(replies) == (0.5, 1.0, 0.5)
    assert claim_08.voted([("", False)]) == (0.0, 0.0, 0.0)
    rows = [(1.0, 1.0, 1.0)] * 60 + [(0.6, 1.0, 0.6)] * 60 + [(0.2, 0.0, 0.2)] * 60
    verdicts = [row.verdict for row in claim_08.findings(rows)]
    assert verdicts[1:] == ["holds"] * 4


def test_a_threshold_from_the_other_half_answers_what_is_sure() -> None:
    rng = np.random.default_rng(0)
    held = []
    for number in range(400):
        sure = float(rng.random())
        right = bool(rng.random() < sure)
        held.append(
            Held(
                item=f"i{number}", kind="known", right=right, answers=True, share=sure, willing=1.0,
                margin=sure, logprob=0.0,
            )
        )  # fmt: skip
    wanted = [0.25] * len(held)
    said = claim_18.answered(held, wanted)
    right = np.mean([a * one.right for a, one in zip(said, held, strict=True)])
    assert right == pytest.approx(0.25, abs=0.06)
    of_said = np.mean([one.right for a, one in zip(said, held, strict=True) if a])
    assert of_said > np.mean([one.right for one in held]) + 0.2
    assert not any(claim_18.answered(held, [0.0] * len(held)))


def test_other_sizes_in_the_same_folder_are_refused(lab: Lab) -> None:
    other = Sizes(tuned=TunedConfig(items=3))
    with pytest.raises(ConfigError, match=r"other models there \(changed config.*config.items"):
        ledger.run([14], lab.run.path, lab.out, other, workers=1)
    with pytest.raises(ConfigError, match="sft_frac"):
        TunedConfig(sft_frac=2.0)


def test_quick_tests_what_the_run_allows_from_the_command_line(whole_run: Path, tmp_path: Path) -> None:
    numbers = [str(number) for number in CLAIMS if number not in ledger.TOGETHER]
    out = tmp_path / "out"
    words = ["claims", *numbers, "--quick", "--run", str(whole_run), "--out", str(out), "--workers", "2"]
    assert main.main([*words, "--set", "grid.hidden=32"]) == 0
    assert set(ledger.read(out)) == {int(number) for number in numbers}
    assert main.main([*words, "--set", "grid.hiden=32"]) == 2
