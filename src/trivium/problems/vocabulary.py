"""Words that the problem makers draw from.

All are short and common, so that a tokenizer of about a thousand entries holds most of them as one token.
Names and things of CONTEST_* never stand in a training problem; the recall documents use them as keys and
values, so that a model has met the words as such (their tokens and embeddings) before the contest.
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

RECALL_KEYS = CONTEST_NAMES + tuple(
    "ant bat bear bee bird bull cat cod cow crab crow deer dog dove duck eel elk fly fox frog goat hare "
    "hawk hen hog horse lamb lion mole moth mouse mule owl ox pig pony rat ram seal shark sheep snail "
    "swan toad wasp wolf worm yak".split()
)
"""64 keys: one token each, so that one induction step finds a pair."""

RECALL_VALUES = CONTEST_THINGS + tuple("red blue green black white pink gold gray tin iron silk wood".split())
