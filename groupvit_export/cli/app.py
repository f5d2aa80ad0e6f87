"""The application: verbs that are imported when they are asked for, and what is the same for all of them."""

from __future__ import annotations

import errno
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.exceptions import TyperException

if TYPE_CHECKING:
    from groupvit_export.errors import GroupViTError

VERBS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "export": "turn a checkpoint into a bundle for a target",
        "verify": "hold a bundle against the PyTorch reference: outputs, decisions, pixels",
        "segment": "segment images with a bundle",
        "serve": "answer HTTP requests with a bundle",
        "triton": "write a bundle as a model repository of Triton Inference Server",
        "bulk": "segment more images than one process should, on Ray, into Parquet",
        "demo": "show the model in a browser on this machine",
        "bench": "measure how fast bundles are here, and compare them",
        "eval": "measure a bundle's masks on a data set with ground truth",
        "vocab": "encode class names once and keep them",
        "inspect": "show what a bundle is and check its files",
        "doctor": "say which targets work on this machine and what the others lack",
    }
)

_EXIT_INTERRUPTED: Final = 130
_HELP_OPTIONS: Final = {"help_option_names": ["-h", "--help"]}
_EXTRA_ARGUMENT: Final = re.compile(r"Got unexpected extra argument(?:\(s\))? \((.+)\)")
_NUMBER: Final = re.compile(r"-\d+$|-\d*\.\d+$")


def run_app(arguments: Sequence[str], command: str) -> int:
    """Parse and run.

    Args:
        arguments: the verb and what follows it.
        command: as it was typed, for the records.

    Returns:
        The exit code.
    """
    group = typer.main.get_command(_app())
    try:
        code: int | None = group.main(
            list(arguments), prog_name="groupvit", standalone_mode=False, obj=command
        )
    except TyperException as error:
        return _refuse(error)
    return code or 0


class Command(TyperCommand):
    """A verb: strict about its arguments, and its errors become messages and exit codes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse an option as the value of another: `-o --force` is a value that was forgotten."""
        valued = {
            name
            for option in self.params
            if isinstance(option, TyperOption) and not option.is_flag
            for name in option.opts
        }
        end = args.index("--") if "--" in args else len(args)
        for option, value in pairwise(args[:end]):
            if option in valued and _looks_like_option(value):
                ctx.fail(f"Option '{option}' requires a value, and got '{value}'")
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Under the headings of the panels, where help is plain text."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                usual = "Options" if isinstance(parameter, TyperOption) else "Arguments"
                panel = getattr(parameter, "rich_help_panel", None) or usual
                sections.setdefault(panel, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)

    def invoke(self, ctx: Any) -> Any:
        from groupvit_export.cli.output import STANDARD_OUTPUT, fail
        from groupvit_export.errors import GroupViTError

        try:
            return super().invoke(ctx)
        except GroupViTError as error:
            return fail(error, as_json=bool(ctx.params.get("as_json")))
        except OSError as error:
            if error.errno == errno.EPIPE or error.filename == STANDARD_OUTPUT:
                # Whoever reads it has seen enough, as `head` has; or nothing more can be said there.
                raise
            return fail(_refused(error), as_json=bool(ctx.params.get("as_json")))
        except KeyboardInterrupt:
            print("groupvit: interrupted; nothing half-written was left", file=sys.stderr)
            return _EXIT_INTERRUPTED


class _Verbs(TyperGroup):
    """Lists the verbs by their summaries, and imports the one that is run."""

    def __init__(self, **options: Any) -> None:
        stubs = [TyperCommand(verb, help=summary, short_help=summary) for verb, summary in VERBS.items()]
        super().__init__(**{**options, "commands": stubs})

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, stub, rest = super().resolve_command(ctx, args)
        return name, None if name is None or stub is None else _load(name), rest


def _app() -> typer.Typer:
    app = typer.Typer(
        name="groupvit",
        cls=_Verbs,
        help="Export a trained GroupViT, prove it equal, and segment images without PyTorch.",
        epilog="groupvit VERB --help explains a verb; groupvit-export is groupvit export.",
        subcommand_metavar="VERB ...",
        context_settings=_HELP_OPTIONS,
        rich_markup_mode=_markup(),
    )

    @app.callback()
    def options(
        show_version: Annotated[
            bool,
            typer.Option(
                "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
            ),
        ] = False,
    ) -> None: ...

    return app


def _load(verb: str) -> Any:
    module = importlib.import_module(f"groupvit_export.cli.{verb}")
    return make_command(
        verb, module.Arguments, module.run, help=VERBS[verb], epilog=getattr(module, "EPILOG", None)
    )


def make_command(
    name: str,
    arguments: type[Any],
    run: Callable[[Any], int],
    *,
    help: str | None = None,
    epilog: str | None = None,
) -> Any:
    """A command whose options are the fields of a dataclass.

    Args:
        name: of the verb.
        arguments: a subclass of `VerbArguments` with annotated fields.
        run: is given one, and gives the exit code.
        help: one sentence.
        epilog: below the options.
    """
    app = typer.Typer(add_completion=False, rich_markup_mode=_markup())
    decorate = app.command(name, cls=Command, help=help, epilog=epilog, context_settings=_HELP_OPTIONS)
    decorate(_callback(arguments, run))
    return typer.main.get_command(app)


def _callback(arguments: type[Any], run: Callable[[Any], int]) -> Callable[..., int]:
    """A function with the fields as parameters, as typer wants it; `command` is no option, it was typed."""

    def call(ctx: typer.Context, **values: Any) -> int:
        return run(arguments(command=ctx.obj, **values))

    hints = get_type_hints(arguments, include_extras=True)
    # Its own before those of what it is made of.
    options = sorted(
        (field for field in fields(arguments) if field.name != "command"),
        key=lambda field: field.name not in arguments.__annotations__,
    )
    parameters = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in options
    ]
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    call.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
    return call


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"groupvit-export {version('groupvit-export')}")
        raise typer.Exit


def _refused(error: OSError) -> GroupViTError:
    from groupvit_runtime.system_errors import system_refusal

    return system_refusal(error)


def _markup() -> Literal["rich"] | None:
    """Panels and colors are for people: what a pipe gets is plain."""
    return "rich" if sys.stdout.isatty() else None


def _refuse(error: TyperException) -> int:
    context = getattr(error, "ctx", None)
    path = "groupvit" if context is None else context.command_path
    if context is not None:
        print(context.get_usage(), file=sys.stderr)
    message = error.format_message()
    extra = _EXTRA_ARGUMENT.match(message)
    # What most people export stands last on the line in other programs.
    fix = f"--checkpoint {extra[1]}" if extra and path.endswith(" export") else f"{path} --help"
    print(f"{path}: error: {message}\n  fix: {fix}", file=sys.stderr)
    return error.exit_code


def _looks_like_option(value: str) -> bool:
    return len(value) > 1 and value.startswith("-") and " " not in value and not _NUMBER.match(value)
