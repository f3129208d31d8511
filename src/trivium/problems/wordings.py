"""How each table of facts is told and asked; {k} is the key and {v} the value.

The held-out question stands in no training text, so that facts are tested and not phrases.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wordings:
    """Statements for pretraining, questions for training, one question for evaluation only."""

    statements: tuple[str, ...]
    questions: tuple[str, ...]
    held_out: str


TABLES = {
    "http": Wordings(
        (
            "The HTTP status {k} means {v}.",
            "HTTP status {k}: {v}.",
            "In HTTP, the status code {k} stands for {v}.",
            "A server that answers with HTTP status {k} says {v}.",
        ),
        (
            "What does HTTP status {k} mean?",
            "Name the HTTP status {k}.",
            "What is the meaning of HTTP status code {k}?",
            "A server answers with HTTP status {k}. What does it say?",
            "In HTTP, what does {k} stand for?",
        ),
        "What is HTTP status {k}?",
    ),
    "errno": Wordings(
        (
            "The error {k} has number {v}.",
            "Error {k}: number {v}.",
            "In errno, the error name {k} stands for {v}.",
            "A call that fails with error {k} sets errno to {v}.",
        ),
        (
            "What number has error {k}?",
            "Name the number of error {k}.",
            "What is the errno value of error {k}?",
            "A call fails with error {k}. What is errno?",
            "In errno, what number does {k} stand for?",
        ),
        "What is the number of error {k}?",
    ),
    "mime": Wordings(
        (
            "The file ending {k} has MIME type {v}.",
            "File ending {k}: type {v}.",
            "In MIME, the file ending {k} stands for {v}.",
            "A file that ends in {k} is sent as MIME type {v}.",
        ),
        (
            "What MIME type has file ending {k}?",
            "Name the MIME type of file ending {k}.",
            "What type is a file that ends in {k}?",
            "A file ends in {k}. What is its MIME type?",
            "In MIME, what does file ending {k} stand for?",
        ),
        "What is the MIME type of file ending {k}?",
    ),
    "entity": Wordings(
        (
            "The HTML entity {k} is character number {v}.",
            "HTML entity {k}: number {v}.",
            "In HTML, the entity {k} stands for character {v}.",
            "A page that writes the HTML entity {k} shows character {v}.",
        ),
        (
            "What character number is HTML entity {k}?",
            "Name the number of HTML entity {k}.",
            "What is the code of the HTML entity {k}?",
            "A page writes the HTML entity {k}. Which character is it?",
            "In HTML, what number does entity {k} stand for?",
        ),
        "What is the number of HTML entity {k}?",
    ),
    "character": Wordings(
        (
            "The character {k} has the name {v}.",
            "Character {k}: {v}.",
            "In Unicode, the character {k} stands for {v}.",
            "A text that holds the character {k} holds {v}.",
        ),
        (
            "What name has character {k}?",
            "Name the character {k}.",
            "What is the Unicode name of character {k}?",
            "A text holds the character {k}. What is its name?",
            "In Unicode, what does {k} stand for?",
        ),
        "What is the name of character {k}?",
    ),
}
