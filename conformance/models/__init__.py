"""What an endpoint must accept, must refuse, or may do either of, family by family; pure, and none of a server's code.

A model is a value: how one topic stands. It is written from the documents and from `reading.md`; what these leave open it
leaves open. An endpoint whose answer did not come may have acted or not, and frames on their way at the same time may have
been taken in any order, so that a topic is followed as the set of all models that explain what was observed (`worlds`).

Reading order: `expectation`, `worlds`, then one module a family.
"""
