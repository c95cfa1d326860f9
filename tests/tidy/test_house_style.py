"""The project keeps its house style: one test a rule, over every file that git knows or would add."""

from pathlib import Path

import pytest
import rules

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def tree():
    return rules.Tree.of_project(ROOT)


@pytest.mark.parametrize("check", rules.CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_tree(tree, check):
    found = sorted(set(check(tree)))
    assert not found, "\n" + "\n".join(map(str, found))


def test_tree_is_not_empty(tree):
    assert len(tree.files) > 10 and list(tree.cpp())
