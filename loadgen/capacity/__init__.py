"""The largest load at which the objectives hold.

Reading order: `search` (which rate comes next), `step` (what one run at a rate comes to), `seeking` (runs the steps), `answer` (what all of
them say, with the knee), `terminal` and `cli`.
"""
