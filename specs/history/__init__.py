"""What was observed of an endpoint, and whether any legal order of events explains it: pure, incremental, linear.

Rules of this package: a finding says that *no* order explains what was observed. Between connections only real time is assumed (what
was observed before something was sent happened before it), on one connection the order of its frames. A push without an answer
may have happened or not, and may yet happen. What cannot be told is not told.

Reading order: `facts` (the vocabulary, and its recorder), `findings`, `holders` (connections, members, calls), `lifecycle` (states),
`deliveries` (who must be told what), `subject` (all that the documents alone say of a topic), then one module a family: `task`,
`negotiation`, `payment`, `presence`, `messages`; `checker` feeds them.
"""
