"""Binary frames of serializer 2.0.0: what a client may send in them, and what ends the connection."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from conformance.client.raw_frames import BINARY, raw_frame
from conformance.faults import Violation
from conformance.verbs.containment import contained
from conformance.verbs.conversation import conversation
from conformance.verbs.endings import closes, raw, victim_of
from conformance.verbs.handshakes import agent_socket
from conformance.verbs.observations import demand_unmatched, naming, phoenix_case, replies
from specs import message as phx
from specs.binary_frames import pack_client_push
from specs.message import Frame, Message
from specs.serializer import V1, V2

if TYPE_CHECKING:
    from conformance.client.peer import Peer
    from conformance.fixtures.lab import Lab
    from conformance.verbs.conversation import Conversation

_HEARTBEAT = pack_client_push("", "b1", phx.PHOENIX_TOPIC, phx.HEARTBEAT, b"")
_ECHOES = ("frames/reply-echoes-ref", "frames/reply-echoes-join-ref")


def _demand_text(reply: Message | None, requirement: str) -> None:
    if reply is not None and isinstance(reply.payload["response"], bytes):
        raise Violation(requirement, "a reply in a text frame", f"a binary reply: {reply}")


def _heartbeat_answered(lab: Lab, requirement: str, data: bytes) -> None:
    peer = lab.connect(lab.agent("sender"), socket=agent_socket(lab).name, vsn=V2.vsn)
    with naming(requirement, *_ECHOES):
        answer = peer.answer(peer.send(Message(None, "b1", phx.PHOENIX_TOPIC, phx.HEARTBEAT, data)))
    if answer.kind != "ok":
        raise Violation(
            requirement, "a binary heartbeat is answered ok, with its ref as a string", str(answer)
        )
    _demand_text(answer.message, requirement)


def _unmatched(lab: Lab, requirement: str, topic: str, data: bytes = b"\x00\x01\xff") -> None:
    peer = lab.connect(lab.agent("sender"), socket=agent_socket(lab).name, vsn=V2.vsn)
    push = peer.send(Message("7", "b1", topic, "event", data))
    with naming(requirement, *_ECHOES):
        demand_unmatched(lab, peer, push, requirement)
    _demand_text(next(iter(replies(peer, push)), None), requirement)


@phoenix_case("binary/push-decoded")
def push_decoded(lab: Lab) -> None:
    """A binary push on a topic that is not joined is answered "unmatched topic" with its ref and topic."""
    _unmatched(lab, "binary/push-decoded", lab.unique("wireproof-unjoined:"))


@phoenix_case("binary/lengths-count-bytes")
def lengths_count_bytes(lab: Lab) -> None:
    """The topic of a binary push is decoded whole when it has fewer characters than bytes."""
    _unmatched(lab, "binary/lengths-count-bytes", lab.unique("wireproof-ünverbunden-漢字-😀:"))


@phoenix_case("binary/heartbeat-answered-as-text")
def heartbeat(lab: Lab) -> None:
    """A binary heartbeat is answered by a text reply."""
    _heartbeat_answered(lab, "binary/heartbeat-answered-as-text", b"beat")


@phoenix_case("binary/empty-data-accepted")
def empty_data(lab: Lab) -> None:
    """A binary heartbeat and a binary push without data are answered like any other."""
    _heartbeat_answered(lab, "binary/empty-data-accepted", b"")
    _unmatched(lab, "binary/empty-data-accepted", lab.unique("wireproof-unjoined:"), b"")


@phoenix_case("binary/joined-push-contained")
def joined_push(lab: Lab) -> None:
    """A binary push on a joined topic ends at most that channel."""
    talk, rule = conversation(lab, vsn=V2.vsn), "binary/joined-push-contained"
    for data in (b"\x00\x01\xff", b"{}", b""):
        with naming(rule, *_ECHOES):
            contained(talk, rule, f"a binary push with {data!r}", partial(_binary_push, talk, data))


def _binary_push(talk: Conversation, data: bytes, peer: Peer) -> Message:
    return peer.session.push(talk.topic, talk.event.event, data)


@phoenix_case("binary/join-accepted")
def join(lab: Lab) -> None:
    """A binary phx_join gets one reply with its refs; where it is ok, the topic is joined."""
    talk, rule = conversation(lab, vsn=V2.vsn), "binary/join-accepted"
    peer = talk.connect(talk.by, "binary joiner")
    sent = peer.session.join(talk.topic, b"")
    with naming(rule, *_ECHOES):
        answer = peer.answer(peer.send(sent))
        peer.sync()
    count = len(replies(peer, sent))
    if answer.kind not in {"ok", "error"} or count != 1:
        raise Violation(rule, "a binary join gets one phx_reply, ok or error", f"{answer}; {count} replies")
    _demand_text(answer.message, rule)
    if answer.kind == "ok":
        talk.demand_taken(rule, "a topic joined by a binary join is joined", peer)
    else:
        _demand_text_join(talk, peer, rule)


def _demand_text_join(talk: Conversation, peer: Peer, requirement: str) -> None:
    again = peer.join(talk.topic)
    if again.kind != "ok":
        raise Violation(
            requirement, "after a refused binary join the topic can be joined by a text one", str(again)
        )


@phoenix_case("binary/leave-accepted")
def leave(lab: Lab) -> None:
    """A binary phx_leave is answered ok and followed by phx_close; then the topic is not joined."""
    talk, rule = conversation(lab, vsn=V2.vsn), "binary/leave-accepted"
    peer = victim_of(talk, talk.by)
    join_ref = peer.session.join_ref(talk.topic)
    since = peer.mark()
    with naming(rule, *_ECHOES, "leaving/end-carries-join-ref"):
        answer = peer.answer(peer.send(Message(join_ref, "b2", talk.topic, phx.PHX_LEAVE, b"")))
        closed = peer.wait_event(talk.topic, phx.PHX_CLOSE, since=since)
    if answer.kind != "ok" or closed is None:
        raise Violation(
            rule, "a binary leave gets an ok reply and phx_close", f"{answer}; {closed or 'no phx_close'}"
        )
    demand_unmatched(lab, peer, peer.send(Message(join_ref, "b3", talk.topic, talk.event.event, {})), rule)


@phoenix_case("binary/empty-join-ref-push")
def empty_join_ref(lab: Lab) -> None:
    """A binary push with an empty join_ref is taken by the channel of its topic or dropped; the connection goes on."""
    talk, rule = conversation(lab, vsn=V2.vsn), "binary/empty-join-ref-push"
    own: list[object] = []

    def compose(peer: Peer) -> Message:
        own.append(peer.session.join_ref(talk.topic))
        return Message(None, "b4", talk.topic, talk.event.event, b"")

    with naming(rule, *_ECHOES):
        outcome = contained(talk, rule, "a binary push with an empty join_ref", compose)
    for reply in outcome.replies:
        if reply.join_ref not in own:
            raise Violation(rule, f"a reply carries the channel's join_ref {own[0]!r}", f"{reply}")


@phoenix_case("binary/cut-frame-closes")
def cut_frame(lab: Lab) -> None:
    """A binary frame that is empty or shorter than its sizes claim closes the connection with 1011."""
    frames = [b"", b"\x00", _HEARTBEAT[:3], _HEARTBEAT[:-1]]
    sent = {f"a binary frame of {len(frame)} bytes": raw(raw_frame(BINARY, frame)) for frame in frames}
    closes(lab, "binary/cut-frame-closes", sent)


@phoenix_case("binary/unknown-kind-closes")
def unknown_kind(lab: Lab) -> None:
    """A binary frame of a kind that no client may send closes the connection with 1011."""
    sent = {
        f"a binary frame of kind {kind}": raw(raw_frame(BINARY, bytes([kind]) + _HEARTBEAT[1:]))
        for kind in (1, 2, 3, 255)
    }
    closes(lab, "binary/unknown-kind-closes", sent)


@phoenix_case("binary/json-in-binary-frame-closes")
def json_in_binary_frame(lab: Lab) -> None:
    """JSON text in a binary frame closes a connection of serializer 2.0.0 with 1011."""
    text = b'[null,"b5","phoenix","heartbeat",{}]'
    closes(
        lab, "binary/json-in-binary-frame-closes", {"JSON in a binary frame": raw(raw_frame(BINARY, text))}
    )


class _BinaryOpcode(V1):
    """Serializer 1.0.0 that puts its objects into binary frames."""

    def encode_client(self, message: Message) -> Frame:
        return Frame(super().encode_client(message).data, is_text=False)


@phoenix_case("binary/v1-opcode-ignored")
def v1_opcode_ignored(lab: Lab) -> None:
    """Under serializer 1.0.0 a heartbeat, a join and a push in binary frames are taken like text."""
    talk, rule = conversation(lab, vsn=V2.vsn), "binary/v1-opcode-ignored"
    peer = talk.connect(talk.by, "binary sender", vsn="1.0.0")
    peer.serializer = _BinaryOpcode()
    for answer, what in ((peer.sync(), "a heartbeat"), (peer.join(talk.topic), "a join")):
        if answer.kind != "ok":
            raise Violation(rule, f"{what} in a binary frame is answered ok", str(answer))
    talk.demand_taken(rule, "a channel joined by a binary frame takes one", peer)
