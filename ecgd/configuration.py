"""``ecgd config``: what can be configured, for editors and for people."""

import typer

config = typer.Typer(no_args_is_help=True, help="What can be configured: JSON Schema, and the reference page.")


@config.command()
def schema() -> None:
    """Print the JSON Schema of ecgd.yaml, with which an editor completes and checks."""
    from config import reference

    print(reference.schema(), end="")


@config.command()
def reference() -> None:
    """Print docs/configuration.md: every key with its type, default, bounds and meaning."""
    from config import reference as made

    print(made.page(), end="")
