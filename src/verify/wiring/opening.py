"""Opening the house for one role: the only way in for a process."""

from verify.config import Settings
from verify.errors import VerifyError
from verify.wiring.house import House, open_public
from verify.wiring.settings import Role


async def open_house(settings: Settings, role: Role = Role.ALL) -> House:
    """Open the house for `role`, or say what is missing and which command mends it.

    Asserts: the database is there, its own settings keep the promises, its schema is this program's; the last
    thousand ledger rows follow from each other up to the head; the data keys open; and unless the role is
    `public`, every active key file is ours, 0600, opens, signs, and its public half verifies.
    In every role but `public` the result is a `desks.OfficeHouse`.
    Raises NotReady, BadKey, BadSettings, LedgerBroken or StoreFailed; nothing stays open then.
    """
    if role is Role.PUBLIC:
        return await open_public(settings, role, read_only=True)
    # A public node never loads this module: it is the way to the signing keys.
    from verify.wiring.desks import open_office_house

    return await open_office_house(settings, role)


async def try_open(settings: Settings, role: Role = Role.ALL) -> House | VerifyError:
    """The house, or why it cannot open yet: for a process that must stay up without it."""
    try:
        return await open_house(settings, role)
    except VerifyError as error:
        return error
