"""What was recorded from real Phoenix before the judges of the suite: nothing that Phoenix does is held against it.

The recorded server is a plain Phoenix application with topics of its own, of which the documents know the snapshot and the
diffs of presence alone. So it is judged as the suite judges such a server: by the rules of the Phoenix layer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from conformance.cases import frame_forms, handshake, leaving
from conformance.client.wire import Closed
from conformance.endpoint import Endpoint
from conformance.faults import Violation
from conformance.fixtures.lab import Bench, Lab
from conformance.fixtures.provision import Agent, Provisioner
from specs.loader import load
from specs.message import Frame
from specs.model import Api
from specs.participants import Participant
from tests.captures.judged import JudgedRow
from tests.captures.recorded_http import RecordedHttp
from tests.captures.recorded_peer import RecordedPeer

ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in (Path(__file__).parent / "phoenix-captures.jsonl").read_bytes().splitlines()
]
RUNS = sorted({row["run"] for row in ROWS if row["case"] == "unsupported_vsn"})
"""The runs that recorded everything; a further one recorded what a crash looks like."""
ROW_COUNT = 227
JUDGED_COUNT = 202

JOINED = '["1","1","task:t1","phx_reply",{"response":{},"status":"ok"}]'
BEAT = '[null,"1","phoenix","phx_reply",{"response":{},"status":"ok"}]'
HANDSHAKES = "its handshakes are put before the cases about handshakes, as one"
NOTHING_TO_JUDGE = "the suite has no requirement about it"


@dataclass(frozen=True)
class Omitted:
    """Rows that are not played before the judges."""

    runs: str
    case: str
    reason: str


OMITTED = (
    Omitted("*", "unsupported_vsn", HANDSHAKES),
    Omitted("*", "auth_http", HANDSHAKES),
    Omitted("*", "http_handshake_edge", HANDSHAKES),
    Omitted("*", "client_close_codes", "a test of its own puts the codes before the case about them"),
    Omitted("*", "origin_check", NOTHING_TO_JUDGE),
    Omitted("*", "longpoll", NOTHING_TO_JUDGE),
    Omitted("*", "ws_ping", "the recording keeps how long a pong took, and not the pong"),
    Omitted("*", "idle_timeout_ws_ping_resets", NOTHING_TO_JUDGE),
    Omitted("cowboy/1.7.21/*", "many_channels", "none of its joins was refused, and no other was recorded"),
)

#: The requirement that judges how the server of a row ended a connection, and the code that it demands.
ENDS: Mapping[str, tuple[str, int]] = {
    "invalid_json": ("malformed/invalid-json-closes", 1011),
    "invalid_json_effect_on_other_conn": ("malformed/invalid-json-closes", 1011),
    "empty_text": ("malformed/empty-text-closes", 1011),
    "json_object": ("malformed/wrong-serializer-closes", 1011),
    "default_vsn_v1": ("malformed/wrong-serializer-closes", 1011),
    "json_scalar": ("malformed/non-array-closes", 1011),
    "array_len4": ("malformed/short-array-closes", 1011),
    "array_empty": ("malformed/short-array-closes", 1011),
    "upper_case_events_and_whitespace_json": ("malformed/trailing-data-closes", 1011),
    "key_order_and_numbers": ("malformed/number-overflow-closes", 1011),
    "lone_surrogate": ("malformed/lone-surrogate-closes", 1011),
    "invalid_utf8_text": ("malformed/invalid-utf8-closes", 1007),
    "binary_malformed": ("binary/cut-frame-closes", 1011),
}
#: The codes of ends about whose code there is no requirement, or one with several; no frame comes before.
OWN_ENDS = {
    "server_disconnect": leaving.DISCONNECT_CODES,
    "idle_timeout_2s": {1000, 1002},
    "frame_too_big": {1009},
    "unmasked_frame": {1002},
}


class Nobody(Provisioner):
    """Gives out agents that exist in the recording alone."""

    def create_agent(self, participant: Participant, attributes: Mapping[str, Any]) -> Agent:
        """Give the recording's agent."""
        return Agent(participant, "a1", "", "key_a1", "t")

    def create_resource(self, family: str, roles: Mapping[str, str], params: Mapping[str, Any]) -> str:
        """Give the recording's task."""
        return "task:t1"


@pytest.fixture(scope="module")
def plain() -> Api:
    """The documents as they hold for a plain Phoenix server: no topics but presence."""
    api = load()
    discovery = api.topics["discovery"]
    told = {name: event for name, event in discovery.events.items() if name.startswith("presence_")}
    return replace(api, topics={"discovery": replace(discovery, events=told)})


@pytest.fixture(scope="module")
def bench(plain: Api) -> Bench:
    """What is the same for all rows."""
    return Bench(plain, Endpoint(url="ws://127.0.0.1:9"), Nobody(), 1, "captures")


@pytest.fixture
def lab(bench: Bench) -> Lab:
    """An attempt at nothing in particular."""
    # Advice is given once for each case of a run: here each row is a run of its own.
    bench.doubts.told.clear()
    return Lab(bench, "captures", 1)


def is_omitted(row: dict[str, Any]) -> bool:
    return any(fnmatch(row["run"], each.runs) and each.case == row["case"] for each in OMITTED)


JUDGED = [row for row in ROWS if not is_omitted(row)]


def test_every_recorded_row_is_judged_or_in_the_table() -> None:
    """No row is silently left out, and every entry of the tables is about something that was recorded."""
    cases = {row["case"] for row in ROWS}
    assert (len(ROWS), len(JUDGED)) == (ROW_COUNT, JUDGED_COUNT)
    assert {each.case for each in OMITTED} | ENDS.keys() | OWN_ENDS.keys() <= cases
    ended = {row["case"] for row in JUDGED if any("closed" in step for step in row["log"])}
    assert ended == ENDS.keys() | OWN_ENDS.keys()


@pytest.mark.parametrize("row", JUDGED, ids=lambda row: f"{row['run']} {row['case']}")
def test_nothing_that_phoenix_did_is_held_against_it(lab: Lab, row: dict[str, Any]) -> None:
    """Every frame passes the monitor, every answer the verbs; there is no advice either but about the app's own events."""
    judged = JudgedRow(lab, ENDS.get(row["case"]))
    judged.play(row["log"])
    assert judged.judged > 0
    assert {breach.requirement for breach in lab.breaches} <= {"frames/known-event"}
    codes = {step["closed"]["code"] for step in row["log"] if "closed" in step}
    assert codes <= OWN_ENDS.get(row["case"], codes)


@pytest.mark.parametrize(
    ("case", "recorded", "altered", "requirement"),
    [
        ("join_ok", '["1","1","task', '["1","9","task', "frames/reply-echoes-ref"),
        (
            "leave",
            '["1","1","task:t1","phx_close"',
            '["1","2","task:t1","phx_close"',
            "leaving/end-carries-join-ref",
        ),
        ("duplicate_join", '"phx_close"', '"phx_error"', "joining/duplicate-join-closes-old"),
        ("push_unjoined", "unmatched topic", "no such topic", "frames/reply-echoes-join-ref"),
        ("leave_unjoined", '"status":"ok"', '"status":"error"', "leaving/unjoined-leave-ok"),
    ],
)
def test_an_altered_answer_is_held_against_it(
    lab: Lab, case: str, recorded: str, altered: str, requirement: str
) -> None:
    """The judges do judge: of what Phoenix did, a little altered, each is accused of what it then breaks."""
    row = next(row for row in ROWS if row["case"] == case)
    log = [
        {**step, "recv": step["recv"].replace(recorded, altered)} if step.get("recv") else step
        for step in row["log"]
    ]
    with pytest.raises(Violation) as caught:
        JudgedRow(lab, None).play(log)
    assert caught.value.breach.requirement == requirement


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    ("case", "vsn"),
    [
        *((check, "2.0.0") for check in ("text_opcode", "v2_five_elements", "topic_and_event_strings")),
        *((check, "2.0.0") for check in ("payload_object", "reply_shape")),
        ("v1_object_keys", "1.0.0"),
    ],
)
def test_the_form_of_no_frame_is_held_against_phoenix(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, run: str, case: str, vsn: str
) -> None:
    """The cases about the form of frames find nothing in those that were recorded, but where the client's own topic was none."""
    echoed = {"topic_nonstring", "topic_null"}
    received = [
        step.get("recv")
        for row in ROWS
        if row["run"] == run and row["case"] not in echoed
        for step in row["log"]
    ]
    first = "[" if vsn == "2.0.0" else "{"
    texts = [text for text in received if isinstance(text, str) and text.startswith(first)]
    frames = [Frame(text.encode(), is_text=True) for text in texts]
    assert frames
    monkeypatch.setattr(frame_forms, "_all_kinds", lambda _lab, _vsn="2.0.0": frames)
    monkeypatch.setattr(frame_forms, "_without_channel", lambda _lab: frames)
    getattr(frame_forms, case)(lab)
    assert lab.breaches == []


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    "case",
    [
        *("upgrade_accepted", "no_origin", "no_subprotocol", "no_unoffered_extension", "other_path"),
        *("bad_credential", "missing_credential", "credential_refusal_status", "structured_credential"),
        *("credential_before_upgrade", "vsn_unsupported", "invalid_query", "invalid_upgrade", "post"),
    ],
)
def test_no_handshake_is_held_against_phoenix(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, run: str, case: str
) -> None:
    """The cases about handshakes find nothing in the HTTP answers that were recorded."""
    shaken = {each.case for each in OMITTED if each.reason == HANDSHAKES}
    recorded = RecordedHttp([row for row in ROWS if row["run"] == run and row["case"] in shaken])
    monkeypatch.setattr("conformance.verbs.handshakes.ask", recorded.ask)
    monkeypatch.setattr(handshake, "control", lambda *_arguments: None)
    monkeypatch.setattr(handshake, "_UNSUPPORTED", recorded.refused_versions)
    getattr(handshake, case)(lab)
    assert lab.breaches == []
    assert recorded.answered


@pytest.mark.parametrize("run", RUNS)
def test_no_close_code_is_held_against_phoenix(lab: Lab, monkeypatch: pytest.MonkeyPatch, run: str) -> None:
    """The case about the close frames of clients finds nothing in the codes that were recorded."""
    row = next(row for row in ROWS if (row["run"], row["case"]) == (run, "client_close_codes"))
    echoes = {step["client_close"]: step["server_echo"] for step in row["log"] if "client_close" in step}
    assert set(echoes) == set(leaving.CLIENT_CODES)
    monkeypatch.setattr(leaving, "conversation", lambda _lab: Closing(lab, echoes))
    leaving.client_close_answered(lab)
    assert lab.breaches == []


class Closing:
    """A conversation whose connections are closed with the recorded codes."""

    by, topic = "a", "task:t1"

    def __init__(self, lab: Lab, echoes: Mapping[int, int]) -> None:
        self.lab = lab
        self._echoes = echoes

    def connect(self, _name: str, connection: str) -> RecordedPeer:
        """Give a connection that joins, hears a heartbeat answered, and is closed."""
        peer = RecordedPeer(self.lab, connection, "/socket/websocket?vsn=2.0.0")
        code = connection.rpartition(" ")[2]
        answer = JOINED if code.isdecimal() else BEAT
        peer.wire.frames.append(Frame(answer.encode(), is_text=True))
        peer.wire.closed = Closed(self._echoes[int(code)]) if code.isdecimal() else None
        return peer

    def demand_taken(self, *_arguments: Any) -> None:
        """Push nothing."""
