"""Questions as files: a run writes down what it would ask, any number of processes on any machines
answer shards of it, and the answers are put together in the store where the run finds them.

A worker reads and writes files, and needs no more of the package than `llm`.
"""

from tandemrec.llm.work.answering import Answered, Incomplete, Shard, answer
from tandemrec.llm.work.merging import Merged, merge
from tandemrec.llm.work.planning import Planning, Unanswered, like
from tandemrec.llm.work.questions import Block, Question, Work, write

__all__ = [
    "Answered",
    "Block",
    "Incomplete",
    "Merged",
    "Planning",
    "Question",
    "Shard",
    "Unanswered",
    "Work",
    "answer",
    "like",
    "merge",
    "write",
]
