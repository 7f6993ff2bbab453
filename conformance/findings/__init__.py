"""What a run leaves of a finding: a file that `wireproof replay` runs again, and known findings that a gate lets pass.

Reading order: `finding_file`, `recording`; beside them `documents`.
"""
