"""Story sentences of the word problems, by operation family.

Slots: {n} the owner, {o} another person, {it} the things, {x} the starting number, {a} the operand.
The contest set states the same operations in sentences that no training problem uses.
"""

Sentences = dict[str, tuple[str, ...]]

TRAIN: Sentences = {
    "start": (
        "{n} has {x} {it}.",
        "{n} starts with {x} {it}.",
        "There are {x} {it} in the bag of {n}.",
        "In a box {n} keeps {x} {it}.",
        "{n} counts {x} {it}.",
        "On Monday {n} has {x} {it}.",
        "{n} brings {x} {it} to school.",
        "At first {n} owns {x} {it}.",
    ),
    "add": (
        "{o} gives {n} {a} more.",
        "{n} finds {a} {it}.",
        "Then {n} buys {a} {it}.",
        "{n} gets {a} more {it} from {o}.",
        "{a} more {it} come in the mail.",
        "{o} adds {a} {it}.",
        "{n} wins {a} {it} in a game.",
        "At the shop {n} picks up {a} more.",
        "Next, {n} makes {a} new {it}.",
    ),
    "sub": (
        "{n} loses {a} of them.",
        "{n} gives {a} {it} away.",
        "{n} sells {a} {it}.",
        "{o} takes {a} of the {it}.",
        "{a} of the {it} break.",
        "{n} gives {a} {it} to {o}.",
        "Then {n} throws {a} {it} out.",
        "{n} uses up {a} {it} at home.",
        "Next, {a} of them are lost.",
    ),
    "mul": (
        "{n} now gets {a} times as many {it}.",
        "The number of {it} grows {a} times.",
        "Each of them turns into {a} {it}.",
        "{n} trades every one for {a} {it}.",
        "In a game {n} ends up with {a} times as many.",
        "Soon there are {a} times as many {it}.",
        "{o} swaps each one for {a} {it}.",
        "A trick makes {a} {it} out of each.",
    ),
    "double": (
        "The number of {it} doubles.",
        "{o} doubles the {it}.",
        "Then {n} doubles the number.",
        "{n} gets twice as many {it}.",
        "Soon there are twice as many.",
        "{o} gives {n} as many again.",
        "{n} finds as many {it} again.",
        "In a game the {it} double.",
    ),
    "half": (
        "Half of the {it} break.",
        "{n} gives half of them to {o}.",
        "{n} loses half of the {it}.",
        "{o} takes half of them.",
        "Then half of the {it} are lost.",
        "{n} sells half of the {it} at the shop.",
        "{n} keeps only half of them.",
        "Next, {n} throws half of them out.",
    ),
    "share": (
        "{n} shares them with friends in {a} equal parts and keeps one part.",
        "{n} splits the {it} into {a} equal piles and keeps one pile.",
        "The {it} are cut into {a} equal parts and {n} gets one part.",
        "{n} makes {a} equal piles and takes one pile home.",
        "{o} splits them into {a} equal parts and leaves {n} one part.",
        "{n} puts them in {a} equal boxes and keeps one box.",
        "They go into {a} equal piles and {n} keeps one pile.",
        "In a game {n} makes {a} equal parts of them and keeps one part.",
    ),
    "ask": (
        "How many {it} does {n} have?",
        "How many {it} are there now?",
        "How many {it} does {n} have in the end?",
        "What is the number of {it} now?",
        "How many are left?",
        "Now {n} has how many {it}?",
        "Count the {it} of {n}.",
        "How many {it} are in the bag now?",
    ),
}

CONTEST: Sentences = {
    "start": (
        "At home {n} keeps {x} {it} in a bag.",
        "{n} owns {x} {it} on Monday.",
        "The box of {n} has {x} {it}.",
        "At school there are {x} {it} for {n}.",
    ),
    "add": (
        "In the mail {n} gets {a} more.",
        "{o} finds {a} {it} and gives them to {n}.",
        "Soon {n} wins {a} more {it}.",
        "At home {o} makes {a} new {it} for {n}.",
        "{n} buys {a} more at school.",
    ),
    "sub": (
        "{o} loses {a} of the {it}.",
        "At school {a} of them break.",
        "{n} throws {a} of the {it} away.",
        "Soon {n} sells {a} of them to {o}.",
        "In a game {o} takes {a} {it}.",
    ),
    "mul": (
        "Then {n} has {a} times as many.",
        "Every one turns into {a} at home.",
        "{n} swaps each of the {it} for {a}.",
        "{o} makes {a} {it} out of every one.",
    ),
    "double": (
        "Soon {o} doubles the number of {it}.",
        "At the shop {n} gets as many again.",
        "Now {n} has twice as many {it}.",
    ),
    "half": (
        "At school half of them are lost.",
        "{n} throws half of the {it} away.",
        "Soon {o} sells half of the {it}.",
    ),
    "share": (
        "At home {n} splits them into {a} equal piles and keeps one.",
        "With friends {n} makes {a} equal parts and gets one.",
        "{o} puts the {it} into {a} equal boxes and {n} takes one box.",
    ),
    "ask": (
        "In the end, how many {it} are there?",
        "How many of the {it} does {n} have now?",
        "What number of {it} is left for {n}?",
    ),
}
