"""Presence: the snapshot, the diffs, and that both tell the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.faults import CannotProvision, CannotTell
from conformance.verbs.gathering import Gathering, Meta, Refs, Watcher, refs_in
from conformance.verbs.observations import naming, phoenix_case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from conformance.client.peer import Peer
    from conformance.fixtures.lab import Lab


def _leaves_of(diffs: list[Any], meta: Meta) -> bool:
    return any(meta in refs_in(diff["leaves"]) for diff in diffs)


@phoenix_case("presence/state-after-join")
def state_after_join(lab: Lab) -> None:
    """Everyone who joins gets the snapshot, with those in it who were there before."""
    gathering = Gathering(lab)
    observer, first = gathering.watch()
    newcomer, _ = gathering.newcomer(observer)
    lab.demand(
        newcomer.sees(lambda present: first in present),
        "presence/state-after-join",
        f"the snapshot lists who was there before: {' '.join(first)}",
        newcomer.shown(),
    )


def _everything(lab: Lab) -> list[Watcher]:
    """Let agents come, change and leave, so that there are snapshots and diffs of every kind."""
    gathering = Gathering(lab)
    observer, _ = gathering.watch()
    newcomer, own = gathering.newcomer(observer)
    observer.sees(lambda present: own in present)
    gathering.update(newcomer)
    newcomer.peer.answer(newcomer.peer.leave(gathering.topic))
    observer.sees(lambda present: all(key != own[0] for key, _ in present))
    return [observer, newcomer]


def _entries(watchers: list[Watcher]) -> Iterator[Mapping[str, Any]]:
    for watcher in watchers:
        yield from watcher.states()
        for diff in watcher.diffs():
            yield from (diff["joins"], diff["leaves"])


@phoenix_case("presence/state-shape")
def state_shape(lab: Lab) -> None:
    """presence_state has an entry with metas for each key."""
    for watcher in _everything(lab):
        for state in watcher.states():
            lab.demand(_is_listing(state), "presence/state-shape", "an object from key to metas", state)


@phoenix_case("presence/diff-shape")
def diff_shape(lab: Lab) -> None:
    """presence_diff has joins and leaves, both in the shape of presence_state."""
    diffs = [diff for watcher in _everything(lab) for diff in watcher.diffs()]
    if not diffs:
        raise CannotTell("no presence_diff came")
    for diff in diffs:
        is_met = all(name in diff and _is_listing(diff[name]) for name in ("joins", "leaves"))
        lab.demand(is_met, "presence/diff-shape", "joins and leaves, objects from key to metas", diff)


def _is_listing(entries: Any) -> bool:
    return isinstance(entries, dict) and all(
        isinstance(entry, dict) and isinstance(entry.get("metas"), list) and entry["metas"]
        for entry in entries.values()
    )


@phoenix_case("presence/phx-ref-present")
def phx_ref_present(lab: Lab) -> None:
    """Every meta of snapshots and diffs has a string phx_ref."""
    rule = "presence/phx-ref-present"
    with naming(rule, "presence/state-shape", "presence/diff-shape", about="phx_ref"):
        watchers = _everything(lab)
    for entries in _entries(watchers):
        for entry in entries.values():
            for meta in entry["metas"]:
                lab.demand(isinstance(meta.get("phx_ref"), str), rule, "a string phx_ref", meta)


@phoenix_case("presence/phx-ref-unique")
def phx_ref_unique(lab: Lab) -> None:
    """Metas of several agents and connections, present at once and one after another, have phx_refs of their own."""
    gathering = Gathering(lab)
    observer, first = gathering.watch()
    metas, rule = [first], "presence/phx-ref-unique"
    for number in range(2):
        _, own = gathering.newcomer(observer, f"{gathering.names[-1]} {number}")
        metas.append(own)
        refs = [ref for _, ref in metas]
        lab.demand(len(set(refs)) == len(refs), rule, "a phx_ref of its own for each meta", ", ".join(refs))
    last = gathering.come(gathering.names[0], "last")
    for state in last.states():
        refs = [meta["phx_ref"] for entry in state.values() for meta in entry["metas"]]
        repeated = {ref for ref in refs if refs.count(ref) > 1}
        lab.demand(not repeated, rule, "no phx_ref twice in a snapshot", f"twice: {', '.join(repeated)}")


@phoenix_case("presence/self-appears")
def self_appears(lab: Lab) -> None:
    """A newcomer finds itself in its snapshot or in a diff, and with one phx_ref where in both."""
    gathering = Gathering(lab)
    observer, _ = gathering.watch()
    before = gathering.known
    newcomer, (key, _) = gathering.newcomer(observer)
    observer.sees(lambda present: any(one[0] == key for one in present))
    newcomer.peer.sync()
    own = {
        ref
        for entries in (*newcomer.states(), *(diff["joins"] for diff in newcomer.diffs()))
        for name, ref in refs_in(entries) - before
        if name == key
    }
    lab.demand(len(own) == 1, "presence/self-appears", f"one phx_ref for {key}", ", ".join(sorted(own)))


@phoenix_case("presence/joins-announced")
def joins_announced(lab: Lab) -> None:
    """Those on the topic are told of a newcomer by a presence_diff."""
    gathering = Gathering(lab)
    observer, _ = gathering.watch()
    _, own = gathering.newcomer(observer)
    observer.sees(lambda present: own in present)
    lab.demand(
        any(own in refs_in(diff["joins"]) for diff in observer.diffs()),
        "presence/joins-announced",
        f"a presence_diff that joins {' '.join(own)}",
        observer.shown(),
    )


@phoenix_case("presence/leaves-announced")
def leaves_announced(lab: Lab) -> None:
    """Those on the topic are told by a presence_diff when somebody leaves it."""
    _demand_leave_announced(lab, lambda leaver, topic: leaver.answer(leaver.leave(topic)))


@phoenix_case("presence/leaves-announced-on-close", "presence/leaves-announced")
def leaves_announced_on_close(lab: Lab) -> None:
    """Those on the topic are told by a presence_diff when somebody's connection is closed."""
    _demand_leave_announced(lab, lambda leaver, _topic: leaver.wire.close())


def _demand_leave_announced(lab: Lab, go: Callable[[Peer, str], object]) -> None:
    gathering = Gathering(lab)
    observer, _ = gathering.watch()
    leaver, own = gathering.newcomer(observer)
    if not observer.sees(lambda present: own in present):
        raise CannotTell("the newcomer is not announced; presence/joins-announced judges that")
    go(leaver.peer, gathering.topic)
    observer.sees(lambda present: own not in present)
    lab.demand(
        _leaves_of(observer.diffs(), own),
        "presence/leaves-announced",
        f"a presence_diff that leaves {' '.join(own)}",
        observer.shown(),
    )


def _updated(lab: Lab, requirement: str) -> tuple[Meta, list[dict[str, Any]]]:
    """Let a newcomer update its meta; return the meta that went and those that came in its place, from one diff.

    Raises:
        Violation: If the new meta names the old one, yet they come and go in different diffs.
        CannotTell: If nothing changed, or a meta was taken away and another one given.

    """
    gathering = Gathering(lab)
    observer, _ = gathering.watch()
    newcomer, own = gathering.newcomer(observer)
    if not observer.sees(lambda present: own in present):
        raise CannotTell("the newcomer is not announced; presence/joins-announced judges that")
    since = observer.peer.mark()
    gathering.update(newcomer)
    key, ref = own
    observer.sees(lambda present: own not in present and any(known == key for known, _ in present))
    # A second diff for the same update would have come with the first.
    observer.peer.sync()
    diffs = observer.diffs(since)
    came = [meta for diff in diffs for meta in _metas(diff["joins"], key)]
    whole = [diff for diff in diffs if own in refs_in(diff["leaves"]) and _metas(diff["joins"], key)]
    if not whole:
        names_old = any(meta.get("phx_ref_prev") == ref for meta in came)
        lab.demand(
            not names_old, "presence/update-is-one-diff", "the old meta leaves as the new one joins", diffs
        )
        raise CannotTell(f"no update of {key} {ref} is seen: {observer.shown()}")
    lab.demand(len(whole) == 1, requirement, "one presence_diff for one update", f"{len(whole)}: {whole}")
    return own, _metas(whole[0]["joins"], key)


def _metas(entries: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    return list(entries[key]["metas"]) if key in entries else []


@phoenix_case("presence/update-is-one-diff")
def update_is_one_diff(lab: Lab) -> None:
    """An update is one diff in which the old meta leaves and the new one joins."""
    (key, _), came = _updated(lab, "presence/update-is-one-diff")
    lab.demand(len(came) == 1, "presence/update-is-one-diff", f"one new meta of {key}", f"{len(came)} metas")


@phoenix_case("presence/update-names-previous-ref")
def update_names_previous_ref(lab: Lab) -> None:
    """The new meta of an update has a phx_ref of its own and names that of the old one."""
    rule = "presence/update-names-previous-ref"
    (_, ref), came = _updated(lab, "presence/update-is-one-diff")
    for meta in came:
        lab.demand(meta.get("phx_ref_prev") == ref, rule, f"phx_ref_prev {ref!r}", meta)
        lab.demand(meta["phx_ref"] != ref, rule, "a new phx_ref", meta)


def _two_connections(lab: Lab) -> tuple[Gathering, Watcher, list[tuple[Watcher, Meta]]] | None:
    """Let one agent come on two connections; None where its metas stand under different keys, which is reported."""
    gathering = Gathering(lab)
    if gathering.stage.agents[gathering.names[-1]].is_anonymous:
        raise CannotProvision("nothing tells the endpoint that two connections are of one agent")
    observer, _ = gathering.watch()
    both = [gathering.newcomer(observer, f"{gathering.names[-1]} {which}") for which in ("first", "second")]
    keys = {key for _, (key, _) in both}
    lab.demand(len(keys) == 1, "presence/one-key-per-agent", "one key for one agent", ", ".join(sorted(keys)))
    return (gathering, observer, both) if len(keys) == 1 else None


@phoenix_case(
    "presence/several-connections-several-metas",
    "presence/several-connections-several-metas",
    "presence/one-key-per-agent",
)
def several_connections_several_metas(lab: Lab) -> None:
    """An agent on two connections has two metas under its key, for those there and in its own snapshot."""
    found = _two_connections(lab)
    if found is None:
        return
    _, observer, both = found
    own = {meta for _, meta in both}
    for watcher in (observer, both[1][0]):
        lab.demand(
            watcher.sees(own.issubset),
            "presence/several-connections-several-metas",
            f"two metas: {' and '.join(ref for _, ref in sorted(own))}",
            watcher.shown(),
        )


@phoenix_case("presence/key-gone-with-last-meta")
def key_gone_with_last_meta(lab: Lab) -> None:
    """Of an agent's two connections the first that ends takes its meta away, the last one the key."""
    found, rule = _two_connections(lab), "presence/key-gone-with-last-meta"
    if found is None:
        return
    gathering, observer, ((first, gone), (second, stays)) = found
    if not observer.sees(lambda present: {gone, stays} <= present):
        raise CannotTell("two metas are not seen; presence/several-connections-several-metas judges that")
    first.peer.answer(first.peer.leave(gathering.topic))
    is_gone = observer.sees(lambda present: gone not in present)
    lab.demand(is_gone, rule, f"the meta {gone[1]} of the connection that left is gone", observer.shown())
    lab.demand(stays in observer.present, rule, f"the meta {stays[1]} stays", observer.shown())
    second.peer.wire.close()
    is_gone = observer.sees(lambda present: all(key != stays[0] for key, _ in present))
    lab.demand(is_gone, rule, f"the key {stays[0]} is gone with the last connection", observer.shown())


@phoenix_case("presence/rejoin-replaces-meta")
def rejoin_replaces_meta(lab: Lab) -> None:
    """After a second join on one connection its first meta is gone and a new one stands."""
    gathering = Gathering(lab)
    observer, _ = gathering.watch()
    newcomer, old = gathering.newcomer(observer)
    gathering.come_again(newcomer)
    new = gathering.own_meta(newcomer)
    for watcher in (observer, newcomer):
        is_replaced = watcher.sees(lambda present: old not in present and new in present)
        lab.demand(
            is_replaced,
            "presence/rejoin-replaces-meta",
            f"{new[1]} in the place of {old[1]}",
            watcher.shown(),
        )


@phoenix_case("presence/state-equals-folded-diffs")
def state_equals_folded_diffs(lab: Lab) -> None:
    """After arrivals, an update and departures, the folded diffs tell what a new snapshot tells."""
    gathering = Gathering(lab)
    observer, first = gathering.watch()
    leaver, left = gathering.newcomer(observer, "who leaves")
    _, stayed = gathering.newcomer(observer, "who stays")
    gathering.update(leaver)
    leaver.peer.answer(leaver.peer.leave(gathering.topic))
    late, last = gathering.newcomer(observer, "who comes late")
    observer.sees(lambda present: last in present and left not in present)
    keys = {first[0], left[0], stayed[0]}

    def ours(present: Refs) -> Refs:
        return frozenset(one for one in present if one[0] in keys)

    late.sees(lambda present: ours(present) == ours(observer.present))
    lab.demand(
        ours(observer.present) == ours(late.present),
        "presence/state-equals-folded-diffs",
        f"the late snapshot and the folded diffs tell the same of {', '.join(sorted(keys))}",
        f"{observer.shown()}; {late.shown()}",
    )
