"""Rows worked at by several threads, given back as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Protocol, TypeVar

R = TypeVar("R")
T = TypeVar("T")


class Stoppable(Protocol):
    """What all rows are at work with."""

    def stop(self) -> None:
        """Begin nothing more; what is under way may end."""

    def close(self) -> None:
        """The same, and break off what is under way."""


def as_they_come(
    rows: Sequence[R], work: Callable[[R], T], width: int, using: Stoppable
) -> Iterator[list[tuple[int, T]]]:
    """Places of rows with what `work` makes of them, in parts, in the order in which they are done.

    No more than `width` rows are at work or not yet taken: a row is begun when the caller comes
    back for more, so what he stores of a part is all that was ever done, but for `width`. An error
    of one row ends it; what the others at work still give comes first. Where the caller goes away,
    they are broken off.
    """
    waiting = iter(enumerate(rows))
    running: dict[Future[T], int] = {}
    pool = ThreadPoolExecutor(max(1, min(width, len(rows))), thread_name_prefix="asking")
    failed: list[BaseException] = []
    try:
        while True:
            if not failed:
                for place, row in islice(waiting, width - len(running)):
                    running[pool.submit(work, row)] = place
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            found = [(running.pop(future), future) for future in done]
            failed += [error for _, future in found if (error := future.exception())]
            if failed:
                using.stop()
            good = [(place, future.result()) for place, future in found if not future.exception()]
            if good:
                yield sorted(good, key=lambda pair: pair[0])
    except BaseException:
        using.close()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    if failed:
        raise failed[0]
