"""What every office door shares: the opened rooms, limits, and the public half's header lists and problems."""

from typing import Protocol

from verify.issuance.batches import Batches
from verify.issuance.change import Changes
from verify.issuance.reissue import Reissues
from verify.issuance.view import View

from verify.config import Settings
from verify.issuance.issue import Issuance
from verify.office.office import Office
from verify.proof.sealing import DataKeys
from verify.store.contract import Store
from verify.web.opening import Opening
from verify.web.public.half import PublicHalf


class OfficeDesk(Protocol):
    """What `wiring` opens for the writing side."""

    @property
    def store(self) -> Store: ...
    @property
    def data_keys(self) -> DataKeys: ...
    @property
    def office(self) -> Office: ...
    @property
    def issuance(self) -> Issuance: ...
    @property
    def changes(self) -> Changes: ...
    @property
    def reissues(self) -> Reissues: ...
    @property
    def batches(self) -> Batches: ...
    @property
    def view(self) -> View: ...


class OfficeHalf:
    """One per process that has the office's role."""

    def __init__(self, settings: Settings, opening: Opening[OfficeDesk], public: PublicHalf) -> None:
        """Share what `public` made."""
        self.opening = opening
        self.public = public
        self.headers = public.headers
        self.public_url = public.public_url
        self.host = public.host
        self.body_limit = settings.body_limit_bytes
        self.batch_limit = settings.batch_limit_bytes
        self.body_timeout_s = settings.body_timeout_s
