"""Prompts and options that share beginnings, merged, so that each shared token is read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Question(NamedTuple):
    """One prompt with its options, as token ids; `place` is its row in the caller's lists."""

    place: int
    prompt: list[int]
    options: list[list[int]]


class Trie:
    """A forest of tokens: one node a token, so equal beginnings are the same nodes.

    A node's position in the text is its depth, and it may see its ancestors and itself only: then
    one forward pass gives every branch what it would see if it were read alone.
    """

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.parents: list[int] = []  # -1 at a root
        self.depths: list[int] = []
        self._nodes: dict[tuple[int, int], int] = {}  # (parent, token) -> node

    def __len__(self) -> int:
        return len(self.tokens)

    def add(self, tokens: Sequence[int], after: int = -1) -> list[int]:
        """The nodes of a path that begins below the node `after`; new ones are made as needed."""
        if not self.tokens:
            return self._first(tokens)
        path = []
        for token in tokens:
            after = self._child(after, token)
            path.append(after)
        return path

    def _first(self, tokens: Sequence[int]) -> list[int]:
        """The first path, which finds no nodes: all at once."""
        nodes = range(len(tokens))
        self.tokens, self.depths = list(tokens), list(nodes)
        self.parents = list(range(-1, len(tokens) - 1))
        self._nodes = dict(zip(zip(self.parents, self.tokens, strict=True), nodes, strict=True))
        return list(nodes)

    def _child(self, parent: int, token: int) -> int:
        node = self._nodes.get((parent, token))
        if node is None:
            node = self._nodes[parent, token] = len(self.tokens)
            self.tokens.append(token)
            self.parents.append(parent)
            self.depths.append(self.depths[parent] + 1 if parent >= 0 else 0)
        return node

    @property
    def stem(self) -> int:
        """How many of the first nodes are one path: each sees all before it."""
        branches = np.flatnonzero(np.array(self.parents) != np.arange(-1, len(self) - 1))
        return int(branches[0]) if len(branches) else len(self)

    def visible(self) -> NDArray[np.bool_]:
        """What each node behind the stem sees, itself and its ancestors, [N - stem, N]."""
        stem = self.stem
        seen = np.zeros((len(self) - stem, len(self)), dtype=bool)
        for row, node in enumerate(range(stem, len(self))):
            parent = self.parents[node]
            seen[row] = seen[parent - stem] if parent >= stem else np.arange(len(self)) <= parent
            seen[row, node] = True
        return seen


class Tree:
    """The trie of some questions, and where in it their options' tokens stand."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.trie = Trie()
        self.paths: dict[int, list[list[int]]] = {}  # place -> each option's nodes
        before: list[int] = []
        path: list[int] = []
        for question in questions:
            known = shared(before, question.prompt)
            path = path[:known] + self.trie.add(question.prompt[known:], *path[:known][-1:])
            before, end = question.prompt, path[-1]
            # in sorted order, so that the order of the options cannot move a single bit
            for option in sorted(question.options):
                self.trie.add(option, end)
            self.paths[question.place] = [self.trie.add(option, end) for option in question.options]
        nodes = {node for paths in self.paths.values() for path in paths for node in path}
        self.answers = sorted(nodes)  # nodes whose probability, given their parent, is read

    def __len__(self) -> int:
        return len(self.trie)


def grow(questions: Sequence[Question], limit: int) -> list[Tree]:
    """Trees of at most about `limit` tokens over all questions, the largest first.

    Prompts join a tree while at least half of their tokens are in it already: ten questions about
    one user's history are one tree, two users' histories are two.
    """
    groups: list[list[Question]] = []
    size = 0
    for question in sorted(questions, key=lambda question: (question.prompt, question.options)):
        own = len(question.prompt) + sum(map(len, question.options))
        common = shared(groups[-1][-1].prompt, question.prompt) if groups else 0
        if groups and 2 * common >= len(question.prompt) and size + own - common <= limit:
            groups[-1].append(question)
            size += own - common
        else:
            groups.append([question])
            size = own
    return sorted(map(Tree, groups), key=len, reverse=True)


def shared(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two texts have in common at their beginning."""
    same, longest = 0, min(len(first), len(second))
    while same < longest:
        middle = (same + longest + 1) // 2
        if first[same:middle] == second[same:middle]:
            same = middle
        else:
            longest = middle - 1
    return same


def batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Places of neighbours whose lengths together stay within the budget.

    One that is over the budget by itself is a batch by itself.
    """
    cut: list[list[int]] = []
    size = 0
    for place, length in enumerate(lengths):
        if cut and size + length <= budget:
            cut[-1].append(place)
            size += length
        else:
            cut.append([place])
            size = length
    return cut
