"""The conformance suite: checks an endpoint against the documented protocol and says what it breaks, with evidence.

Reading order: `case` and `faults` (what a case is and how it ends), `wire`, `monitor` and `peer` (a connection that
judges every frame), `lab` and `stage` (fixtures), `expectations` (acceptance and refusal), `derive` and `cases` (the cases
themselves), `engine` and `verdicts` (running and judging), `check` and `cli`.
"""
