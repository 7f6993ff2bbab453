"""The reference server: the documented channels on a Phoenix layer of its own.

Reading order: `outcome` (what the two halves say to each other); the Phoenix layer `handshake`, `transport`, `connection`,
`broker`, `versions`, `server`; the channels `application`, `enforcement`, `membership`, `handlers`; what they keep, `store`
and `records`. The half that knows Phoenix knows no event of any channel, and the other way round.
"""
