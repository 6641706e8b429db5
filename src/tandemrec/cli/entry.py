"""From words to a command, and from an error to one line and an exit code."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any

import typer

from tandemrec.cli import COMMANDS
from tandemrec.cli.display import say
from tandemrec.errors import DataWarning, TandemrecError, UnknownName

# Typer brings a click of its own in some versions, so its classes are reached through Typer's.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]
THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
PLAIN: dict[str, Any] = {"rich_markup_mode": None, "pretty_exceptions_enable": False}


def guarded(words: list[str]) -> int:
    """Run the command; what a user can put right becomes one line on stderr and exit code 2."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", DataWarning)
        warnings.showwarning = _shown(warnings.showwarning)
        try:
            return _called(words)
        except TandemrecError as error:
            return _failed(str(error))
        except UsageError as error:
            return _failed(_explained(error))
        except (KeyboardInterrupt, typer.Abort):
            return _failed("interrupted.", code=130)
        except OSError as error:
            if error.errno not in THE_MACHINE:
                raise
            return _failed(f"{error.filename or 'writing'}: {error.strerror}.")


def _called(words: list[str]) -> int:
    name = next((word for word in words if not word.startswith("-")), None)
    if name is not None and name not in COMMANDS:
        raise UnknownName("command", name, COMMANDS)
    command = typer.main.get_command(_app(name))
    code = command.main(words or ["--help"], prog_name="tandemrec", standalone_mode=False)
    return code if isinstance(code, int) else 0


def _app(called: str | None) -> typer.Typer:
    """All commands; the one that is called is imported, the others are names with a help line."""
    app = typer.Typer(help="A language model and a recommender, in tandem.", **PLAIN)
    app.callback()(_options)
    for name, (reference, text) in COMMANDS.items():
        target = _imported(reference) if name == called else None
        if isinstance(target, typer.Typer):
            app.add_typer(target, name=name, help=text)
        else:
            app.command(name, help=None if target else text)(target or (lambda: None))
    return app


def _imported(reference: str) -> Any:
    module, _, function = reference.partition(":")
    return getattr(import_module(module), function)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(version("tandemrec"))
        except PackageNotFoundError:
            raise TandemrecError("tandemrec is not installed, so it has no version.") from None
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """The options before the command."""


def _explained(error: Any) -> str:
    """A usage error in one line, with the nearest option or command there is."""
    command: Any = error.ctx.command if error.ctx else None
    if hasattr(error, "possibilities") and command:
        options = [option for given in command.params for option in given.opts] + ["--help"]
        return f"There is no option {error.option_name}.{_guess(error.option_name, options)}"
    text = str(error.format_message())
    if text.startswith("Missing argument"):
        return f"{text} {getattr(error.param, 'help', None) or ''}".rstrip()
    if text.startswith("Missing command"):
        return f"{text} Known: {', '.join(command.commands)}."
    if text.startswith("No such command") and "Did you mean" not in text:
        return text + _guess(text.split("'")[1], list(command.commands))
    return text


def _guess(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.4)
    return f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(known)}."


def _failed(text: str, *, code: int = 2) -> int:
    say(f"error: {text}")
    return code


def _shown(otherwise: Callable[..., None]) -> Callable[..., None]:
    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, DataWarning):
            say(f"warning: {message}")
        else:
            otherwise(message, category, *place, **more)

    return show
