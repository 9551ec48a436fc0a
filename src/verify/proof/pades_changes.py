# mypy: disable-error-code="no-untyped-call"
# pyHanko's reading API is only half annotated.
"""What was done to a PDF after a given revision: every object that existed then is compared with what it is now.

New objects show only where an old one was changed to point at them, so comparing the old ones is enough. Three may
change, in one way each: the catalogue gains the evidence store, the form gains fields that hold archive timestamps,
the page gains their invisible widgets. The work is linear in the number of changed objects, whatever they refer to.
"""

import io
from collections.abc import Iterator
from typing import Any, Final

from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject
from pyhanko.pdf_utils.reader import PdfFileReader

from verify.errors import Unreadable
from verify.proof.pades_check import Change

MAX_CHANGED = 256
MAX_PAGES = 64
MAX_DEPTH = 8

_EVIDENCE_KEYS: Final = frozenset({"/DSS"})
_ARCHIVE_FIELD_KEYS: Final = frozenset({"/FT", "/T", "/TU", "/Type", "/Subtype", "/F", "/Rect", "/P", "/V"})
_CATALOGUE_KEYS: Final = {
    "/Pages": Change.PAGES,
    "/Names": Change.ATTACHMENT,
    "/AF": Change.ATTACHMENT,
    "/AcroForm": Change.FORM,
    "/Perms": Change.FORM,
    "/Metadata": Change.METADATA,
}
_PAGE_KEYS: Final = {"/Annots": Change.ANNOTATION, "/AF": Change.ATTACHMENT}


def look(holder: Any, key: str, otherwise: Any = None) -> Any:
    """What `holder` has under `key`, references followed; `otherwise` when it is no dictionary or has nothing."""
    try:
        return holder[key] if isinstance(holder, DictionaryObject) else otherwise
    except KeyError:
        return otherwise


def changes_since(reader: PdfFileReader, revision: int) -> tuple[Change, ...]:
    """The kinds of change made after `revision`, each once. Raises Unreadable when there are too many to look at."""
    if revision == reader.xrefs.total_revisions - 1:
        return ()
    return tuple(dict.fromkeys(_Comparison(reader, revision).changes()))


class _Comparison:
    """The signed revision beside the file as it is now."""

    def __init__(self, reader: PdfFileReader, revision: int) -> None:
        self._reader = reader
        self._revision = revision
        self._old = reader.get_historical_resolver(revision)
        self._roles = _roles(self._old)

    def changes(self) -> Iterator[Change]:
        """Every change, in no promised order."""
        old, new = self._old.trailer_view, self._reader.trailer
        if _entry(old, "/Root") != _entry(new, "/Root"):
            yield Change.OTHER
        if _entry(old, "/Info") != _entry(new, "/Info"):
            yield Change.METADATA
        changed = self._changed()
        if len(changed) > MAX_CHANGED:
            raise Unreadable
        for reference in changed:
            yield from self._change(reference)

    def _changed(self) -> list[Any]:
        """References of the signed revision that a later one writes again or frees."""
        tables = self._reader.xrefs
        later = range(self._revision + 1, tables.total_revisions)
        touched = set().union(*(tables.explicit_refs_in_revision(number) for number in later))
        old = set().union(*(tables.explicit_refs_in_revision(n) for n in range(self._revision + 1)))
        numbers = {reference.idnum for reference in old}
        return sorted((ref for ref in touched if ref.idnum in numbers), key=lambda ref: ref.idnum)

    def _change(self, reference: Any) -> Iterator[Change]:
        before = self._old.get_object(reference)
        after = self._reader.get_object(reference)
        if _dump(before) == _dump(after):
            return
        role = self._roles.get(reference.idnum)
        both = isinstance(before, DictionaryObject) and isinstance(after, DictionaryObject)
        if role == "evidence":
            return
        if role == "catalogue" and both:
            keys = _differing(before, after) - _EVIDENCE_KEYS
            yield from (_CATALOGUE_KEYS.get(key, Change.OTHER) for key in sorted(keys))
        elif role == "form" and both:
            if _differing(before, after) - {"/Fields"} or not self._grown(before, after, "/Fields"):
                yield Change.FORM
        elif role == "page" and both:
            yield from self._page(before, after)
        elif role == "annotations":
            if not self._only_archive(before, after):
                yield Change.ANNOTATION
        else:
            yield role if isinstance(role, Change) else Change.OTHER

    def _page(self, before: Any, after: Any) -> Iterator[Change]:
        for key in sorted(_differing(before, after)):
            if key != "/Annots" or not self._grown(before, after, key):
                yield _PAGE_KEYS.get(key, Change.CONTENT)

    def _grown(self, before: Any, after: Any, key: str) -> bool:
        """Whether the list under `key` only gained archive timestamp fields."""
        return self._only_archive(look(before, key, ArrayObject()), look(after, key, ArrayObject()))

    def _only_archive(self, before: Any, after: Any) -> bool:
        if not (isinstance(before, ArrayObject) and isinstance(after, ArrayObject)):
            return False
        count = len(before)
        if len(after) < count or len(after) > count + MAX_CHANGED:
            return False
        if any(_dump(before.raw_get(n)) != _dump(after.raw_get(n)) for n in range(count)):
            return False
        return all(_is_archive_field(after[n]) for n in range(count, len(after)))


def _is_archive_field(field: Any) -> bool:
    """Whether it is a field of no size and no appearance that holds a document timestamp."""
    if not isinstance(field, DictionaryObject) or not set(field) <= _ARCHIVE_FIELD_KEYS:
        return False
    left, bottom, right, top = (float(side) for side in field["/Rect"])
    value = field["/V"]
    return (
        field["/FT"] == "/Sig"
        and look(field, "/Subtype") == "/Widget"
        and (left, bottom) == (right, top)
        and isinstance(value, DictionaryObject)
        and look(value, "/Type") == "/DocTimeStamp"
    )


def _roles(old: Any) -> dict[int, Any]:
    """Object number → what it is in the signed revision: a place that may grow, or the change that it would be."""
    root = old.root
    roles: dict[int, Any] = {}
    _attachment_roles(root, roles)
    _page_roles(root, roles)
    _name(roles, root, "/Metadata", Change.METADATA)
    _name(roles, old.trailer_view, "/Info", Change.METADATA)
    _name(roles, root, "/DSS", "evidence")
    _name(roles, root, "/AcroForm", "form")
    _name(roles, old.trailer_view, "/Root", "catalogue")
    for field in _items(look(root, "/AcroForm", {}), "/Fields"):
        roles[field.idnum] = Change.FORM
        _name(roles, field.get_object(), "/V", Change.FORM)
    return roles


def _page_roles(root: Any, roles: dict[int, Any]) -> None:
    _name(roles, root, "/Pages", Change.PAGES)
    waiting = [(kid, 1) for kid in _items(root["/Pages"], "/Kids")]
    pages = 0
    while waiting:
        kid, depth = waiting.pop()
        pages += 1
        if pages > MAX_PAGES or depth > MAX_DEPTH:
            raise Unreadable
        node = kid.get_object()
        if look(node, "/Type") == "/Pages":
            roles[kid.idnum] = Change.PAGES
            waiting.extend((inner, depth + 1) for inner in _items(node, "/Kids"))
            continue
        roles[kid.idnum] = "page"
        _name(roles, node, "/Contents", Change.CONTENT)
        _name(roles, node, "/Resources", Change.CONTENT)
        _name(roles, node, "/Annots", "annotations")
        roles.update((part.idnum, Change.CONTENT) for part in _items(node, "/Contents"))
        roles.update((note.idnum, Change.ANNOTATION) for note in _items(node, "/Annots"))


def _attachment_roles(root: Any, roles: dict[int, Any]) -> None:
    _name(roles, root, "/Names", Change.ATTACHMENT)
    names = look(root, "/Names", {})
    _name(roles, names, "/EmbeddedFiles", Change.ATTACHMENT)
    tree = look(names, "/EmbeddedFiles", {})
    for spec in (*_items(tree, "/Names"), *_items(root, "/AF")):
        roles[spec.idnum] = Change.ATTACHMENT
        files = look(spec.get_object(), "/EF", {})
        for key in files:
            _name(roles, files, key, Change.ATTACHMENT)


def _name(roles: dict[int, Any], holder: Any, key: str, role: Any) -> None:
    """Note what `holder` refers to under `key`, when that is an object of its own."""
    if key in holder and isinstance(value := holder.raw_get(key), IndirectObject):
        roles[value.idnum] = role


def _items(holder: Any, key: str) -> list[Any]:
    """The references in the list under `key`."""
    listed = look(holder, key)
    if not isinstance(listed, ArrayObject):
        return []
    raw = (listed.raw_get(n) for n in range(min(len(listed), MAX_CHANGED)))
    return [item for item in raw if isinstance(item, IndirectObject)]


def _differing(before: Any, after: Any) -> set[str]:
    return {key for key in {*before, *after} if _entry(before, key) != _entry(after, key)}


def _entry(holder: Any, key: str) -> bytes:
    return _dump(holder.raw_get(key)) if key in holder else b""


def _dump(value: Any) -> bytes:
    """The object as it would be written: references stay references."""
    if value is None:
        return b""
    out = io.BytesIO()
    value.write_to_stream(out, None)
    return out.getvalue()
