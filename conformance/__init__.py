"""The conformance suite: checks an endpoint against the documented protocol and says what it breaks, with evidence.

Reading order: `faults` (how a case ends, and who is to blame), `client` (a connection that judges every frame), `fixtures`
(agents, topics and their cast), `verbs` (acceptance and refusal), `derive` and `cases` (the cases themselves), `engine` and
`verdicts` (running and judging), `check` and `cli`.
"""
