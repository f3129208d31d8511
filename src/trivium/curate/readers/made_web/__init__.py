"""A seeded maker of web pages: real prose in pages of known label, so that curation can be measured."""
