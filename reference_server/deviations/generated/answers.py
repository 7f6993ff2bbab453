"""Servers that do not answer an event, or answer something else than what has become of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.generated.contents import broken
from reference_server.deviations.replacing import around
from reference_server.outcome import Channel, Outcome
from specs import samples
from specs.faults import single_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference_server.assembly import Assembly
    from reference_server.context import Context
    from reference_server.deviations.deviation import Deviation
    from reference_server.deviations.generated.subject import Subject


def deviations(subject: Subject) -> Iterator[Deviation]:
    """Return the deviations of the reply to an event."""
    yield _drops_reply(subject)
    yield _refuses_without_reason(subject)
    yield from _breaks_reply(subject)
    if subject.event.relay or subject.event.broadcasts:
        yield _answers_without_effect(subject)
        if "refusal" in subject.event.rules:
            yield _answers_error_but_acts(subject)


def _drops_reply(subject: Subject) -> Deviation:
    def reply(honest: Any, self: Any, message: Any, membership: Any, outcome: Any) -> None:
        if not subject.is_event(membership.channel, message.event):
            honest(self, message, membership, outcome)

    def install(server: Assembly) -> None:
        server.connection = around(server.connection, "_reply_of_channel", reply)

    return subject.deviation(
        "drops-reply",
        (subject.topic.answer_rule(subject.event),),
        f"{subject.event.event} is never answered.",
        install,
    )


def _refuses_without_reason(subject: Subject) -> Deviation:
    def change(outcome: Outcome, _channel: Channel, _payload: Any) -> Outcome:
        return outcome if outcome.status == "ok" else replace(outcome, response={})

    return subject.deviation(
        "refuses-without-reason",
        (subject.topic.answer_rule(subject.event),),
        f"{subject.event.event} is refused with an empty response.",
        subject.answered(change),
    )


def _breaks_reply(subject: Subject) -> Iterator[Deviation]:
    schema, name = subject.event.reply, subject.event.event
    for fault in single_faults(schema, samples.full(schema)):
        site = fault.site

        def change(outcome: Outcome, _channel: Channel, _payload: Any, site: str = site) -> Outcome:
            is_meant = outcome.status == "ok"
            return replace(outcome, response=broken(schema, outcome.response, site)) if is_meant else outcome

        yield subject.deviation(
            f"breaks-reply-{site}",
            (subject.event.rules["reply"],),
            f"The ok reply to {name} breaks {fault.keyword} at {fault.pointer or '/'}.",
            subject.answered(change),
        )


def _answers_error_but_acts(subject: Subject) -> Deviation:
    def change(outcome: Outcome, _channel: Channel, _payload: Any) -> Outcome:
        is_meant = outcome.status == "ok"
        return (
            replace(outcome, status="error", response={"reason": "internal_error"}) if is_meant else outcome
        )

    return subject.deviation(
        "answers-error-but-acts",
        (subject.event.rules["refusal"],),
        f"{subject.event.event} is answered with an error and has its effect all the same.",
        subject.answered(change),
    )


def _answers_without_effect(subject: Subject) -> Deviation:
    rule = subject.event.rules["relay" if subject.event.relay else "broadcast"]

    def nothing(ctx: Context) -> None:
        ctx.is_relayed = False

    def install(server: Assembly) -> None:
        server.effects.events[subject.topic.name, subject.event.event] = nothing

    return subject.deviation(
        "answers-ok-without-effect",
        (rule,),
        f"{subject.event.event} is answered ok, and nothing follows.",
        install,
    )
