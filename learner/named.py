"""`NamedTuple` without `typing`, for what is imported before every task: there, importing `typing` and making twenty classes with it take
as long as all the rest of the decision. To a type checker it is `typing.NamedTuple`:

    TYPE_CHECKING = False
    if TYPE_CHECKING:
        from typing import NamedTuple
    else:
        from git_hone.learner.named import NamedTuple

>>> class Point(NamedTuple):
...     x: float
...     y: float = 0.0
>>> Point(1.0), Point(y=2.0, x=1.0)._replace(x=3.0), Point(1.0)._asdict()
(Point(x=1.0, y=0.0), Point(x=3.0, y=2.0), {'x': 1.0, 'y': 0.0})
"""

# mypy: ignore-errors
# To a type checker nobody imports this: it sees typing.NamedTuple.
from __future__ import annotations

from operator import itemgetter

try:
    from _collections import _tuplegetter as _getter  # what collections.namedtuple uses: a property in C
except ImportError:

    def _getter(index, doc):
        return property(itemgetter(index), doc=doc)


class _Meta(type):
    def __new__(meta, name, bases, body):
        fields = tuple(body.get("__annotations__", ()))
        defaults = {field: body.pop(field) for field in fields if field in body}
        body |= {field: _getter(index, None) for index, field in enumerate(fields)}
        return type.__new__(
            meta, name, bases, body | {"__slots__": (), "_fields": fields, "_field_defaults": defaults, "__match_args__": fields}
        )


class NamedTuple(tuple, metaclass=_Meta):
    """A tuple whose places have names; of a subclass, the annotations say which, and a value is a default."""

    def __new__(cls, *values, **named):
        missing = cls._fields[len(values) :]
        if named or missing:
            try:
                values += tuple(named.pop(field) if field in named else cls._field_defaults[field] for field in missing)
            except KeyError as error:
                raise TypeError(f"{cls.__name__}: {error.args[0]} is missing") from None
        if named or len(values) > len(cls._fields):
            raise TypeError(f"{cls.__name__}: takes {', '.join(cls._fields)}; not {', '.join(named) or f'{len(values)} values'}")
        return tuple.__new__(cls, values)

    @classmethod
    def _make(cls, values):
        return cls(*values)

    def _replace(self, **named):
        return type(self)(**(self._asdict() | named))

    def _asdict(self):
        return dict(zip(self._fields, self, strict=True))

    def __getnewargs__(self):
        return tuple(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{field}={value!r}' for field, value in self._asdict().items())})"
