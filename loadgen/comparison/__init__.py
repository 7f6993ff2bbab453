"""Two runs compared: what differs, and what is noise.

Reading order: `intervals` (the arithmetic), `runs` (what is read of a run folder), `comparing` (which figures are compared, and what that
says), `cli`.
"""
