"""The console script: the same commands as ``airflow neptune-ml``, for all versions of Airflow."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, in a process that is set up as ``airflow`` sets up its own.

    :return: the exit code: 0 all is fine, 1 something was found or failed, 2 wrong usage, 130 interrupted
    """
    import argparse

    # Airflow's configuration comes first, as in its own command: its modules import one another.
    from airflow import configuration  # isort: skip
    from rich_argparse import RawTextRichHelpFormatter

    from airflow_neptune_ml.cli.definition import get_commands
    from airflow_neptune_ml.cli.process import log_to_stderr

    (group,) = get_commands()
    parser = argparse.ArgumentParser(
        prog=group.name,
        description=group.description,
        epilog=group.epilog,
        formatter_class=RawTextRichHelpFormatter,
    )
    subparsers = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
    for command in group.subcommands:
        sub = subparsers.add_parser(
            command.name,
            help=command.help,
            description=command.description,
            epilog=command.epilog,
            formatter_class=RawTextRichHelpFormatter,
        )
        for arg in command.args:
            arg.add_to_parser(sub)
        sub.set_defaults(func=command.func)
    options = parser.parse_args(argv)
    # Airflow 3.0 logs, to stdout, while it writes its first airflow.cfg.
    log_to_stderr()
    # Writes airflow.cfg if there is none, with the key that decrypts connections.
    configuration.write_default_airflow_configuration_if_needed()
    try:
        options.func(options)
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else 1
    return 0
