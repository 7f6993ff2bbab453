"""The ways to replace a piece of an assembly by one that differs in a single method, effect or document.

Each takes a wrapper that is given the honest function first and then its arguments: it may call it, alter what goes in or
comes out, or leave it. The name of a method that is not there is an error at once, not a deviation that does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    from reference_server.assembly import Assembly
    from specs.model import Api, Event, Topic

T = TypeVar("T")
Wrapper: TypeAlias = Callable[..., Any]


def around(piece: type[T], method: str, wrapper: Wrapper) -> type[T]:
    """Return a subclass whose method is `wrapper(honest, self, *args)`; a property is one without arguments.

    Example:
        server.enforcement = around(server.enforcement, "check_role", lambda honest, self, ctx, event: None)

    """
    found = getattr(piece, method)
    if isinstance(found, property):
        getter = found.fget
        replaced: Any = property(lambda self: wrapper(getter, self))
    elif callable(found):

        def replaced(self: Any, *args: Any, **options: Any) -> Any:
            return wrapper(found, self, *args, **options)

    else:
        raise TypeError(f"{piece.__name__}.{method} is no method")
    return cast("type[T]", type(piece.__name__, (piece,), {method: replaced}))


def around_codec(server: Assembly, method: str, wrapper: Wrapper, vsn: str | None = None) -> None:
    """Replace a method of the serializer of a version, or of all where None."""
    for version, codec in server.serializers.items():
        if vsn in {None, version}:
            server.serializers[version] = around(type(codec), method, wrapper)()


def around_decide(server: Assembly, wrapper: Wrapper) -> None:
    """Replace the decision on a handshake by `wrapper(honest, request, policy)`."""
    honest = server.decide
    server.decide = lambda request, policy: wrapper(honest, request, policy)


def around_wire(server: Assembly, method: str, wrapper: Wrapper) -> None:
    """Replace a method of the WebSocket protocol below the connections."""
    protocol = around(server.transport.wire_protocol, method, wrapper)
    server.transport = type(server.transport.__name__, (server.transport,), {"wire_protocol": protocol})


def around_effect(server: Assembly, family: str, event: str, wrapper: Wrapper) -> None:
    """Replace the effect of an event by `wrapper(honest, ctx)`."""
    honest = server.effects.events[family, event]
    server.effects.events[family, event] = lambda ctx: wrapper(honest, ctx)


def around_reading(server: Assembly, family: str, event: str, method: str, wrapper: Wrapper) -> None:
    """Replace what the effect of an event reads from the store: `wrapper(honest, ctx, *args)`, with the store's method as honest."""

    def effect(honest: Any, ctx: Any) -> Any:
        surroundings, store = ctx.surroundings, ctx.store
        other: Any = _OtherStore(store, method, lambda *args: wrapper(getattr(store, method), ctx, *args))
        ctx.surroundings = replace(surroundings, store=other)
        try:
            return honest(ctx)
        finally:
            ctx.surroundings = surroundings

    around_effect(server, family, event, effect)


def around_join(server: Assembly, family: str, wrapper: Wrapper) -> None:
    """Replace what an admitted join of a family answers and pushes by `wrapper(honest, ctx)`."""
    honest = server.effects.joins[family]
    server.effects.joins[family] = lambda ctx: wrapper(honest, ctx)


def around_store(server: Assembly, method: str, wrapper: Wrapper) -> None:
    """Replace a method of the store, whichever store the server gets."""
    make = server.store

    def build() -> Any:
        store = make()
        store.__class__ = around(type(store), method, wrapper)
        return store

    server.store = build


def around_rows(server: Assembly, method: str, wrapper: Wrapper) -> None:
    """Replace a method by which the ledger's rows become records, when the server starts."""
    rows = around(server.ledger.rows, method, wrapper)
    server.ledger = type(server.ledger.__name__, (server.ledger,), {"rows": rows})


def around_version(server: Assembly, name: str, wrapper: Wrapper) -> None:
    """Replace a method or property of the Phoenix version: `wrapper(honest_version, *args)`."""
    honest = server.settings.version
    server.settings = replace(server.settings, version=_OtherVersion(honest, name, wrapper))  # type: ignore[arg-type]


def with_event(api: Api, family: str, event: str, **changes: Any) -> Api:
    """Return documents in which one event says something else."""
    topic = api.topics[family]
    changed: Event = replace(topic.events[event], **changes)
    return with_topic(api, family, events={**topic.events, event: changed})


def with_topic(api: Api, family: str, **changes: Any) -> Api:
    """Return documents in which one topic family says something else."""
    changed: Topic = replace(api.topics[family], **changes)
    return replace(api, topics={**api.topics, family: changed})


class _OtherStore:
    """A store that differs in one method."""

    def __init__(self, honest: Any, name: str, method: Wrapper) -> None:
        self._honest = honest
        setattr(self, name, method)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._honest, name)


class _OtherVersion:
    """A Phoenix version that differs in one member."""

    def __init__(self, honest: Any, name: str, wrapper: Wrapper) -> None:
        self._honest = honest
        self._name = name
        self._wrapper = wrapper
        self._is_property = isinstance(getattr(type(honest), name, None), property)
        getattr(honest, name)

    def __getattr__(self, name: str) -> Any:
        if name != self._name:
            return getattr(self._honest, name)
        if self._is_property:
            return self._wrapper(self._honest)
        return lambda *args: self._wrapper(self._honest, *args)
