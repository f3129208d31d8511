"""What surrounds and pollutes real pages: menus, advertisements, consent banners, comments, spam, chatter.

Every function takes a `random.Random` and returns HTML or text; the wording varies with real module names, so
that no filter can learn one fixed sentence.
"""

from __future__ import annotations

import html
import random
from collections.abc import Sequence

MENU_WORDS = (
    "Home About Blog Docs Contact Login Register Products Pricing Community Forum News Careers Support Help "
    "Downloads Tutorials Archive Events Shop Cart Account Settings Search Privacy Terms Sitemap FAQ Partners"
).split()
ADVERTS = (
    "Get {n}% off hosting today only",
    "Your ad here",
    "Learn {word} in {n} days with our bootcamp",
    "This site is supported by readers like you. Donate now",
    "The {n} best laptops for developers this year",
    "Sponsored: Deploy your {word} app in seconds",
    "Subscribe to our newsletter and get {n} free e-books",
)
CONSENT = (
    "We use cookies to improve your experience. By continuing to browse you agree to our use of cookies.",
    "We value your privacy. Accept all cookies or manage preferences.",
    "This website stores data such as cookies to enable essential site functionality and analytics.",
)
FOOTERS = (
    "Copyright {year} {word} Media. All rights reserved.",
    "(c) {year} The {word} Project. Terms of use and privacy policy.",
    "Powered by {word}Press. Theme by Studio{n}.",
)
COMMENTS = (
    "Great post, thanks for sharing!",
    "This did not work for me on version {n}. Any ideas?",
    "first!!!",
    "lol same here",
    "Could you write one about {word} too?",
    "+1",
    "I think you have a typo in the {n}th paragraph.",
    "Been looking for this for {n} hours, you saved my day",
    "Check out my profile for more {word} tips",
    "who even uses {word} in {year}",
)
CHATTER = (
    "anyone tried {word} yet?",
    "nope, went back to {word} after {n} minutes",
    "haha yeah that happened to me too",
    "bump",
    "mods please close this thread",
    "thanks mate, will try it tonight and report back",
    "did you reboot it",
    "same problem here with {word}, no idea what is going on tbh",
    "I gave up on {word} and bought a new one for {n} bucks",
    "edit: nevermind, it works now, no clue why",
    "what a waste of time",
    "ok so i asked my cousin and he says {word} is fine",
    "who is going to the meetup on the {n}th?",
    "can someone send me the link again pls",
)
PITCHES = (
    "Buy cheap {word} online now with free shipping and {n}% discount.",
    "Click here to claim your free {word} bonus before it expires!",
    "Best {word} deals of {year}, best {word} prices, best {word} reviews.",
    "Doctors hate this one {word} trick that saves you {n} dollars a day.",
    "Earn {n}00 dollars per week from home with {word}, no experience needed.",
    "Casino {word} poker {word} slots {word} free spins no deposit {n}.",
    "Lose {n} pounds in {n} days with the {word} diet, order today.",
    "Cheap {word} replica, {word} outlet store, {word} coupon code {year}.",
)
STUBS = (
    "This page is under construction. Please check back soon.",
    "Sorry, no results were found for {word}.",
    "You must be logged in to view this content.",
    "404: the page {word} you requested could not be found.",
    "Loading {word}...",
    "There are no articles in this category yet.",
    "JavaScript must be enabled to view {word}.",
)


def fill(template: str, chance: random.Random, words: Sequence[str]) -> str:
    """Fill a template with a word, a number and a year."""
    return template.format(
        word=chance.choice(words), n=chance.randrange(2, 60), year=chance.randrange(2003, 2025)
    )


def links(chance: random.Random, words: Sequence[str], count: int) -> list[str]:
    """Return `count` links whose texts are menu words or page titles."""
    pool = [
        chance.choice(MENU_WORDS) if chance.random() < 0.6 else chance.choice(words) for _ in range(count)
    ]
    return [f'<a href="/{html.escape(name.lower())}">{html.escape(name)}</a>' for name in pool]


def related(chance: random.Random, words: Sequence[str]) -> list[str]:
    """Return links to other articles, with titles as long as sentences."""
    titles = [
        f"{chance.choice(('How to use', 'Understanding', 'A short guide to', 'Why we left', 'Inside'))} "
        f"{chance.choice(words)} {chance.choice(('in practice', 'the right way', 'for beginners', 'again'))}"
        for _ in range(chance.randrange(3, 7))
    ]
    return [f'<a href="/post/{chance.randrange(9999)}">{html.escape(title)}</a>' for title in titles]


def advert(chance: random.Random, words: Sequence[str]) -> str:
    """Return the text of an advertisement."""
    return fill(chance.choice(ADVERTS), chance, words)


def consent(chance: random.Random) -> str:
    """Return the text of a consent banner."""
    return chance.choice(CONSENT)


def footer(chance: random.Random, words: Sequence[str]) -> str:
    """Return the text of a footer."""
    return fill(chance.choice(FOOTERS), chance, words)


def comments(chance: random.Random, words: Sequence[str], count: int) -> list[tuple[str, str]]:
    """Return (name, text) of reader comments."""
    return [(user(chance), fill(chance.choice(COMMENTS), chance, words)) for _ in range(count)]


def user(chance: random.Random) -> str:
    """Return a made user name."""
    return chance.choice(("dev", "neo", "kat", "max", "zoe", "guru", "anon")) + str(chance.randrange(10, 999))


def spam_text(chance: random.Random, words: Sequence[str], sentences: Sequence[str]) -> list[str]:
    """Return paragraphs of spam; a third of the sentences are stolen from real prose, as spammers do."""
    paragraphs = []
    for _ in range(chance.randrange(3, 9)):
        word = [chance.choice(words)]
        parts = [fill(chance.choice(PITCHES), chance, word) for _ in range(chance.randrange(2, 5))]
        parts += [chance.choice(sentences) for _ in range(chance.randrange(0, 3))]
        chance.shuffle(parts)
        paragraphs.append(" ".join(parts))
    return paragraphs


def scraped_text(chance: random.Random, words: Sequence[str], prose: str) -> str:
    """Return stolen prose with pitches after about half of its paragraphs, all for one product."""
    product = [chance.choice(words)]
    out = []
    for paragraph in prose.split("\n\n"):
        out.append(paragraph)
        if chance.random() < 0.5:
            out.append(fill(chance.choice(PITCHES), chance, product))
    return "\n\n".join(out)


def chatter(chance: random.Random, words: Sequence[str], sentences: Sequence[str]) -> list[tuple[str, str]]:
    """Return (name, text) of the posts of a thread that teaches nothing; some quote real prose."""
    posts = []
    for _ in range(chance.randrange(5, 16)):
        parts = [fill(chance.choice(CHATTER), chance, words) for _ in range(chance.randrange(1, 4))]
        if chance.random() < 0.2:
            parts.insert(0, chance.choice(sentences))
        posts.append((user(chance), " ".join(parts)))
    return posts


def machine_lines(chance: random.Random, words: Sequence[str]) -> list[str]:
    """Return the lines of a generated page: a directory index, a log or a catalogue."""
    style, word = chance.randrange(3), chance.choice(words)
    lines = []
    for number in range(chance.randrange(25, 80)):
        name, size = chance.choice(words), chance.randrange(100, 99999)
        if style == 0:
            lines.append(f"{name}-{number}.tar.gz {chance.randrange(1, 29):02d}-Jan-2019 {size} bytes")
        elif style == 1:
            lines.append(
                f"2019-03-{number % 28 + 1:02d} 12:{number % 60:02d} INFO {word}: request {size} done in 3 ms"
            )
        else:
            lines.append(f"Item {number}: {name} (code {size}) in stock, add to cart, add to wish list")
    return lines


def stub(chance: random.Random, words: Sequence[str]) -> str:
    """Return the text of a page that says nothing."""
    return fill(chance.choice(STUBS), chance, words)
