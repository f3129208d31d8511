"""trivium classify: labels given or asked for, scores apart from texts, one sentence for what is wrong."""

import json
import random

import numpy as np
import pyarrow.parquet as pq
import pytest

from trivium.cli import classify as verb
from trivium.cli.main import main
from trivium.curate.quality import classifier
from trivium.curate.quality.annotate import agreement, annotate, choose_rows, read
from trivium.llm.backends.scripted import Scripted

TEACH = "the reason is that a number divides another when nothing is left over so we can show why".split()
CHAT = "click login menu lol share cookie banner subscribe follow buy now home contact privacy terms".split()


def rows(count: int) -> list[dict]:
    rng = random.Random(4)
    made = []
    for i in range(count):
        good = i % 2 == 0
        text = " ".join(rng.choices(TEACH if good else CHAT, k=30))
        made.append({"id": f"r{i}", "text": text, "label": good, "source": f"site{i // 2}"})
    return made


def write(path, made) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return str(path)


def test_given_labels_become_scores_for_every_text(tmp_path, capsys):
    made = rows(240)
    for row in made[200:]:
        del row["label"]
    out = tmp_path / "out"
    words = ["classify", write(tmp_path / "t.jsonl", made), "--out", str(out), "--min-precision", "1"]
    assert main(words) == 0
    assert "AUC 1.0" in capsys.readouterr().out
    scores = pq.read_table(out / "scores.parquet").to_pydict()
    assert scores["id"] == [row["id"] for row in made] and set(scores) == {"id", "score"}
    report = json.loads((out / "metrics.json").read_text())
    kept = [score >= report["threshold"] for score in scores["score"]]
    assert kept == [i % 2 == 0 for i in range(240)]
    assert report["texts"] == 240 and report["labelled"] == 200
    assert "just left out" in (out / "audit.html").read_text()
    assert np.load(out / "model.npz")["weights"].shape == (classifier.COLUMNS,)


def test_an_annotator_is_asked_learned_from_and_held_against_the_labels(tmp_path, monkeypatch, capsys):
    made = rows(200)

    def script(request):
        words = request.messages[0].content.split("---")[1].split()
        return "Yes." if {"divides", "nothing", "reason", "number"} & set(words) else "no"

    backend = Scripted(function=script)
    monkeypatch.setattr(verb, "_backend", lambda command: backend)
    out = tmp_path / "out"
    words = ["classify", write(tmp_path / "t.jsonl", made), "--out", str(out), "--annotate", "150"]
    assert main(words) == 0
    report = json.loads((out / "metrics.json").read_text())
    assert report["annotator"]["rows"] == report["labelled"] == 150
    assert report["annotator"]["agree"] > 0.9 and report["auc"] > 0.95
    assert len(backend.asked) == 150 and main(words) == 0 and len(backend.asked) == 150
    assert pq.read_table(out / "annotations.parquet").num_rows == 150


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        (lambda made: made[:6], [], "at least 5 of each"),
        (lambda made: made, ["--text-column", "body"], "--text-column"),
        (lambda made: [{**row, "label": 1} for row in made], ["--good", "high"], "expected a number"),
        (lambda made: [[1]], [], "expected a JSON object"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path, capsys, change, words, said):
    path = write(tmp_path / "t.jsonl", change(rows(40)))
    assert main(["classify", path, "--out", str(tmp_path / "o"), *words]) == 2
    assert said in capsys.readouterr().err
    assert main(["classify", str(tmp_path / "none.jsonl")]) == 2


def test_labels_are_read_as_they_are_written():
    given = [
        (True, ""),
        (4, "3"),
        (2, "3"),
        ("edu", "edu"),
        ("spam", "edu"),
        ("yes", ""),
        (None, ""),
        ("", "x"),
    ]
    assert [verb.label_of(*pair) for pair in given] == [True, True, False, True, False, True, None, None]


def test_texts_are_drawn_evenly_from_the_sources():
    sources = ["a"] * 90 + ["b"] * 8 + ["c"] * 2
    chosen = choose_rows(sources, 12, 0)
    assert [sum(sources[i] == s for i in chosen) for s in "abc"] == [5, 5, 2]
    assert chosen == choose_rows(sources, 12, 0) and len(choose_rows(sources, 500, 0)) == 100


def test_replies_and_agreement_by_hand():
    assert [read(t) for t in ("Yes", "**No**, it", "I think yes", "")] == [True, False, None, None]
    assert agreement([True, True, False, False], [True, False, False, False])["agree"] == 0.75
    assert agreement([True, True, False, False], [True, False, False, False])["kappa"] == 0.5
    assert agreement([], [])["rows"] == 0
    asked = annotate(["x" * 5_000], [0], Scripted(function=lambda request: "Maybe"))
    assert asked[0].label is None and asked[0].reply == "Maybe"


def test_calibration_mends_what_is_too_sure():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 4_000)
    labels = (rng.random(4_000) < classifier.sigmoid(logits)).astype(float)
    scale, shift = classifier.platt(5 * logits + 3, labels)
    assert (scale, shift) == (pytest.approx(0.2, abs=0.02), pytest.approx(-0.6, abs=0.12))
    before = classifier.expected_calibration_error(classifier.sigmoid(5 * logits + 3), labels > 0.5)
    after = classifier.expected_calibration_error(
        classifier.sigmoid(scale * (5 * logits + 3) + shift), labels > 0.5
    )
    assert after < 0.03 < 0.1 < before
    assert classifier.platt(logits, np.ones(4_000)) == (1.0, 0.0)
