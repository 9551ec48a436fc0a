"""The list of commands."""

import click

from verify import __version__
from verify.cli import (
    agency,
    ask,
    care,
    case,
    change,
    demo,
    document,
    issue,
    keys,
    recovery,
    setup,
    stand_in,
    template,
    witness,
)
from verify.cli.errand import Commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="verify")
def main() -> None:
    """Issue, change and check vocational certificates.

    Exit codes: 0, 1 (the answer is bad news), 2 (wrong use). Settings: verify config.

    \b
    Example:
      verify init && verify serve
    """


for command in (
    setup.init,
    setup.config,
    setup.serve,
    agency.agency,
    agency.filing,
    keys.key,
    keys.credential,
    issue.issue,
    change.suspend,
    change.reinstate,
    change.revoke,
    change.reissue,
    change.show,
    change.history,
    case.case,
    case.imitation,
    document.document,
    stand_in.stand_in,
    template.template,
    template.overprint,
    ask.lookup,
    ask.check,
    care.audit,
    care.backup,
    care.restore,
    recovery.recover,
    recovery.migrate,
    witness.witness,
    demo.demo,
):
    main.add_command(command)
