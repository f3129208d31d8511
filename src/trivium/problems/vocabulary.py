"""Words that the problem makers draw from.

All are short and common, so that a tokenizer of about a thousand entries holds most of them as one token.
Names and things of CONTEST_* never stand in a training problem; the recall documents use them as keys and
values beside those of TRAIN_*, so that a model has met the words as such (their tokens and embeddings) and in
which company they stand before the contest.
"""

TRAIN_NAMES = tuple(
    "Ann Ben Cara Dan Eve Finn Gia Hugo Iris Jack Kim Leo Mia Ned Ora Pam Rosa Sam Tom Una Vera Will "
    "Zoe Amy Bob Cleo Dora Emil Fay Gus Hana Ian".split()
)
CONTEST_NAMES = tuple(
    "Alma Bruno Clara Dino Elsa Felix Greta Henry Ivan Jill Karl Lena Mona Nora Omar Paul".split()
)

TRAIN_THINGS = tuple(
    "pens books apples cards shells coins stamps marbles cups keys stones eggs plums nuts rings boxes "
    "balls hats beads pins plates cakes pears seeds".split()
)
CONTEST_THINGS = tuple("lamps kites ropes bells figs tiles pots masks bulbs rugs forks maps".split())

RECALL_KEYS = (
    *CONTEST_NAMES,
    *TRAIN_NAMES[:16],
    *(
        "ant bat bear bee bird bull cat cow crab crow deer dog dove duck eel elk fly fox frog goat hare hawk "
        "hen horse lamb lion mole mouse owl pig wolf yak".split()
    ),
)
"""64 keys, about one token each, so that one induction step finds a pair. Names of both kinds stand side by
side, so that a model learns that they are alike."""

RECALL_VALUES = (
    *CONTEST_THINGS,
    *TRAIN_THINGS[:12],
    *"red blue green black white pink gold gray tin iron silk wood".split(),
)
"""Values: one token each for the same reason."""
