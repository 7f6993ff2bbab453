"""Each rule about negotiations, with a history that breaks it and the nearest ones that do not."""

from __future__ import annotations

import pytest

from tests.specs.history.story import SESSION, Story


@pytest.fixture
def story() -> Story:
    """A session at a base price of 100 with its client (c) and its provider (p) joined."""
    return Story().session()


def offer(story: Story, by: str, amount: str) -> None:
    """Offer; it is taken and relayed."""
    call = story.push(by, SESSION, "offer", amount=amount, signature="s")
    other = "p" if by == "c" else "c"
    story.told(other, SESSION, "offer", amount=amount, signature="s", agent_id=by)
    story.ok(call)


def accept(story: Story, amount: str) -> None:
    """Accept; it is taken and told."""
    call = story.push("c", SESSION, "accept", amount=amount, signature="s")
    agree(story, amount, "c", "p")
    story.ok(call)


def agree(story: Story, amount: str, *to: str) -> None:
    """Tell of an agreement."""
    for connection in to:
        story.told(connection, SESSION, "negotiation_complete", session_id="n1", amount=amount)


def test_an_agreement_on_the_average_has_no_finding(story: Story) -> None:
    """Offers that are replaced, an exact average with more digits than an offer has, and a refused event afterwards."""
    for by, amount in (("c", "10"), ("p", "200"), ("c", "100.00000001"), ("p", "120.00000003")):
        offer(story, by, amount)
    accept(story, "110.00000002")
    story.refused("c", SESSION, "offer", amount="1", signature="s")
    story.join("c", SESSION, {"session": {"id": "n1", "status": "agreed"}})
    assert story.settled(SESSION) == []


@pytest.mark.parametrize(
    ("amount", "found"), [("200", []), ("200.00000001", ["offer-bound-exact"]), ("201", ["offer-bound"])]
)
def test_an_offer_is_bounded(story: Story, amount: str, found: list[str]) -> None:
    """negotiation/offer-bound; what a server rounds away is an interpretation."""
    offer(story, "c", amount)
    assert story.found == [f"negotiation/{name}" for name in found]


@pytest.mark.parametrize(
    ("amount", "found"),
    [("110.00000001", "average-exact"), ("105", "accept-is-average"), ("60", "accept-is-average")],
)
def test_another_amount_than_the_average_is_found(story: Story, amount: str, found: str) -> None:
    """negotiation/accept-is-average, of the latest offers: 105 and 60 would be those with a replaced one."""
    for by, price in (("c", "90"), ("c", "100"), ("p", "20"), ("p", "120")):
        offer(story, by, price)
    accept(story, amount)
    assert story.found == [f"negotiation/{found}"]


@pytest.mark.parametrize(("amount", "is_found"), [("110", False), ("115", False), ("112.5", True)])
def test_an_offer_under_way_may_be_the_latest(story: Story, amount: str, is_found: bool) -> None:
    """While a new offer is under way the average may be that with the old one or with the new one."""
    offer(story, "c", "100")
    offer(story, "p", "120")
    new = story.push("p", SESSION, "offer", amount="130", signature="s")
    accept(story, amount)
    story.lost(new)
    assert story.found == ["negotiation/accept-is-average"] * is_found


@pytest.mark.parametrize(("amount", "is_found"), [("110", True), ("115", False)])
@pytest.mark.parametrize("is_offer_first", [False, True])
def test_what_is_agreed_on_is_the_average_of_all_that_was_offered(
    story: Story, amount: str, *, is_found: bool, is_offer_first: bool
) -> None:
    """negotiation/concurrent-pushes-ordered: an offer that was taken came before the agreement, which takes none any more."""
    offer(story, "c", "100")
    offer(story, "p", "120")
    new = story.push("p", SESSION, "offer", amount="130", signature="s")
    call = story.push("c", SESSION, "accept", amount=amount, signature="s")
    for answer in (new, call) if is_offer_first else (call, new):
        if answer is call:
            agree(story, amount, "c", "p")
        else:
            story.told("c", SESSION, "offer", amount="130", signature="s", agent_id="p")
        story.ok(answer)
    assert story.found == ["negotiation/concurrent-pushes-ordered"] * is_found


def test_rounding_is_no_matter_of_order(story: Story) -> None:
    """negotiation/average-exact alone: which average a server takes is one thing, how exactly it reckons another."""
    offer(story, "c", "100")
    offer(story, "p", "120")
    new = story.push("p", SESSION, "offer", amount="130", signature="s")
    accept(story, "115.00000001")
    story.told("c", SESSION, "offer", amount="130", signature="s", agent_id="p")
    story.ok(new)
    assert story.found == ["negotiation/average-exact"]


def test_an_offer_at_the_same_time_may_be_refused(story: Story) -> None:
    """Then the agreement came first."""
    offer(story, "c", "100")
    offer(story, "p", "120")
    new = story.push("p", SESSION, "offer", amount="130", signature="s")
    accept(story, "110")
    story.error(new)
    assert story.settled(SESSION) == []


def test_an_offer_that_was_refused_takes_no_part(story: Story) -> None:
    """negotiation/accept-is-average."""
    offer(story, "c", "100")
    offer(story, "p", "120")
    story.refused("p", SESSION, "offer", amount="130", signature="s")
    accept(story, "115")
    assert story.found == ["negotiation/accept-is-average"]


def test_an_acceptance_needs_both_offers(story: Story) -> None:
    """negotiation/accept-needs-both-offers."""
    offer(story, "c", "100")
    accept(story, "100")
    assert story.found == ["negotiation/accept-needs-both-offers"]


def test_amounts_in_another_form_are_left_alone(story: Story) -> None:
    """A deployment may write amounts as numbers; then no average is judged."""
    for by, amount in (("c", 10.5), ("p", 20.5)):
        story.done(by, SESSION, "offer", amount=amount, signature="s")
    story.done("c", SESSION, "accept", amount=15.5, signature="s")
    assert story.found == []


def test_an_agreement_is_told_where_there_is_one(story: Story) -> None:
    """negotiation/no-agreement-without-accept, negotiation/refusal-has-no-effect where it was refused."""
    offer(story, "c", "100")
    agree(story, "100", "p")
    assert story.found == ["negotiation/no-agreement-without-accept"]
    other = Story().session()
    other.refused("c", SESSION, "accept", amount="1", signature="s")
    agree(other, "1", "p")
    assert other.found == ["negotiation/refusal-has-no-effect"]


def test_an_agreement_is_told_to_both_and_once(story: Story) -> None:
    """negotiation/agreement-broadcast-once and negotiation/agreement-broadcast."""
    offer(story, "c", "100")
    offer(story, "p", "120")
    story.done("c", SESSION, "accept", amount="110", signature="s")
    agree(story, "110", "c", "c")
    assert story.found == ["negotiation/agreement-broadcast-once"]
    assert story.settled(SESSION)[1:] == ["negotiation/agreement-broadcast"]


def test_an_agreement_is_on_the_accepted_amount(story: Story) -> None:
    """negotiation/agreement-amount; as a number the amount is the same."""
    offer(story, "c", "100")
    offer(story, "p", "120")
    call = story.push("c", SESSION, "accept", amount="110", signature="s")
    story.told("c", SESSION, "negotiation_complete", amount=110)
    assert story.found == []
    agree(story, "111", "p")
    story.ok(call)
    assert story.found == ["negotiation/agreement-amount"]


def test_a_session_ends_in_one_way(story: Story) -> None:
    """negotiation/settled-is-final: of an acceptance and a rejection at once one is taken."""
    offer(story, "c", "100")
    offer(story, "p", "120")
    calls = [
        story.push("c", SESSION, "accept", amount="110", signature="s"),
        story.push("p", SESSION, "reject", reason="no"),
    ]
    for call in calls:
        story.ok(call)
    assert story.found == ["negotiation/settled-is-final"]


def test_nothing_follows_a_rejection(story: Story) -> None:
    """negotiation/ended-is-final, also where only its relay was seen."""
    call = story.push("p", SESSION, "reject", reason="no")
    story.told("c", SESSION, "reject", reason="no", agent_id="provider")
    story.done("c", SESSION, "offer", amount="1", signature="s")
    assert story.found == ["negotiation/ended-is-final"]
    story.lost(call)


def test_an_offer_that_is_altered_is_found(story: Story) -> None:
    """negotiation/offer-relayed: unchanged."""
    call = story.push("c", SESSION, "offer", amount="100", signature="s")
    story.told("p", SESSION, "offer", amount="100.0", signature="s", agent_id="client")
    story.ok(call)
    assert story.found == ["negotiation/offer-relayed"]


def test_an_agreement_is_not_on_the_amount_that_was_refused(story: Story) -> None:
    """negotiation/agreement-amount: while both acceptances are open it may be either's; once one is refused it is the other's."""
    for told in ("110", "150"):
        each = Story().session()
        offer(each, "c", "100")
        offer(each, "p", "120")
        calls = [
            each.push(by, SESSION, "accept", amount=amount, signature="s")
            for by, amount in (("c", "110"), ("p", "150"))
        ]
        agree(each, told, "c", "p")
        each.ok(calls[0])
        assert each.found == []
        each.error(calls[1])
        assert each.found == ["negotiation/agreement-amount"] * (told == "150")


@pytest.mark.parametrize(("told", "found"), [("110", []), ("150", ["negotiation/accept-is-average"])])
def test_an_agreement_whose_acceptance_nobody_knows_is_on_the_average(
    story: Story, told: str, found: list[str]
) -> None:
    """Of two acceptances without an answer the agreement shows which was taken."""
    offer(story, "c", "100")
    offer(story, "p", "120")
    calls = [
        story.push(by, SESSION, "accept", amount=amount, signature="s")
        for by, amount in (("c", "110"), ("p", "150"))
    ]
    agree(story, told, "c", "p")
    for call in calls:
        story.lost(call)
    assert story.settled(SESSION) == found


def test_what_one_connection_sends_is_taken_in_order(story: Story) -> None:
    """Behind its own rejection nothing of it is taken; its later offer replaces its former one, whenever they are answered."""
    calls = [
        story.push("p", SESSION, "reject", reason="no"),
        story.push("p", SESSION, "offer", amount="1", signature="s"),
    ]
    for call in calls:
        story.ok(call)
    assert story.found == ["negotiation/ended-is-final"]
    other = Story().session()
    offer(other, "c", "100")
    for call in [other.push("p", SESSION, "offer", amount=each, signature="s") for each in ("110", "120")]:
        other.ok(call)
    accept(other, "105")
    assert other.found == ["negotiation/accept-is-average"]


def test_what_is_sent_before_an_end_is_taken_before_it(story: Story) -> None:
    """The other way round, and from another connection, some order is legal."""
    story.enter(SESSION, {}, p2="provider")
    calls = [
        story.push("p", SESSION, "offer", amount="1", signature="s"),
        story.push("p", SESSION, "reject", reason="no"),
        story.push("p2", SESSION, "offer", amount="2", signature="s"),
    ]
    for call in calls[::-1]:
        story.ok(call)
    assert story.found == []
