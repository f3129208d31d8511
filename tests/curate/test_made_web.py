"""The maker of pages: seeded, every piece of prose on exactly one good page, labels in their proportions."""

from collections import Counter

from trivium.curate.readers.made_web import blocks, maker


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(prose):
    plans = [maker.plan_pages(prose(12), seed) for seed in (1, 1, 2)]
    first, again, other = [[maker.render(spec).html for spec in plan] for plan in plans]
    assert first == again
    assert first != other


def test_every_piece_of_prose_is_on_one_good_page(prose):
    plan = maker.plan_pages(prose(30), 3)
    used = Counter(item[0] for spec in plan if spec.label == "good" for item in spec.items)
    assert used == {f"p{i:04d}": 1 for i in range(30)}


def test_bad_pages_come_in_their_shares(prose):
    counts = Counter(spec.label for spec in maker.plan_pages(prose(300), 4))
    for label, share in maker.BAD_SHARES.items():
        assert counts[label] == round(share * counts["good"])


def test_the_truth_of_a_page_is_in_its_html_and_damaged_pages_have_none(prose):
    for spec in maker.plan_pages(prose(40), 5):
        page = maker.render(spec)
        if spec.label in ("good", "duplicate"):
            assert "because fairness matters" in page.main_text
            assert set(page.parents) == {item[0] for item in spec.items}
        elif spec.label != "near_duplicate":
            assert page.main_text == ""
        if spec.label == "truncated":
            assert not page.html.rstrip().endswith(b"</html>")


def test_blocks_are_told_apart():
    text = (
        "Title\n=====\n\nA paragraph\nof two lines.\n\n* one\n* two\n  goes on\n\n>>> f(1)\n2\n\n"
        "name    meaning\nab      first\ncd      second\n\n:param x: a number\n:return: another"
    )
    found = blocks.parse_blocks(text)
    assert [block.kind for block in found] == ["heading", "paragraph", "list", "code", "table", "list"]
    assert found[2].rows == (("one",), ("two goes on",))
    assert found[4].rows[1] == ("ab", "first")
    assert blocks.to_markdown(found).startswith(
        "## Title\n\nA paragraph of two lines.\n\n- one\n- two goes on\n\n```\n>>>"
    )


def test_no_prose_makes_no_pages():
    assert maker.plan_pages([], 1) == []
