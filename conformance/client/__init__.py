"""A client that judges: a blocking connection that can send any bytes, and a monitor over every frame that comes back.

Reading order: `wire`, `monitor`, `peer`; beside them `transcript`, `raw_frames`, `plain_http`, `doubts`, `equality`.
"""
