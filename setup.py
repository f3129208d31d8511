"""Puts the recipes into the wheel as trivium/recipes; everything else stands in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages("src"), "trivium.recipes"],
    package_dir={"": "src", "trivium.recipes": "recipes"},
)
