"""Records survive the way through Arrow, and ids depend on step, parents and content."""

from trivium.records import (
    Alternative,
    Document,
    Example,
    Message,
    PivotalToken,
    Preference,
    from_table,
    row_id,
    schema_of,
    to_table,
)


def test_nested_rows_come_back_equal() -> None:
    example = Example(
        id="a", source="chat", flow="f", messages=[Message(role="user", content="hi")], parents=["p"]
    )
    pivot = PivotalToken(
        id="b",
        question_id="q",
        prefix_ids=[1, 2],
        token_id=3,
        token_prob=0.25,
        prob_before=0.5,
        prob_after=0.75,
        low=0.1,
        high=0.4,
        alternatives=[Alternative(token_id=4, num_rollouts=10, num_right=3)],
    )
    assert from_table(Example, to_table(Example, [example])) == [example]
    assert from_table(PivotalToken, to_table(PivotalToken, [pivot])) == [pivot]


def test_empty_table_keeps_the_schema() -> None:
    table = to_table(Preference, [])
    assert table.num_rows == 0
    assert table.schema == schema_of(Preference)


def test_ids_depend_on_every_part() -> None:
    ids = {row_id("s", ["p"], "x"), row_id("t", ["p"], "x"), row_id("s", ["q"], "x"), row_id("s", ["p"], "y")}
    assert len(ids) == 4
    assert row_id("s", ["ab"], "c") != row_id("s", ["a"], "bc")
    assert row_id("s", ["p"], "x") == row_id("s", ["p"], b"x")


def test_unknown_columns_are_ignored() -> None:
    table = to_table(Document, []).append_column("extra", [[]])
    assert from_table(Document, table) == []
