"""What a model knows, read from its states before it answers."""

import dataclasses

import numpy as np
import pytest
from tests.evaluate.conftest import save

from trivium.align import knowing, open_data
from trivium.align.refusal import ANSWER, KNOWN, REFUSE, UNUSED, Asked, Rule, decide
from trivium.align.sft_data_stage import OpenDataConfig
from trivium.errors import ConfigError
from trivium.models.states import last_states, num_blocks
from trivium.records import Question

QUESTION = Question(
    id="q", prompt="Who?", answer="", verifier="regex", skill="facts", difficulty=1, template="trivia",
    solution="",
)  # fmt: skip
RULE = Rule(answer_above=0.3, refuse_below=0.1, keep_known=False, unsure_below=0.2)


def worlds(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States of which one direction says how likely a right reply is, that chance, and four replies."""
    rng = np.random.default_rng(seed)
    states_NH = rng.normal(size=(count, 24))
    chance_N = 1 / (1 + np.exp(2 - 2 * states_NH[:, 3]))
    return states_NH, chance_N, rng.binomial(4, chance_N) / 4


def test_the_fit_finds_the_chance_that_four_replies_hide():
    states_NH, chance_N, right_N = worlds(1500)
    found_N = knowing.cross_fitted(states_NH, right_N, 0)
    assert np.corrcoef(found_N, chance_N)[0, 1] > 0.9 > np.corrcoef(right_N, chance_N)[0, 1]
    assert found_N.min() >= 0 and found_N.max() <= 1
    assert (found_N == knowing.cross_fitted(states_NH, right_N, 0)).all()


def test_no_question_sees_its_own_replies():
    """Where the states say nothing, a fit that saw its own row would follow luck; this one must not."""
    states_NH, _, right_N = worlds(400)
    luck_N = np.random.default_rng(1).permutation(right_N)
    assert abs(np.corrcoef(knowing.cross_fitted(states_NH, luck_N, 0), luck_N)[0, 1]) < 0.2


@pytest.mark.parametrize("count", [1, 2, 20])
def test_few_questions_say_only_their_mean(count):
    states_NH, _, right_N = worlds(count)
    assert knowing.cross_fitted(states_NH, right_N, 0).tolist() == pytest.approx([right_N.mean()] * count)


def test_states_do_not_hang_on_the_batch(tmp_path):
    model = save(tmp_path / "model", 1, chat_model=True)
    contexts = [[5, 6, 7], [8], [9, 10, 11, 12, 13], [5, 6]]
    layer = round(knowing.DEPTH * num_blocks(model))
    together, alone = (last_states(model, contexts, layer, size) for size in (4, 1))
    assert together.shape[0] == 4 and (together - alone).abs().max() < 1e-4
    assert (together[0] - together[3]).abs().max() > 1e-3
    assert knowing.confidence(model, contexts, [1.0, 0.0, 0.5, 0.5], 0) == [0.5] * 4
    assert knowing.confidence(model, [], [], 0) == []


@pytest.mark.parametrize(
    ("right", "confidence", "decision"),
    [(0, 0.1, REFUSE), (0, 0.2, REFUSE), (0, 0.21, UNUSED), (2, 0.0, ANSWER), (1, 0.0, UNUSED)],
)
def test_what_is_wrong_with_confidence_is_not_refused(right, confidence, decision):
    asked = Asked(question=QUESTION, kind=KNOWN, num_right=right, num_wrong=4 - right, num_asked=4)
    assert decide(dataclasses.replace(asked, confidence=confidence), RULE) == decision


def test_a_share_above_one_is_refused():
    with pytest.raises(ConfigError, match=r"unsure_frac: got 1.5; expected a share"):
        OpenDataConfig(unsure_frac=1.5)


def test_a_share_of_the_questions_lies_below():
    assert open_data.unsure_below([0.5, 0.1, 0.3, 0.2, 0.4], 0.5) == 0.3
    assert open_data.unsure_below([0.5, 0.1], 1.0) == 0.5 and open_data.unsure_below([], 0.5) == 1.0
