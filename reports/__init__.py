"""The record of a run, and its renderings.

Reading order: `record` (what a run consists of), `printable` (text that is safe to show), `jsonl` (the record as a file,
described by `schemas/run.schema.json`), `run_folder` (where the files go), `exit_codes` (from counts to an exit code),
`fingerprint` (what makes two findings the same), `folding` (findings grouped by requirement), then the renderings: `terminal`, `junit`, `summary_json`; `progress` shows a
run while it lasts.

Not here: deciding a verdict. A rendering shows the verdict that the record holds.

Exceptions:
    `RunFileError`: a run file cannot be read; `EmptyRun`, `TruncatedRun`, `MalformedRun`.
    `LineOutOfOrder`: a `RunWriter` was used in the wrong order.
    `RunFolderError`: a run cannot be put there; `FolderInUse`, `FolderNotWritable`.
"""
