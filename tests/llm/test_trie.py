import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tandemrec.llm.trie import Question, Tree, Trie, batches, grow


def test_equal_beginnings_are_the_same_nodes():
    trie = Trie()
    assert trie.add([7, 8, 9]) == [0, 1, 2]
    assert trie.add([7, 8, 5]) == [0, 1, 3]
    assert trie.add([9], after=3) == [4]
    assert trie.tokens == [7, 8, 9, 5, 9]
    assert trie.parents == [-1, 0, 1, 1, 3]
    assert trie.depths == [0, 1, 2, 2, 3]


def test_a_node_sees_its_ancestors_and_itself():
    trie = Trie()
    trie.add([7, 8])
    trie.add([7, 5])
    trie.add([9], after=2)
    assert trie.stem == 2  # its nodes see all before them
    np.testing.assert_array_equal(
        trie.visible(), np.array([[1, 0, 1, 0], [1, 0, 1, 1]], dtype=bool)
    )


def test_a_tree_knows_where_each_option_stands():
    tree = Tree([Question(4, [1, 2], [[6], [3, 4], [3, 5]])])
    # sorted options: [3, 4], [3, 5], [6]
    assert tree.trie.tokens == [1, 2, 3, 4, 5, 6]
    assert tree.paths == {4: [[5], [2, 3], [2, 4]]}
    assert tree.answers == [2, 3, 4, 5]


def test_the_order_of_options_and_questions_moves_nothing():
    one = [Question(0, [1, 2, 3], [[4], [5]]), Question(1, [1, 2, 9], [[4]])]
    two = [Question(0, [1, 2, 9], [[4]]), Question(1, [1, 2, 3], [[5], [4]])]
    (first,), (second,) = grow(one, 100), grow(two, 100)
    assert first.trie.tokens == second.trie.tokens == [1, 2, 3, 4, 5, 9, 4]


def test_prompts_that_share_half_share_a_tree():
    questions = [
        Question(0, [1, 2, 3, 4], [[9]]),
        Question(1, [1, 2, 5, 6], [[9]]),
        Question(2, [1, 7, 8, 9], [[9]]),
    ]
    assert sorted(sorted(tree.paths) for tree in grow(questions, 100)) == [[0, 1], [2]]
    assert len(grow(questions, 6)) == 3


def test_the_largest_tree_comes_first():
    questions = [Question(0, [1], [[2]]), Question(1, [5, 6, 7], [[8]])]
    assert [len(tree) for tree in grow(questions, 100)] == [4, 2]


def test_batches_fill_the_budget():
    assert batches([5, 4, 4, 1], 10) == [[0, 1], [2, 3]]
    assert batches([30, 2, 2, 6, 1], 10) == [[0], [1, 2, 3], [4]]
    assert batches([], 10) == []


texts = st.lists(st.integers(0, 3), min_size=1, max_size=6)
asked = st.lists(st.tuples(texts, st.lists(texts, max_size=4)), max_size=8)


@given(asked, st.integers(1, 40))
def test_every_path_spells_its_prompt_and_option(questions, limit):
    trees = grow([Question(n, *rest) for n, rest in enumerate(questions)], limit)
    assert sorted(place for tree in trees for place in tree.paths) == list(range(len(questions)))
    for tree in trees:
        seen = tree.trie.visible()
        for place, paths in tree.paths.items():
            prompt, options = questions[place]
            for path, option in zip(paths, options, strict=True):
                last, stem = path[-1], tree.trie.stem  # ancestors are made before their children
                line = np.flatnonzero(seen[last - stem]) if last >= stem else np.arange(last + 1)
                assert [tree.trie.tokens[node] for node in line] == prompt + option
                assert [tree.trie.depths[node] for node in line] == list(range(len(line)))
